"""A network that others trained: heights of 128×128, an ONNX file with EDM's inputs, in the wheel
adaptive-terrain-diffusion. It was distilled to go from noise to heights in one step, so its D is no posterior mean, and
is asked here as any other."""

import importlib.util
import unittest
from pathlib import Path

import numpy as np
import place

import molrg


def weights():
    """The file, without importing what stands beside it."""
    package = importlib.util.find_spec("terrain_diffusion")
    folders = package.submodule_search_locations if package else []
    return next((path for folder in folders for path in Path(folder).glob("weights/*.onnx")), None)


@place.needs("terrain_diffusion", "onnxruntime")
@unittest.skipUnless(place.exec_is_there(), "programs without exec:")
class Terrain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.use_deterministic_compute = True
        cls.session = onnxruntime.InferenceSession(str(weights()), options, providers=["CPUExecutionProvider"])
        served = f"{place.PYTHON} -m molrg.onnx {weights()} --x noisy --set difficulty=0.5 --batch 2 --threads 1"
        cls.command = f"exec:{served}"

    def denoised(self, x, sigma):
        """D of rows (n, 128, 128, 1), two at a time as the program has them, by onnxruntime alone."""
        halves = [x[i : i + 2] for i in range(0, len(x), 2)]
        inputs = lambda x: {  # noqa: E731
            "noisy": np.ascontiguousarray(np.moveaxis(x, -1, 1), "f4"),
            "sigma": np.full(len(x), sigma, "f4"),
            "difficulty": np.full(len(x), 0.5, "f4"),
        }
        return np.concatenate([np.moveaxis(self.session.run(None, inputs(x))[0], 1, -1) for x in halves])

    def test_it_flows(self):
        latents = np.random.default_rng(16).normal(size=(4, 128, 128, 1)).astype("f4")
        sigmas = [80, 2, 0.1, 0]
        ours = molrg.run("pf-sample", self.command, noise=latents, solver="euler", sigmas=sigmas)
        x = latents * np.float32(80)
        for now, then in zip(sigmas, sigmas[1:]):
            x = x + np.float32((then - now) / now) * (x - self.denoised(x, now))
        self.assertGreater(x.std(), 0.05)
        # Heights of about 0.2 after steps in f32 from 80, which rounds to 4e-6.
        np.testing.assert_allclose(ours, x, atol=1e-3)

    def test_leading_directions_of_the_jacobian(self):
        """By differences of what the program gives: where J V = H V, V leads; and its length is that of a difference
        by onnxruntime alone, over another step."""
        rng, sigma, step = np.random.default_rng(17), 1.0, 0.03
        x = self.denoised(80 * rng.normal(size=(2, 128, 128, 1)), 80)[:1]
        x = x + sigma * rng.normal(size=x.shape)

        def products(apply, v, step):
            points = np.concatenate([x + step * v, x - step * v]).astype("f4")
            above, below = np.split(apply(points).astype("f8"), 2)
            return (above - below) / (2 * step)

        ours = lambda points: molrg.run("dae-apply", self.command, points, sigma=sigma)  # noqa: E731
        v = np.linalg.qr(rng.normal(size=(128 * 128, 2)))[0].T.reshape(2, 128, 128, 1)
        for _ in range(6):
            v = np.linalg.qr(products(ours, v, step).reshape(2, -1).T)[0].T.reshape(v.shape)
        turned = products(ours, v, step)
        within = np.einsum("ihwc,jhwc->ij", turned, v)
        left = turned - np.einsum("ij,jhwc->ihwc", within, v)
        lengths = np.linalg.svd(within)[1]
        # Directions of chance give 0.13, and leave as much again outside.
        self.assertGreater(lengths.min(), 0.8)
        self.assertLess(np.linalg.norm(left), 0.3 * np.linalg.norm(turned))
        # Differences of f32 err by (ε‖x‖/σ)^⅔, some 1e-3, and this one over 2h by four times that.
        direct = products(lambda points: self.denoised(points, sigma), v, 2 * step)
        np.testing.assert_allclose(np.linalg.norm(turned - direct), 0, atol=0.02 * np.linalg.norm(direct))


if __name__ == "__main__":
    unittest.main()
