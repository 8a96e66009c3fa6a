"""Writes the arrays that tests/stream.rs reads, as NumPy itself writes them.

    python testdata/npy/make.py

expected.csv: what each file holds (shape of one row, rows, values in row-major
order as NumPy converts them to float64). refused.csv: files that are sound but
hold no real numbers, with a word of the reason. headers.csv: NumPy's header, in
hexadecimal, for shapes around every alignment.
"""

import csv
import gzip
import io
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
expected, refused = [], []


def npy(array, version=None):
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.lib.format.write_array(out, array, version=version)
    return out.getvalue()


def holds(name, array, descr=None, content=None):
    """Writes a file and what a reader must find in it."""
    if content is not None:
        (HERE / name.split(":")[0]).write_bytes(content)
    item = array.shape[1:] or (1,)
    values = " ".join(repr(float(x)) for x in array.astype(np.float64).ravel())
    shape = " ".join(map(str, item))
    expected.append([name, descr or array.dtype.str, shape, len(array), values])


def refuses(name, array, word):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=True)
    (HERE / name).write_bytes(out.getvalue())
    refused.append([name, word])


def numbers(dtype, shape):
    """Values that are exact in every type, different from place to place."""
    flat = np.arange(np.prod(shape, dtype=int))
    kind = np.dtype(dtype).kind
    if kind == "b":
        return (flat % 3 == 0).reshape(shape)
    if kind == "f":
        return ((flat % 101) / 8 - 5).astype(dtype).reshape(shape)
    return (flat % 101 - (50 if kind == "i" else 0)).astype(dtype).reshape(shape)


def extremes(dtype):
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.array([[False, True]])
    if kind == "f":
        about = np.finfo(dtype)
        tiny, top = about.smallest_subnormal, about.max
        values = [0.0, -0.0, tiny, -tiny, about.tiny, top, -top, np.inf, -np.inf, np.nan]
        return np.array([values], dtype)
    about = np.iinfo(dtype)
    values = [about.min, about.max, about.max // 3, about.min // 7]
    return np.array([values], dtype)


codes = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]
for code in codes:
    for order, word in (("<", "little"), (">", "big")):
        if code[1] == "1" and order == ">":
            continue
        a = numbers(order + code, (3, 5))
        holds(f"{code}-{word}.npy", a, content=npy(a))
        e = extremes(order + code)
        holds(f"{code}-{word}-extremes.npy", e, content=npy(e))

for version in ((1, 0), (2, 0), (3, 0)):
    a = numbers("<f8", (4, 3))
    holds(f"version-{version[0]}.npy", a, content=npy(a, version))

fortran = {
    "matrix": ("<f8", (5, 3)),
    "matrix-f4-big": (">f4", (4, 6)),
    "images": ("|u1", (6, 4, 5, 3)),
    "cube": ("<i2", (3, 2, 7)),
    "one-row": ("<f4", (1, 9)),
    "one-column": ("<f4", (9, 1)),
}
for name, (dtype, shape) in fortran.items():
    a = np.asfortranarray(numbers(dtype, shape))
    holds(f"fortran-{name}.npy", a, content=npy(a))

for name, dtype, shape in [
    ("line", "<f4", (7,)),
    ("images-gray", "|u1", (5, 4, 4)),
    ("images-color", "<f4", (3, 4, 4, 3)),
    ("eight-axes", "<f4", (2, 1, 2, 1, 3, 1, 1, 2)),
    ("empty", "<f4", (0, 5)),
    ("empty-fortran", "<f8", (0, 5)),
    ("empty-line", "<f8", (0,)),
]:
    a = numbers(dtype, shape)
    if "fortran" in name:
        a = np.asfortranarray(a)
    holds(f"{name}.npy", a, content=npy(a))

# Blocks back to back: one longer array. Empty ones anywhere, either order.
a = numbers("<f4", (9, 4))
blocks = [a[:0], a[:4], np.asfortranarray(a[4:6]), a[6:6], a[6:], a[9:]]
holds("blocks.npy", a, content=b"".join(map(npy, blocks)))
holds("blocks-versions.npy", a, content=npy(a[:5], (3, 0)) + npy(a[5:], (2, 0)))

# As Python 2 wrote it: long integers, other quotes and spacing, no alignment.
header = b'{"shape" :(2L,3L),"fortran_order":False ,"descr":"<f8"}\n'
a = numbers("<f8", (2, 3))
old = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + a.tobytes()
holds("python2.npy", a, content=old)

# Archives.
a, b = numbers("<f8", (4, 3)), numbers("<f4", (2, 5))
np.savez(HERE / "stored.npz", features=a)
holds("stored.npz", a)
holds("stored.npz:features", a)
holds("stored.npz:features.npy", a)
np.savez_compressed(HERE / "deflated.npz", numbers("|u1", (40, 8, 8)))
holds("deflated.npz", numbers("|u1", (40, 8, 8)))
np.savez(HERE / "two.npz", first=a, second=b)
holds("two.npz:first", a)
holds("two.npz:second", b)
with zipfile.ZipFile(HERE / "no-arrays.npz", "w") as archive:
    archive.writestr("readme.txt", "hello")

