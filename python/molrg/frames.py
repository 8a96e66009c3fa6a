"""Safetensors frames, one after another: how models and programs talk (docs/formats.md, Models from elsewhere)."""

from __future__ import annotations

import json
import struct
from typing import BinaryIO

import numpy as np

#: The greeting of both sides.
PROTOCOL = "molrg-model 1"

#: A header is no longer than this.
LONGEST_HEADER = 1 << 24

_TYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


class FrameError(Exception):
    """What was read is no frame."""


def _exactly(source: BinaryIO, count: int) -> bytes:
    parts = []
    while count > 0:
        part = source.read(count)
        if not part:
            raise FrameError("it ends within a frame")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read(source: BinaryIO) -> tuple[dict[str, str], dict[str, np.ndarray]] | None:
    """The next frame's metadata and tensors; ``None`` at the end."""
    first = source.read(8)
    if not first:
        return None
    if len(first) < 8:
        first += _exactly(source, 8 - len(first))
    (length,) = struct.unpack("<Q", first)
    if not 2 <= length <= LONGEST_HEADER:
        raise FrameError(f"no frame begins with {first!r}")
    try:
        header = json.loads(_exactly(source, length))
        metadata = header.pop("__metadata__", {})
        spans = {name: (entry, *entry["data_offsets"]) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FrameError(f"its header is damaged: {error}") from error
    body = _exactly(source, max((end for _, _, end in spans.values()), default=0))
    tensors = {}
    for name, (entry, start, end) in spans.items():
        dtype = _TYPES.get(entry.get("dtype"))
        if dtype is None:
            raise FrameError(f"tensor {name} is of type {entry.get('dtype')}, not F32 or F64")
        tensors[name] = np.frombuffer(body, dtype, (end - start) // dtype.itemsize, start).reshape(entry["shape"])
    return metadata, tensors


def write(sink: BinaryIO, metadata: dict[str, str], tensors: dict[str, np.ndarray] | None = None) -> None:
    """Writes one frame and flushes. Tensors are of f32 or f64."""
    header: dict[str, object] = {"__metadata__": metadata}
    arrays, offset = [], 0
    for name, tensor in (tensors or {}).items():
        wide = tensor.dtype == np.float64
        array = np.ascontiguousarray(tensor, "<f8" if wide else "<f4")
        end = offset + array.nbytes
        header[name] = {"dtype": "F64" if wide else "F32", "shape": list(array.shape), "data_offsets": [offset, end]}
        arrays.append(array)
        offset = end
    text = json.dumps(header).encode()
    # Tensors begin at a multiple of 8, so that readers need not copy them.
    text += b" " * (-len(text) % 8)
    sink.write(struct.pack("<Q", len(text)) + text)
    for array in arrays:
        sink.write(array.tobytes())
    sink.flush()
