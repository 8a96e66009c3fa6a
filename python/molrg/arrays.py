"""Array streams: one or more npy blocks, back to back, from files and pipes."""

from __future__ import annotations

import ast
import math
import sys
from pathlib import Path
from typing import BinaryIO, Iterator

import numpy as np

from .frames import exactly

#: NumPy's own headers have some hundred bytes.
_LONGEST_HEADER = 1 << 20


def blocks(source: BinaryIO, name: str = "stream") -> Iterator[np.ndarray]:
    """The blocks of an npy stream, one at a time: what is larger than memory is read so."""
    while first := source.read(1):
        rest = exactly(source, 7)
        if rest is None or first + rest[:5].tobytes() != b"\x93NUMPY":
            raise ValueError(f"{name}: is no npy stream")
        version = int(rest[5])
        count = exactly(source, 2 if version == 1 else 4)
        length = -1 if count is None else int.from_bytes(count.tobytes(), "little")
        text = exactly(source, length) if 0 <= length <= _LONGEST_HEADER else None
        if text is None:
            raise ValueError(f"{name}: its header is damaged: {length} bytes long, or cut short")
        dtype, shape, order = _described(text.tobytes(), "utf-8" if version == 3 else "latin1", name)
        data = exactly(source, math.prod(shape) * dtype.itemsize)
        if data is None:
            raise ValueError(f"{name}: ends within an array")
        yield data.view(dtype).reshape(shape, order=order)


def _described(text: bytes, encoding: str, name: str) -> tuple[np.dtype, tuple[int, ...], str]:
    try:
        described = ast.literal_eval(text.decode(encoding).strip())
        dtype, shape, fortran = np.dtype(described["descr"]), described["shape"], described["fortran_order"]
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"{name}: its header is damaged: {error!r}") from error
    if dtype.kind not in "biufc":
        raise ValueError(f"{name}: holds {dtype}, not numbers")
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"{name}: its header is damaged: shape {shape!r}")
    return dtype, shape, "F" if fortran else "C"


def read(source: str | Path | BinaryIO = "-") -> np.ndarray:
    """All blocks of an npy stream as one array; ``-`` is standard input. ``np.load`` reads the first alone."""
    if isinstance(source, (str, Path)) and str(source) == "-":
        return _joined(sys.stdin.buffer, "standard input")
    if isinstance(source, (str, Path)):
        with open(source, "rb") as file:
            return _joined(file, str(source))
    return _joined(source, str(getattr(source, "name", "stream")))


def _joined(source: BinaryIO, name: str) -> np.ndarray:
    all_blocks = list(blocks(source, name))
    if not all_blocks:
        raise ValueError(f"{name}: is empty")
    if len(all_blocks) == 1:
        return all_blocks[0]
    if any(block.ndim == 0 or block.shape[1:] != all_blocks[0].shape[1:] for block in all_blocks):
        raise ValueError(f"{name}: its blocks have items of different shapes")
    return np.concatenate(all_blocks)


def write(sink: str | Path | BinaryIO, array: np.ndarray) -> None:
    """One npy block of a file or a pipe; ``-`` is standard output."""
    if isinstance(sink, (str, Path)) and str(sink) == "-":
        _block(sys.stdout.buffer, array)
        sys.stdout.buffer.flush()
    elif isinstance(sink, (str, Path)):
        with open(sink, "wb") as file:
            _block(file, array)
    else:
        _block(sink, array)


def _block(sink: BinaryIO, array: np.ndarray) -> None:
    # np.save asks where in the file it stands, which a pipe cannot say.
    array = np.asarray(array, order="C")
    if array.dtype.kind not in "biufc":
        raise ValueError(f"an array of {array.dtype} holds no numbers")
    np.lib.format.write_array_header_1_0(sink, np.lib.format.header_data_from_array_1_0(array))
    sink.write(array.reshape(-1).view(np.uint8).data)
