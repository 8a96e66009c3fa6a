"""docs/models.md and docs/python.md do what they say: scripts are run, and what comes out is computed again, in torch."""

import os
import re
import tempfile
import unittest
from pathlib import Path

import numpy as np
import place

import molrg

if place.has("torch"):
    import torch

BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(page):
    return BLOCK.findall((place.ROOT / "docs" / page).read_text())


class Page(unittest.TestCase):
    """A page in a folder of its own: scripts that begin with their name are put there, others and shell blocks run."""

    @classmethod
    def play(cls, page):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.folder = Path(cls.scratch.name)
        path = f"{Path(place.PYTHON).parent}{os.pathsep}{os.environ['PATH']}"
        for kind, text in blocks(page):
            if kind in ("bash", "sh"):
                command = ["bash", "-ec", text]
            elif kind.startswith("python") and not text.startswith("# "):
                command = [place.PYTHON, "-c", text]
            elif kind.startswith("python"):
                (cls.folder / text[2:].split("\n")[0]).write_text(text)
                continue
            else:
                continue
            # The page's own exports hold for a clone.
            if "export PATH" not in text:
                place.run(*command, cwd=cls.folder, env={**os.environ, "PATH": path})


@place.needs("torch")
@unittest.skipUnless(place.exec_is_there(), "programs without exec:")
class Models(Page):
    """A network of PyTorch through exec: gives what it gives by itself."""

    @classmethod
    def setUpClass(cls):
        cls.play("models.md")
        place.sys.path.insert(0, str(cls.folder))
        cls.addClassCleanup(place.sys.path.remove, str(cls.folder))
        import network

        cls.net = network.Denoiser(16)
        cls.net.load_state_dict(torch.load(cls.folder / "network.pt"))
        cls.net.double().requires_grad_(False)
        cls.command = f"exec:cd {cls.folder} && {place.PYTHON} model.py"

    def heun(self, latents, steps=18, lowest=0.002, highest=80.0, rho=7.0):
        """EDM's Algorithm 1, and its grid."""
        at = torch.arange(steps, dtype=torch.float64) / (steps - 1)
        grid = (highest ** (1 / rho) + at * (lowest ** (1 / rho) - highest ** (1 / rho))) ** rho
        grid = torch.cat([grid, torch.zeros(1, dtype=torch.float64)])
        x = torch.tensor(latents, dtype=torch.float64) * highest
        slope = lambda x, s: (x - self.net(x, s.expand(len(x)))) / s  # noqa: E731
        for now, then in zip(grid, grid[1:]):
            d = slope(x, now)
            ahead = x + (then - now) * d
            x = ahead if then == 0 else x + (then - now) * (d + slope(ahead, then)) / 2
        return x.numpy()

    def test_samples_are_those_of_its_own_sampler(self):
        latents = molrg.run("npy noise", n=40, d=16, dtype="f64", seed=3)
        ours = molrg.run("pf-sample", self.command, noise=latents, dtype="f64")
        np.testing.assert_array_equal(ours, molrg.run("pf-sample", self.command, n=40, dtype="f64", seed=3, workers=2))
        # Thirty-five evaluations in f64, of batches of another size, from σ = 80.
        np.testing.assert_allclose(ours, self.heun(latents), rtol=1e-9, atol=1e-9)
        # Samples of the page itself are in f32.
        page = np.load(self.folder / "mine.npy")
        first = self.heun(molrg.run("npy noise", n=500, d=16))
        np.testing.assert_allclose(page, first, rtol=1e-2, atol=2e-3)

    def test_ranks_are_those_of_torch_func(self):
        points = np.load(self.folder / "train.npy")[:6].astype("f8")
        rows = molrg.run(
            "jacobian-rank", self.command, points=points, sigma=[0.1, 0.3, 1], per_sample=True, dtype="f64"
        )
        self.assertEqual(len(rows), 18)
        for row in rows:
            level = torch.tensor([row["sigma"]], dtype=torch.float64)
            point = torch.tensor(points[row["sample"]])
            jacobian = torch.func.jacrev(lambda x: self.net(x[None], level)[0])(point)
            squares = (torch.linalg.svdvals(jacobian) ** 2).numpy()
            share = np.sqrt(np.cumsum(squares) / squares.sum())
            self.assertEqual(row["rank"], 1 + int(np.argmax(share > 0.99)))

    def test_singular_values_are_those_of_torch_func(self):
        points = np.load(self.folder / "train.npy")[:3].astype("f8")
        spectrum = self.folder / "spectrum.npy"
        calls = ({}, 1e-10), ({"jacobian": "differences"}, 1e-5)
        for flags, tolerance in calls:
            molrg.run(
                "jacobian-rank", self.command, points=points, sigma=0.3, dtype="f64", top=16, spectrum=spectrum, **flags
            )
            level = torch.tensor([0.3], dtype=torch.float64)
            for ours, point in zip(np.load(spectrum)[0], torch.tensor(points)):
                jacobian = torch.func.jacrev(lambda x: self.net(x[None], level)[0])(point)
                np.testing.assert_allclose(ours, torch.linalg.svdvals(jacobian), atol=tolerance)

    def test_distances_are_those_of_the_samples(self):
        latents = molrg.run("npy noise", n=200, d=16, dtype="f64")
        mine = self.heun(latents)
        for name, other in (("e_gen", "truth.st"), ("e_mem", "memory.st")):
            theirs = molrg.run("pf-sample", self.folder / other, noise=latents, dtype="f64")
            distance = np.sqrt(((mine - theirs) ** 2).sum(axis=1).mean())
            (row,) = molrg.run("pfd", self.command, self.folder / other, n=200, dtype="f64")
            # Flows on the border between two training points are followed to some 1e-9 on either side.
            np.testing.assert_allclose(row["value"], distance, rtol=1e-6)
            # Of the page, in f32; latents too are drawn in the type.
            page = molrg.run("table cat", self.folder / f"{name}.csv")[0]
            np.testing.assert_allclose(page["value"], distance, rtol=0.05)

    def test_it_learned(self):
        """The page's network is nearer to the truth than the memorizer is, so it is worth measuring."""
        value = lambda name: molrg.run("table cat", self.folder / name)[0]["value"]  # noqa: E731
        self.assertLess(value("e_gen.csv"), value("e_mem.csv"))

    def test_batches_and_shards_do_not_change_bytes(self):
        whole = molrg.run("pf-sample", self.command, n=150)
        np.testing.assert_array_equal(molrg.run("pf-sample", self.command, n=150, rows="64.."), whole[64:])


@unittest.skipUnless(place.programs_are_there(), "no programs")
class Python(Page):
    def test_every_block(self):
        if not place.has("torch"):
            self.skipTest("no torch here")
        self.play("python.md")
        self.assertTrue((self.folder / "mean.npy").exists())


class Pages(unittest.TestCase):
    def test_adapters_and_presets_are_named(self):
        text = (place.ROOT / "docs/models.md").read_text()
        for name in ("molrg.edm", "molrg.diffusers", "molrg.onnx", "molrg.describe", "molrg.jax", "--preset sscd"):
            self.assertIn(name, text)
        self.assertGreaterEqual(len(blocks("models.md")), 8)


if __name__ == "__main__":
    unittest.main()
