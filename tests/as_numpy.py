"""Does NumPy agree? Random arrays through the programs and through NumPy. Run by `make test-numpy`.

    python tests/as_numpy.py PROGRAMS [ROUNDS [SEED]]

PROGRAMS is the directory that holds npy. What NumPy writes must be read as NumPy reads it, to the last bit; what
is written must be what NumPy would write, to the last byte; and npy info and diff must say what NumPy says. A
round that fails prints its seed: `… 1 SEED` does that round again.
"""

import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

# Conversions of NaN and of what is too large, which are meant.
np.seterr(over="ignore", invalid="ignore", divide="ignore")

NARROW = ["f2", "f4", "i1", "i2", "u1", "u2", "b1"]
WIDE = ["f8", "i4", "i8", "u4", "u8"]


class Place:
    def __init__(self, programs, path):
        self.npy = str(Path(programs).resolve() / "npy")
        self.path = Path(path)

    def run(self, *arguments, code=0, stdin=None):
        done = subprocess.run([self.npy, *map(str, arguments)], cwd=self.path, input=stdin, capture_output=True)
        assert done.returncode == code, f"npy {arguments}: exit {done.returncode}: {done.stderr.decode()}"
        return done.stdout


def random_array(rng):
    """Of any type that is read, one to five axes, now and then without rows, with extremes of its type."""
    code = rng.choice(NARROW + WIDE)
    order = rng.choice(["<", ">"]) if np.dtype(code).itemsize > 1 else "|"
    dtype = np.dtype(str(order) + str(code))
    axes = rng.integers(1, 6)
    shape = [int(rng.choice([0, 1, 2, 3, 17, 50])), *(int(n) for n in rng.integers(1, 5, axes - 1))]
    # Any bits: among them denormals, both zeros, infinities and NaN.
    numbers = rng.integers(0, 256, int(np.prod(shape)) * dtype.itemsize, dtype=np.uint8)
    if dtype.kind == "b":
        numbers &= 1
    array = numbers.view(dtype).reshape(shape)
    if dtype.kind == "f" and rng.random() < 0.5:
        array = rng.normal(scale=10.0 ** rng.integers(-3, 4), size=shape).astype(dtype)
    return np.asfortranarray(array) if rng.random() < 0.3 else array


def as_rows(array):
    """As the programs hold it: one axis is a column."""
    return array.reshape(-1, 1) if array.ndim == 1 else array


def wide(array):
    return f"{array.dtype.kind}{array.dtype.itemsize}" in WIDE


def saved(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def block(array, rng):
    """As a complete npy array of any version."""
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=(int(rng.integers(1, 4)), 0))
    return out.getvalue()


def written_by_numpy(array, place, rng):
    """The array in one of the forms that NumPy or a pipe gives it; the name to read it by."""
    form = rng.choice(["npy", "blocks", "gzip", "npz", "compressed"])
    if form == "npy":
        (place.path / "a").write_bytes(block(array, rng))
    elif form in ("blocks", "gzip"):
        cuts = sorted(int(n) for n in rng.integers(0, len(array) + 1, rng.integers(0, 4)))
        parts = [block(part, rng) for part in np.split(array, cuts)]
        joined = b"".join(parts)
        (place.path / "a").write_bytes(gzip.compress(joined) if form == "gzip" else joined)
    else:
        save = np.savez if form == "npz" else np.savez_compressed
        with open(place.path / "a", "wb") as out:
            save(out, other=np.zeros(3), it=array)
        return "a:it"
    return "a"


def same_bits(a, b):
    bits = lambda x: np.where(np.isnan(x), np.nan, x).tobytes()
    return a.dtype == b.dtype and a.shape == b.shape and bits(a) == bits(b)


def reads_as_numpy_reads(place, rng):
    array = random_array(rng)
    name = written_by_numpy(array, place, rng)
    asked = rng.choice(["", "f4", "f8"])
    target = np.dtype(f"<{asked}") if asked else np.dtype("<f8" if wide(array) else "<f4")
    flag = ["--dtype", f"f{target.itemsize * 8}"] if asked else []
    expected = as_rows(array).astype(target, order="C")
    got = place.run("cat", name, "--nan", "pass", *flag)
    assert same_bits(np.load(io.BytesIO(got)), expected), f"{array.dtype} {array.shape} {name}"
    if not np.isnan(expected).any():
        assert got == saved(expected), "not the bytes that NumPy writes"
    place.run("diff", name, name, "--nan", "pass")
    place.run("check", name, "--nan", "pass")
    says_of_it_what_numpy_says(place, name, array)

    start, end = sorted(int(n) for n in rng.integers(0, len(array) + 2, 2))
    part = place.run("cat", name, "--nan", "pass", *flag, "--rows", f"{start}..{end}")
    assert same_bits(np.load(io.BytesIO(part)), expected[start:end]), f"rows {start}..{end}"


