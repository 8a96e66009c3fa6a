"""An ONNX denoiser as a model program: python -m molrg.onnx FILE --x NAME --sigma NAME

Its output is D(x; σ), as EDM's preconditioned networks give it. ONNX has no derivatives: Jacobians by --jacobian
differences.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
import onnxruntime

from .server import serve

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}
_TYPES |= {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


def session_of(path: str | Path, threads: int = 0, device: str = "cpu") -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.use_deterministic_compute = True
    providers = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    return onnxruntime.InferenceSession(str(path), options, providers=providers)


def digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class Denoiser:
    """D(x; σ) by a session: which input is x, which σ, and what the others are always.

    An input whose first size is 1 in the file takes rows one by one; one σ for all rows (a number, or of one size 1)
    has the rows of every level together.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        x: str | None = None,
        sigma: str = "sigma",
        others: Mapping[str, Any] | None = None,
        output: str | None = None,
        layout: str = "nhwc",
        shape: Sequence[int] | None = None,
    ):
        if layout not in ("nhwc", "nchw"):
            raise ValueError(f"layout {layout!r}: is nhwc or nchw")
        self.session, self.sigma, self.others = session, sigma, dict(others or {})
        self.inputs = {one.name: one for one in session.get_inputs()}
        self.output = output or session.get_outputs()[0].name
        rest = [name for name in self.inputs if name != sigma and name not in self.others]
        self.x = x or (rest[0] if len(rest) == 1 else "x")
        self.turned = layout == "nchw"
        described = ", ".join(f"{one.name} {one.shape}" for one in self.inputs.values())
        for name in (self.x, sigma, *self.others):
            if name not in self.inputs:
                raise ValueError(f"no input {name!r}: the inputs are {described}; say --x and --sigma")
        if missing := [name for name in rest if name != self.x]:
            raise ValueError(f"input {missing[0]!r}: give its value, --set {missing[0]}=VALUE; inputs are {described}")
        sizes = self.inputs[self.x].shape
        self.one_by_one = sizes[0] == 1
        if shape is None:
            if not all(isinstance(size, int) for size in sizes[1:]):
                raise ValueError(f"input {self.x!r} has shape {sizes}: say the items' with --shape H,W,C")
            shape = [*sizes[2:], sizes[1]] if self.turned else sizes[1:]
        self.shape = tuple(int(n) for n in shape)
        levels = self.inputs[sigma].shape
        # Whatever is no number of rows has one level for all.
        self.one_level = not levels or (levels[0] == 1 and not self.one_by_one)

    def __call__(self, x: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        if self.one_by_one:
            return np.concatenate([self._rows(x[i : i + 1], sigma[i : i + 1]) for i in range(len(x))])
        if not self.one_level:
            return self._rows(x, sigma)
        y = np.empty_like(x)
        for level in np.unique(sigma):
            here = sigma == level
            y[here] = self._rows(x[here], np.array([level]))
        return y

    def _rows(self, x: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        x = np.moveaxis(x, -1, 1) if self.turned else x
        given = {self.x: self._typed(self.x, x), self.sigma: self._typed(self.sigma, self._levels(sigma))}
        for name, value in self.others.items():
            # Sizes that have no number are numbers of rows; several numbers are those of a row.
            full = [size if isinstance(size, int) else len(x) for size in self.inputs[name].shape]
            value = np.asarray(value)
            value = value.reshape(1, *full[1:]) if value.ndim else value
            given[name] = self._typed(name, np.broadcast_to(value, full))
        y = self.session.run([self.output], given)[0]
        return np.moveaxis(y, 1, -1) if self.turned else y

    def _levels(self, sigma: np.ndarray) -> np.ndarray:
        rank = len(self.inputs[self.sigma].shape)
        return sigma.reshape(-1, *[1] * (rank - 1)) if rank else sigma.reshape(())

    def _typed(self, name: str, value: np.ndarray) -> np.ndarray:
        kind = _TYPES.get(self.inputs[name].type)
        if kind is None:
            raise ValueError(f"input {name!r} is of {self.inputs[name].type}, not of numbers")
        return np.ascontiguousarray(value, kind).reshape(value.shape)


def setting(text: str) -> tuple[str, Any]:
    """NAME=VALUE, numbers with commas between."""
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"{text!r}: is NAME=VALUE")
    numbers = [float(one) for one in value.split(",")]
    return name, numbers if len(numbers) > 1 else numbers[0]


def sizes(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in text.split(","))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m molrg.onnx", description=__doc__.partition(":")[0])
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--x", metavar="NAME", help="the input of points (default: the one that is left, or x)")
    parser.add_argument("--sigma", metavar="NAME", default="sigma", help="the input of noise levels (default: sigma)")
    parser.add_argument("--set", metavar="NAME=VALUE", type=setting, action="append", default=[], help="any other input")
    parser.add_argument("--output", metavar="NAME", help="which output is D (default: the first)")
    parser.add_argument("--layout", choices=["nhwc", "nchw"], default="nchw", help="of the file (default: nchw)")
    parser.add_argument("--shape", metavar="H,W,C", type=sizes, help="of an item, where the file does not say it")
    parser.add_argument("--batch", type=int, default=64, help="rows at a time (default: 64)")
    parser.add_argument("--threads", type=int, default=0, help="of onnxruntime (default: its own choice)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    given = parser.parse_args(arguments)
    session = session_of(given.file, given.threads, given.device)
    try:
        denoise = Denoiser(session, given.x, given.sigma, dict(given.set), given.output, given.layout, given.shape)
    except ValueError as error:
        raise SystemExit(f"{given.file}: {error}") from error
    wide = session.get_inputs()[0].type == "tensor(double)"
    serve(
        denoise,
        shape=denoise.shape,
        batch=given.batch,
        dtype="f64" if wide else "f32",
        name=Path(given.file).stem,
        sha256=digest(given.file),
    )


if __name__ == "__main__":
    main()
