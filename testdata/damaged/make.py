"""Writes damaged and hostile files, and README.md, which says what each breaks.

    python testdata/damaged/make.py

tests/stream.rs reads the table in README.md: each file must be refused, in little
memory, with a message that contains the words in its last column.
"""

import gzip
import struct
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
rows = []


def damaged(name, content, breaks, message):
    (HERE / name).write_bytes(content)
    rows.append(f"| `{name}` | {breaks} | {message} |")


def header(text, version=1):
    text = text.encode("latin1") if isinstance(text, str) else text
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text


def shaped(shape, descr="'<f8'", fortran="False"):
    about = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
    text = about.ljust(117) + "\n"
    return header(text)


good = shaped("(4, 3)") + bytes(96)

# Lengths and shapes that ask for memory.
damaged("length-4-gib.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "12 bytes that claim a header of 4 GiB", "claims 4294967295 bytes")
damaged("length-100-kb.npy", header(b" " * 100_000, 2)[:200], "a header longer than any needed", "claims 100000 bytes")
damaged("rows-2-40.npy", shaped("(1099511627776,)"), "8 TiB declared, none there", "0 of 1099511627776 rows")
damaged("rows-2-60.npy", shaped("(1152921504606846976,)"), "more bytes than an address reaches", "more than any memory")
damaged("fortran-2-40.npy", shaped("(1048576, 1048576)", fortran="True"), "8 TiB in Fortran order, none there", "truncated: 0 of 8796093022208 bytes")
damaged("wide-row.npy", shaped("(1, 1099511627776)"), "one row of 8 TiB", "0 of 1 rows")
damaged("overflow.npy", shaped("(4294967296, 4294967296)"), "a product of 2^64 numbers, which wraps to 0", "more than any memory")
damaged("overflow-bytes.npy", shaped("(2305843009213693952,)"), "a count that fits while its bytes wrap to 0", "more than any memory")
damaged("overflow-no-rows.npy", shaped("(0, 4294967296, 4294967296)"), "no rows, of a width that wraps", "more than any memory")
damaged("overflow-digits.npy", shaped("(99999999999999999999, 1)"), "a length beyond 64 bits", "should have a whole number")

# Ends at every kind of place.
damaged("cut-magic.npy", good[:5], "ends in its magic", "is not an array, table or model")
damaged("cut-version.npy", good[:7], "ends in its version", "ends inside its header")
damaged("cut-length.npy", good[:9], "ends in its header's length", "ends inside its header")
damaged("cut-header.npy", good[:60], "ends in its header", "ends inside its header")
damaged("cut-all-data.npy", good[:128], "ends after its header", "0 of 4 rows read")
damaged("cut-in-row.npy", good[: 128 + 24 + 10], "ends inside a row", "1 of 4 rows read")
damaged("cut-between-rows.npy", good[: 128 + 48], "ends between rows", "2 of 4 rows read")
damaged("cut-last-byte.npy", good[:-1], "lacks its last byte", "3 of 4 rows read")
damaged("cut-second-block.npy", good + good[:-30], "second block ends early", "block 2: truncated: 2 of 4 rows read")
damaged("cut-second-header.npy", good + good[:20], "ends in the second block's header", "block 2: truncated: it ends inside its header")
damaged("cut-fortran.npy", shaped("(4, 3)", fortran="True") + bytes(90), "Fortran order, lacks bytes", "90 of 96 bytes")

# What follows the data.
damaged("garbage-byte.npy", good + b"\x00", "one byte too many", "bytes follow the last row")
damaged("garbage-text.npy", good + b"hello, world\n", "text after the array", "bytes follow the last row")
damaged("garbage-magic.npy", good + b"\x93NUMPX" + good[6:], "almost a second array", "block 2: damaged: its first bytes")
damaged("blocks-width.npy", good + shaped("(1, 4)") + bytes(32), "second block has other columns", "block 2: has rows of shape (4,) and type <f8")
damaged("blocks-dtype.npy", good + shaped("(1, 3)", "'<f4'") + bytes(12), "second block has another type", "block 2: has rows of shape (3,) and type <f4")
damaged("blocks-empty-width.npy", good + shaped("(0, 4)"), "second block is empty, yet of other columns", "block 2: has rows of shape (4,)")

# Headers that are no header.
rest = "'fortran_order': False, 'shape': (1, 1)}"
damaged("version-4.npy", good[:6] + b"\x04\x00" + good[8:], "a version there is not", "version 4.0 is not known")
damaged("version-1-1.npy", good[:6] + b"\x01\x01" + good[8:], "a version there is not", "version 1.1 is not known")
damaged("no-text.npy", header(""), "an empty header", "should have '{'")
damaged("no-brace.npy", header("'descr': '<f8', " + rest), "no opening brace", "should have '{'")
damaged("open-brace.npy", header("{'descr': '<f8', " + rest[:-1]), "no closing brace", "should have '}'")
damaged("after-brace.npy", header("{'descr': '<f8', " + rest + "; import os"), "code after the dictionary", "should have nothing more")
damaged("duplicate-key.npy", header("{'descr': '<f8', 'shape': (9, 9), " + rest), "a key twice", "the key 'shape' twice")
damaged("extra-key.npy", header("{'descr': '<f8', 'extra': 1, " + rest), "a key too many", "the unknown key 'extra'")
damaged("missing-key.npy", header("{'descr': '<f8', 'shape': (1, 1)}"), "a key too few", "lacks the key 'fortran_order'")
damaged("nested.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': " + "(" * 20000 + ")" * 20000 + "}"), "brackets 20000 deep", "should have a whole number")
damaged("nested-list.npy", header("{'descr': " + "[" * 30000), "lists 30000 deep", "structured")
damaged("negative.npy", shaped("(-1, 3)"), "a negative length", "should have a whole number")
damaged("fraction.npy", shaped("(1.5, 3)"), "a fractional length", "should have ','")
damaged("shape-number.npy", shaped("(3)"), "a number for a shape", "should have ','")
damaged("shape-list.npy", shaped("[3, 3]"), "a list for a shape", "should have '('")
damaged("nine-axes.npy", shaped("(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "nine axes", "has 9 axes")
damaged("fortran-one.npy", shaped("(1, 1)", fortran="1"), "a number for a truth value", "should have True or False")
damaged("escape.npy", shaped("(1, 1)", descr=r"'\x3cf8'"), "an escape in a string", "plain characters")
damaged("open-string.npy", header("{'descr': '<f8"), "a string that does not end", "plain characters")
damaged("not-ascii.npy", header("{'descr': '<f8', 'größe': 1, " + rest), "letters beyond ASCII", "plain characters")
damaged("zero-bytes.npy", header(b"\x00" * 64), "a header of zeros", "should have '{'")
damaged("no-order.npy", shaped("(1, 1)", "'f8'"), "no byte order", "does not say its byte order")
damaged("bar-order.npy", shaped("(1, 1)", "'|f8'"), "no byte order where there must be one", "does not say its byte order")
damaged("unknown-type.npy", shaped("(1, 1)", "'<f3'"), "a type there is not", "is refused")
damaged("empty-type.npy", shaped("(1, 1)", "''"), "no type", "is refused")

# Archives, IDX and gzip.
with zipfile.ZipFile(HERE / "t", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr(zipfile.ZipInfo("a.npy"), good)
stored = (HERE / "t").read_bytes()
(HERE / "t").unlink()
damaged("cut.npz", stored[:-30], "zip archive without its end", "damaged zip archive")
flipped = bytearray(stored)
flipped[flipped.index(b"\x93NUMPY") + 130] ^= 1
damaged("checksum.npz", bytes(flipped), "one bit flipped in a number", "cannot unpack 'a'")
with zipfile.ZipFile(HERE / "t", "w") as archive:
    archive.writestr(zipfile.ZipInfo("a.npy"), b"hello")
damaged("not-npy.npz", (HERE / "t").read_bytes(), "a member that is no array", "is not an npy array")
(HERE / "t").unlink()
damaged("cut-idx", b"\x00\x00\x08\x03\x00\x00\x00\x02\x00", "IDX, ends in its header", "ends inside its header")
damaged("short-idx", b"\x00\x00\x08\x02\x00\x00\x00\x02\x00\x00\x00\x03" + b"abcde", "IDX, lacks a byte", "1 of 2 rows read")
damaged("long-idx", b"\x00\x00\x08\x02\x00\x00\x00\x02\x00\x00\x00\x03" + b"abcdefg", "IDX, one byte too many", "bytes follow the last row")
damaged("huge-idx", b"\x00\x00\x0e\x08" + b"\xff" * 32, "IDX of 2^256 numbers", "more than any memory")
damaged("cut.npy.gz", gzip.compress(good, mtime=0)[:-12], "gzip without its end", "cannot")
damaged("checksum.npy.gz", gzip.compress(good, mtime=0)[:-8] + bytes(8), "gzip with a wrong checksum", "cannot")
damaged("empty.gz", gzip.compress(b"", mtime=0), "gzip of nothing", "is empty")
damaged("empty", b"", "nothing", "is empty: a csv of no rows")
damaged("program", b"\x7fELF\x02\x01\x01" + bytes(57), "a program", "is not an array, table or model")
damaged("control.csv", b"1,2\x00,3\n", "a zero byte in text", "is not an array, table or model")
about = b'{"__metadata__":{"format":"molrg-model"}}'
damaged("model.safetensors", struct.pack("<Q", len(about)) + about, "a model where samples are expected", "is a model, not samples")

damaged("no-tensors.safetensors", struct.pack("<Q", 2) + b"{}", "no tensors", "holds no tensors")
about = b'{"a":{"dtype":"BF16","shape":[2,1],"data_offsets":[0,4]}}'
damaged("half.safetensors", struct.pack("<Q", len(about)) + about + bytes(4), "a type there is not in NumPy", "is of type BF16")
about = b'{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]}}'
damaged("two.safetensors", struct.pack("<Q", len(about)) + about + bytes(16), "two tensors where one is expected", "holds 2 tensors: a, b; name one")
about = b'{"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}'
damaged("cut.safetensors", struct.pack("<Q", len(about)) + about + bytes(5), "a tensor without its end", "1 of 2 rows read")
with zipfile.ZipFile(HERE / "t", "w") as archive:
    archive.writestr(zipfile.ZipInfo("x/data.pkl"), b"")
    archive.writestr(zipfile.ZipInfo("x/data/0"), bytes(8))
damaged("torch.pt", (HERE / "t").read_bytes(), "what torch.save writes", "it was written by torch.save")
(HERE / "t").unlink()
damaged("pickle", b"\x80\x04\x95" + bytes(60), "a pickle", "is a Python pickle")
damaged("image.png", b"\x89PNG\r\n\x1a\n" + bytes(60), "one image", "give the folder that it is in")
damaged("wide-record.npy", header("{'descr': [" + "('c', '<f4'), " * 8000, 2)[:200], "a structured array whose fields take 100 kB", "it is a structured one")
damaged("named-type.npy", shaped("(1, 1)", "'float64'"), "a type by the name that users have for it", "spell it '<f8'")

# Text.
damaged("ragged.csv", b"1,2,3\n4,5\n", "a row too short", "line 2: has 2 fields, the first line has 3")
damaged("ragged-header.csv", b"a,b\n1,2,3\n", "a header too short", "line 2: has 3 fields, the first line has 2")
damaged("empty-field.csv", b"1,2\n\n3,\n", "an empty field", "line 3: field 2 is empty")
damaged("empty-first.csv", b",1\n3,4\n", "an empty field in the first line", "line 1: field 1 is empty")
damaged("cut-zip", b"PK", "a zip archive that ends in its first word, which could be the name of a column", "ends inside its first line")
damaged("windows.csv", b"a,b\r\n\r\n# c\r\n1,2\r\n3,x\r\n", "a word among numbers, with lines as Windows ends them", "line 5: field 2, 'x', is not a number")
damaged("word.csv", b"a,b\n1,2\n3,x\n", "a word among numbers", "line 3: field 2, 'x', is not a number")
damaged("spaces.csv", b"1 2 3\n4 5 6\n", "separated by spaces", "separate numbers by commas")
damaged("only-comments.csv", b"# nothing\n\n# here\n", "no line with numbers", "holds no rows")
damaged("latin1.csv", b"a,b\n1,2\n3,\xe9\n", "text that is not UTF-8", "line 3: field 2")
damaged("open-quote.csv", b'a,b\n1,"2\n3,4\n' + b"5,6\n" * 50, "a quote that is not closed", "line 2: a quote is opened and not closed")
damaged("last-quote.csv", b'# "\n1,2\n3,"4', "a quote that is not closed at the end", "line 3: a quote is opened and not closed")
# Contents are told by the first bytes; as a table this was read, and written as what could not be read again.
damaged("late-control.csv", b"# " + b"-" * 64 + b"\na,b\n1,2\n3,\x0f\n", "a control character after the first 64 bytes (found by fuzzing)", "line 4: field 2")
damaged("stray-quote.csv", b'a,b\n6","y\n7,8\n9,10\n', "a quote in a field and one that opens the next and is not closed: the rows after them were lost (found by fuzzing)", "line 2: a quote is opened and not closed")

damaged("comment.csv", b"1,2\n# two\n3,4\n", "a comment among rows", "line 2: field 1, '# two', is not a number; comments stand before the first row")
damaged("error-value.csv", b"1,2\n#N/A,3\n4,5\n", "what Excel has for a missing number, which is no comment", "line 2: field 1, '#N/A', is not a number; write nan")
damaged("error-first.csv", b"#DIV/0!,2\n3,4\n", "the same in the first row", "line 1: field 1, '#DIV/0!', is not a number")
damaged("error-under-names.csv", b"a,b\n#ref!,2\n3,4\n", "the same in the first row below names", "line 2: field 1, '#ref!', is not a number")
damaged("mixed-header.csv", b"a,b,2\n3,4,5\n", "a first line of names and a number", "line 1: field 1, 'a', is not a number, though field 3, '2', is a number")
damaged("missing-header.csv", b"NA,x\n3,4\n", "a first line of a name and a missing number", "line 1: field 2, 'x', is not a number, though field 1, 'NA', is a number or stands for a missing one")
damaged("index.csv", b",a,b\n0,1,2\n", "an index column, as pandas writes it", "line 1: field 2, 'a', is not a number, though field 1 is empty")
damaged("missing-first.csv", b"-,n/a\n3,4\n", "a first row in which all is missing", "line 1: field 1, '-', is not a number; write nan")
damaged("blank-row.csv", b"a\n1\n\n3\n", "a blank line among rows of one number", "line 3: is blank, where a row should be")

README = f"""# Damaged files

What must be refused, and by what words. `make.py` writes the files and this list;
`tests/stream.rs` reads it.

| file | what it breaks | the message says |
|---|---|---|
{chr(10).join(rows)}
"""
(HERE / "README.md").write_text(README)
