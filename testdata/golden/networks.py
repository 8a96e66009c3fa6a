"""The networks of src/network in PyTorch, and the values that tests/network_golden.rs compares with.

    python testdata/golden/networks.py

writes networks.safetensors. Everything is torch's own: modules, layouts
(channels first), derivatives (autograd) and optimizers; `stored` alone knows how
the crate lays a parameter out. What is drawn (parameters, data, noise levels,
directions) is exact in f16 and stored so; what is computed is f64. For every case:

    p             parameters, one flat list
    x, noise      rows and their noise levels c = ln(sigma)/4
    class         their classes, where the network has some; -1 is none
    condition     their conditions, where the network is told some
    f             the output F(x; c), or F(x; c, class)
    target, loss  loss = mean((F - target)^2)
    gradient      of the loss, every `stride`-th number of the flat list
    sums          of the gradient, over each tensor of parameters
    u, vjp        u^T dF/dx
    v, jvp        dF/dx v
    after.*       parameters after ten steps of an optimizer, every `stride`-th
    losses.*      the loss before each of these steps

The metadata's `cases` hold the stride, and names and shapes of the parameters.
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

HERE = Path(__file__).parent


# Layers

def sinusoids(features, first, last):
    """Frequencies in geometric steps from `first`; `last` would be the next one."""
    ends = torch.tensor([first, last], dtype=torch.float64).log()
    return torch.linspace(*ends.tolist(), features // 2 + 1, dtype=torch.float64)[:-1].exp()


class Embedding(nn.Module):
    """Of the noise level, c (n), or of it and a class, or a condition, where there are such."""

    def __init__(self, features, width, first, last, classes=0, told=0):
        super().__init__()
        self.add_module("0", nn.Linear(features, width))
        self.add_module("1", nn.Linear(width, width))
        if classes:
            # The last row is that of no class, which is 0 and stays so.
            self.classes = nn.Embedding(classes + 1, width, padding_idx=classes)
        if told:
            self.condition = nn.Linear(told, width)
        self.register_buffer("frequencies", sinusoids(features, first, last))

    def forward(self, c):
        c, k = c if isinstance(c, tuple) else (c, None)
        angles = torch.outer(c, self.frequencies)
        e = torch.cat([angles.cos(), angles.sin()], dim=1)
        first, last = self.get_submodule("0"), self.get_submodule("1")
        e = last(F.silu(first(e)))
        if k is not None and hasattr(self, "condition"):
            e = e + self.condition(k)
        elif k is not None:
            e = e + self.classes(k.remainder(self.classes.num_embeddings))
        return F.silu(e)


def vector_embedding(classes=0):
    return Embedding(32, 64, math.pi / 2, 8 * math.pi, classes)


def image_embedding(width, classes=0, told=0):
    return Embedding(width - width % 2, 4 * width, 1.0, 1e-4, classes, told)


def group_norm(channels):
    """As many groups as give each at least four channels, 32 at most."""
    groups = max(g for g in range(1, 33) if channels % g == 0 and (g == 1 or channels // g >= 4))
    return nn.GroupNorm(groups, channels)


def attention(qkv):
    """Of (n, places, 3c), with one head."""
    q, k, v = qkv.unsqueeze(1).chunk(3, dim=-1)
    return F.scaled_dot_product_attention(q, k, v).squeeze(1)


# Networks on vectors

class Linear(nn.Module):
    order = ["layers.0", "embedding", "gate", "layers"]

    def __init__(self, d, width, depth, tied=False, conditioned=False, nonlinear=False):
        super().__init__()
        sizes = [d] + [width] * (depth - 1) + [d]
        count = 1 if tied else depth
        self.layers = nn.ModuleList(nn.Linear(sizes[i], sizes[i + 1], bias=False) for i in range(count))
        self.tied, self.nonlinear = tied, nonlinear
        if conditioned:
            self.embedding = vector_embedding()
            self.gate = nn.Linear(64, width)

    def forward(self, x, c):
        h = self.layers[0](x)
        if self.nonlinear:
            h = F.relu(h)
        if hasattr(self, "gate"):
            h = h * self.gate(self.embedding(c)).exp()
        for layer in self.layers[1:]:
            h = layer(h)
        return h @ self.layers[0].weight if self.tied else h


def TwoLayer(d, width, tied=False, conditioned=False):
    return Linear(d, width, 2, tied, conditioned, nonlinear=True)


class MlpBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.a = nn.Linear(width, width)
        self.c = nn.Linear(64, width)
        self.b = nn.Linear(width, width)

    def forward(self, h, e):
        return h + self.b(F.silu(self.a(self.norm(h)) + self.c(e)))


class Mlp(nn.Module):
    order = ["embedding", "in", "blocks", "out"]

    def __init__(self, d, width, depth, classes=0, told=0):
        super().__init__()
        self.told = told
        self.embedding = vector_embedding(classes)
        self.in_ = nn.Linear(d + told, width)
        self.blocks = nn.ModuleList(MlpBlock(width) for _ in range(depth))
        self.out = nn.Linear(width, d)

    def forward(self, x, c):
        c, u = c if self.told else (c, x[:, :0])
        e = self.embedding(c)
        h = self.in_(torch.cat([x, u], dim=1))
        for block in self.blocks:
            h = block(h, e)
        return self.out(h)


# Networks on images, given as rows of height × width × channels numbers

def as_image(x, item):
    return x.unflatten(1, item).permute(0, 3, 1, 2)


def as_rows(image):
    return image.permute(0, 2, 3, 1).flatten(1)


class Residual(nn.Module):
    def __init__(self, inputs, channels, embedding):
        super().__init__()
        self.norm0 = group_norm(inputs)
        self.conv0 = nn.Conv2d(inputs, channels, 3, padding=1)
        self.embed = nn.Linear(embedding, channels)
        self.norm1 = group_norm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        if inputs != channels:
            self.skip = nn.Conv2d(inputs, channels, 1)

    def forward(self, x, e):
        h = self.conv0(F.silu(self.norm0(x))) + self.embed(e)[:, :, None, None]
        h = self.conv1(F.silu(self.norm1(h)))
        return ((self.skip(x) if hasattr(self, "skip") else x) + h) / math.sqrt(2)


class Attended(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x, _):
        h = attention(self.qkv(self.norm(x)).flatten(2).transpose(1, 2))
        return (x + self.proj(h.transpose(1, 2).unflatten(2, x.shape[2:]))) / math.sqrt(2)


class UNet(nn.Module):
    order = ["embedding", "stem", "down", "middle", "up", "head"]

    def __init__(self, item, width, mult, blocks, classes=0, told=0):
        super().__init__()
        self.item, self.told = item, told
        self.embedding = image_embedding(width, classes, told)
        self.stem = nn.Conv2d(item[2], width, 3, padding=1)
        channels, kept = width, []
        self.down, self.up = nn.ModuleDict(), nn.ModuleDict()
        for level, m in enumerate(mult):
            self.down[str(level)] = nn.ModuleList()
            for _ in range(blocks):
                self.down[str(level)].append(Residual(channels, m * width, 4 * width))
                channels = m * width
                kept.append(channels)
        self.middle = nn.ModuleDict({
            "0": Residual(channels, channels, 4 * width),
            "attention": Attended(channels),
            "1": Residual(channels, channels, 4 * width),
        })
        for level, m in reversed(list(enumerate(mult))):
            self.up[str(level)] = nn.ModuleList()
            for _ in range(blocks):
                self.up[str(level)].append(Residual(channels + kept.pop(), m * width, 4 * width))
                channels = m * width
        self.head = nn.ModuleDict({
            "norm": group_norm(channels), "conv": nn.Conv2d(channels, item[2], 3, padding=1),
        })

    def forward(self, x, c):
        e = self.embedding(c)
        h = self.stem(as_image(x, self.item))
        kept = []
        for level, blocks in self.down.items():
            if level != "0":
                h = F.avg_pool2d(h, 2)
            for block in blocks:
                h = block(h, e)
                kept.append(h)
        for block in self.middle.values():
            h = block(h, e)
        for level, blocks in self.up.items():
            for block in blocks:
                h = block(torch.cat([h, kept.pop()], dim=1), e)
            if level != "0":
                h = F.interpolate(h, scale_factor=2, mode="nearest")
        return as_rows(self.head["conv"](F.silu(self.head["norm"](h))))


class Transformer(nn.Module):
    def __init__(self, width, skip=False):
        super().__init__()
        if skip:
            self.skip = nn.Linear(2 * width, width)
        self.norm0 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, h, kept=None):
        if kept is not None:
            h = self.skip(torch.cat([h, kept], dim=-1))
        h = h + self.proj(attention(self.qkv(self.norm0(h))))
        return h + self.narrow(F.silu(self.wide(self.norm1(h))))


class UVit(nn.Module):
    order = ["embedding", "time", "patches", "positions", "down", "middle", "up", "head"]

    def __init__(self, item, width, depth, patch, classes=0, told=0):
        super().__init__()
        height, across, channels = self.item = item
        self.patch, self.told = patch, told
        self.embedding = image_embedding(width, classes, told)
        self.time = nn.Linear(4 * width, width)
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.positions = nn.Parameter(torch.empty(1 + height // patch * (across // patch), width))
        self.down = nn.ModuleList(Transformer(width) for _ in range(depth // 2))
        self.middle = Transformer(width)
        self.up = nn.ModuleList(Transformer(width, skip=True) for _ in range(depth // 2))
        self.head = nn.ModuleDict({
            "norm": nn.LayerNorm(width), "patches": nn.Linear(width, patch * patch * channels),
        })

    def forward(self, x, c):
        height, across, channels = self.item
        time = self.time(self.embedding(c))
        tokens = self.patches(as_image(x, self.item)).flatten(2).transpose(1, 2)
        h = torch.cat([time.unsqueeze(1), tokens], dim=1) + self.positions
        kept = []
        for block in self.down:
            h = block(h)
            kept.append(h)
        h = self.middle(h)
        for block in self.up:
            h = block(h, kept.pop())
        patches = self.head["patches"](self.head["norm"](h))[:, 1:]
        # (n, token, pixel, channel) to (n, channel and pixel, token), as fold has it.
        columns = patches.unflatten(2, (-1, channels)).permute(0, 3, 2, 1).flatten(1, 2)
        return as_rows(F.fold(columns, (height, across), self.patch, stride=self.patch))


# Single layers

class Layer(nn.Module):
    """A function of images, its module under the name `layer`."""

    order = ["layer"]

    def __init__(self, item, layer):
        super().__init__()
        self.item, self.layer = item, layer

    def forward(self, x, _):
        return as_rows(self.layer(as_image(x, self.item)))


class Function(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


class Tokens(nn.Module):
    """A function of (n, places, channels)."""

    def __init__(self, f):
        super().__init__()
        self.add_module("f", f)

    def forward(self, image):
        y = self.f(image.flatten(2).transpose(1, 2))
        return y.transpose(1, 2).unflatten(2, image.shape[2:])


# The crate's layout

def stored(network):
    """Names, parameters, and a function that lays one out (or its gradient) as
    the crate does: matrices (inputs, outputs), kernels (3, 3, inputs, outputs)."""
    modules = dict(network.named_modules())
    found = []
    for name, parameter in network.named_parameters():
        # `in` is a word of Python's.
        module, name = modules[name.rpartition(".")[0]], name.replace("in_.", "in.")
        lay = lambda t: t
        if parameter.dim() == 4 and module.kernel_size == (3, 3):
            lay = lambda t: t.permute(2, 3, 1, 0)
        elif parameter.dim() == 4:
            lay = lambda t: t.permute(2, 3, 1, 0).flatten(0, 2)
        elif isinstance(module, nn.Linear) and parameter.dim() == 2:
            lay = lambda t: t.T
        elif isinstance(module, nn.Embedding):
            lay = lambda t: t[:-1]
        found.append((name, parameter, lay))
    rank = lambda name: next(i for i, prefix in enumerate(network.order) if name.startswith(prefix))
    return sorted(found, key=lambda entry: rank(entry[0]))


# Golden values

def drawn(*shape):
    return torch.randn(*shape).half().double()


def draw_parameters(network):
    """Numbers of the size that training starts from, but none zero."""
    for name, parameter, _ in stored(network):
        z = torch.randn(parameter.shape, dtype=torch.float64)
        if name == "positions" or name.endswith("bias"):
            value = 0.3 * z
        elif parameter.dim() == 1:
            value = 1 + 0.3 * z
        else:
            value = z / math.sqrt(parameter[0].numel())
        parameter.data = value.half().double()
        if name == "embedding.classes.weight":
            parameter.data[-1] = 0


OPTIMIZERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "adam-decay": lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, alpha=0.99, weight_decay=0.01),
}


def values(network, d, optimizers):
    """All numbers of a case, and what the metadata say of it."""
    n = 3
    network.double()
    draw_parameters(network)
    parameters = stored(network)
    flat = lambda tensors: torch.cat([lay(t).flatten() for t, (_, _, lay) in zip(tensors, parameters)])
    count = sum(lay(p).numel() for _, p, lay in parameters)
    # A prime, so that no column of a matrix is left out.
    stride = next(s for s in [1, 2, 3, 5, 7, 11, 13, 17, 23] if count <= 500 * s)
    x, noise = drawn(n, d), ((-1.2 + 1.2 * torch.randn(n)) / 4).half().double()
    c, beside = noise, {}
    if hasattr(getattr(network, "embedding", None), "classes"):
        k = torch.tensor([2, -1, 0])
        c, beside = (noise, k), {"class": k.double()}
    if getattr(network, "told", 0):
        beside = {"condition": drawn(n, network.told)}
        c = (noise, beside["condition"])
    with torch.no_grad():
        f = network(x, c)
    target, u, v = drawn(*f.shape), drawn(*f.shape), drawn(n, d)
    loss_of = lambda: F.mse_loss(network(x, c), target)
    out = {"x": x, "noise": noise, **beside, "u": u, "v": v, "target": target, "f": f, "loss": loss_of().detach()}
    out["vjp"] = torch.autograd.functional.vjp(lambda x: network(x, c), x, u)[1]
    out["jvp"] = torch.autograd.functional.jvp(lambda x: network(x, c), x, v)[1]
    if parameters:
        start = [p.detach().clone() for _, p, _ in parameters]
        out["p"] = flat(start)
        gradient = torch.autograd.grad(loss_of(), [p for _, p, _ in parameters])
        out["gradient"] = flat(gradient)[::stride]
        out["sums"] = torch.stack([g.sum() for g in gradient])
    for name in optimizers:
        for (_, parameter, _), value in zip(parameters, start):
            parameter.data = value.clone()
        optimizer = OPTIMIZERS[name]([p for _, p, _ in parameters])
        losses = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = loss_of()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        out[f"losses.{name}"] = torch.stack(losses)
        out[f"after.{name}"] = flat([p.detach() for _, p, _ in parameters])[::stride]
    exact = {"p", "x", "noise", "class", "condition", "u", "v", "target"}
    out = {k: (t.half() if k in exact else t).contiguous() for k, t in out.items()}
    shapes = [[name, list(lay(p).shape)] for name, p, lay in parameters]
    return out, {"stride": stride, "parameters": shapes}


def cases():
    """Name, network, item, optimizers."""
    vector, adam = [7], ["adam"]
    gray, colours, wide = [4, 6, 1], [6, 4, 3], [4, 6, 2]
    yield "linear", Linear(7, 5, 3), vector, adam
    yield "linear-one", Linear(7, 5, 1), vector, adam
    yield "linear-conditioned", Linear(7, 5, 3, conditioned=True), vector, adam
    yield "linear-tied", Linear(7, 5, 2, tied=True), vector, adam
    yield "linear-tied-conditioned", Linear(7, 5, 2, tied=True, conditioned=True), vector, adam
    yield "two-layer", TwoLayer(7, 9), vector, adam
    yield "two-layer-conditioned", TwoLayer(7, 9, conditioned=True), vector, adam
    yield "two-layer-tied", TwoLayer(7, 9, tied=True), vector, adam
    yield "two-layer-tied-conditioned", TwoLayer(7, 9, tied=True, conditioned=True), vector, adam
    yield "mlp", Mlp(7, 10, 2), vector, list(OPTIMIZERS)
    yield "unet", UNet(gray, 4, [1, 2], 1), gray, adam
    yield "unet-colours", UNet(colours, 4, [2, 1], 2), colours, adam
    yield "uvit", UVit(wide, 6, 3, 2), wide, adam
    small = [3, 5, 4]
    yield "conv", Layer(small, nn.Conv2d(4, 3, 3, padding=1)), small, []
    yield "group-norm", Layer([3, 5, 6], nn.GroupNorm(2, 6)), [3, 5, 6], []
    yield "layer-norm", Layer([1, 5, 6], Tokens(nn.LayerNorm(6))), [1, 5, 6], []
    yield "attention", Layer([3, 5, 12], Tokens(Function(attention))), [3, 5, 12], []
    yield "down", Layer(wide, Function(lambda x: F.avg_pool2d(x, 2))), wide, []
    yield "up", Layer(small, Function(lambda x: F.interpolate(x, scale_factor=2))), small, []
    yield "mlp-classes", Mlp(7, 10, 2, classes=3), vector, adam
    yield "unet-classes", UNet(gray, 4, [1, 2], 1, classes=3), gray, adam
    yield "uvit-classes", UVit(wide, 6, 3, 2, classes=3), wide, adam
    yield "mlp-condition", Mlp(7, 10, 2, told=4), vector, adam
    yield "unet-condition", UNet(gray, 4, [1, 2], 1, told=4), gray, adam
    yield "uvit-condition", UVit(wide, 6, 3, 2, told=4), wide, adam


def main():
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    tensors, described = {}, {}
    # The kernel that has second derivatives, of which jvp is made.
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        for seed, (name, network, item, optimizers) in enumerate(cases()):
            torch.manual_seed(seed)
            found, described[name] = values(network, math.prod(item), optimizers)
            tensors |= {f"{name}/{key}": value for key, value in found.items()}
    described = json.dumps(described, separators=(",", ":"))
    save_file(tensors, HERE / "networks.safetensors", {"cases": described})


if __name__ == "__main__":
    main()
