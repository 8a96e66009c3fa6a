"""A program that is a model, in every way that one can fail: python3 serving.py FAULT K.

It multiplies by 1 (its denoiser is the identity), and does FAULT at its K-th request, or before it greets. Some are no
faults but other models: "classes" multiplies by the class that is asked for, "turns" by a matrix.
"""

import json
import os
import struct
import sys
import time

fault, at = sys.argv[1], int(sys.argv[2])
inp, out = sys.stdin.buffer, sys.stdout.buffer
with open(f"pid-{os.environ['MOLRG_WORKER']}", "w") as file:
    file.write(str(os.getpid()))


def read():
    start = inp.read(8)
    if len(start) < 8:
        sys.exit(0)
    header = json.loads(inp.read(struct.unpack("<Q", start)[0]))
    metadata = header.pop("__metadata__", {})
    data = inp.read(max((t["data_offsets"][1] for t in header.values()), default=0))
    tensors = {name: (t["shape"], data[slice(*t["data_offsets"])], t["dtype"]) for name, t in header.items()}
    return metadata, tensors


def frame(metadata, **tensors):
    header, data = {"__metadata__": metadata}, b""
    for name, (shape, values, dtype) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    header = json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data


def send(text):
    out.write(text)
    out.flush()


def die(words, code=3):
    sys.stderr.write(f"a line before\n{words}\n")
    sys.stderr.flush()
    os._exit(code)


if fault == "exits":
    die("no such network")
if fault == "greets":
    send(b"loading the network ...\n" * 7000)
if fault == "greets-only":
    send(b"usage: serving NETWORK\n")
    die("no network was given")
hello, _ = read()
assert hello == {"protocol": "molrg-model 1"}, hello
said = {
    "protocol": "molrg-model 1",
    "can": "denoise describe" if fault != "can-describe" else "describe",
    "item_shape": "2,4,3",
    "batch": "16",
    "dtype": "f32",
    "name": "the identity",
    "sigma_min": "0.002",
    "sigma_max": "80",
    "sha256": "0" * 64,
    "of-later-versions": "yes",
}
said.update(
    {
        "old": {"protocol": "molrg-model 0"},
        "no-batch": {"batch": "0"},
        "shapeless": {"item_shape": "2,4,x"},
        "narrow": {"sigma_max": "10"},
        "workers": {"name": os.environ["MOLRG_WORKER"]},
        "classes": {"classes": "3", "can": "denoise jvp vjp"},
        "turns": {"can": "denoise jvp"},
        "cannot-load": {"error": "no network in this folder"},
    }.get(fault, {})
)
send(frame(said))
asked = 0
while True:
    metadata, tensors = read()
    asked += 1
    # Rows are the second frame's, so that batches of another shape show.
    shape, values, dtype = tensors["v" if "v" in tensors else "x"]
    assert shape[0] in (2, 16) or "v" in tensors, shape
    rows, size = shape[0], len(values) // shape[0]
    metadata = {"id": metadata["id"]}
    if fault in ("classes", "turns"):
        number = "f" if dtype == "F32" else "d"
        numbers = struct.unpack(f"<{len(values) // struct.calcsize(number)}{number}", values)
        d = len(numbers) // rows
        if fault == "classes":
            # By the class of the row, and by -1 where there is none.
            of_rows = struct.unpack(f"<{tensors['x'][0][0]}d", tensors["class"][1]) if "class" in tensors else [-1.0]
            numbers = [of_rows[i // d % len(of_rows)] * x for i, x in enumerate(numbers)]
        else:
            # A matrix that is not symmetric: number i is i + 1 times the one after it, the last of them the first.
            numbers = [(i % d + 1) * numbers[i - i % d + (i + 1) % d] for i in range(len(numbers))]
        values = struct.pack(f"<{len(numbers)}{number}", *numbers)
    if fault == "late":
        time.sleep(0.1)
    if asked == at:
        if fault == "prints":
            send(b"epoch 3: loss 0.25\n")
        elif fault == "short":
            shape, values = [rows - 1] + shape[1:], values[size:]
        elif fault == "long":
            shape, values = [rows + 1] + shape[1:], values + values[:size]
        elif fault == "flat":
            shape = [rows, size // 4]
        elif fault == "id":
            metadata["id"] = "4711"
        elif fault == "no-id":
            metadata = {}
        elif fault == "nan":
            number = "<f" if dtype == "F32" else "<d"
            values = struct.pack(number, float("nan")) + values[struct.calcsize(number) :]
        elif fault == "error":
            send(frame({**metadata, "error": "CUDA out of memory\nTried to allocate"}))
            continue
        elif fault == "integers":
            dtype = "I32"
        elif fault == "other":
            send(frame(metadata, z=(shape, values, dtype)))
            continue
        elif fault == "more":
            send(frame(metadata, y=(shape, values, dtype), z=(shape, values, dtype)))
            continue
        elif fault == "twice":
            send(frame(metadata, y=(shape, values, dtype)))
        elif fault == "cut":
            send(frame(metadata, y=(shape, values, dtype))[: -size // 2])
            die("cut short")
        elif fault == "cut-header":
            send(frame(metadata, y=(shape, values, dtype))[:40])
            die("cut short")
        elif fault == "hostile":
            send(struct.pack("<Q", 1 << 60) + b"{")
        elif fault == "dies":
            die("RuntimeError: the device is gone")
        elif fault == "killed":
            os.kill(os.getpid(), 9)
        elif fault == "ends":
            sys.exit(0)
        elif fault == "closes":
            os.close(1)
            time.sleep(1000)
        elif fault == "hangs":
            open("hung", "w").close()
            time.sleep(1000)
    send(frame(metadata, y=(shape, values, dtype)))
