"""A model as a program: it answers requests on standard input and output until its input ends."""

from __future__ import annotations

import inspect
import os
import queue
import sys
import threading
from typing import Any, BinaryIO, Callable, Mapping, Sequence

import numpy as np

from . import frames

#: D(x; σ) of rows: x (n, *item) and sigma (n) to (n, *item); of classes, class_labels (n) too.
Denoise = Callable[..., np.ndarray]
#: J v or Jᵀu: x (1, *item), v (m, *item) and sigma (1) to (m, *item), J the Jacobian of D(·; σ) at the one point x;
#: or all with m rows, row by row; of classes, class_labels as sigma too.
Product = Callable[..., np.ndarray]
#: Descriptors of rows: x (n, *item) to (n, q).
Describe = Callable[[np.ndarray], np.ndarray]

_TYPES = {"f32": np.float32, "f64": np.float64}


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
    classes: int | None = None,
) -> None:
    """Serves a model until standard input ends: ``pf-sample "exec:python model.py" -n 1000``.

    ``denoise(x, sigma)`` is the posterior mean E[x₀ | x₀ + σε = x] of a batch: x of shape (n, *shape), in the layout of
    the data (images H, W, C) and of type ``dtype``; sigma of shape (n,), f64. ``jvp(x, v, sigma)`` and ``vjp(x, u,
    sigma)`` give products with its Jacobian at one point x for the m rows of v; ``describe(x)`` gives descriptors, a row
    for every row. ``batch`` is how many rows are sent at a time. What is printed meanwhile goes to standard error.

    With ``classes``, their number, ``--class C`` may be asked for, and functions take ``class_labels`` too: whole numbers
    from 0, of the shape of sigma, or None where no class was asked for.
    """
    functions = {"denoise": denoise, "jvp": jvp, "vjp": vjp, "describe": describe}
    functions = {op: function for op, function in functions.items() if function is not None}
    if "denoise" not in functions and "describe" not in functions:
        raise ValueError("nothing to serve: give denoise or describe")
    if denoise is not None and shape is None:
        raise ValueError("shape: give the shape of an item, as (28, 28, 1)")
    if batch < 1:
        raise ValueError(f"batch {batch}: is at least 1")
    if dtype not in _TYPES:
        raise ValueError(f"dtype {dtype!r}: is f32 or f64")
    if classes is not None:
        for op in ("denoise", "jvp", "vjp"):
            if op in functions and not _takes_labels(functions[op]):
                raise ValueError(f"classes: {op} takes no class_labels")
    hello = {
        "protocol": frames.PROTOCOL,
        "can": " ".join(functions),
        "batch": str(int(batch)),
        "dtype": dtype,
        "name": " ".join(name.split()),
    }
    if shape is not None:
        hello["item_shape"] = ",".join(str(int(n)) for n in shape)
    for key, value in (("sigma_min", sigma_min), ("sigma_max", sigma_max)):
        if value is not None:
            hello[key] = repr(float(value))
    if sha256 is not None:
        hello["sha256"] = sha256
    if classes is not None:
        hello["classes"] = str(int(classes))
    source, sink = own_streams()
    try:
        answer_all(source, sink, functions, hello)
    except frames.FrameError as error:
        sys.exit(f"{hello['name']}: standard input: {error}; this is a model program: name it as exec:COMMAND")


def _takes_labels(function: Callable) -> bool:
    parameters = inspect.signature(function).parameters.values()
    return any(one.name == "class_labels" or one.kind is one.VAR_KEYWORD for one in parameters)


