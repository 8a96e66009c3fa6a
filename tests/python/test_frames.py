"""Frames and array streams, there and back, and against bytes that no one of good will sends."""

import io
import json
import os
import struct
import tempfile
import threading
import unittest
from pathlib import Path

import numpy as np
import place  # noqa: F401: finds the module
from molrg import arrays, frames


def frame(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor(shape, offsets, dtype="F32"):
    return {"x": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


class OneByte(io.RawIOBase):
    """A pipe at its slowest."""

    def __init__(self, content):
        self.inner = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self.inner.readinto(memoryview(buffer)[:1])


class Frames(unittest.TestCase):
    def setUp(self):
        self.rng = np.random.default_rng(1)

    def test_there_and_back(self):
        tensors = {
            "x": self.rng.normal(size=(3, 2, 5)).astype("f4"),
            "sigma": self.rng.normal(size=3),
            "none": np.zeros((0, 4), "f4"),
            "turned": self.rng.normal(size=(4, 3)).T,
        }
        sink = io.BytesIO()
        frames.write(sink, {"op": "denoise", "id": "1"}, tensors)
        frames.write(sink, {"id": "2"})
        for source in (io.BytesIO(sink.getvalue()), OneByte(sink.getvalue())):
            metadata, read = frames.read(source)
            self.assertEqual(metadata, {"op": "denoise", "id": "1"})
            self.assertEqual(set(read), set(tensors))
            for name, array in tensors.items():
                np.testing.assert_array_equal(read[name], array)
                self.assertEqual(read[name].dtype, array.dtype)
                self.assertTrue(read[name].flags.aligned and read[name].flags.writeable)
            self.assertEqual(frames.read(source), ({"id": "2"}, {}))
            self.assertIsNone(frames.read(source))

    @place.needs("safetensors")
    def test_is_what_safetensors_writes(self):
        import safetensors.numpy

        x = self.rng.normal(size=(4, 3))
        written = safetensors.numpy.save({"x": x}, {"op": "denoise"})
        metadata, read = frames.read(io.BytesIO(written))
        np.testing.assert_array_equal(read["x"], x)
        sink = io.BytesIO()
        frames.write(sink, metadata, read)
        np.testing.assert_array_equal(safetensors.numpy.load(sink.getvalue())["x"], x)

    def test_hostile_bytes(self):
        eight = bytes(8)
        hostile = {
            "a greeting": b"Loading weights... done\n",
            "cut in its length": b"\x10\x00",
            "header too long": struct.pack("<Q", 1 << 40),
            "header cut short": struct.pack("<Q", 100) + b"{}",
            "no json": frame(b"\xff\xfe{"),
            "a list": frame(b"[1, 2]"),
            "deeply nested": frame(b"[" * 100_000),
            "metadata of numbers": frame({"__metadata__": {"id": 1}}),
            "metadata a list": frame({"__metadata__": ["id"]}),
            "no offsets": frame({"x": {"dtype": "F32", "shape": [2]}}),
            "three offsets": frame(tensor([2], [0, 8, 9]), eight),
            "another type": frame(tensor([2], [0, 4], "F16"), eight),
            "type no text": frame(tensor([2], [0, 8], ["F32"]), eight),
            "offsets backwards": frame(tensor([2], [8, 0]), eight),
            "negative offsets": frame(tensor([2], [-8, 0]), eight),
            "offsets of text": frame(tensor([2], ["0", "8"]), eight),
            "offsets of reals": frame(tensor([2], [0.0, 8.0]), eight),
            "offsets of truth": frame(tensor([], [False, 4]), eight),
            "shape for more": frame(tensor([3], [0, 8]), eight),
            "negative shape": frame(tensor([-1, -2], [0, 8]), eight),
            "shape no list": frame(tensor(2, [0, 8]), eight),
            "a hole": frame(tensor([1], [4, 8]), eight),
            "overlap": frame({**tensor([2], [0, 8]), "y": tensor([1], [4, 8])["x"]}, eight),
            "body cut short": frame(tensor([2], [0, 8]), bytes(7)),
            "larger than any memory": frame(tensor([1 << 60], [0, 1 << 62]), eight),
            "larger than all numbers": frame(tensor([1 << 70], [0, 1 << 72]), eight),
        }
        for what, content in hostile.items():
            with self.subTest(what), self.assertRaises(frames.FrameError):
                frames.read(io.BytesIO(content))

    def test_bytes_of_chance(self):
        sink = io.BytesIO()
        frames.write(sink, {"op": "denoise", "id": "1"}, {"x": self.rng.normal(size=(2, 3)), "sigma": np.ones(2)})
        whole = sink.getvalue()
        for _ in range(3000):
            content = bytearray(whole)
            for place_ in self.rng.integers(0, len(whole), size=self.rng.integers(1, 4)):
                content[place_] = self.rng.integers(0, 256)
            try:
                frames.read(io.BytesIO(bytes(content[: self.rng.integers(1, len(whole) + 1)])))
            except frames.FrameError:
                pass


class Arrays(unittest.TestCase):
    def setUp(self):
        self.rng = np.random.default_rng(2)

    def test_blocks_of_every_kind(self):
        for dtype in ("<f4", "<f8", ">f8", "<f2", "|u1", "<i8", "|b1"):
            parts = [(9 * self.rng.normal(size=(n, 3, 2))).astype(dtype) for n in (4, 0, 1, 5)]
            parts[0] = np.asfortranarray(parts[0])
            stream = io.BytesIO()
            for part in parts:
                np.lib.format.write_array(stream, part)
            for source in (io.BytesIO(stream.getvalue()), OneByte(stream.getvalue())):
                np.testing.assert_array_equal(arrays.read(source), np.concatenate(parts))

    def test_one_block_keeps_its_type_and_shape(self):
        for array in (np.float32(3) * np.ones(()), np.ones((2, 0)), np.arange(6, dtype=">i4").reshape(2, 3)):
            stream = io.BytesIO()
            arrays.write(stream, array)
            self.assertEqual(stream.getvalue(), _saved(array))
            read = arrays.read(io.BytesIO(stream.getvalue()))
            np.testing.assert_array_equal(read, array)
            self.assertEqual((read.shape, read.dtype), (array.shape, array.dtype))

    def test_pipes_and_files(self):
        x = self.rng.normal(size=(50, 400))
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb") as sink:

            def send():
                with sink:
                    arrays.write(sink, x)
                    arrays.write(sink, x.T[:, :50].reshape(-1, 400))

            writer = threading.Thread(target=send)
            writer.start()
            np.testing.assert_array_equal(arrays.read(source), np.concatenate([x, x.T[:, :50].reshape(-1, 400)]))
            writer.join()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.npy"
            arrays.write(path, x)
            np.testing.assert_array_equal(np.load(path), x)
            np.testing.assert_array_equal(arrays.read(str(path)), x)

    def test_what_is_no_stream(self):
        whole = _saved(self.rng.normal(size=(3, 4)))

        def described(text):
            return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text

        hostile = {
            "empty": b"",
            "text": b"a,b,c\n1,2,3\n",
            "cut in its header": whole[:30],
            "cut in its numbers": whole[:-1],
            "rubbish behind": whole + b"more",
            "items of two shapes": whole + _saved(np.ones((2, 5))),
            "objects": _saved(np.array([{}], dtype=object)),
            "records": _saved(np.zeros(2, dtype=[("a", "<f4")])),
            "text as numbers": _saved(np.array(["a"])),
            "a call": described(b"__import__('os').abort()"),
            "nested": described(b"(" * 60_000),
            "negative": described(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2)}"),
            "no shape": described(b"{'descr': '<f4', 'fortran_order': False}"),
            "enormous": described(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1 << 62,)}"),
            "huge": described(b"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,)}"),
        }
        for what, content in hostile.items():
            with self.subTest(what), self.assertRaises(ValueError):
                arrays.read(io.BytesIO(content))

    def test_blocks_come_one_at_a_time(self):
        whole = _saved(np.ones((2, 3)))
        first = next(arrays.blocks(io.BytesIO(whole + b"not yet looked at")))
        self.assertEqual(first.shape, (2, 3))


def _saved(array):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), version=(1, 0))
    return stream.getvalue()


if __name__ == "__main__":
    unittest.main()
