"""The programs as functions."""

import contextlib
import io
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy as np
import place
import molrg


@unittest.skipUnless(place.programs_are_there(), "no programs: make build, or PROGRAMS=DIR")
class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.scratch.name)
        cls.truth = cls.folder / "truth.st"
        cls.samples = molrg.run("molrg-gen", d=12, r=2, k=2, n=60, truth=cls.truth)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def test_every_command_is_known(self):
        listed = place.run(molrg.executable(), "--list").stdout.decode().splitlines()
        names = {line.split()[0] for line in listed}
        self.assertEqual({name.split()[0] for name in molrg.registry()}, names)
        self.assertIn("npy cat", molrg.registry())

    def test_arrays_out_are_those_of_the_command_line(self):
        theirs = place.run("molrg-gen", "-d", 12, "-r", 2, "-k", 2, "-n", 60).stdout
        np.testing.assert_array_equal(self.samples, np.load(io.BytesIO(theirs)))
        self.assertEqual(self.samples.dtype, np.float32)
        wide = molrg.run("pf-sample", self.truth, n=5, dtype="f64", sigmas=[40, 1.5, 0])
        theirs = place.run("pf-sample", self.truth, "-n", 5, "--dtype", "f64", "--sigmas", "40,1.5,0").stdout
        np.testing.assert_array_equal(wide, np.load(io.BytesIO(theirs)))

    def test_models_are_bytes_that_go_in_again(self):
        model = molrg.run("dae-fit", self.samples, kind="molrg", r=2, k=2)
        self.assertIsInstance(model, bytes)
        samples = molrg.run("pf-sample", model, n=1e1)
        self.assertEqual(samples.shape, (10, 12))
        row = molrg.run("pfd", model, self.truth, n=50)[0]
        self.assertEqual((row["metric"], row["n"]), ("pfd", 50))
        self.assertGreater(row["value"], 0)

    def test_several_inputs_and_a_flag_that_is_an_array(self):
        joined = molrg.run("npy cat", self.samples[:10], self.samples[10:])
        np.testing.assert_array_equal(joined, self.samples)
        latents = 80 * np.random.default_rng(3).normal(size=(7, 12))
        self.assertEqual(molrg.run("pf-sample", self.truth, noise=latents).shape, (7, 12))

    def test_flags_with_several_values(self):
        """Repeated where the program has them so, joined by commas else."""
        grid = self.folder / "grid.csv"
        molrg.run("phase-grid", dim=12, ranks=[2, 3], samples="2-5", trials=2, solver="pca", output=grid)
        rows = molrg.run(
            "table cat", grid, filter=["samples=2", "samples=4"], with_=["b=1", "a=x"], columns=["rank", "n=samples"]
        )
        self.assertEqual([list(row) for row in rows], [["b", "a", "rank", "n"]] * 4)
        expected = [("1", "x", rank, n) for rank in (2, 3) for n in (2, 4)]
        self.assertEqual([(str(row["b"]), row["a"], row["rank"], row["n"]) for row in rows], expected)
        # One alone, as text or as a list.
        one = molrg.run("table cat", grid, filter="samples=4")
        self.assertEqual(one, molrg.run("table cat", grid, filter=["samples=4"]))
        self.assertEqual({row["samples"] for row in one}, {4})
        self.assertEqual(molrg.run("molrg-gen", d=9, rank=[2, 3], n=4).shape, (4, 9))
        with contextlib.redirect_stderr(io.StringIO()):
            score = molrg.run("rp-score", self.samples[:30], train=self.samples[30:], gl=["similarity", "ratio"])
        self.assertEqual([row["score"] for row in score], ["gl", "gl_ratio"])

    def test_output_files_and_other_formats(self):
        path = self.folder / "x.npy"
        self.assertIsNone(molrg.run("pf-sample", self.truth, n=3, o=path))
        self.assertEqual(np.load(path).shape, (3, 12))
        text = molrg.run("npy info", path, format="csv").decode()
        self.assertIn("shape", text.splitlines()[0])
        self.assertEqual(molrg.run("pf-sample", self.truth, n=3, f="csv").count(b"\n"), 3)

    @place.needs("pandas")
    def test_pandas(self):
        frame = molrg.run("npy info", self.samples, table="pandas")
        self.assertEqual(list(frame["shape"]), ["60x12"])

    @place.needs("polars")
    def test_polars(self):
        self.assertEqual(molrg.run("npy info", self.samples, table="polars")["shape"].to_list(), ["60x12"])

    def test_calls_that_are_refused_before_anything_runs(self):
        refused = [
            (ValueError, "pf-samples", [], {}),
            (ValueError, "npy", [self.samples], {}),
            (TypeError, "pf-sample", [self.truth], {"number": 3}),
            (TypeError, "pf-sample", [self.truth], {"n": 2.5}),
            (TypeError, "pf-sample", [self.truth], {"n": True}),
            (TypeError, "pf-sample", [self.truth], {"encode": 1}),
            (TypeError, "pf-sample", [self.truth], {"sigma_max": {}}),
            (ValueError, "pf-sample", [self.truth], {"solver": "rk5"}),
            (TypeError, "pf-sample", [self.truth, self.samples], {}),
            (ValueError, "pfd", [self.truth, self.truth], {"table": "excel"}),
        ]
        for error, command, inputs, flags in refused:
            with self.subTest(command=command, flags=flags), self.assertRaises(error):
                molrg.run(command, *inputs, **flags)

    def test_failures_are_the_programs_line(self):
        with self.assertRaisesRegex(molrg.Failed, "^pf-sample: .*nowhere.st") as caught:
            molrg.run("pf-sample", "nowhere.st", n=2)
        self.assertEqual(caught.exception.code, 1)
        # Nothing waits for a terminal.
        with self.assertRaises(molrg.Failed):
            molrg.run("pf-sample", n=2)

    def test_warnings_are_passed_on(self):
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            # Half of the rows are in the training set.
            molrg.run("rp-score", self.samples, train=self.samples[:30])
        self.assertRegex(said.getvalue(), "(?m)^rp-score: warning: 30 of 60 rows ")

    def test_as_a_module(self):
        done = place.run(place.PYTHON, "-m", "molrg", "npy", "info", self.truth, check=False)
        theirs = place.run("npy", "info", self.truth, check=False)
        self.assertEqual((done.stdout, done.returncode), (theirs.stdout, theirs.returncode))

    def test_every_program_has_a_script_in_the_wheel(self):
        scripts = {path.name for path in (place.ROOT / "python/molrg.data/scripts").iterdir()}
        self.assertEqual(scripts, {name.split()[0] for name in molrg.registry()})

    def test_scripts_of_the_wheel_find_the_executable(self):
        """Beside them, whichever way they are called."""
        bin, links = self.folder / "a bin", self.folder / "links"
        bin.mkdir()
        links.mkdir()
        shutil.copy(molrg.executable(), bin / "molrg")
        for name in ("pfd", "npy"):
            script = bin / name
            shutil.copy(place.ROOT / "python/molrg.data/scripts" / name, script)
            (links / name).symlink_to(script)
            (links / f"{name}-2").symlink_to(name)
            version = place.run(molrg.executable(), name, "--version").stdout
            on_path = lambda path: {"PATH": f"{path}:/usr/bin:/bin"}  # noqa: E731
            calls = [
                (script, None, None),
                (links / name, None, None),
                (links / f"{name}-2", None, None),
                (name, on_path(bin), None),
                (name, on_path(links), None),
                (f"./{name}", None, bin),
                (f"links/{name}", None, self.folder),
            ]
            for command, env, cwd in calls:
                shell = ["sh", "-c", f'"{command}" --version']
                self.assertEqual(place.run(*shell, env=env, cwd=cwd).stdout, version, command)
            # As dash calls what it finds in an empty part of PATH.
            self.assertEqual(place.run("sh", name, "--version", cwd=bin).stdout, version)
            arguments = place.run("sh", "-c", f'"{links / name}" "--no such  flag"', check=False).stderr
            self.assertIn(b"'--no such  flag'", arguments)


class Importing(unittest.TestCase):
    def test_needs_numpy_alone(self):
        code = (
            "import sys, molrg; "
            "heavy = {'torch', 'jax', 'onnxruntime', 'diffusers', 'PIL', 'pandas', 'polars'} & set(sys.modules); "
            "sys.exit(str(heavy) if heavy else 0)"
        )
        subprocess.run([place.PYTHON, "-c", code], check=True)


if __name__ == "__main__":
    unittest.main()
