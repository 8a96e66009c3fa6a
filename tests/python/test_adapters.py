"""Ready model programs, each against direct calls of a small model of its kind that is made here."""

import hashlib
import pickle
import tempfile
import unittest
from pathlib import Path

import numpy as np
import place
from client import Client

if place.has("torch"):
    import torch
    import torch.nn.attention

#: Networks of a few layers in f32, whose sums of some hundred products are taken in another order.
CLOSE = {"rtol": 2e-4, "atol": 2e-5}

#: A network with EDM's interface, in a project of its own.
PROJECT = '''
import torch


class Precond(torch.nn.Module):
    """D(x; σ) = c_skip x + c_out F(c_in x, c_noise, labels), as EDM's networks are called."""

    def __init__(self, resolution, channels, label_dim):
        super().__init__()
        self.img_resolution, self.img_channels, self.label_dim = resolution, channels, label_dim
        self.sigma_min, self.sigma_max, self.sigma_data = 0, float("inf"), 0.5
        self.one, self.two = torch.nn.Conv2d(channels, 6, 3, padding=1), torch.nn.Conv2d(6, channels, 3, padding=1)
        self.label = torch.nn.Linear(label_dim, 6)

    def forward(self, x, sigma, class_labels=None, force_fp32=False, **model_kwargs):
        assert force_fp32
        x, sigma = x.to(torch.float32), sigma.to(torch.float32).reshape(-1, 1, 1, 1)
        if class_labels is None:
            class_labels = torch.zeros([1, self.label_dim], device=x.device)
        total = (sigma**2 + self.sigma_data**2).sqrt()
        h = self.one(x / total) + self.label(class_labels)[:, :, None, None] + sigma.log() / 4
        return self.sigma_data**2 / total**2 * x + sigma * self.sigma_data / total * self.two(torch.tanh(h))
'''


class Adapted(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.folder = Path(self.scratch.name)
        self.rng = np.random.default_rng(12)

    def points(self, n, *item):
        return self.rng.normal(size=(n, *item)).astype("f4"), np.exp(self.rng.normal(size=n))

    def compare(self, model, net, x, sigma, derivatives=True, **asked):
        """D and its slopes against ``net(x, sigma)`` of channels first, f64 tensors of f32 numbers; what else is
        ``asked`` goes into the requests."""
        inwards = lambda x: torch.tensor(np.moveaxis(x, -1, 1))  # noqa: E731
        outwards = lambda y: np.moveaxis(y.detach().double().numpy(), 1, -1)  # noqa: E731
        levels = torch.tensor(sigma, dtype=torch.float32)
        np.testing.assert_allclose(
            model.ask("denoise", x=x, sigma=sigma, **asked), outwards(net(inwards(x), levels)), **CLOSE
        )
        if not derivatives:
            return
        v = self.rng.normal(size=x.shape).astype("f4")
        # Fused attention has no rule for dual numbers.
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            jvp = torch.func.jvp(lambda x: net(x, levels), (inwards(x),), (inwards(v),))[1]
        np.testing.assert_allclose(model.ask("jvp", x=x, sigma=sigma, v=v, **asked), outwards(jvp), **CLOSE)
        vjp = torch.func.vjp(lambda x: net(x, levels), inwards(x))[1](inwards(v))[0]
        np.testing.assert_allclose(model.ask("vjp", x=x, sigma=sigma, v=v, **asked), outwards(vjp), **CLOSE)


@place.needs("torch")
class Edm(Adapted):
    def setUp(self):
        super().setUp()
        project = self.folder / "project"
        project.mkdir()
        (project / "their_networks.py").write_text(PROJECT)
        place.sys.path.insert(0, str(project))
        self.addCleanup(place.sys.path.remove, str(project))
        import their_networks

        torch.manual_seed(13)
        self.net = their_networks.Precond(8, 3, 5)
        self.snapshot = self.folder / "network-snapshot-000001.pkl"
        self.snapshot.write_bytes(pickle.dumps({"ema": self.net, "loss_fn": None}))
        self.command = [place.PYTHON, "-m", "molrg.edm", str(self.snapshot), "--device", "cpu"]
        self.project = ["--pythonpath", str(project)]

    def test_as_they_are_called(self):
        x, sigma = self.points(4, 8, 8, 3)
        with Client([*self.command, *self.project]) as model:
            self.assertEqual(model.hello["item_shape"], "8,8,3")
            self.assertEqual(model.hello["name"], self.snapshot.stem)
            self.assertEqual(model.hello["sha256"], hashlib.sha256(self.snapshot.read_bytes()).hexdigest())
            self.assertNotIn("sigma_max", model.hello)
            self.compare(model, lambda x, sigma: self.net(x, sigma, force_fp32=True), x, sigma)
        self.assertEqual(model.code, 0, model.said)

    def test_of_a_class(self):
        x, sigma = self.points(3, 8, 8, 3)
        with Client([*self.command, *self.project, "--class", "2"]) as model:
            labels = torch.eye(5)[[2, 2, 2]]
            self.compare(model, lambda x, sigma: self.net(x, sigma, labels, force_fp32=True), x, sigma)
            self.assertNotIn("classes", model.hello)
        with Client([*self.command, *self.project]) as model:
            self.assertEqual(model.hello["classes"], "5")
            labels = torch.eye(5)[[4, 0, 2]]
            direct = lambda x, sigma: self.net(x, sigma, labels, force_fp32=True)  # noqa: E731
            self.compare(model, direct, x, sigma, **{"class": np.array([4.0, 0, 2])})

    def test_what_is_missing_is_named(self):
        other = [*self.project, "--key", "loss"]
        calls = {"--pythonpath DIR": [], "5 classes": [*self.project, "--class", "5"], "'loss'": other}
        for said, arguments in calls.items():
            done = place.run(*self.command, *arguments, check=False, input=b"")
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stderr.decode())
            self.assertEqual(done.stderr.count(b"\n"), 1)


