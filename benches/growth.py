"""How the time of jobs grows, one size at a time, as exponents: benches/growth.csv.

    make bench-growth [SIZE=small]

Every job runs at four sizes that double, others fixed, in turn and several times;
the fastest counts. The slope of ln seconds over ln size is the exponent, by our
`table slope`; the expected one is that of the multiplications, at the same sizes.
Times are of whole programs, so what does not grow (starting, reading the model)
lowers an exponent a little.
"""

import argparse
import csv
from math import log
from pathlib import Path
from statistics import linear_regression

from bench import FASHION, HERE, ROOT, Command, program

DOUBLINGS = (1, 2, 4, 8)


def cases(size, scratch):
    """(job, variable, sizes, what makes the command and the files of a size, expected exponent)."""
    part = 1 if size == "full" else 8

    def mixture(n, d, K, r):
        model = str(scratch / f"growth-truth-{d}-{K}-{r}.st")
        plant = program("molrg-gen", "-d", d, "-k", K, "-r", r, "-n", 1, "--truth", model)
        return program("pf-sample", model, "-n", n), {model: plant}

    def mixture_work(n, d, K, r):
        # There (in two projections) and back, and 35 evaluations in p + 1 coordinates.
        p = K * r
        return n * p * (5 * d + 2 * 35 * (p + 1))

    def linear(**sizes):
        work = 1
        for value in sizes.values():
            work *= value
        return work

    def samples(n, d, skip=0):
        file = str(scratch / f"growth-samples-{n}-{d}-{skip}.npy")
        return file, {file: program("molrg-gen", "-d", d, "-k", 4, "-r", 16, "-n", n, "--skip", skip, "-o", file)}

    def empirical(n, N, d):
        data, files = samples(N, d)
        model = data.replace("samples", "empirical").replace(".npy", ".st")
        fit = program("dae-fit", data, "--kind", "empirical", "-o", model)
        return program("pf-sample", model, "-n", n), files | {model: fit}

    def gl(n, N, d):
        (train, files), (fresh, more) = samples(N, d), samples(n, d, skip=N)
        return program("rp-score", fresh, "--train", train), files | more

    def gl_images(n, N):
        # Real images, of which most rows are ruled out by a few coordinates.
        files = {}
        for part, rows in ("t10k", n), ("train", N):
            file = str(scratch / f"growth-{part}-{rows}.npy")
            images = FASHION.with_name(f"{part}-images-idx3-ubyte.gz")
            files[file] = program("npy", "images", images, "--rows", f"..{rows}", "-o", file)
        fresh, train = files
        return program("rp-score", fresh, "--train", train), files

    def generation(n, d):
        return program("molrg-gen", "-n", n, "-d", d, "-k", 8, "-r", 16), {}

    jobs = [
        ("mixture flow", mixture, mixture_work, {"n": 4096, "d": 2048, "K": 8, "r": 32}, {"n": 1024, "d": 1024, "K": 2, "r": 8}),
        ("empirical flow", empirical, linear, {"n": 512, "N": 2500, "d": 512}, {"n": 512, "N": 2500, "d": 256}),
        ("gl", gl, linear, {"n": 2048, "N": 25_000, "d": 512}, {"n": 1024, "N": 12_500, "d": 128}),
        *([("gl of images", gl_images, linear, {"n": 10_000, "N": 50_000}, {"n": 1250, "N": 6250})] if FASHION.exists() else []),
        ("generation", generation, linear, {"n": 100_000, "d": 512}, {"n": 50_000, "d": 256}),
    ]
    for job, make, work, fixed, first in jobs:
        # What is not looked at may be smaller.
        fixed = fixed | {"n": fixed["n"] // part}
        for variable, least in first.items():
            least = least if variable != "n" else least // part
            sizes = [least * times for times in DOUBLINGS]
            at = lambda call, value: call(**fixed | {variable: value})
            logs = [log(at(work, value)) for value in sizes]
            expected = linear_regression([log(value) for value in sizes], logs).slope
            yield job, variable, sizes, lambda value: at(make, value), expected


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["small", "full"], default="full")
    parser.add_argument("--takes", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    scratch = ROOT / "target/bench" / args.size
    scratch.mkdir(parents=True, exist_ok=True)
    points = scratch / "growth-points.csv"
    with open(points, "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["job", "variable", "from", "to", "expected", "value", "seconds"])
        for job, variable, sizes, command_of, expected in cases(args.size, scratch):
            commands = {}
            for value in sizes:
                arguments, files = command_of(value)
                for path, make in files.items():
                    if not Path(path).exists():
                        Command(make, None, args.threads).once()
                commands[value] = Command(arguments, None, args.threads)
            taken = {value: [] for value in sizes}
            for _ in range(args.takes):
                for value, command in commands.items():
                    taken[value].append(command.once()["seconds"])
            for value, seconds in taken.items():
                table.writerow([job, variable, sizes[0], sizes[-1], f"{expected:.2f}", value, f"{min(seconds):.4g}"])
            file.flush()
            print(job, variable, {value: round(min(seconds), 3) for value, seconds in taken.items()}, flush=True)
    output = HERE / "growth.csv" if args.size == "full" else scratch / "growth.csv"
    by = ["--by", "job,variable,from,to,expected", "--x", "value", "--y", "seconds", "--log-x", "--log-y"]
    Command(program("table", "slope", points, *by, "-o", output), None, 1).once()


if __name__ == "__main__":
    main()
