"""Array streams: one or more npy blocks, back to back, from files and pipes."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np


class _Whole:
    """A pipe as :func:`numpy.load` needs it: a read gives all that was asked for, unless the end comes first."""

    def __init__(self, source: BinaryIO):
        self.source = source

    def read(self, count: int = -1) -> bytes:
        if count < 0:
            return self.source.read()
        parts = []
        while count > 0 and (part := self.source.read(count)):
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def _blocks(source: BinaryIO, name: str):
    whole = _Whole(source)
    while magic := whole.read(6):
        version = whole.read(2)
        if magic != b"\x93NUMPY" or len(version) < 2:
            raise ValueError(f"{name}: is no npy stream")
        length = int.from_bytes(whole.read(2 if version[0] == 1 else 4), "little")
        text = whole.read(length).decode("utf-8" if version[0] == 3 else "latin1")
        yield _values(whole, text, name)


def _values(whole: _Whole, text: str, name: str) -> np.ndarray:
    try:
        described = ast.literal_eval(text.strip())
        dtype, shape = np.dtype(described["descr"]), tuple(described["shape"])
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise ValueError(f"{name}: its header is damaged: {error}") from error
    if dtype.hasobject:
        raise ValueError(f"{name}: holds objects, not numbers")
    count = int(np.prod(shape, dtype=np.int64))
    data = whole.read(count * dtype.itemsize)
    if len(data) < count * dtype.itemsize:
        raise ValueError(f"{name}: ends within an array")
    order = "F" if described["fortran_order"] else "C"
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def read(source: str | Path | BinaryIO = "-") -> np.ndarray:
    """All blocks of an npy stream as one array; ``-`` is standard input. ``np.load`` reads the first alone."""
    if source == "-":
        return _joined(sys.stdin.buffer, "standard input")
    if isinstance(source, (str, Path)):
        with open(source, "rb") as file:
            return _joined(file, str(source))
    return _joined(source, getattr(source, "name", "stream"))


def _joined(source: BinaryIO, name: str) -> np.ndarray:
    blocks = list(_blocks(source, name))
    if not blocks:
        raise ValueError(f"{name}: is empty")
    if any(block.shape[1:] != blocks[0].shape[1:] for block in blocks):
        raise ValueError(f"{name}: its blocks have items of different shapes")
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def write(sink: str | Path | BinaryIO, array: np.ndarray) -> None:
    """One npy block of a file or a pipe; ``-`` is standard output."""
    array = np.ascontiguousarray(array)
    if sink == "-":
        np.lib.format.write_array(sys.stdout.buffer, array, version=(1, 0), allow_pickle=False)
        sys.stdout.buffer.flush()
    elif isinstance(sink, (str, Path)):
        with open(sink, "wb") as file:
            np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)
    else:
        np.lib.format.write_array(sink, array, version=(1, 0), allow_pickle=False)