def says_of_it_what_numpy_says(place, name, array):
    info = next(csv.DictReader(io.StringIO(place.run("info", name, "--nan", "pass").decode())))
    assert info["shape"] == "x".join(map(str, as_rows(array).shape)), info
    assert info["dtype"] == array.dtype.str, info
    numbers = array.astype("f8")
    finite = numbers[np.isfinite(numbers)]
    assert int(info["non_finite"]) == numbers.size - finite.size, info
    if finite.size == 0:
        assert (info["min"], info["max"], info["mean"]) == ("", "", ""), info
    else:
        assert (float(info["min"]), float(info["max"])) == (finite.min(), finite.max()), info
        # Sums in another order differ by a rounding for each number.
        mean, scale = (finite / finite.size).sum(), np.abs(finite).max()
        assert abs(float(info["mean"]) - mean) <= 4 * finite.size * 2.0**-52 * scale, (info, mean)
    stored = (place.path / "a").read_bytes()
    if ":" not in name:
        assert info["sha256"] == hashlib.sha256(stored).hexdigest(), info


def text_is_what_numpy_reads(place, rng):
    array = random_array(rng)
    if len(array) == 0:
        return
    (place.path / "a").write_bytes(block(array, rng))
    target = "<f8" if wide(array) else "<f4"
    expected = as_rows(array).astype(target).reshape(len(array), -1)
    text = place.run("cat", "a", "--nan", "pass", "--format", "csv")
    assert same_bits(np.loadtxt(io.BytesIO(text), delimiter=",", ndmin=2).astype(target), expected), "csv"
    lines = place.run("cat", "a", "--nan", "pass", "--format", "json").decode().splitlines()
    numbers = np.array([json.loads(line) for line in lines], dtype=float).astype(target)
    assert same_bits(numbers, np.where(np.isfinite(expected), expected, np.nan).astype(target)), "json"
    # As NumPy writes text: with the digits that tell every f64 from others.
    out = io.BytesIO()
    header = "a,b" if rng.random() < 0.5 else ""
    np.savetxt(out, expected.astype("f8"), delimiter=",", fmt="%.17g", header=header)
    got = np.load(io.BytesIO(place.run("cat", "-", "--nan", "pass", stdin=out.getvalue())))
    assert same_bits(got, expected.astype("<f8")), "savetxt"


def differs_where_numpy_says(place, rng):
    a = rng.normal(size=(int(rng.integers(1, 30)), int(rng.integers(1, 6))))
    b = a + rng.normal(scale=10.0 ** -rng.integers(1, 8), size=a.shape) * rng.integers(0, 2, a.shape)
    rtol, atol = (float(10.0 ** -rng.integers(1, 9)) * rng.integers(0, 2) for _ in range(2))
    if rng.random() < 0.3:
        # Near the tolerance, which is relative to the second.
        b, rtol, atol = a * rng.uniform(0.5, 2, a.shape), 0.3, 0.0
    for array in (a, b):
        odd = rng.random(a.shape) < 0.05
        array[odd] = rng.choice([np.nan, np.inf, -np.inf, 0.0], odd.sum())
    np.save(place.path / "a.npy", a)
    np.save(place.path / "b.npy", b)
    apart = ~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    difference = np.where(np.isfinite(a) & np.isfinite(b), np.abs(a - b), np.inf)
    relative = np.where(np.isfinite(difference), difference / np.abs(b), np.inf)
    out = place.run(
        "diff", "a.npy", "b.npy", "--nan", "pass", "--rtol", rtol, "--atol", atol, code=int(apart.any())
    )
    row = next(csv.DictReader(io.StringIO(out.decode())))
    assert int(row["differing"]) == apart.sum(), row
    if apart.any():
        largest = difference[apart].max()
        assert float(row["max_abs"]) == largest, row
        assert float(row["max_rel"]) == relative[apart].max(), row
        place_of = np.argwhere(apart & (difference == largest))[0]
        assert [int(row["row"]), int(row["column"])] == list(place_of), row


def stacks_as_numpy_stacks(place, rng):
    item = [int(n) for n in rng.integers(1, 4, rng.integers(1, 4))]
    arrays = [rng.normal(size=(5, *item)).astype(rng.choice(["f4", "f8"])) for _ in range(3)]
    for name, array in zip("abc", arrays):
        np.save(place.path / f"{name}.npy", array)
    names = ["a.npy", "b.npy", "c.npy"]
    widest = max(array.dtype for array in arrays)
    assert place.run("stack", *names) == saved(np.stack(arrays).astype(widest)), "stack"
    assert place.run("cat", *names) == saved(np.concatenate(arrays).astype(widest)), "cat"


CHECKS = [reads_as_numpy_reads, text_is_what_numpy_reads, differs_where_numpy_says, stacks_as_numpy_stacks]


def main():
    programs, rounds, seed = [*sys.argv[1:], *["200", "0"][len(sys.argv) - 2 :]]
    for seed in range(int(seed), int(seed) + int(rounds)):
        with tempfile.TemporaryDirectory() as path:
            place = Place(programs, path)
            rng = np.random.default_rng(seed)
            for check in CHECKS:
                try:
                    check(place, rng)
                except AssertionError as error:
                    sys.exit(f"seed {seed}: {check.__name__}: {error}")
    print(f"{rounds} rounds: NumPy {np.__version__} agrees")


main()
