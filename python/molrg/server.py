"""A model as a program: it answers requests on standard input and output until its input ends."""

from __future__ import annotations

import os
import sys
from typing import Callable, Sequence

import numpy as np

from . import frames

#: D(x; σ) of rows: x (n, *item) and sigma (n) to (n, *item).
Denoise = Callable[[np.ndarray, np.ndarray], np.ndarray]
#: J v or Jᵀu: x (1, *item), v (m, *item) and sigma (1) to (m, *item), J the Jacobian of D(·; σ) at the one point x.
Product = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
#: Descriptors of rows: x (n, *item) to (n, q).
Describe = Callable[[np.ndarray], np.ndarray]


def serve(
    denoise: Denoise | None = None,
    *,
    shape: Sequence[int] | None = None,
    jvp: Product | None = None,
    vjp: Product | None = None,
    describe: Describe | None = None,
    batch: int = 64,
    dtype: str = "f32",
    name: str = "python",
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    sha256: str | None = None,
) -> None:
    """Serves a model until standard input ends: ``pf-sample "exec:python model.py" -n 1000``.

    ``denoise(x, sigma)`` is the posterior mean E[x₀ | x₀ + σε = x] for a batch of items of ``shape``, in the layout of
    the data (images H, W, C). ``jvp`` and ``vjp`` give products with its Jacobian; ``describe`` gives descriptors.
    ``batch`` is how many rows are sent at a time, always. What is printed meanwhile goes to standard error.
    """
    functions = {"denoise": denoise, "jvp": jvp, "vjp": vjp, "describe": describe}
    can = [op for op, function in functions.items() if function is not None]
    if not can:
        raise ValueError("nothing to serve: give denoise or describe")
    if denoise is not None and shape is None:
        raise ValueError("shape: give the shape of an item, as (28, 28, 1)")
    hello = {"protocol": frames.PROTOCOL, "can": " ".join(can), "batch": str(batch), "dtype": dtype, "name": name}
    if shape is not None:
        hello["item_shape"] = ",".join(str(int(n)) for n in shape)
    for key, value in (("sigma_min", sigma_min), ("sigma_max", sigma_max)):
        if value is not None:
            hello[key] = repr(float(value))
    if sha256 is not None:
        hello["sha256"] = sha256
    answer_all(functions, hello)


def answer_all(functions: dict[str, Callable | None], hello: dict[str, str]) -> None:
    """The loop of :func:`serve`."""
    source = sys.stdin.buffer
    # Whatever a library prints would be taken for a frame: its standard output is our standard error.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    greeting = frames.read(source)
    if greeting is None:
        return
    if greeting[0].get("protocol") != frames.PROTOCOL:
        frames.write(sink, {"protocol": frames.PROTOCOL, "error": f"speaks {frames.PROTOCOL}, not {greeting[0]}"})
        return
    frames.write(sink, hello)
    while (request := frames.read(source)) is not None:
        metadata, tensors = request
        try:
            answer = {"y": answered(functions, metadata.get("op", ""), tensors)}
            frames.write(sink, {"id": metadata.get("id", "")}, answer)
        except Exception as error:  # noqa: BLE001: whatever a model raises is its answer
            text = " ".join(f"{type(error).__name__}: {error}".split())
            frames.write(sink, {"id": metadata.get("id", ""), "error": text})


def answered(functions: dict[str, Callable | None], op: str, tensors: dict[str, np.ndarray]) -> np.ndarray:
    function = functions.get(op)
    if function is None:
        raise ValueError(f"no {op!r}: this model can {' '.join(op for op, f in functions.items() if f)}")
    x = tensors["x"]
    if op == "describe":
        y = function(x)
        return contiguous(y).reshape(len(x), -1)
    if op == "denoise":
        return contiguous(function(x, tensors["sigma"])).reshape(x.shape)
    return contiguous(function(x, tensors["v"], tensors["sigma"])).reshape(tensors["v"].shape)


def contiguous(y: object) -> np.ndarray:
    """As f32 or f64, whichever it is in."""
    y = np.asarray(y)
    return np.ascontiguousarray(y, "<f8" if y.dtype == np.float64 else "<f4")