@place.needs("torch", "diffusers")
class Diffusers(Adapted):
    def saved(self, scheduler, **settings):
        import diffusers

        torch.manual_seed(14)
        net = diffusers.UNet2DModel(
            sample_size=8,
            in_channels=3,
            out_channels=settings.pop("out_channels", 3),
            layers_per_block=1,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=4,
            num_class_embeds=settings.pop("num_class_embeds", None),
        ).eval()
        noise = getattr(diffusers, scheduler)(**settings)
        folder = self.folder / "pipeline"
        net.save_pretrained(folder / "unet")
        noise.save_pretrained(folder / "scheduler")
        return net, noise, folder

    def at_a_step(self, net, noise, t, x, prediction, labels=None):
        """x₀ by the scheduler's own equations: x_t = √ᾱ x₀ + √(1 − ᾱ) ε."""
        bar = noise.alphas_cumprod[t]
        f = net(bar.sqrt() * x, t, class_labels=labels).sample[:, :3]
        if prediction == "epsilon":
            return (bar.sqrt() * x - (1 - bar).sqrt() * f) / bar.sqrt()
        if prediction == "v_prediction":
            return bar.sqrt() * (bar.sqrt() * x) - (1 - bar).sqrt() * f
        return f

    def test_every_prediction_at_the_steps(self):
        cases = [
            ("DDPMScheduler", {"prediction_type": "epsilon"}),
            ("DDIMScheduler", {"prediction_type": "v_prediction", "beta_schedule": "scaled_linear"}),
            ("DDPMScheduler", {"prediction_type": "sample", "beta_schedule": "squaredcos_cap_v2"}),
            ("EulerDiscreteScheduler", {"prediction_type": "epsilon", "num_train_timesteps": 500}),
            ("DDPMScheduler", {"prediction_type": "epsilon", "out_channels": 6}),
        ]
        for scheduler, settings in cases:
            with self.subTest(scheduler=scheduler, **settings):
                net, noise, folder = self.saved(scheduler, **dict(settings))
                with Client([place.PYTHON, "-m", "molrg.diffusers", str(folder), "--device", "cpu"]) as model:
                    for t in (3, 250, 499):
                        x, _ = self.points(2, 8, 8, 3)
                        bar = noise.alphas_cumprod[t].double()
                        sigma = np.full(2, float(((1 - bar) / bar).sqrt()))
                        prediction = settings["prediction_type"]
                        direct = lambda x, _: self.at_a_step(net, noise, t, x, prediction)  # noqa: B023, E731
                        self.compare(model, direct, x * np.float32(1 + sigma[0]), sigma, derivatives=t == 250)

    def test_classes(self):
        net, noise, folder = self.saved("DDPMScheduler", num_class_embeds=4)
        command = [place.PYTHON, "-m", "molrg.diffusers", str(folder), "--device", "cpu"]
        x, _ = self.points(2, 8, 8, 3)
        bar = noise.alphas_cumprod[300].double()
        sigma = np.full(2, float(((1 - bar) / bar).sqrt()))
        x *= np.float32(1 + sigma[0])
        for arguments, labels in (["--class", "3"], [3, 3]), ([], [1, 3]):
            direct = lambda x, _: self.at_a_step(net, noise, 300, x, "epsilon", torch.tensor(labels))  # noqa: B023, E731
            asked = {} if arguments else {"class": np.array(labels, "f8")}
            with Client([*command, *arguments]) as model:
                self.assertEqual(model.hello.get("classes"), None if arguments else "4")
                self.compare(model, direct, x, sigma, **asked)
        with Client(command) as model, self.assertRaisesRegex(RuntimeError, "class_labels"):
            model.ask("denoise", x=x, sigma=sigma)
        done = place.run(*command, "--class", "4", check=False, input=b"")
        self.assertIn(b"4 classes", done.stderr.splitlines()[-1])

    def test_steps_of_levels(self):
        import diffusers

        import molrg.diffusers as ours

        bar = diffusers.DDPMScheduler().alphas_cumprod
        levels = ((1 - bar.double()) / bar.double()).sqrt()
        between = ours.Denoiser(None, bar, "epsilon")
        nearest = ours.Denoiser(None, bar, "epsilon", "nearest")
        for t in (0, 1, 400, 999):
            self.assertAlmostEqual(float(between.steps(levels[[t]])), t, places=9)
        middle = (levels[[400]] * levels[[401]]).sqrt()
        self.assertAlmostEqual(float(between.steps(middle)), 400.5, places=9)
        self.assertEqual(float(nearest.steps(middle * 1.0001)), 401)
        outside = torch.tensor([1e-4, 1e4], dtype=torch.float64)
        self.assertEqual(between.steps(outside).tolist(), [0, 999])
        self.assertEqual(nearest.steps(outside).tolist(), [0, 999])

    def test_zero_terminal_snr(self):
        import molrg.diffusers as ours

        bar = torch.tensor([0.99, 0.5, 0.0])
        self.assertEqual(len(ours.Denoiser(None, bar, "v_prediction").log_sigmas), 2)

    def test_what_is_missing_is_named(self):
        done = place.run(place.PYTHON, "-m", "molrg.diffusers", self.folder, check=False, input=b"")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"--scheduler", done.stderr.splitlines()[-1])