def own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for frames alone.

    Whatever a library prints would be taken for a frame, so its standard output is our standard error; and what it
    starts finds no requests to swallow.
    """
    sys.stdout.flush()
    # Without a buffer, whose lock a thread that reads would hold when Python ends.
    source, sink = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return source, sink


def answer_all(
    source: BinaryIO, sink: BinaryIO, functions: Mapping[str, Callable], hello: Mapping[str, str]
) -> None:
    """The loop of :func:`serve`.

    While a request is computed the next one is read, and the answer before it is written: of images at 10 ms a batch,
    waiting for pipes would else take a twentieth of the time, and a fifth on a busy machine.
    """
    greeting = frames.read(source)
    if greeting is None:
        return
    if greeting[0].get("protocol") != frames.PROTOCOL:
        _write(sink, {"protocol": frames.PROTOCOL, "error": f"speaks {frames.PROTOCOL}, not {greeting[0]}"})
        return
    _write(sink, hello)
    requests: queue.Queue[Any] = queue.Queue(1)
    answers: queue.Queue[Any] = queue.Queue(1)
    threading.Thread(target=_read_all, args=(source, requests), daemon=True).start()
    writer = threading.Thread(target=_write_all, args=(sink, answers), daemon=True)
    writer.start()
    while (request := requests.get()) is not None:
        if isinstance(request, Exception):
            raise request
        metadata, tensors = request
        answer = {"id": metadata.get("id", "")}
        try:
            y = answered(functions, metadata.get("op", ""), tensors, _TYPES[hello["dtype"]], "classes" in hello)
        except Exception as error:  # noqa: BLE001: whatever a model raises is its answer
            text = " ".join(f"{type(error).__name__}: {error}".split())
            answers.put(({**answer, "error": text}, {}))
        else:
            # A copy: the model may compute the next one in the same place.
            answers.put((answer, {"y": np.array(y, np.float64 if y.dtype == np.float64 else np.float32, order="C")}))
    answers.put(None)
    writer.join()


def _read_all(source: BinaryIO, requests: queue.Queue[Any]) -> None:
    request = object()
    while request is not None:
        try:
            request = frames.read(source)
        except Exception as error:  # noqa: BLE001: it is raised where requests are answered
            requests.put(error)
            return
        requests.put(request)


def _write_all(sink: BinaryIO, answers: queue.Queue[Any]) -> None:
    while (answer := answers.get()) is not None:
        _write(sink, *answer)


def _write(sink: BinaryIO, metadata: Mapping[str, str], tensors: Mapping[str, np.ndarray] | None = None) -> None:
    try:
        frames.write(sink, metadata, tensors)
    except BrokenPipeError:
        # Nobody listens any more; nor may Python fail when it flushes at its end.
        os._exit(0)


def answered(
    functions: Mapping[str, Callable], op: str, tensors: Mapping[str, np.ndarray], dtype: type, classes: bool
) -> np.ndarray:
    """What a request asks for, of the shape that it has to have."""
    function = functions.get(op)
    if function is None:
        raise ValueError(f"no {op!r}: this model can {' '.join(functions)}")
    needs = {"describe": ["x"], "denoise": ["x", "sigma"]}.get(op, ["x", "v", "sigma"])
    if missing := [name for name in needs if name not in tensors]:
        raise ValueError(f"{op} without {' and '.join(missing)}")
    given = [tensors[name] if name == "sigma" else tensors[name].astype(dtype, copy=False) for name in needs]
    if "class" in tensors and not classes:
        raise ValueError("asked for a class, and this model has none")
    labels = {}
    if classes and op != "describe":
        labels["class_labels"] = tensors["class"].astype(np.int64) if "class" in tensors else None
    y = np.asarray(function(*given, **labels))
    if y.dtype.kind not in "biuf":
        raise ValueError(f"{op} gave {y.dtype}, not real numbers")
    if op == "describe":
        if y.shape[:1] != given[0].shape[:1]:
            raise ValueError(f"describe gave {y.shape} for {len(given[0])} items")
        return y.reshape(len(y), -1)
    # A layout mistaken (N, C, H, W) has as many numbers: it is not to be reshaped into place.
    shape = given[1].shape if op in ("jvp", "vjp") else given[0].shape
    if y.shape != shape:
        raise ValueError(f"{op} gave {y.shape} where {shape} is asked for")
    return y
