"""Networks of PyTorch as model programs, and model files as modules."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import place
from client import Client

import molrg

if place.has("torch"):
    import torch

    import molrg.torch

    class Opaque(torch.autograd.Function):
        """tanh, with the backward of old, and no rule for dual numbers."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.tanh(x)

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return gradient * (1 - torch.tanh(x) ** 2)

    class Images(torch.nn.Module):
        """Convolutions over (n, C, H, W), tanh between, and attention over the pixels."""

        def __init__(self, tanh):
            super().__init__()
            self.tanh = tanh
            self.one, self.two = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 3, padding=1)

        def forward(self, x, sigma):
            h = self.tanh(self.one(x / (1 + sigma[:, None, None, None])))
            tokens = h.flatten(2).swapaxes(1, 2)
            mixed = torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
            return self.two(h + mixed.swapaxes(1, 2).reshape(h.shape))


#: Sums of some thousand products in f64, in another order.
CLOSE = {"rtol": 1e-11, "atol": 1e-12}


@place.needs("torch")
class Functions(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        rng = np.random.default_rng(6)
        self.x, self.sigma = rng.normal(size=(5, 4, 6, 3)), np.exp(rng.normal(size=5))
        self.v = rng.normal(size=self.x.shape)

    def test_against_torch_func(self):
        net = Images(torch.tanh).double()
        ours = molrg.torch.functions_of(net, shape=(4, 6, 3), layout="nchw", dtype="f64")
        y = ours["denoise"](self.x, self.sigma)
        direct = net(torch.tensor(np.moveaxis(self.x, -1, 1)), torch.tensor(self.sigma))
        np.testing.assert_allclose(y, np.moveaxis(direct.detach().numpy(), 1, -1), **CLOSE)

        def single(x):
            image = x.reshape(1, 4, 6, 3).permute(0, 3, 1, 2)
            with molrg.torch.sdpa_kernel(molrg.torch.SDPBackend.MATH):
                return net(image, torch.tensor(self.sigma[:1])).permute(0, 2, 3, 1).reshape(-1)

        jacobian = torch.func.jacrev(single)(torch.tensor(self.x[0].reshape(-1))).numpy()
        rows = self.v.reshape(5, -1)
        jvp = ours["jvp"](self.x[:1], self.v, self.sigma[:1]).reshape(5, -1)
        vjp = ours["vjp"](self.x[:1], self.v, self.sigma[:1]).reshape(5, -1)
        np.testing.assert_allclose(jvp, rows @ jacobian.T, **CLOSE)
        np.testing.assert_allclose(vjp, rows @ jacobian, **CLOSE)

    def test_functions_with_a_backward_alone(self):
        plain, opaque = Images(torch.tanh).double(), Images(Opaque.apply).double()
        opaque.load_state_dict(plain.state_dict())
        first = molrg.torch.functions_of(plain, shape=(4, 6, 3), layout="nchw", dtype="f64")
        second = molrg.torch.functions_of(opaque, shape=(4, 6, 3), layout="nchw", dtype="f64")
        for _ in range(2):
            for product in ("jvp", "vjp"):
                # Row by row, too.
                for n in (1, 5):
                    given = self.x[:n], self.v, self.sigma[:n]
                    np.testing.assert_allclose(second[product](*given), first[product](*given), **CLOSE)

    def test_jvp_and_vjp_are_transposed(self):
        ours = molrg.torch.functions_of(Images(torch.tanh), shape=(4, 6, 3), layout="nchw", dtype="f32")
        u = np.random.default_rng(7).normal(size=self.v.shape)
        forward = (u * ours["jvp"](self.x, self.v, self.sigma)).sum()
        backward = (self.v * ours["vjp"](self.x, u, self.sigma)).sum()
        # Sums of 360 products in f32.
        self.assertAlmostEqual(forward, backward, delta=1e-4 * np.abs(u * self.v).sum())

    def test_classes(self):
        net = lambda x, sigma, class_labels=None: x * (1 if class_labels is None else 2 + class_labels[:, None])  # noqa: E731
        ours = molrg.torch.functions_of(net, shape=(3,), dtype="f64", device="cpu")
        x, v, labels = self.x[:, 0, 0], self.v[:, 0, 0], np.array([2, 0, 1, 0, 2])
        np.testing.assert_array_equal(ours["denoise"](x, self.sigma), x)
        scaled = 2 + labels[:, None]
        np.testing.assert_array_equal(ours["denoise"](x, self.sigma, class_labels=labels), scaled * x)
        for product in ("jvp", "vjp"):
            np.testing.assert_array_equal(ours[product](x, v, self.sigma, class_labels=labels), scaled * v)
            one = ours[product](x[:1], v, self.sigma[:1], class_labels=labels[:1])
            np.testing.assert_array_equal(one, 4 * v)

    def test_a_constant_has_no_slope(self):
        ours = molrg.torch.functions_of(lambda x, sigma: 0 * x.detach() + 1, shape=(4, 6, 3), dtype="f64")
        np.testing.assert_array_equal(ours["jvp"](self.x[:1], self.v, self.sigma[:1]), 0 * self.v)

    def test_layouts_that_are_none(self):
        for shape, layout in (((4, 6, 3), "nchww"), ((72,), "nchw")):
            with self.assertRaisesRegex(ValueError, "layout"):
                molrg.torch.functions_of(Images(torch.tanh), shape=shape, layout=layout)

    def test_channels_first_that_are_not_said_are_named(self):
        ours = molrg.torch.functions_of(Images(torch.tanh), shape=(4, 6, 3))
        with self.assertRaisesRegex(RuntimeError, 'layout="nchw"'):
            ours["denoise"](self.x, self.sigma)

    def test_digests_know_names_and_numbers(self):
        net = Images(torch.tanh)
        before = molrg.torch.digest(net)
        self.assertEqual(before, molrg.torch.digest(net))
        with torch.no_grad():
            net.one.bias[0] += 1e-6
        self.assertNotEqual(before, molrg.torch.digest(net))
        half = net.to(torch.bfloat16)
        self.assertEqual(len(molrg.torch.digest(half)), 64)


@place.needs("torch")
class Served(unittest.TestCase):
    def test_a_script_of_three_lines(self):
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "model.py"
            script.write_text(
                "import torch, molrg.torch\n"
                "torch.manual_seed(3)\n"
                "net = torch.nn.Linear(4, 4)\n"
                "molrg.torch.serve(lambda x, sigma: net(x) / (1 + sigma[:, None]), shape=(4,), batch=3, device='cpu')\n"
            )
            torch.manual_seed(3)
            net = torch.nn.Linear(4, 4)
            rng = np.random.default_rng(8)
            x, sigma = rng.normal(size=(3, 4)).astype("f4"), np.array([0.5, 1.0, 2.0])
            with Client([place.PYTHON, str(script)]) as model:
                self.assertEqual(model.hello["can"], "denoise jvp vjp")
                y = model.ask("denoise", x=x, sigma=sigma)
                jvp = model.ask("jvp", x=x[:1], v=x, sigma=sigma[:1])
            weight, bias = net.weight.detach().numpy(), net.bias.detach().numpy()
            # Four products in f32.
            np.testing.assert_allclose(y, (x @ weight.T + bias) / (1 + sigma[:, None]), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(jvp, x @ weight.T / 1.5, rtol=1e-5, atol=1e-6)
            self.assertEqual((model.code, model.rest, model.said), (0, b"", ""))


KINDS = [
    ("linear", "7", "--kind linear --width 5 --depth 3 --loss edm"),
    ("two-layer", "7", "--kind two-layer --width 11 --loss ve"),
    ("mlp", "3,5", "--kind mlp --width 9 --depth 2 --loss vp"),
    ("unet", "8,4,3", "--kind unet --width 14 --mult 1,2 --blocks 1 --loss edm"),
    ("mlp of classes", "7", "--kind mlp --width 9 --depth 2 --labels labels.npy"),
    ("uvit", "6,4,3", "--kind uvit --width 13 --depth 3 --patch 2 --loss consistency --sigma-range 0.01,50"),
    ("molrg", "12", "--kind molrg -r 2,3 --solver em --fit means,variances,weights,noise --restarts 2"),
    ("empirical", "7", "--kind empirical"),
    ("local", "4,5", "--kind local --machine bordered --patch 3"),
]


@place.needs("torch")
@unittest.skipUnless(place.programs_are_there(), "no programs")
class ModelFiles(unittest.TestCase):
    """molrg.torch.load against molrg.load, which tests/forward.py compares with dae-apply."""

    def each(self):
        with tempfile.TemporaryDirectory() as folder:
            rng = np.random.default_rng(9)
            for kind, shape, flags in KINDS:
                item = [int(n) for n in shape.split(",")]
                d = int(np.prod(item))
                data = rng.normal(size=(60, 3)) @ rng.normal(size=(3, d)) + 0.3 * rng.normal(size=(60, d)) + 0.4
                path = Path(folder) / f"{kind}.st"
                molrg.write(Path(folder) / "data.npy", data.reshape(60, *item))
                np.save(Path(folder) / "labels.npy", np.arange(60) % 3)
                flags = flags.replace("labels.npy", f"{folder}/labels.npy")
                brief = [] if kind in ("molrg", "empirical", "local") else "--steps 30 --batch 16 --quiet".split()
                place.run("dae-fit", f"{folder}/data.npy", *flags.split(), *brief, "--dtype", "f64", "-o", path)
                x = data[:6].reshape(6, *item) + 0.5 * rng.normal(size=(6, *item))
                with self.subTest(kind):
                    yield kind, path, x, np.exp(rng.normal(size=6))

    def test_same_numbers_and_slopes(self):
        for _, path, x, sigma in self.each():
            numpy, net = molrg.load(path), molrg.torch.load(path, torch.float64)
            self.assertEqual(net.item_shape, x.shape[1:])
            y = net(torch.tensor(x), torch.tensor(sigma)).detach().numpy()
            np.testing.assert_allclose(y, numpy(x, sigma), rtol=1e-11, atol=1e-12)
            self.assertEqual(net(torch.tensor(x), 0.7).shape, x.shape)
            v = np.random.default_rng(10).normal(size=x.shape)
            ours = molrg.torch.functions_of(net, shape=x.shape[1:], dtype="f64")
            slope = place.slopes(lambda x: numpy(x, sigma), x, v, 1e-5)
            # Central differences: third derivatives times h² = 1e-10, rounding over h = 1e-11.
            np.testing.assert_allclose(ours["jvp"](x, v, sigma), slope, rtol=1e-6, atol=1e-7)
            backward, forward = (v * slope).sum(), (v * ours["vjp"](x, v, sigma)).sum()
            self.assertAlmostEqual(backward, forward, delta=1e-6 * np.abs(v * slope).sum())

    def test_classes(self):
        for kind, path, x, sigma in self.each():
            if kind == "mlp":
                with self.assertRaisesRegex(ValueError, "no classes"):
                    molrg.load(path)(x, sigma, 0)
            if kind != "mlp of classes":
                continue
            numpy, net = molrg.load(path), molrg.torch.load(path, torch.float64)
            labels = np.array([0, 2, -1, 1, 0, -1])
            y = numpy(x, sigma, labels)
            theirs = net(torch.tensor(x), torch.tensor(sigma), torch.tensor(labels)).detach().numpy()
            np.testing.assert_allclose(theirs, y, rtol=1e-11, atol=1e-12)
            np.testing.assert_array_equal(y[2], numpy(x, sigma)[2])
            np.testing.assert_array_equal(y[0], numpy(x, sigma, 0)[0])
            self.assertFalse((y[1] == numpy(x, sigma)[1]).any())
            for wrong in (3, -2, 0.5):
                with self.assertRaisesRegex(ValueError, "classes 0 to 2"):
                    numpy(x, sigma, wrong)

    def test_parameters_can_be_trained(self):
        for kind, path, x, sigma in self.each():
            net = molrg.torch.load(path)
            parameters = list(net.parameters())
            if kind in ("molrg", "empirical", "local"):
                self.assertEqual(parameters, [])
                self.assertTrue(list(net.buffers()))
                continue
            y = net(torch.tensor(x, dtype=torch.float32), torch.tensor(sigma, dtype=torch.float32))
            (y**2).mean().backward()
            for name, parameter in net.named_parameters():
                self.assertIsNotNone(parameter.grad, name)
                self.assertTrue(bool(parameter.grad.isfinite().all()), name)

    def test_what_has_no_denoiser(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "vae.st"
            data = np.random.default_rng(11).normal(size=(40, 7))
            path.write_bytes(molrg.run("dae-fit", data, kind="linear-vae", r=3))
            with self.assertRaisesRegex(ValueError, "linear-vae"):
                molrg.torch.load(path)
            path.write_bytes(b"no model")
            with self.assertRaisesRegex(ValueError, "is no model file"):
                molrg.load(path)


if __name__ == "__main__":
    unittest.main()