@place.needs("onnx", "onnxruntime", "torch")
class Onnx(Adapted):
    """D(x; σ) = x/(1 + σ²) · strength, as a graph of three inputs."""

    def saved(self, rows="n", sigma_shape=None, kind="FLOAT"):
        from onnx import TensorProto, helper, save

        element = getattr(TensorProto, kind)
        levels = [rows, 1, 1, 1] if sigma_shape is None else sigma_shape
        inputs = [
            helper.make_tensor_value_info("noisy", element, [rows, 3, 4, 6]),
            helper.make_tensor_value_info("sigma", element, levels),
            helper.make_tensor_value_info("strength", element, [rows, 3, 1, 1]),
        ]
        one = helper.make_node("Constant", [], ["one"], value=helper.make_tensor("c", element, [], [1.0]))
        nodes = [
            one,
            helper.make_node("Mul", ["sigma", "sigma"], ["squared"]),
            helper.make_node("Add", ["squared", "one"], ["total"]),
            helper.make_node("Div", ["noisy", "total"], ["shrunk"]),
            helper.make_node("Mul", ["shrunk", "strength"], ["denoised"]),
        ]
        outputs = [helper.make_tensor_value_info("denoised", element, [rows, 3, 4, 6])]
        graph = helper.make_graph(nodes, "shrink", inputs, outputs)
        path = self.folder / "shrink.onnx"
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
        return path

    def command(self, path, *arguments):
        return [place.PYTHON, "-m", "molrg.onnx", str(path), "--set", "strength=1,2,3", *arguments]

    def test_every_way_to_take_rows_and_levels(self):
        strength = np.array([1.0, 2, 3])
        for rows, levels in (("n", None), ("n", []), (1, None), (1, [1]), (5, None)):
            path = self.saved(rows, levels)
            x, sigma = self.points(5, 4, 6, 3)
            sigma[3] = sigma[0]
            with self.subTest(rows=rows, levels=levels), Client(self.command(path)) as model:
                self.assertEqual((model.hello["can"], model.hello["item_shape"]), ("denoise", "4,6,3"))
                y = model.ask("denoise", x=x, sigma=sigma)
                np.testing.assert_allclose(y, x * strength / (1 + sigma[:, None, None, None] ** 2), rtol=1e-6)

    def test_in_f64(self):
        x, sigma = self.points(5, 4, 6, 3)
        with Client(self.command(self.saved(kind="DOUBLE"))) as model:
            self.assertEqual(model.hello["dtype"], "f64")
            y = model.ask("denoise", x=x, sigma=sigma)
            exact = x * np.array([1.0, 2, 3]) / (1 + sigma[:, None, None, None] ** 2)
            np.testing.assert_allclose(y, exact, rtol=1e-14)

    def test_inputs_that_are_not_said(self):
        path = self.saved()
        for arguments, said in ((["--sigma", "t"], "no input 't'"), ([], "--set")):
            done = place.run(place.PYTHON, "-m", "molrg.onnx", path, "--x", "noisy", *arguments, check=False, input=b"")
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stderr.decode().splitlines()[-1])


