"""The denoiser of every kind of model file, in NumPy, from docs/formats.md alone; compared with dae-apply.

    python tests/forward.py PROGRAMS [SEED]

PROGRAMS is the directory that holds dae-fit, dae-apply and pf-sample. Run by `make test-forward`. What is compared
is python/molrg/models.py, of which docs/formats.md is the text: NumPy and the standard library, no part of our
programs.
"""

import io
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "python"))

from molrg.models import generated, load, tensors_of


def save(path, metadata, tensors):
    header, offset = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        end = offset + tensor.nbytes
        header[name] = {"dtype": "F64", "shape": tensor.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    body = b"".join(np.ascontiguousarray(t, "<f8").tobytes() for t in tensors.values())
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + body)


# name, shape of an item, flags of dae-fit. Sizes are odd where they may be, so that no two can be mistaken.
CASES = [
    ("linear", "7", "--kind linear --width 5 --depth 3 --loss edm"),
    ("linear, tied", "7", "--kind linear --width 5 --tied --loss vp"),
    ("linear, one level", "7", "--kind linear --width 5 --loss fixed --sigma 0.7"),
    ("two-layer", "7", "--kind two-layer --width 11 --loss ve"),
    ("two-layer, tied", "7", "--kind two-layer --width 11 --tied --loss edm"),
    ("mlp", "3,5", "--kind mlp --width 9 --depth 2 --loss edm"),
    ("mlp, consistency", "7", "--kind mlp --width 8 --depth 3 --loss consistency --sigma-range 0.01,50"),
    ("unet, grey", "4,6", "--kind unet --width 9 --loss vp"),
    ("unet", "8,4,3", "--kind unet --width 14 --mult 1,2,3 --blocks 2 --loss edm"),
    ("unet, circular", "4,6", "--kind unet --width 9 --padding circular"),
    ("resnet", "3,5,2", "--kind resnet --width 7 --depth 2"),
    ("resnet, circular", "5,4", "--kind resnet --width 6 --depth 3 --padding circular --loss ve"),
    ("mlp, sub-VP", "7", "--kind mlp --width 8 --depth 2 --loss subvp"),
    ("uvit", "6,4,3", "--kind uvit --width 13 --depth 5 --patch 2 --loss ve"),
    ("uvit, grey", "6,9", "--kind uvit --width 8 --depth 4 --patch 3 --loss edm"),
    ("uvit, one block", "4,4,1", "--kind uvit --width 6 --depth 1 --patch 1 --loss edm"),
    ("mlp of classes", "7", "--kind mlp --width 9 --depth 2 --labels labels.npy"),
    ("unet of classes", "8,4,3", "--kind unet --width 8 --labels labels.npy --drop-label 0.5"),
    ("resnet of classes", "3,4,1", "--kind resnet --width 6 --depth 1 --labels labels.npy --drop-label 0.5"),
    ("uvit of classes", "4,4,1", "--kind uvit --width 6 --depth 2 --labels labels.npy --drop-label 0"),
    ("mlp of conditions", "3,2", "--kind mlp --width 9 --depth 2 --condition told.npy"),
    ("mlp of classes and conditions", "7", "--kind mlp --width 6 --depth 1 --condition told.npy --labels labels.npy"),
    ("mlp of transitions", "5", "--kind mlp --width 9 --depth 2 --loss interpolant --condition before.npy"),
    ("mlp of means", "5", "--kind mlp --width 9 --depth 1 --loss regression --condition before.npy"),
    ("mlp of other means", "7", "--kind mlp --width 9 --depth 1 --loss regression --condition told.npy"),
    ("unet of conditions", "4,6", "--kind unet --width 9 --condition told.npy"),
    ("resnet of conditions", "3,5,2", "--kind resnet --width 6 --depth 2 --condition told.npy"),
    ("uvit of classes and conditions", "4,4,1", "--kind uvit --width 6 --depth 2 --labels labels.npy --condition told.npy"),
    ("molrg", "12", "--kind molrg -r 2,3 --solver em --fit means,variances,weights,noise --restarts 2"),
    ("molrg, flat", "12", "--kind molrg -r 2 -k 3 --restarts 2"),
    ("gaussian", "7", "--kind gaussian -r 4"),
    ("empirical", "7", "--kind empirical"),
    ("ideal", "3,5,2", "--kind local --machine ideal"),
    ("equivariant", "3,4", "--kind local --machine equivariant"),
    ("local", "4,5,2", "--kind local --machine local --patch 3,1,7 --patch-levels 0.5,0.03,20"),
    ("equivariant-local", "4,3,2", "--kind local --machine equivariant-local --patch 5,3 --patch-levels 5,0.2"),
    ("interior dictionary", "5,4", "--kind local --machine equivariant-local --dictionary interior --patch 3"),
    ("bordered", "5,6", "--kind local --machine bordered --patch 3"),
    ("pca-local", "3,4", "--kind pca-local --threshold 0.2"),
    ("affine", "3,4", "distill"),
    ("random features", "3,4", "--kind random-features --features 31 --levels 0.03,0.7,20 --time 50"),
    ("random features of noise", "7", "--kind random-features --features 9 --levels 20,0.7,0.03 --target noise"),
    ("linear-vae", "7", "--kind linear-vae -r 3"),
    ("vae", "7", "--kind vae -r 3 --width 6 --depth 2"),
    ("gan", "7", "--kind gan -r 3 --width 6 --depth 2"),
]
SHORT = {"linear", "two-layer", "mlp", "unet", "resnet", "uvit", "vae", "gan"}
LEVELS = [0.03, 0.7, 20.0]

