"""Safetensors frames, one after another: how models and programs talk (docs/models.md, The protocol)."""

from __future__ import annotations

import json
import math
import struct
from typing import BinaryIO, Mapping

import numpy as np

#: The greeting of both sides.
PROTOCOL = "molrg-model 1"

#: A header is no longer than this.
LONGEST_HEADER = 1 << 24

_TYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


class FrameError(ValueError):
    """What was read is no frame."""


def exactly(source: BinaryIO, count: int) -> np.ndarray | None:
    """The next ``count`` bytes; ``None`` where the source ends before. Memory is touched as bytes arrive only."""
    try:
        buffer = np.empty(count, np.uint8)
    except (MemoryError, ValueError, OverflowError):
        return None
    view, filled = memoryview(buffer), 0
    while filled < count:
        got = source.readinto(view[filled:])
        if not got:
            return None
        filled += got
    return buffer


def read(source: BinaryIO) -> tuple[dict[str, str], dict[str, np.ndarray]] | None:
    """The next frame's metadata and tensors, which may be written to; ``None`` at the end."""
    first = source.read(1)
    if not first:
        return None
    rest = exactly(source, 7)
    if rest is None:
        raise FrameError("it ends within a frame")
    first += rest.tobytes()
    (length,) = struct.unpack("<Q", first)
    if not 2 <= length <= LONGEST_HEADER:
        raise FrameError(f"no frame begins with {first!r}")
    text = exactly(source, length)
    if text is None:
        raise FrameError("it ends within a frame")
    metadata, spans = _described(text.tobytes())
    body = exactly(source, max((end for *_, end in spans), default=0))
    if body is None:
        raise FrameError("it ends within a frame")
    return metadata, {name: body[start:end].view(dtype).reshape(shape) for name, dtype, shape, start, end in spans}


def _described(text: bytes) -> tuple[dict[str, str], list[tuple[str, np.dtype, list[int], int, int]]]:
    """A header's metadata, and name, type, shape and bytes of every tensor."""
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__", {})
        entries = [(name, entry["dtype"], entry["shape"], *entry["data_offsets"]) for name, entry in header.items()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FrameError(f"its header is damaged: {error!r}") from error
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FrameError("its metadata are not text")
    spans = []
    for name, kind, shape, *offsets in entries:
        if not isinstance(kind, str) or kind not in _TYPES:
            raise FrameError(f"tensor {name!r} is of type {kind!r}, not F32 or F64")
        sizes = [*shape, *offsets] if isinstance(shape, list) else [None]
        if len(offsets) != 2 or not all(type(size) is int and size >= 0 for size in sizes):
            raise FrameError(f"tensor {name!r} has shape {shape!r} and bytes {offsets!r}")
        dtype = _TYPES[kind]
        if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
            raise FrameError(f"tensor {name!r} of shape {shape} has bytes {offsets[0]} to {offsets[1]}")
        spans.append((name, dtype, shape, *offsets))
    at = 0
    for name, _, _, start, end in sorted(spans, key=lambda span: span[3:]):
        if start != at:
            raise FrameError(f"tensor {name!r} begins at byte {start}, not at {at}")
        at = end
    return metadata, spans


def write(sink: BinaryIO, metadata: Mapping[str, str], tensors: Mapping[str, np.ndarray] | None = None) -> None:
    """Writes one frame and flushes. Tensors of f64 stay that, others become f32."""
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    arrays, offset = [], 0
    for name, tensor in (tensors or {}).items():
        wide = tensor.dtype == np.float64
        array = np.ascontiguousarray(tensor, "<f8" if wide else "<f4")
        end = offset + array.nbytes
        header[name] = {"dtype": "F64" if wide else "F32", "shape": list(tensor.shape), "data_offsets": [offset, end]}
        arrays.append(array)
        offset = end
    text = json.dumps(header).encode()
    # Tensors begin at a multiple of 8, so that readers need not copy them.
    text += b" " * (-len(text) % 8)
    sink.write(struct.pack("<Q", len(text)) + text)
    for array in arrays:
        sink.write(array.reshape(-1).view(np.uint8).data)
    sink.flush()
