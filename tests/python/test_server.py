"""Model programs in NumPy, from the other side."""

import io
import subprocess
import unittest
from pathlib import Path

import numpy as np
import place
import molrg
from client import Client
from molrg import frames

MODEL = Path(__file__).with_name("model_file.py")


class Server(unittest.TestCase):
    def setUp(self):
        rng = np.random.default_rng(4)
        self.x, self.sigma = rng.normal(size=(8, 6)), np.exp(rng.normal(size=8))
        self.shrunk = np.linspace(0.5, 2, 6) / (np.linspace(0.5, 2, 6) + self.sigma[:, None] ** 2)

    def client(self, mode):
        client = Client([place.PYTHON, str(MODEL), mode])
        # The greeting that it prints comes before the first frame, as is allowed.
        self.assertEqual(client.process.stdout.readline(), b"a greeting\n")
        return client

    def test_hello_and_answers(self):
        with self.client("plain") as model:
            self.assertEqual(
                model.hello,
                {
                    "protocol": "molrg-model 1",
                    "can": "denoise jvp vjp",
                    "item_shape": "6",
                    "batch": "8",
                    "dtype": "f64",
                    "name": "a Gaussian",
                    "sigma_max": "80.0",
                },
            )
            np.testing.assert_array_equal(model.ask("denoise", x=self.x, sigma=self.sigma), self.shrunk * self.x)
            # Points of f32 are computed in the type of the model.
            narrow = self.x.astype("f4")
            y = model.ask("denoise", x=narrow, sigma=self.sigma)
            np.testing.assert_array_equal(y, self.shrunk * narrow.astype("f8"))
            y = model.ask("jvp", x=self.x[:1], sigma=self.sigma[:1], v=self.x)
            np.testing.assert_array_equal(y, self.shrunk[0] * self.x)
        self.assertEqual((model.code, model.rest, model.said), (0, b"", ""))

    def test_printing_between_answers_goes_to_standard_error(self):
        with self.client("prints") as model:
            for _ in range(2):
                y = model.ask("denoise", x=self.x, sigma=self.sigma)
                np.testing.assert_array_equal(y, self.shrunk * self.x)
        self.assertEqual((model.code, model.rest), (0, b""))
        # Python's own output comes when its buffer does.
        self.assertEqual(model.said.count("what a library says"), 2)
        self.assertEqual(model.said.count("what a child says"), 2)

    def test_errors_are_answers_after_which_it_goes_on(self):
        with self.client("fails") as model:
            with self.assertRaisesRegex(RuntimeError, "^ValueError: too far from the data$"):
                model.ask("denoise", x=self.x, sigma=np.full(8, 2.0))
            with self.assertRaisesRegex(RuntimeError, "no 'describe': this model can denoise jvp vjp"):
                model.ask("describe", x=self.x)
            with self.assertRaisesRegex(RuntimeError, "jvp without v"):
                model.ask("jvp", x=self.x[:1], sigma=self.sigma[:1])
            y = model.ask("denoise", x=self.x, sigma=np.full(8, 0.5))
            self.assertEqual(y.shape, self.x.shape)
        self.assertEqual(model.code, 0)

    def test_classes(self):
        labels = np.arange(8) % 3
        with self.client("classes") as model:
            self.assertEqual(model.hello["classes"], "3")
            given = {"x": self.x, "sigma": self.sigma}
            y = model.ask("denoise", **given, **{"class": labels.astype("f8")})
            np.testing.assert_array_equal(y, self.shrunk * self.x * (2 + labels[:, None]))
            np.testing.assert_array_equal(model.ask("denoise", **given), self.shrunk * self.x)
            one = {"x": self.x[:1], "sigma": self.sigma[:1], "class": np.array([2.0])}
            np.testing.assert_array_equal(model.ask("jvp", **one, v=self.x), self.shrunk[0] * self.x * 4)
        self.assertEqual(model.code, 0)
        with self.client("plain") as model, self.assertRaisesRegex(RuntimeError, "this model has none"):
            model.ask("denoise", x=self.x, sigma=self.sigma, **{"class": np.zeros(8)})
        done = subprocess.run([place.PYTHON, str(MODEL), "classless"], input=b"", capture_output=True)
        self.assertIn(b"classes: denoise takes no class_labels", done.stderr)

    def test_a_wrong_shape_is_not_put_into_place(self):
        with self.client("turns") as model, self.assertRaisesRegex(RuntimeError, r"\(6, 8\) where \(8, 6\)"):
            model.ask("denoise", x=self.x, sigma=self.sigma)

    def test_ends_with_its_input(self):
        for sent in (b"", _greeting(), _greeting("molrg-model 9")):
            done = subprocess.run([place.PYTHON, str(MODEL), "plain"], input=sent, capture_output=True, check=True)
            self.assertEqual(done.stderr, b"")
        self.assertIn(b"speaks molrg-model 1", done.stdout)

    def test_what_sends_no_frames_is_told_so(self):
        for sent in (b"hello\n\n\n\n", _greeting() + b"\x08\x00\x00\x00\x00\x00\x00\x00{}"):
            done = subprocess.run([place.PYTHON, str(MODEL), "plain"], input=sent, capture_output=True)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
            self.assertIn(b"exec:COMMAND", done.stderr)

    def test_nobody_listens_any_more(self):
        process = subprocess.Popen(
            [place.PYTHON, str(MODEL), "plain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        frames.write(process.stdin, {"protocol": frames.PROTOCOL})
        process.stdout.readline()
        frames.read(process.stdout)
        process.stdout.close()
        try:
            frames.write(process.stdin, {"op": "denoise", "id": "1"}, {"x": self.x, "sigma": self.sigma})
        except BrokenPipeError:
            pass
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass


@unittest.skipUnless(place.exec_is_there(), "programs without exec:")
class ThroughPrograms(unittest.TestCase):
    def test_samples_are_those_of_the_flow(self):
        """Under a Gaussian flow every coordinate shrinks by √(λ/(λ + σ²))."""
        command = f"exec:{place.PYTHON} {MODEL} plain"
        variances = np.linspace(0.5, 2, 6)
        latents = np.random.default_rng(5).normal(size=(21, 6))
        exact = 80 * latents * np.sqrt(variances / (variances + 80.0**2))
        for workers in (1, 3):
            flowed = molrg.run("pf-sample", command, noise=latents, steps=400, dtype="f64", workers=workers)
            # Heun's method, of second order: 400 steps leave some 1e-5.
            np.testing.assert_allclose(flowed, exact, rtol=1e-4)

    def test_a_class_is_asked_for(self):
        command = f"exec:{place.PYTHON} {MODEL} classes"
        x = np.random.default_rng(6).normal(size=(21, 6))
        plain = molrg.run("dae-apply", command, x, sigma=0.5)
        np.testing.assert_array_equal(molrg.run("dae-apply", command, x, sigma=0.5, class_=2), 4 * plain)
        with self.assertRaisesRegex(molrg.Failed, "3 classes"):
            molrg.run("dae-apply", command, x, sigma=0.5, class_=3)


def _greeting(protocol=frames.PROTOCOL):
    sink = io.BytesIO()
    frames.write(sink, {"protocol": protocol})
    return sink.getvalue()


if __name__ == "__main__":
    unittest.main()