# IDX, the format of MNIST.
for name, code, dtype in [
    ("u1", 0x08, ">u1"),
    ("i1", 0x09, ">i1"),
    ("i2", 0x0B, ">i2"),
    ("i4", 0x0C, ">i4"),
    ("f4", 0x0D, ">f4"),
    ("f8", 0x0E, ">f8"),
]:
    a = numbers(dtype, (5, 4, 3))
    head = struct.pack(">BBBB3I", 0, 0, code, a.ndim, *a.shape)
    holds(f"idx3-{name}", a, content=head + a.tobytes())
a = numbers("|u1", (12,))
labels = struct.pack(">BBBBI", 0, 0, 8, 1, 12) + a.tobytes()
holds("labels-idx1-ubyte", a, content=labels)
holds("labels-idx1-ubyte.gz", a, content=gzip.compress(labels, mtime=0))
a = numbers("<f4", (6, 4))
# Two gzip members, as `cat a.gz b.gz` makes them, and a name that tells nothing.
both = gzip.compress(npy(a[:2]), mtime=0) + gzip.compress(npy(a[2:]), mtime=0)
holds("gzipped-blocks.txt", a, content=both)

# Text.
a = np.array([[1.5, -2.0, 1e-300], [np.nan, np.inf, -np.inf], [0.1, 3e10, -0.0]])
text = "1.5,-2,1e-300\nnan,inf,-inf\n0.1,3e10,-0.0\n"
holds("plain.csv", a, "csv", text.encode())
holds("header.csv", a, "csv", ("a,b,c\n" + text).encode())
holds("no-newline.csv", a, "csv", text[:-1].encode())
holds("windows.csv", a, "csv", ("\ufeffa,b,c\n" + text).replace("\n", "\r\n").encode())
odd = '# made by hand\n\n#\n  1.5 ,"-2",\t1e-300\n   \nNaN,Infinity,-inf\n\n+0.1,3E10,-0.\n\n'
holds("odd.csv", a, "csv", odd.encode())
holds("units.csv", a, "csv", ("# run 7\r\na,b,c\r\n# m,s,kg\r\n" + text.replace("\n", "\r\n")).encode())
holds("returns.csv", a, "csv", ("# run 7\ra,b,c\r" + text.replace("\n", "\r")).encode())
holds("only-header.csv", np.zeros((0, 3)), "csv", b"x,y,z\n")
holds("one-column.csv", np.array([1.0, 2.0, 3.0]), "csv", b"1\n2\n3\n")
out = io.StringIO()
np.savetxt(out, a, delimiter=",")
holds("savetxt.csv", a, "csv", out.getvalue().encode())

refuses("zero-axes.npy", np.array(3.0), "single number")
refuses("zero-columns.npy", np.zeros((3, 0)), "no numbers")
refuses("object.npy", np.array([[1, None]], object), "Python objects")
refuses("complex.npy", np.array([[1j]]), "complex")
refuses("bytes.npy", np.array([[b"abc"]]), "strings")
refuses("unicode.npy", np.array([["abc"]]), "strings")
refuses("datetime.npy", np.array([["2024-01-01"]], "M8[D]"), "dates")
refuses("timedelta.npy", np.array([[3]], "m8[s]"), "dates")
refuses("structured.npy", np.zeros(2, [("x", "<f4"), ("y", "<i2")]), "structured")
refuses("structured-unicode.npy", np.zeros(2, [("größe", "<f4")]), "structured")
refuses("void.npy", np.zeros((2, 1), "V3"), "raw")
refuses("longdouble.npy", np.zeros((2, 1), np.longdouble), "another size")
refused.append(["two.npz", "name one"])
refused.append(["two.npz:third", "it holds first, second"])
refused.append(["no-arrays.npz", "no arrays"])
refused.append(["f4-little.npy:key", "is no npz archive"])

headers = []
shapes = [(0,), (1,), (10**18,), (60000, 28, 28), (50000, 32, 32, 3)]
# The length grows by one from shape to shape, past the boundary at 128 bytes.
shapes += [(10**9,) + (10**3,) * 6 + (10**digits,) for digits in range(8)]
for shape in shapes:
    for descr in ("<f4", "<f8"):
        out = io.BytesIO()
        about = {"descr": descr, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(out, about)
        headers.append([descr, " ".join(map(str, shape)), out.getvalue().hex()])


def table(name, columns, rows):
    with open(HERE / name, "w", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


table("expected.csv", ["file", "descr", "item_shape", "rows", "values"], expected)
table("refused.csv", ["file", "reason"], refused)
table("headers.csv", ["descr", "shape", "header"], headers)