@place.needs("torch", "PIL")
class Describe(Adapted):
    def setUp(self):
        super().setUp()
        torch.manual_seed(15)
        self.net = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 7, stride=4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten()
        ).eval()
        self.path = self.folder / "small.torchscript.pt"
        torch.jit.trace(self.net, torch.zeros(1, 3, 64, 64)).save(str(self.path))

    def described(self, x, *arguments):
        command = [place.PYTHON, "-m", "molrg.describe", str(self.path), "--device", "cpu", *arguments]
        with Client(command) as model:
            y = model.ask("describe", x=x)
        self.assertEqual(model.hello["can"], "describe")
        self.assertNotIn("item_shape", model.hello)
        return y, model.hello

    def by_hand(self, x, size, filtered):
        """As torchvision's Resize of PIL images, ToTensor and Normalize do."""
        from PIL import Image

        images = []
        for pixels in np.clip(np.rint((x + 1) * 127.5), 0, 255).astype("u1"):
            image = Image.fromarray(pixels).convert("RGB").resize((size, size), filtered)
            tensor = torch.tensor(np.asarray(image)).permute(2, 0, 1).float().div(255)
            mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
            images.append((tensor - mean[:, None, None]) / deviation[:, None, None])
        with torch.no_grad():
            return self.net(torch.stack(images)).numpy()

    def test_presets(self):
        from PIL import Image

        # Wider than high, and one that gets smaller.
        for shape in ((40, 30, 3), (400, 500, 3)):
            x = self.rng.uniform(-1.1, 1.1, size=(3, *shape)).astype("f4")
            for preset, size, filtered in (("sscd", 320, Image.BILINEAR), ("dinov2", 224, Image.BICUBIC)):
                y, hello = self.described(x, "--preset", preset)
                np.testing.assert_allclose(y, self.by_hand(x, size, filtered), **CLOSE)
                self.assertIn(f"{preset} {size}", hello["name"])
                self.assertEqual(hello["sha256"], hashlib.sha256(self.path.read_bytes()).hexdigest())

    def test_grey_images_and_other_ranges(self):
        from PIL import Image

        grey = self.rng.uniform(-1, 1, size=(2, 28, 28, 1)).astype("f4")
        colour = np.repeat(grey, 3, axis=-1)
        y, _ = self.described(grey, "--preset", "sscd")
        np.testing.assert_allclose(y, self.by_hand(colour, 320, Image.BILINEAR), **CLOSE)
        flat, _ = self.described(grey[..., 0] * 8 + 8, "--preset", "sscd", "--from=0,16")
        np.testing.assert_array_equal(flat, y)
        with self.assertRaisesRegex(RuntimeError, "images are"):
            self.described(np.zeros((2, 16), "f4"), "--preset", "sscd")

    def test_raw(self):
        x, _ = self.points(2, 64, 64, 3)
        y, _ = self.described(x, "--preset", "raw")
        with torch.no_grad():
            direct = self.net(torch.tensor(np.moveaxis(x, -1, 1).copy())).numpy()
        np.testing.assert_allclose(y, direct, **CLOSE)

    @place.needs("torchvision")
    def test_resizing_is_torchvisions(self):
        """Of natural patches, which get larger, and of all of them side by side, which get smaller."""
        import torchvision.transforms.v2.functional as functional
        from PIL import Image

        import molrg.describe

        patches = np.load(place.ROOT / "testdata/natural_patches_500.npz")["x"]
        photograph = patches.reshape(20, 25, 32, 32, 3).swapaxes(1, 2).reshape(640, 800, 3)
        for preset, mode in (("sscd", "bilinear"), ("dinov2", "bicubic")):
            size = molrg.describe.PRESETS[preset][0]
            for pixels in (*patches[:500:50], photograph):
                image = functional.resize(
                    Image.fromarray(pixels), [size, size], functional.InterpolationMode(mode), antialias=True
                )
                mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
                tensor = functional.normalize(functional.to_image(image).float() / 255, mean, deviation)
                # What programs see: from −1 to 1, f32.
                x = pixels[None] / np.float32(127.5) - 1
                np.testing.assert_allclose(molrg.describe.prepared(x, preset)[0], tensor.numpy(), atol=1e-6)


