"""The denoiser of every kind of model file, in NumPy, from docs/formats.md alone."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np


def tensors_of(path):
    """(metadata, tensors as f64) of a safetensors file."""
    raw = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        dtype = {"F32": "<f4", "F64": "<f8"}[entry["dtype"]]
        tensors[name] = np.frombuffer(body[start:end], dtype).reshape(entry["shape"]).astype("f8")
    return metadata, tensors


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def silu(x):
    return x / (1 + np.exp(-x))


class Parameters:
    """Layers by the names of their tensors. Images are (n, H, W, c), tokens (n, count, c), vectors (n, c)."""

    def __init__(self, tensors):
        sets = {name.split(".", 1)[0] for name in tensors}
        prefix = "ema" if "ema" in sets else "model"
        self.all = {n.split(".", 1)[1]: t for n, t in tensors.items() if n.startswith(prefix + ".")}

    def linear(self, name, x):
        return x @ self.all[f"{name}.weight"] + self.all[f"{name}.bias"]

    def conv(self, name, x):
        weight, bias = self.all[f"{name}.weight"], self.all[f"{name}.bias"]
        height, width = x.shape[1:3]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        taps = ((k, l) for k in range(3) for l in range(3))
        return bias + sum(padded[:, k : k + height, l : l + width] @ weight[k, l] for k, l in taps)

    def normalized(self, name, x, axes):
        mean = x.mean(axis=axes, keepdims=True)
        variance = ((x - mean) ** 2).mean(axis=axes, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-5)

    def layer_norm(self, name, x):
        return self.all[f"{name}.weight"] * self.normalized(name, x, -1) + self.all[f"{name}.bias"]

    def group_norm(self, name, x):
        n, height, width, c = x.shape
        groups = next(g for g in range(max(1, min(c // 4, 32)), 0, -1) if c % g == 0)
        grouped = x.reshape(n, height, width, groups, c // groups)
        hat = self.normalized(name, grouped, (1, 2, 4)).reshape(x.shape)
        return self.all[f"{name}.weight"] * hat + self.all[f"{name}.bias"]

    def attention(self, name, x):
        """Of tokens, one head."""
        q, k, v = np.split(self.linear(f"{name}.qkv" if name else "qkv", x), 3, axis=-1)
        p = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]))
        return self.linear(f"{name}.proj" if name else "proj", p @ v)

    def embedding(self, c, features, first, last):
        half = features // 2
        omega = first * (last / first) ** (np.arange(half) / half)
        e = np.concatenate([np.cos(omega * c), np.sin(omega * c)])[None]
        return silu(self.linear("embedding.1", silu(self.linear("embedding.0", e))))

    def vector_embedding(self, c):
        return self.embedding(c, 32, np.pi / 2, 16 * np.pi / 2)

    def gated(self, x, c):
        return x * np.exp(self.linear("gate", self.vector_embedding(c)))


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
    h = np.maximum(x @ first, 0)
    if m["conditioned"] == "true":
        h = p.gated(h, c)
    return h @ (first.T if m["tied"] == "true" else p.all["layers.1.weight"])


def mlp(p, x, c, m):
    e = p.vector_embedding(c)
    h = p.linear("in", x)
    for b in range(int(m["depth"])):
        inside = p.linear(f"blocks.{b}.a", p.layer_norm(f"blocks.{b}.norm", h)) + p.linear(f"blocks.{b}.c", e)
        h = h + p.linear(f"blocks.{b}.b", silu(inside))
    return p.linear("out", h)


def residual(p, name, x, e):
    h = p.conv(f"{name}.conv0", silu(p.group_norm(f"{name}.norm0", x)))
    h = h + p.linear(f"{name}.embed", e)[:, None, None]
    h = p.conv(f"{name}.conv1", silu(p.group_norm(f"{name}.norm1", h)))
    straight = p.linear(f"{name}.skip", x) if f"{name}.skip.weight" in p.all else x
    return (straight + h) / np.sqrt(2)


def attended(p, name, x):
    tokens = p.group_norm(f"{name}.norm", x).reshape(len(x), -1, x.shape[-1])
    return (x + p.attention(name, tokens).reshape(x.shape)) / np.sqrt(2)


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
            h = residual(p, f"up.{level}.{block}", np.concatenate([h, skips.pop()], axis=-1), e)
        if level > 0:
            h = h.repeat(2, axis=1).repeat(2, axis=2)
    return p.conv("head.conv", silu(p.group_norm("head.norm", h)))


def transformer(p, name, x):
    h = x + p.attention(name, p.layer_norm(f"{name}.norm0", x))
    return h + p.linear(f"{name}.narrow", silu(p.linear(f"{name}.wide", p.layer_norm(f"{name}.norm1", h))))


def uvit(p, x, c, m):
    width, depth, s = int(m["width"]), int(m["depth"]), int(m["patch"])
    n, height, across, channels = x.shape
    e = p.linear("time", p.embedding(c, width - width % 2, 1, 1e-4))
    cut = x.reshape(n, height // s, s, across // s, s, channels).swapaxes(2, 3)
    tokens = p.linear("patches", cut.reshape(n, -1, s * s * channels))
    h = np.concatenate([np.broadcast_to(e, (n, 1, width)), tokens], axis=1) + p.all["positions"]
    skips = []
    for block in range(depth // 2):
        h = transformer(p, f"down.{block}", h)
        skips.append(h)
    h = transformer(p, "middle", h)
    for block in range(depth // 2):
        h = p.linear(f"up.{block}.skip", np.concatenate([h, skips.pop()], axis=-1))
        h = transformer(p, f"up.{block}", h)
    patches = p.linear("head.patches", p.layer_norm("head.norm", h))[:, 1:]
    patches = patches.reshape(n, height // s, across // s, s, s, channels).swapaxes(2, 3)
    return patches.reshape(x.shape)


NETWORKS = {"linear": linear, "two-layer": two_layer, "mlp": mlp, "unet": unet, "uvit": uvit}


def coefficients(m, sigma):
    """c_skip, c_out, c_in."""
    data = float(m["sigma_data"])
    total = np.hypot(sigma, data)
    if m["preconditioning"] == "plain":
        return 0, 1, 1
    if m["preconditioning"] == "edm":
        return data**2 / total**2, sigma * data / total, 1 / total
    if m["preconditioning"] == "vp":
        return 1, -sigma, 1 / np.hypot(1, sigma)
    if m["preconditioning"] == "ve":
        return 1, sigma, 1
    above = sigma - float(m["sigma_min"])  # consistency
    return data**2 / (above**2 + data**2), above * data / total, 1 / total


def network(m, tensors, x, sigma):
    skip, out, scale = coefficients(m, sigma)
    item = [int(n) for n in m["item_shape"].split(",")]
    shaped = x.reshape(len(x), *item)
    if m["architecture"] in ("unet", "uvit"):
        shaped = shaped.reshape(len(x), *item, 1) if len(item) == 2 else shaped
    else:
        shaped = shaped.reshape(len(x), -1)
    f = NETWORKS[m["architecture"]](Parameters(tensors), scale * shaped, np.log(sigma) / 4, m)
    return skip * x + out * f.reshape(x.shape)


def mixture(t, x, sigma):
    d, (k, r) = x.shape[1], t["variances"].shape
    means, logs = [], []
    for j in range(k):
        basis = t["bases"][j][:, np.any(t["bases"][j] != 0, axis=0)]
        on, off = t["variances"][j][: basis.shape[1]], t["noise_variance"][j]
        centred = x - t["means"][j]
        z = centred @ basis
        rest = centred - z @ basis.T
        means.append(t["means"][j] + (z * (on / (on + sigma**2))) @ basis.T + off / (off + sigma**2) * rest)
        volume = np.log(on + sigma**2).sum() + (d - len(on)) * np.log(off + sigma**2)
        square = (z**2 / (on + sigma**2)).sum(axis=1) + (rest**2).sum(axis=1) / (off + sigma**2)
        with np.errstate(divide="ignore"):
            logs.append(np.log(t["weights"][j]) - (volume + square) / 2)
    w = softmax(np.stack(logs, axis=1))
    return np.einsum("nk,knd->nd", w, np.stack(means))


def empirical(t, x, sigma):
    square = ((x[:, None] - t["data"][None]) ** 2).sum(axis=2)
    return softmax(-square / (2 * sigma**2)) @ t["data"]


def denoised(path, x, sigma):
    """D(x; σ) for rows x of d numbers."""
    return denoised_by(*tensors_of(path), x, sigma)


def denoised_by(m, tensors, x, sigma):
    """D(x; σ) of a model that has been read."""
    if m.get("format") != "molrg-model" or m.get("version") != "1":
        raise ValueError("is no model file of molrg, or of a later version; see docs/formats.md")
    if m["kind"] == "molrg":
        return mixture(tensors, x, sigma)
    if m["kind"] == "empirical":
        return empirical(tensors, x, sigma)
    return network(m, tensors, x, sigma)


def generated(path, z):
    """A sample for every row of latents."""
    m, tensors = tensors_of(path)
    p, h = Parameters(tensors), z
    for layer in range(int(m["depth"])):
        h = silu(p.linear(f"layers.{layer}", h))
    return p.linear("out", h)


class Model:
    """A model file as a function: ``model(x, sigma)`` is D(x; σ), items in and out, in f64."""

    def __init__(self, path):
        self.metadata, self.tensors = tensors_of(path)
        self.kind = self.metadata.get("kind", "")
        self.item_shape = tuple(int(n) for n in self.metadata["item_shape"].split(","))
        if self.kind in ("linear-vae", "gan"):
            raise ValueError(f"{path}: a model of kind {self.kind} has no denoiser; see generated()")

    def __call__(self, x, sigma):
        x = np.asarray(x, "f8")
        rows = x.reshape(len(x), -1)
        levels = np.broadcast_to(np.asarray(sigma, "f8"), len(rows))
        out = np.empty_like(rows)
        for level in np.unique(levels):
            here = levels == level
            out[here] = denoised_by(self.metadata, self.tensors, rows[here], float(level))
        return out.reshape(x.shape)


def load(path) -> Model:
    """A model file (mixture, finite set or network) as a NumPy function of points and noise levels."""
    return Model(path)