# Sums of at most a few thousand products in another order, in f64, through some thirty layers.
TOLERANCE = 1e-12


class Place:
    def __init__(self, programs, path):
        self.programs, self.path = Path(programs).resolve(), Path(path)

    def run(self, line):
        program, *arguments = line.split()
        done = subprocess.run([str(self.programs / program), *arguments], cwd=self.path, capture_output=True)
        assert done.returncode == 0, f"{line}: {done.stderr.decode()}"
        return done.stdout

    def array(self, line):
        return np.load(io.BytesIO(self.run(line)))


def error(ours, theirs):
    """Largest difference, relative to the largest number."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def compare(place, model, points):
    """The largest error over noise levels, or of the samples of a generator."""
    m, _ = tensors_of(place.path / model)
    if m["kind"] in ("linear-vae", "vae", "gan"):
        z = np.random.default_rng(1).normal(size=(20, int(m["latent"])))
        np.save(place.path / "z.npy", z)
        return error(generated(place.path / model, z), place.array(f"pf-sample {model} --noise z.npy --dtype f64"))
    worst = 0.0
    # A network of classes is one denoiser with and one without them.
    asked = [] if m.get("unconditional") == "false" else [("", None)]
    if "classes" in m:
        classes = np.arange(len(points)) % int(m["classes"])
        np.save(place.path / "classes.npy", classes)
        asked.append(("--class classes.npy", classes))
    condition, told = "", None
    if "condition" in m:
        told = 3 + 2 * np.random.default_rng(3).normal(size=(len(points), int(m["condition"])))
        np.save(place.path / "given.npy", told)
        condition = "--condition given.npy"
    for sigma in LEVELS:
        # Far from the data, too: at σ = 20 points are 20 ε away.
        x = points + sigma * np.random.default_rng(2).normal(size=points.shape)
        np.save(place.path / "x.npy", x)
        for flag, labels in asked:
            theirs = place.array(f"dae-apply {model} x.npy --sigma {sigma} --dtype f64 {flag} {condition}").reshape(len(x), -1)
            worst = max(worst, error(load(place.path / model)(x.reshape(len(x), -1), sigma, labels, told), theirs))
    return worst


def with_random_parameters(place, model, rng):
    """The same network with parameters of chance, none zero, in a file that holds them once."""
    m, tensors = tensors_of(place.path / model)
    prefix = "ema" if any(name.startswith("ema.") for name in tensors) else "model"
    chance = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix + "."):
            inputs = max(1, int(np.prod(tensor.shape[:-1])))
            chance[name] = rng.normal(size=tensor.shape) / np.sqrt(inputs)
    save(place.path / "chance.st", m, chance)
    return "chance.st"


def main():
    programs, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as path:
        place = Place(programs, path)
        for name, shape, flags in CASES:
            shape = [int(n) for n in shape.split(",")]
            d = int(np.prod(shape))
            # Of low rank and with a mean, so that every kind has something to fit.
            data = rng.normal(size=(90, 3)) @ rng.normal(size=(3, d)) + 0.1 * rng.normal(size=(90, d)) + 0.4
            np.save(place.path / "data.npy", data.reshape(90, *shape))
            np.save(place.path / "labels.npy", np.arange(90) % 3)
            np.save(place.path / "told.npy", 2 + rng.normal(size=(90, 4)))
            np.save(place.path / "before.npy", 2 + rng.normal(size=(90, d)))
            trained = flags != "distill" and flags.split()[1] in SHORT
            steps = "--steps 8 --batch 16 --seed 3 --quiet" if trained else ""
            if flags == "distill":
                # Of what is not symmetric itself, so that W is not W transposed.
                place.run("dae-fit data.npy --kind mlp --width 9 --depth 1 --steps 8 --quiet --dtype f64 -o mlp.st")
                levels = ",".join(map(str, LEVELS))
                place.run(f"dae-distill mlp.st data.npy --sigma {levels} --draws 5 -o fitted.st")
            else:
                place.run(f"dae-fit data.npy {flags} {steps} --dtype f64 -o fitted.st")
            models = ["fitted.st"] + ([with_random_parameters(place, "fitted.st", rng)] if trained else [])
            for model in models:
                worst = compare(place, model, data[:20].reshape(20, *shape))
                print(f"{name:20} {model:10} {worst:.1e}")
                if not worst < TOLERANCE:
                    sys.exit(f"{name} ({model}): NumPy differs from dae-apply by {worst:.1e} of the largest number")
    print(f"{len(CASES)} kinds: NumPy {np.__version__} agrees with docs/formats.md and dae-apply")


main()
