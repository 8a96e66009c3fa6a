"""The denoiser of every kind of model file, from docs/formats.md alone.

Written over an array namespace ``xp``, so that NumPy and torch, with its gradients, compute the same: only what both
have under one name is used.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

#: An array of the namespace: NumPy's or torch's.
Array = Any


def tensors_of(path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """(metadata, tensors as f64) of a safetensors file."""
    raw = Path(path).read_bytes()
    try:
        (length,) = struct.unpack("<Q", raw[:8])
        header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
        metadata = header.pop("__metadata__")
        tensors = {}
        for name, entry in header.items():
            start, end = entry["data_offsets"]
            dtype = {"F32": "<f4", "F64": "<f8"}[entry["dtype"]]
            tensors[name] = np.frombuffer(body[start:end], dtype).reshape(entry["shape"]).astype("f8")
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: is no model file, or a damaged one: {error!r}") from error
    return metadata, tensors


def silu(xp, x):
    """x · sigmoid(x); by tanh, whose derivative does not overflow."""
    return x * (1 + xp.tanh(x / 2)) / 2


def softmax(xp, z):
    e = xp.exp(z - xp.amax(z, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class Parameters:
    """Layers by the names of their tensors. Images are (n, H, W, c), tokens (n, count, c), vectors (n, c)."""

    def __init__(
        self,
        tensors: dict[str, Array],
        xp: ModuleType,
        classes: Array | None = None,
        circular: bool = False,
        condition: Array | None = None,
    ):
        self.xp, self.classes, self.circular, self.condition = xp, classes, circular, condition
        self.all = of_network(tensors)

    def silu(self, x):
        return silu(self.xp, x)

    def linear(self, name, x):
        return x @ self.all[f"{name}.weight"] + self.all[f"{name}.bias"]

    def conv(self, name, x):
        weight, bias = self.all[f"{name}.weight"], self.all[f"{name}.bias"]
        n, height, width, c = x.shape
        around = 1 if self.circular else 0
        x = self.xp.concatenate([x[:, -1:] * around, x, x[:, :1] * around], axis=1)
        x = self.xp.concatenate([x[:, :, -1:] * around, x, x[:, :, :1] * around], axis=2)
        taps = ((k, l) for k in range(3) for l in range(3))
        return bias + sum(x[:, k : k + height, l : l + width] @ weight[k, l] for k, l in taps)

    def normalized(self, x, axes):
        mean = x.mean(axis=axes, keepdims=True)
        variance = ((x - mean) ** 2).mean(axis=axes, keepdims=True)
        return (x - mean) / (variance + 1e-5) ** 0.5

    def layer_norm(self, name, x):
        return self.all[f"{name}.weight"] * self.normalized(x, -1) + self.all[f"{name}.bias"]

    def group_norm(self, name, x):
        n, height, width, c = x.shape
        groups = next(g for g in range(max(1, min(c // 4, 32)), 0, -1) if c % g == 0)
        grouped = x.reshape(n, height, width, groups, c // groups)
        hat = self.normalized(grouped, (1, 2, 4)).reshape(x.shape)
        return self.all[f"{name}.weight"] * hat + self.all[f"{name}.bias"]

    def attention(self, name, x):
        """Of tokens, one head."""
        qkv = self.linear(f"{name}.qkv" if name else "qkv", x)
        c = qkv.shape[-1] // 3
        q, k, v = qkv[..., :c], qkv[..., c : 2 * c], qkv[..., 2 * c :]
        p = softmax(self.xp, q @ k.swapaxes(-1, -2) / math.sqrt(c))
        return self.linear(f"{name}.proj" if name else "proj", p @ v)

    def embedding(self, c, features, first, last):
        """Of c (n), (n, features) and then a network of two layers."""
        half = features // 2
        # In Python's numbers, so that they are those of f64 whatever the namespace; f32 then rounds once.
        omega = [first * (last / first) ** (i / half) for i in range(half)]
        turned = self.xp.stack([w * c for w in omega], axis=-1)
        e = self.xp.concatenate([self.xp.cos(turned), self.xp.sin(turned)], axis=-1)
        e = self.linear("embedding.1", self.silu(self.linear("embedding.0", e)))
        if self.classes is not None:
            # −1 is no class, whose row is 0.
            e = e + self.all["embedding.classes.weight"][self.classes] * (self.classes >= 0)[:, None]
        if "embedding.condition.weight" in self.all:
            e = e + self.linear("embedding.condition", self.condition)
        return self.silu(e)

    def vector_embedding(self, c):
        return self.embedding(c, 32, math.pi / 2, 16 * math.pi / 2)

    def gated(self, x, c):
        return x * self.xp.exp(self.linear("gate", self.vector_embedding(c)))


def of_network(tensors: dict[str, Array]) -> dict[str, Array]:
    """The parameters that are sampled with: their moving average where there is one."""
    prefix = "ema." if any(name.startswith("ema.") for name in tensors) else "model."
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def linear(p, x, c, m):
    w = [p.all["layers.0.weight"]]
    h = x @ w[0]
    if m["conditioned"] == "true":
        h = p.gated(h, c)
    if m["tied"] == "true":
        return h @ w[0].T
    for layer in range(1, int(m["depth"])):
        h = h @ p.all[f"layers.{layer}.weight"]
    return h


def two_layer(p, x, c, m):
    first = p.all["layers.0.weight"]
    h = x @ first
    h = h * (h > 0)
    if m["conditioned"] == "true":
        h = p.gated(h, c)
    return h @ (first.T if m["tied"] == "true" else p.all["layers.1.weight"])


def mlp(p, x, c, m):
    e = p.vector_embedding(c)
    h = p.linear("in", x if p.condition is None else p.xp.concatenate([x, p.condition], axis=-1))
    for b in range(int(m["depth"])):
        inside = p.linear(f"blocks.{b}.a", p.layer_norm(f"blocks.{b}.norm", h)) + p.linear(f"blocks.{b}.c", e)
        h = h + p.linear(f"blocks.{b}.b", p.silu(inside))
    return p.linear("out", h)


def residual(p, name, x, e):
    h = p.conv(f"{name}.conv0", p.silu(p.group_norm(f"{name}.norm0", x)))
    h = h + p.linear(f"{name}.embed", e)[:, None, None]
    h = p.conv(f"{name}.conv1", p.silu(p.group_norm(f"{name}.norm1", h)))
    straight = p.linear(f"{name}.skip", x) if f"{name}.skip.weight" in p.all else x
    return (straight + h) / math.sqrt(2)


def attended(p, name, x):
    tokens = p.group_norm(f"{name}.norm", x).reshape(len(x), -1, x.shape[-1])
    return (x + p.attention(name, tokens).reshape(x.shape)) / math.sqrt(2)


def unet(p, x, c, m):
    width, blocks, levels = int(m["width"]), int(m["blocks"]), len(m["mult"].split(","))
    e = p.embedding(c, width - width % 2, 1, 1e-4)
    h = p.conv("stem", x)
    skips = []
    for level in range(levels):
        if level > 0:
            n, height, across, channels = h.shape
            h = h.reshape(n, height // 2, 2, across // 2, 2, channels).mean(axis=(2, 4))
        for block in range(blocks):
            h = residual(p, f"down.{level}.{block}", h, e)
            skips.append(h)
    h = residual(p, "middle.0", h, e)
    h = attended(p, "middle.attention", h)
    h = residual(p, "middle.1", h, e)
    for level in reversed(range(levels)):
        for block in range(blocks):
            h = residual(p, f"up.{level}.{block}", p.xp.concatenate([h, skips.pop()], axis=-1), e)
        if level > 0:
            n, height, across, channels = h.shape
            doubled = (n, height, 2, across, 2, channels)
            h = p.xp.broadcast_to(h[:, :, None, :, None], doubled).reshape(n, 2 * height, 2 * across, channels)
    return p.conv("head.conv", p.silu(p.group_norm("head.norm", h)))


def resnet(p, x, c, m):
    width = int(m["width"])
    e = p.embedding(c, width - width % 2, 1, 1e-4)
    h = p.conv("stem", x)
    for b in range(int(m["depth"])):
        h = h + p.conv(f"blocks.{b}.conv", p.silu(h + p.linear(f"blocks.{b}.embed", e)[:, None, None]))
    return p.conv("head", p.silu(h))


def transformer(p, name, x):
    h = x + p.attention(name, p.layer_norm(f"{name}.norm0", x))
    return h + p.linear(f"{name}.narrow", p.silu(p.linear(f"{name}.wide", p.layer_norm(f"{name}.norm1", h))))


def uvit(p, x, c, m):
    width, depth, s = int(m["width"]), int(m["depth"]), int(m["patch"])
    n, height, across, channels = x.shape
    e = p.linear("time", p.embedding(c, width - width % 2, 1, 1e-4))
    cut = x.reshape(n, height // s, s, across // s, s, channels).swapaxes(2, 3)
    tokens = p.linear("patches", cut.reshape(n, -1, s * s * channels))
    h = p.xp.concatenate([e[:, None], tokens], axis=1) + p.all["positions"]
    skips = []
    for block in range(depth // 2):
        h = transformer(p, f"down.{block}", h)
        skips.append(h)
    h = transformer(p, "middle", h)
    for block in range(depth // 2):
        h = p.linear(f"up.{block}.skip", p.xp.concatenate([h, skips.pop()], axis=-1))
        h = transformer(p, f"up.{block}", h)
    patches = p.linear("head.patches", p.layer_norm("head.norm", h))[:, 1:]
    patches = patches.reshape(n, height // s, across // s, s, s, channels).swapaxes(2, 3)
    return patches.reshape(x.shape)


NETWORKS = {"linear": linear, "two-layer": two_layer, "mlp": mlp, "unet": unet, "resnet": resnet, "uvit": uvit}


def coefficients(m, sigma):
    """c_skip, c_out, c_in of noise levels."""
    data = float(m["sigma_data"])
    total = (sigma**2 + data**2) ** 0.5
    if m["preconditioning"] == "plain":
        return 0, 1, 1
    if m["preconditioning"] == "mean":
        return 0, data, 0
    if m["preconditioning"] == "edm":
        return data**2 / total**2, sigma * data / total, 1 / total
    if m["preconditioning"] == "vp":
        return 1, -sigma, 1 / (1 + sigma**2) ** 0.5
    if m["preconditioning"] == "subvp":
        return 1, -sigma, (1 + sigma**2 / 4) ** 0.5 - sigma / 2
    if m["preconditioning"] == "ve":
        return 1, sigma, 1
    above = sigma - float(m["sigma_min"])  # consistency
    return data**2 / (above**2 + data**2), above * data / total, 1 / total


def each_of(text: str, width: int) -> list[float]:
    """So many numbers of the metadata, which may be one for all."""
    numbers = [float(number) for number in text.split(",")]
    return numbers * width if len(numbers) == 1 else numbers


def network(m, tensors, x, sigma, xp, classes, condition=None):
    about = m.get("about_condition") == "true"
    x = x - condition if about else x
    seen = None
    if condition is not None:
        # As many as numbers, or one for all; in Python's numbers, as above.
        mean, std = (each_of(m[key], condition.shape[1]) for key in ("condition_mean", "condition_std"))
        seen = xp.stack([(condition[:, j] - mean[j]) / std[j] for j in range(len(mean))], axis=-1)
    skip, out, scale = coefficients(m, sigma[:, None])
    item = [int(n) for n in m["item_shape"].split(",")]
    shaped = scale * x
    if m["architecture"] in ("unet", "resnet", "uvit"):
        shaped = shaped.reshape(len(x), *item, *([1] if len(item) == 2 else []))
    level = 0 * sigma if m["preconditioning"] == "mean" else xp.log(sigma) / 4
    layers = Parameters(tensors, xp, classes, m.get("padding") == "circular", seen)
    d = skip * x + out * NETWORKS[m["architecture"]](layers, shaped, level, m).reshape(x.shape)
    return d + condition if about else d


def mixture(t, x, sigma, xp):
    d, (k, r) = x.shape[1], t["variances"].shape
    level = sigma[:, None] ** 2
    means, logs = [], []
    for j in range(k):
        if not float(t["weights"][j]) > 0:
            continue
        used = [i for i in range(r) if bool((t["bases"][j][:, i] != 0).any())]
        basis, on, off = t["bases"][j][:, used], t["variances"][j][used], t["noise_variance"][j]
        centred = x - t["means"][j]
        z = centred @ basis
        rest = centred - z @ basis.T
        means.append(t["means"][j] + (z * (on / (on + level))) @ basis.T + off / (off + level) * rest)
        volume = xp.log(on + level).sum(axis=1) + (d - len(used)) * xp.log(off + level[:, 0])
        square = (z**2 / (on + level)).sum(axis=1) + (rest**2).sum(axis=1) / (off + level[:, 0])
        logs.append(xp.log(t["weights"][j]) - (volume + square) / 2)
    w = softmax(xp, xp.stack(logs, axis=1))
    return sum(w[:, j, None] * mean for j, mean in enumerate(means))


def empirical(t, x, sigma, xp):
    # One row after the other: n by N by d numbers need not fit.
    square = xp.stack([((row - t["data"]) ** 2).sum(axis=1) for row in x])
    return softmax(xp, -square / (2 * sigma[:, None] ** 2)) @ t["data"]


def places(m, side, length):
    """Along one axis: the places of the patch about each place (-1: outside), and the places it is compared with."""
    machine, r = m["machine"], side // 2
    circular = machine in ("equivariant", "equivariant-local")
    if circular and side >= length:
        patches = [[(p + o) % length for o in range(length)] for p in range(length)]
    elif circular:
        patches = [[(p + o) % length for o in range(-r, r + 1)] for p in range(length)]
    else:
        patches = [[p + o if 0 <= p + o < length else -1 for o in range(-r, r + 1)] for p in range(length)]
    clipped = [(max(r - p, 0), max(p + r + 1 - length, 0)) for p in range(length)]
    if machine == "local":
        others = [[p] for p in range(length)]
    elif machine == "bordered":
        others = [[q for q in range(length) if clipped[q] == clipped[p]] for p in range(length)]
    elif m.get("dictionary") == "interior":
        others = [[q for q in range(length) if clipped[q] == (0, 0)]] * length
    else:
        others = [list(range(length))] * length
    return patches, others


def local(m, t, x, sigma, xp):
    n, h, w, c = t["data"].shape
    if m["machine"] == "ideal":
        return empirical({"data": t["data"].reshape(n, -1)}, x, sigma, xp)
    images, out = t["data"].reshape(n, h * w, c), []
    sizes = [int(k) for k in m.get("patch", str(2 * max(h, w) + 1)).split(",")]
    levels = [math.log(float(s)) for s in m.get("patch_levels", "1").split(",")]
    for row, level in zip(x.reshape(len(x), h * w, c), sigma):
        off = [abs(s - math.log(float(level))) for s in levels]
        down, across = (places(m, sizes[off.index(min(off))], length) for length in (h, w))

        def patch(i, j):
            return [a * w + b if a >= 0 and b >= 0 else -1 for a in down[0][i] for b in across[0][j]]

        pixels = []
        for i in range(h):
            for j in range(w):
                own = patch(i, j)
                inside = [k for k, place in enumerate(own) if place >= 0]
                pairs = [(a, b) for a in down[1][i] for b in across[1][j]]
                there = [[patch(a, b)[k] for k in inside] for a, b in pairs]
                # (n, pairs, pixels of a patch, channels)
                square = ((row[[own[k] for k in inside]] - images[:, there]) ** 2).sum(axis=(2, 3))
                weights = softmax(xp, -square.reshape(-1) / (2 * level**2))
                pixels.append(weights @ images[:, [a * w + b for a, b in pairs]].reshape(-1, c))
        out.append(xp.stack(pixels).reshape(-1))
    return xp.stack(out)


def pca_local(m, t, x, sigma, xp):
    data, out = t["data"], []
    centred = data - data.mean(axis=0)
    covariance = centred.T @ centred / (len(data) - 1)
    variances, directions = xp.linalg.eigh(covariance)
    for row, level in zip(x, sigma):
        w = (directions * (variances / (variances + level**2))) @ directions.T
        own = xp.diagonal(w)
        ratio = w / xp.where(abs(own) < 1e-6, own * 0 + 1, own)[:, None]
        seen = (abs(ratio) >= float(m["threshold"]) * abs(ratio).max()) * 1.0
        weights = softmax(xp, -(((row - data) ** 2 @ seen) / (2 * level**2)).T)
        out.append((weights * data.T).sum(axis=1))
    return xp.stack(out)


def own_level(t, level, model):
    """Which of its levels this one is."""
    off = abs(t["sigmas"] - level)
    own = int(off.argmin())
    if not float(off[own]) <= 1e-9 * float(level):
        raise ValueError(f"noise level {float(level)}: is none of those that the {model} was fitted at")
    return own


def affine(t, x, sigma, xp):
    out = []
    for row, level in zip(x, sigma):
        own = own_level(t, level, "affine model")
        out.append(t["weights"][own] @ row + t["biases"][own])
    return xp.stack(out)


def random_features(m, t, x, sigma, xp):
    out = []
    for row, level in zip(x, sigma):
        own = own_level(t, level, "model of random features")
        sigma_l, sigma_d = float(t["sigmas"][own]), float(m["sigma_data"])
        z = (row - t["mean"]) / math.hypot(sigma_l, sigma_d)
        features = math.sqrt(2) * xp.cos(t["frequencies"] @ z + t["phases"])
        answer = t["coefficients"][own] @ features / math.sqrt(len(t["phases"]))
        out.append(t["mean"] + answer if m["target"] == "data" else row - sigma_l * answer)
    return xp.stack(out)


def checked(path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """A model file that has a denoiser."""
    m, tensors = tensors_of(path)
    if m.get("format") != "molrg-model" or m.get("version") != "1":
        raise ValueError(f"{path}: is no model file of molrg, or of a later version; see docs/formats.md")
    if m["kind"] in ("linear-vae", "vae", "gan"):
        raise ValueError(f"{path}: a model of kind {m['kind']} has no denoiser; see molrg.models.generated")
    return m, tensors


def classes_of(m, class_labels, n: int) -> np.ndarray | None:
    """The class of n rows, −1 where there is none; None of a model without classes."""
    count = int(m.get("classes", 0))
    if class_labels is None:
        class_labels = -1
    elif not count:
        raise ValueError("class_labels: the model has no classes")
    if not count:
        return None
    given = np.asarray(class_labels)
    classes = np.broadcast_to(given.astype("i8"), n)
    if not ((classes == given) & (classes >= -1) & (classes < count)).all():
        raise ValueError(f"class_labels: the model has classes 0 to {count - 1}, and −1 for none")
    if m["unconditional"] != "true" and (classes < 0).any():
        raise ValueError("class_labels: the model has learned nothing without a class; give one")
    return classes


def conditions_of(m, condition, n: int) -> np.ndarray | None:
    """The conditions of n rows, (n, m); None of a model that is told none."""
    width = int(m.get("condition", 0))
    if condition is None:
        if width:
            raise ValueError(f"condition: the model has learned with {width} numbers a row; give them")
        return None
    if not width:
        raise ValueError("condition: the model is told none")
    rows = np.asarray(condition, "f8").reshape(len(condition), -1)
    if rows.shape != (n, width):
        raise ValueError(f"condition: has shape {rows.shape}, where {n} rows have {width} numbers each")
    return rows


def denoised_by(m, tensors, x, sigma, xp=np, classes=None, condition=None):
    """D(x; σ) of a model that has been read: x (n, d), sigma (n), classes (n) and conditions (n, m), all of one namespace."""
    if m["kind"] == "molrg":
        return mixture(tensors, x, sigma, xp)
    if m["kind"] == "empirical":
        return empirical(tensors, x, sigma, xp)
    if m["kind"] == "local":
        return local(m, tensors, x, sigma, xp)
    if m["kind"] == "pca-local":
        return pca_local(m, tensors, x, sigma, xp)
    if m["kind"] == "affine":
        return affine(tensors, x, sigma, xp)
    if m["kind"] == "random-features":
        return random_features(m, tensors, x, sigma, xp)
    return network(m, tensors, x, sigma, xp, classes, condition)


def generated(path, z):
    """A sample for every row of latents."""
    m, tensors = tensors_of(path)
    p, h = Parameters(tensors, np), z
    for layer in range(int(m["depth"])):
        h = p.silu(p.linear(f"layers.{layer}", h))
    return p.linear("out", h)


class Model:
    """A model file as a function: ``model(x, sigma)`` is D(x; σ), items in and out, in f64.

    A network of classes takes ``class_labels``, one or one a row; without them, or where they are −1, it is its branch
    without a class. One that is told conditions takes ``condition``, one a row.
    """

    def __init__(self, path):
        self.metadata, self.tensors = checked(path)
        self.kind = self.metadata["kind"]
        self.item_shape = tuple(int(n) for n in self.metadata["item_shape"].split(","))

    def __call__(self, x, sigma, class_labels=None, condition=None):
        x = np.asarray(x, "f8")
        rows = x.reshape(len(x), -1)
        if rows.shape[1] != math.prod(self.item_shape):
            raise ValueError(f"x: its items have shape {x.shape[1:]}, those of the model {self.item_shape}")
        levels = np.broadcast_to(np.asarray(sigma, "f8"), len(rows))
        classes = classes_of(self.metadata, class_labels, len(rows))
        condition = conditions_of(self.metadata, condition, len(rows))
        given = {"classes": classes, "condition": condition}
        return denoised_by(self.metadata, self.tensors, rows, levels, **given).reshape(x.shape)


def load(path) -> Model:
    """A model file (mixture, finite set, local machine or network) as a NumPy function of points and noise levels."""
    return Model(path)