@place.needs("jax")
class Jax(Adapted):
    def test_a_function(self):
        script = self.folder / "model.py"
        script.write_text(
            "import jax.numpy as jnp, molrg.jax\n"
            "molrg.jax.serve(lambda x, sigma: jnp.tanh(x) / (1 + sigma[:, None] ** 2), shape=(6,), dtype='f64')\n"
        )
        x, sigma = self.rng.normal(size=(4, 6)), np.exp(self.rng.normal(size=4))
        v = self.rng.normal(size=(4, 6))
        shrink = 1 / (1 + sigma[:, None] ** 2)
        with Client([place.PYTHON, str(script)]) as model:
            self.assertEqual(model.hello["can"], "denoise jvp vjp")
            close = {"rtol": 1e-13, "atol": 1e-15}
            np.testing.assert_allclose(model.ask("denoise", x=x, sigma=sigma), np.tanh(x) * shrink, **close)
            slope = 1 - np.tanh(x) ** 2
            for op in ("jvp", "vjp"):
                np.testing.assert_allclose(model.ask(op, x=x, sigma=sigma, v=v), v * slope * shrink, **close)
                one = model.ask(op, x=x[:1], sigma=sigma[:1], v=v)
                np.testing.assert_allclose(one, v * slope[0] * shrink[0], **close)

    def test_classes(self):
        script = self.folder / "model.py"
        script.write_text(
            "import molrg.jax\n"
            "def denoise(x, sigma, class_labels=None):\n"
            "    return x * (1 if class_labels is None else 2 + class_labels[:, None])\n"
            "molrg.jax.serve(denoise, shape=(6,), classes=3)\n"
        )
        x, sigma = self.points(4, 6)
        labels = np.array([2, 0, 1, 2], "f4")
        with Client([place.PYTHON, str(script)]) as model:
            self.assertEqual(model.hello["classes"], "3")
            np.testing.assert_array_equal(model.ask("denoise", x=x, sigma=sigma), x)
            asked = {"x": x, "sigma": sigma, "class": labels}
            np.testing.assert_array_equal(model.ask("denoise", **asked), x * (2 + labels[:, None]))
            for op in ("jvp", "vjp"):
                np.testing.assert_array_equal(model.ask(op, v=x, **asked), x * (2 + labels[:, None]))
                one = {"x": x[:1], "sigma": sigma[:1], "class": labels[:1]}
                np.testing.assert_array_equal(model.ask(op, v=x, **one), 4 * x)


if __name__ == "__main__":
    unittest.main()
