"""Every job here and in the rivals, in turn, as a table.

    make bench                      the sizes the table in README.md speaks of
    make bench SIZE=small           all of it in less than two minutes
    make bench ONLY=gl,gaussian     only these; the other rows stay as they are
    make bench MISSING=1            only what has no row yet: goes on with a stopped run
    make bench NARROW=1             without AVX-512 on a processor that has it, here and in the rivals

Each round times a job here and then in its rival, so that both meet the same
machine; `ratio` is the median over rounds of the faster rival's time over ours. Ours is
the wall time of the whole program, from start to exit, reading its files and
writing its result included. Where ours takes less than 3 s, but of SIZE=small, the
second of two turns in a row counts, of rivals, too: the host of a virtual machine takes
back memory that nobody uses, and to get it again would be part of some turns and not of
others. A rival (peers/) reads the same files and does the same work; its start and
imports are not counted, nor is writing a result that is only compared. Of two rivals
the slower one takes one turn.

Every result is compared with the rival's; a difference beyond the tolerance ends
the run with exit code 1. `floor` is the time that the job's operations take at the
best product measured in this run, ours, NumPy's or PyTorch's (or its bytes at the
rate of the disk). `beside_mb` is the memory held besides the job's data (in a
rival, besides its libraries too). Seconds and MB (10^6 bytes) throughout; a program
that holds less than this script, some 25 MB, is seen to hold as much.

Without rivals (no python in --peers) ours run alone.

--narrow stands for a processor with AVX2 where none is at hand. Ours are built in
target/narrow without the feature avx512, which leaves gemm, pulp and the loops at AVX2;
faer asks the processor alone, so the products within its factorizations stay at
AVX-512. OpenBLAS takes its kernels for Haswell, oneDNN and PyTorch's loops those for
AVX2, and MKL too: on AMD it never takes others.
"""

import argparse
import csv
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Of Debian's dataset-fashion-mnist, as for the figures; without it its row is left out.
FASHION = Path(os.environ.get("FASHION", "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"))

COLUMNS = (
    "job,size,ours,numpy,pytorch,cat,rival,ratio,target,floor,percent_of_floor,"
    "peak_mb,peak_mb_numpy,peak_mb_pytorch,beside_mb,beside_mb_numpy,beside_mb_pytorch,"
    "limit,met,difference,tolerance,rounds,note"
).split(",")

# Seconds that ours takes up to which, of everyone's turns, the second of two in a row counts.
SHORT = 3

# A rival needs its own choice of kernels and cache sizes: what the environment says of these, or of threads,
# would slow it down.
FOREIGN = ("OPENBLAS_", "MKL_", "OMP_", "GOMP_", "KMP_", "NVPL_", "ONEDNN_", "DNNL_", "ATEN_")

# The rivals' kernels for AVX2, of those that choose at run time.
NARROW = {
    "OPENBLAS_CORETYPE": "Haswell",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
}


def target(narrow):
    """Where ours are built, and what they are built with."""
    return (ROOT / "target/narrow", ["--no-default-features"]) if narrow else (ROOT / "target", [])


def environment(threads, narrow=False):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    kept["PATH"] = f"{target(narrow)[0] / 'release'}{os.pathsep}{kept['PATH']}"
    kept |= {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
    return kept | NARROW if narrow else kept


@dataclass
class Job:
    name: str
    # The sizes as a person says them.
    size: str
    # The program and its arguments; what it prints goes to `ours` of the settings.
    command: list
    # Where the rival's version is, and what it is told.
    peer: str = ""
    settings: dict = field(default_factory=dict)
    # The rivals: the first takes a turn every round, another goes on where it is the faster.
    rivals: tuple = ()
    target: float | None = None
    # A file to the arguments that make it; made once.
    files: dict = field(default_factory=dict)
    # Largest relative difference of the results, and why this much.
    tolerance: float = 0.0
    # Multiplications and additions in f32 and in f64.
    operations: tuple = (0.0, 0.0)
    # Bytes of the result, where the disk sets the floor.
    written: int = 0
    # Bytes that must be held, and bytes that only pass through.
    data: int = 0
    moved: int = 0
    # Other promises: least percent of the floor, most MB beside the data, most seconds.
    percent: float | None = None
    beside: float | None = None
    seconds: float | None = None
    rounds: int = 5
    # Runs of a turn, of which the median counts.
    repeat: int = 1
    note: str = ""


def program(name, *arguments):
    """A program of ours; `run` fills in the threads."""
    return [name, *map(str, arguments), "--threads", "{threads}", "--quiet"]


class Command:
    """A program's turn: wall seconds, and the most memory it or its parts held."""

    def __init__(self, arguments, output, threads, repeat=1, narrow=False):
        self.arguments = [a.replace("{threads}", str(threads)) for a in arguments]
        self.output, self.repeat = output or os.devnull, repeat
        self.environment = environment(threads, narrow)

    def once(self):
        with open(self.output, "wb") as output:
            start = time.perf_counter()
            child = subprocess.Popen(self.arguments, stdout=output, env=self.environment)
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{' '.join(self.arguments)}: exit code {child.returncode}")
        return {"seconds": seconds, "peak": usage.ru_maxrss * 1024, "cpu": usage.ru_utime + usage.ru_stime}

    def turn(self):
        runs = [self.once() for _ in range(self.repeat)]
        return {key: statistics.median(run[key] for run in runs) for key in runs[0]}

    def close(self):
        pass


class Steps(Command):
    """A bench of training steps, which reports its own seconds."""

    def turn(self):
        run = super().turn()
        return run | json.loads(Path(self.output).read_text().splitlines()[-1])


class Peer:
    """A rival's turns; see peers/turns.py."""

    def __init__(self, python, job, library, threads, narrow):
        settings = ["--library", library, "--threads", str(threads), "--job", json.dumps(job.settings)]
        command = [python, str(HERE / "peers" / f"{job.peer}.py"), *settings]
        pipe = subprocess.PIPE
        self.repeat = job.repeat
        self.child = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment(threads, narrow))

    def wait(self):
        """Until it has imported what it needs, which would slow down whoever has a turn."""
        self.child.stdout.readline()

    def turn(self):
        self.child.stdin.write(f"{self.repeat}\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self.child.args[1:4])}: ended with exit code {self.child.wait()}")
        # Its threads spin for a moment after the work.
        time.sleep(0.2)
        return json.loads(line)

    def close(self):
        self.child.stdin.close()
        self.child.wait()


class Disk:
    """The disk's turn: so many bytes written and made to last."""

    CHUNK = bytes(8 << 20)

    def __init__(self, path, count):
        self.path, self.count = path, count

    def turn(self):
        start = time.perf_counter()
        with open(self.path, "wb", buffering=0) as file:
            for at in range(0, self.count, len(self.CHUNK)):
                file.write(self.CHUNK[: self.count - at])
            os.fsync(file.fileno())
        return {"seconds": time.perf_counter() - start}

    def close(self):
        os.remove(self.path)


def megabytes(count):
    return f"{count / 1e6:.0f}"


class Bench:
    def __init__(self, args):
        self.threads, self.size, self.rounds, self.narrow = args.threads, args.size, args.rounds, args.narrow
        python = Path(args.peers or "none") / "bin/python"
        self.python = str(python.absolute()) if args.peers and python.exists() else None
        self.scratch = (ROOT / "target/bench" / args.size).absolute()
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.wrong = []

    def measure_machine(self):
        """Operations a second of the best products in f32 and f64, and how they were reached."""
        self.benches = built_benches(self.narrow)
        ours = subprocess.run([self.benches["machine"], str(self.threads)], capture_output=True, text=True, check=True)
        found = {"ours": json.loads(ours.stdout)}
        for library in ("numpy", "pytorch") if self.python else ():
            command = [self.python, HERE / "peers/machine.py", "--library", library, "--threads", str(self.threads)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment(self.threads, self.narrow))
            if done.returncode == 0:
                found[library] = json.loads(done.stdout)
        for name, rates in found.items():
            rates = ", ".join(f"{key} {rate / 1e9:.0f}" for key, rate in rates.items())
            print(f"best products, GFLOP/s (and GB/s read), {name}: {rates}", file=sys.stderr)
        self.peaks = [max(rates[kind] for rates in found.values()) for kind in ("f32", "f64")]

    def prepare(self, job):
        for path, arguments in job.files.items():
            if not Path(path).exists():
                self.command(arguments).once()

    def command(self, arguments, output=None, repeat=1, kind=Command):
        return kind(arguments, output, self.threads, repeat, self.narrow)

    def competitors(self, job):
        ours = job.settings.get("ours") or str(self.scratch / "output")
        if job.peer == "training":
            command = [self.benches["training"], *job.command, str(self.threads)]
            found = {"ours": self.command(command, ours, kind=Steps)}
        else:
            found = {"ours": self.command(job.command, ours, job.repeat)}
        for rival in job.rivals:
            if rival == "cat":
                found["cat"] = self.command(job.settings["cat"])
            elif self.python:
                found[rival] = Peer(self.python, job, rival, self.threads, self.narrow)
        for rival in found.values():
            if isinstance(rival, Peer):
                rival.wait()
        if job.written:
            found["disk"] = Disk(str(self.scratch / "disk"), job.written)
        return found

    def take_turns(self, job, competitors):
        """What everyone's turns gave, and what went wrong with a rival."""
        turns, failures = {name: [] for name in competitors}, []
        twice = self.size == "full" and competitors["ours"].turn()["seconds"] < SHORT
        for number in range(self.rounds or job.rounds):
            for name, competitor in competitors.items():
                if number > 0 and (not turns[name] or self.is_slower(job, turns, name)):
                    continue
                try:
                    turns[name].append(self.turn(competitor, twice))
                except (RuntimeError, OSError) as error:
                    if name == "ours":
                        raise
                    failures.append(f"{name}: {error}")
        return turns, failures

    def turn(self, competitor, twice):
        """A turn, or the second of two with the memory of the first."""
        first = competitor.turn()
        if not twice:
            return first
        return competitor.turn() | {key: first[key] for key in ("peak", "before") if key in first}

    @staticmethod
    def is_slower(job, turns, name):
        """Whether this is another rival than the first, and took longer than it in the first round."""
        first = turns[job.rivals[0]] if name in job.rivals[1:] else []
        return bool(first) and turns[name][0]["seconds"] > first[0]["seconds"]

    def run(self, job):
        self.prepare(job)
        competitors = self.competitors(job)
        try:
            turns, failures = self.take_turns(job, competitors)
        finally:
            for competitor in competitors.values():
                competitor.close()
        row = self.row(job, turns)
        if failures:
            row["note"] = "; ".join(filter(None, [row["note"], *failures]))
        return row

    def row(self, job, turns):
        row = dict.fromkeys(COLUMNS, "") | {"job": job.name, "size": job.size, "note": job.note}
        row["rounds"] = len(turns["ours"])
        median = lambda name, key="seconds": statistics.median(turn[key] for turn in turns[name])
        for name in ("ours", "numpy", "pytorch", "cat"):
            if turns.get(name):
                row[name] = f"{median(name):.4g}"
        promises = []

        rivals = [name for name in job.rivals if turns.get(name)]
        if rivals:
            row["rival"] = min(rivals, key=median)
            pairs = zip(turns["ours"], turns[row["rival"]])
            ratio = statistics.median(rival["seconds"] / ours["seconds"] for ours, rival in pairs)
            row["ratio"] = f"{ratio:.2f}"
            if job.target:
                row["target"] = job.target
                promises.append(ratio >= job.target)

        # The first turn's: later ones would include what comparing results took.
        suffixes = {"ours": "", "numpy": "_numpy", "pytorch": "_pytorch"}
        for name, suffix in suffixes.items():
            if turns.get(name) and "peak" in turns[name][0]:
                peak, before = turns[name][0]["peak"], turns[name][0].get("before", 0)
                row["peak_mb" + suffix] = megabytes(peak)
                if job.data:
                    row["beside_mb" + suffix] = megabytes(max(0, peak - before - job.data))
        if job.beside:
            promises.append(float(row["beside_mb"]) <= job.beside)

        operations = turns["ours"][0].get("operations")
        operations = (operations, 0) if operations else job.operations
        floor = sum(count / peak for count, peak in zip(operations, self.peaks))
        if "disk" in turns:
            floor = median("disk")
        if floor:
            percent = 100 * floor / median("ours")
            row["floor"], row["percent_of_floor"] = f"{floor:.4g}", f"{percent:.0f}"
            if job.percent:
                promises.append(percent >= job.percent)
        if job.seconds:
            promises.append(median("ours") <= job.seconds)
        limits = [(job.percent, "{:g} % of floor"), (job.beside, "{:g} MB beside"), (job.seconds, "{:g} s")]
        row["limit"] = ", ".join(text.format(limit) for limit, text in limits if limit)
        row["met"] = "" if not promises else "yes" if all(promises) else "no"

        if job.moved:
            stages = lambda name: 4 * job.moved / median(name, "cpu") / 1e9
            through = lambda name: job.moved / median(name) / 1e9
            rates = [f"{name} {through(name):.2f} ({stages(name):.2f})" for name in ("ours", "cat") if turns.get(name)]
            row["note"] = "GB/s through all (GB a stage for each second of processor): " + ", ".join(rates)

        differences = [turn["difference"] for name in turns for turn in turns[name] if "difference" in turn]
        if differences:
            row["difference"], row["tolerance"] = f"{max(differences):.2g}", job.tolerance
            # A difference that is not a number is one, too.
            if not max(differences) <= job.tolerance:
                self.wrong.append(job.name)
                row["met"] = "no"
        return row


def build_narrow():
    """Builds ours without AVX-512; `make bench` builds the others."""
    directory, features = target(narrow=True)
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--bins", "--target-dir", directory, *features]
    subprocess.run(command, check=True, cwd=ROOT)


def built_benches(narrow):
    """The benches' executables, built if need be."""
    names = ["machine", "training"]
    directory, features = target(narrow)
    command = ["cargo", "bench", "--quiet", "--locked", "--no-run", "--message-format=json", *features]
    command += ["--target-dir", directory] if narrow else []
    command += [word for name in names for word in ("--bench", name)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable") and m["target"]["name"] in names}


def jobs(size, scratch):
    """The jobs of the table, in its order."""
    full = size == "full"
    pick = lambda small, large: large if full else small
    path = lambda name: str(scratch / name)
    output = path("output")

    def truth(d, k, r):
        file = path(f"truth-{d}-{k}-{r}.st")
        return file, {file: program("molrg-gen", "-d", d, "-k", k, "-r", r, "-n", 1, "--seed", 1, "--truth", file)}

    def samples(n, d, k, r, noise=0, skip=0):
        file = path(f"samples-{n}-{d}-{k}-{r}-{noise}-{skip}.npy")
        flags = ["-n", n, "-d", d, "-k", k, "-r", r, "--noise-std", noise, "--skip", skip, "--seed", 1]
        return file, {file: program("molrg-gen", *flags, "-o", file)}

    def fashion(part, n):
        file = path(f"fashion-{part}-{n}.npy")
        images = FASHION.with_name(f"{part}-images-idx3-ubyte.gz")
        return file, {file: program("npy", "images", images, "--rows", f"..{n}", "-o", file)}

    def features(filters, images):
        """Rectified products of images of 28 × 28 with filters of 5 × 5, three pixels apart."""
        if not Path(filters).exists():
            normal = random.Random(1).gauss
            weights = [[normal(0, 0.2) for _ in range(25)] for _ in range(8)]
            with open(f"{filters}.part", "w", newline="") as file:
                for weight in weights:
                    for top, left in itertools.product(range(0, 24, 3), repeat=2):
                        row = [0.0] * 784
                        for (i, j), w in zip(itertools.product(range(5), repeat=2), weight):
                            row[28 * (top + i) + left + j] = w
                        csv.writer(file, lineterminator="\n").writerow(row)
            os.replace(f"{filters}.part", filters)
        file = images.replace("fashion", "features")
        seen = images.replace("fashion", "filtered")
        product = program("measure", images, "--operator", f"matrix:{filters}", "--noise-std", 0, "-o", seen)
        return file, {seen: product, file: program("npy", "let", "max(x, 0)", "--in", f"x={seen}", "-o", file)}

    def latents(n, d):
        file = path(f"latents-{n}-{d}.npy")
        return file, {file: program("npy", "noise", "-n", n, "-d", d, "--seed", 7, "-o", file)}

    def empirical(data):
        file = data.replace("samples", "empirical").replace(".npy", ".st")
        return file, {file: program("dae-fit", data, "--kind", "empirical", "-o", file)}

    # Differences of flows and denoisers in f32 are rounding, 1e-6 to 1e-5; a wrong formula gives 0.1 and more.
    rounding = 1e-4
    steps, evaluations = 18, 35

    for name, target, percent, n, d, k, r in [
        ("mixture-flow", 4.5, 80, *pick((1000, 768, 10, 16), (10_000, 3072, 10, 32))),
        ("mixture-flow-small", 3, None, *pick((2000, 48, 2, 6), (10_000, 48, 2, 6))),
    ]:
        model, files = truth(d, k, r)
        noise, more = latents(n, d)
        yield Job(
            name,
            f"n={n} d={d} K={k} r={r} Heun {steps}",
            program("pf-sample", model, "-n", n, "--steps", steps, "--seed", 7),
            "flow",
            {"kind": "molrg", "model": model, "latents": noise, "steps": steps, "ours": output},
            ("pytorch", "numpy"),
            target,
            files | more,
            rounding,
            # Into k·r + 1 coordinates (in two projections) and back, and the flow in these.
            (2 * n * k * r * (5 * d + 2 * (k * r + 1) * evaluations), 0),
            percent=percent,
            note=f"in {k * r + 1} coordinates; rivals in all {d}",
            rounds=pick(2, 3 if percent else 7),
            repeat=pick(1, 1 if percent else 5),
        )

    n, rows, d = pick((64, 5000, 768), (256, 50_000, 3072))
    data, files = samples(rows, d, 10, pick(16, 32), 0.05)
    model, more = empirical(data)
    for sigma in (0.1, 1, 20, 80):
        # A mixture with noise of this size is what a flow meets at this level.
        points, last = samples(n, d, 10, pick(16, 32), sigma, rows)
        yield Job(
            f"denoiser-{sigma}",
            f"{n} x N={rows} x d={d} sigma={sigma}",
            program("dae-apply", model, points, "--sigma", sigma),
            "empirical",
            {"model": model, "points": points, "sigma": sigma, "ours": output},
            ("pytorch", "numpy"),
            1.2,
            files | more | last,
            rounding,
            (4 * n * rows * d, 0),
            data=4 * rows * d,
            beside=100,
            rounds=pick(2, 5),
        )

    n, rows, d = pick((32, 2000, 196), (64, 10_000, 784))
    data, files = samples(rows, d, 10, 16, 0.05)
    model, more = empirical(data)
    noise, last = latents(n, d)
    yield Job(
        "empirical-flow",
        f"n={n} N={rows} d={d} Heun {steps}",
        program("pf-sample", model, "-n", n, "--steps", steps, "--seed", 7),
        "flow",
        {"kind": "empirical", "model": model, "latents": noise, "steps": steps, "ours": output},
        ("pytorch", "numpy"),
        1.5,
        files | more | last,
        rounding,
        (4 * n * rows * d * evaluations, 0),
        data=4 * rows * d,
        rounds=pick(2, 5),
    )

    def gl(name, what, target, n, rows, d, fresh, train, files):
        """GL of n rows against a training set (rows, d)."""
        score = ["rp-score", fresh, "--train", train]
        per_sample = path(f"{name}-per-sample.csv")
        return Job(
            name,
            f"{n} x {rows} x {d}{what}",
            program(*score),
            "generalization",
            {"samples": fresh, "train": train, "per_sample": per_sample, "ours": output},
            ("pytorch", "numpy"),
            target,
            files | {per_sample: program(*score, "--rows", "..256", "--per-sample", per_sample)},
            # A cosine's rounding in f32; the score itself counts in steps of one sample, 1e-4.
            2e-4 if full else 2e-3,
            (2 * n * rows * d, 0),
            data=4 * rows * d,
            rounds=pick(2, 3),
            beside=100,
            note="floor is of all comparisons",
        )

    n, rows, d = pick((1000, 5000, 256), (10_000, 50_000, 512))
    # So many dimensions that about half of the samples have a training row beyond the threshold.
    train, files = samples(rows, d, 4, 48)
    fresh, more = samples(n, d, 4, 48, 0, rows)
    yield gl("gl", "", 1.1, n, rows, d, fresh, train, files | more)

    if FASHION.exists():
        # Real images: of low dimension, so that few rows need be looked at whole.
        n, rows = pick((1000, 5000), (10_000, 50_000))
        (train, files), (fresh, more) = fashion("train", rows), fashion("t10k", n)
        files |= more
        yield gl("gl-images", ", Fashion-MNIST", 4, n, rows, 784, fresh, train, files)

        # What 8 filters that nothing was trained for see of them at 8 × 8 places, as far as it is positive.
        filters = path("filters.csv")
        (train, more), (fresh, last) = features(filters, train), features(filters, fresh)
        files |= more | last
        what = ", random convolution of Fashion-MNIST"
        yield gl("gl-features", what, 4, n, rows, 512, fresh, train, files)

    rows, d, count = pick((2000, 196, 50), (50_000, 784, 500))
    data, files = samples(rows, d, 10, 16, 0.05)
    yield Job(
        "entropy",
        f"N={rows} d={d} k=1",
        program("entropy", data),
        "nearest",
        {"samples": data, "ours": output},
        ("pytorch", "numpy"),
        1.0,
        files,
        # Means of logarithms of distances in f32.
        1e-5,
        # Once of all rows, and of the twenty parts.
        (2 * rows * rows * d * 1.05, 0),
        data=4 * rows * d,
        rounds=pick(2, 3),
    )
    indices = path("indices.csv")
    yield Job(
        "subset",
        f"{count} of N={rows} d={d}",
        program("subset", data, "-n", count, "--method", "farthest", "--indices", indices),
        "nearest",
        {"samples": data, "indices": indices},
        ("pytorch", "numpy"),
        1.5,
        files,
        # Of rows equally far but for rounding, others may be chosen.
        1e-3,
        data=4 * rows * d,
        rounds=pick(2, 3),
    )

    n, d, k, r = pick((20_000, 512, 8, 16), (200_000, 1024, 8, 16))
    model, files = truth(d, k, r)
    for name, target, written in [("generate", 2.5, 0), ("generate-durable", None, 4 * n * d)]:
        command = program("molrg-gen", "-n", n, "-d", d, "-k", k, "-r", r, "--seed", 1)
        ours = path("generated.npy")
        # Both end with the data on disk, or both leave them to the system: ours syncs what it writes by name.
        yield Job(
            name,
            f"n={n} d={d} K={k} r={r}",
            command + (["-o", ours] if written else []),
            "generate",
            {"n": n, "d": d, "k": k, "r": r, "truth": model, "durable": bool(written), "output": path("rival.npy"), "ours": ours},
            ("numpy", "pytorch"),
            target,
            files,
            # Of 4096 rows: f32 rounding off the subspaces, and 5 standard errors of the mean energy.
            5e-5,
            written=written,
            percent=50 if written else None,
            rounds=pick(2, 3 if written else 5),
            note="synced to disk, here and there" if written else "",
        )

    n, d, k, r, restarts = *pick((4000, 64, 4, 4), (20_000, 256, 8, 8)), 10
    # With noise, or the first start would capture all and be the last.
    data, files = samples(n, d, k, r, 0.1)
    report = path("subspaces.csv")
    fit = ["dae-fit", data, "--kind", "molrg", "-k", k, "-r", r, "--restarts", restarts, "--init", "random"]
    yield Job(
        "subspaces",
        f"N={n} d={d} K={k} r={r} {restarts} restarts",
        program(*fit, "--report", report),
        "subspaces",
        {"data": data, "k": k, "r": r, "restarts": restarts, "report": report, "ours": output},
        ("numpy",),
        2,
        files,
        # Both keep the best of ten random starts: the optimum, to where the climb rests.
        1e-3,
        data=4 * n * d,
        rounds=pick(2, 3),
    )

    n, d = pick((5000, 512), (50_000, 3072))
    k, r = 10, pick(16, 32)
    data, files = samples(n, d, k, r, 0.05)
    yield Job(
        "gaussian",
        f"N={n} d={d}",
        program("dae-fit", data, "--kind", "gaussian"),
        "gaussian",
        {"data": data, "leading": k * r, "ours": output},
        ("numpy", "pytorch"),
        1.2,
        files,
        # Ours is stored in f32, whose rounding this is.
        1e-5,
        # Half the second moment; reduction to tridiagonal form, and all eigenvectors.
        (0, n * d * d + (4 / 3 + 2) * d**3),
        rounds=pick(2, 3),
        note="f64",
    )

    ranks, counts, trials = pick(("2-4", "2-6", 5), ("2-8", "2-15", 20))
    numbers = lambda text: list(range(int(text.split("-")[0]), int(text.split("-")[1]) + 1))
    grid = ["--dim", 48, "--ranks", ranks, "--samples", counts, "--trials", trials, "--components", 1, "--solver", "pca"]
    yield Job(
        "phase-grid",
        f"d=48 K=1 ranks {ranks} samples {counts} {trials} trials",
        program("phase-grid", *grid),
        "phase",
        {"d": 48, "ranks": numbers(ranks), "samples": numbers(counts), "trials": trials, "ours": output},
        ("numpy",),
        3,
        # One trial: success is sure from N = r on, but for a square matrix that happens to be nearly singular.
        tolerance=1.01 / trials,
        rounds=pick(2, 7),
    )

    d, k, r, levels, points = pick((256, 4, 8, 18, 3), (3072, 10, 32, 18, 15))
    model, files = truth(d, k, r)
    noise, more = latents(points, d)
    # One at each end of the fall of rank, and one on it.
    timed = [(2, 0), (10, points // 2), (15, points - 1)]
    command = program("jacobian-rank", model, "--levels", f"edm:{levels}", "-n", points, "--seed", 7, "--per-sample")
    yield Job(
        "jacobian-rank",
        f"d={d} K={k} r={r} {levels} levels x {points} points",
        command,
        "jacobian",
        {"model": model, "latents": noise, "levels": levels, "timed": timed, "ours": output},
        ("pytorch",),
        100,
        files | more,
        # A rank that hangs on the threshold may fall by one in f32.
        1,
        rounds=pick(2, 3),
        note=f"rival: {len(timed)} of {levels * points} timed and multiplied",
    )

    for case, size in [("mlp", "1024 wide, 3 blocks, batch 256"), ("two-layer", "1024 wide, batch 256"), ("unet", "32x32x3, 64 channels, batch 64")]:
        steps = pick(2, 10)
        yield Job(
            f"{case}-step",
            size,
            [case, str(steps)],
            "training",
            {"case": case, "steps": steps, "gradients": True},
            ("pytorch",),
            1.3,
            rounds=pick(1, 5),
            note="a step, in a process that trains",
        )

    yield Job("start-up", "pfd --help", ["pfd", "--help"], seconds=0.005, repeat=pick(20, 100), rounds=pick(2, 5))

    n, d = pick((25_000, 1000), (250_000, 1000))
    noise, files = latents(n, d)
    pipe = lambda first, further: ["bash", "-c", f"set -o pipefail; {first} | {further} | {further} | {further}"]
    yield Job(
        "pipe",
        f"{4 * n * d / 1e9:g} GB through four",
        pipe(f"npy cat {noise}", "npy cat -"),
        settings={"cat": pipe(f"cat {noise}", "cat"), "ours": os.devnull},
        rivals=("cat",),
        files=files,
        moved=4 * n * d,
        # 1 GB/s at every stage, all at once.
        seconds=4 * n * d / 1e9,
        rounds=pick(2, 5),
    )


def write_row(path, row, order):
    """Puts a row in place of the job's old one; the others stay."""
    rows = {row["job"]: row}
    if path.exists():
        with open(path, newline="") as file:
            rows = {old["job"]: old for old in csv.DictReader(file)} | rows
    rank = {name: place for place, name in enumerate(order)}
    unfinished = path.with_suffix(".part")
    with open(unfinished, "w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n", restval="", extrasaction="ignore")
        table.writeheader()
        table.writerows(sorted(rows.values(), key=lambda row: rank.get(row["job"], len(rank))))
    unfinished.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=["small", "full"], default="full")
    parser.add_argument("--jobs", type=lambda text: text.split(","), help="only these, as in the first column")
    parser.add_argument("--missing", action="store_true", help="only jobs without a row")
    parser.add_argument("--rounds", type=int, help="instead of each job's own")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--narrow", action="store_true", help="without AVX-512, here and in the rivals, as if it had AVX2 alone")
    parser.add_argument("--peers", help="environment with NumPy, PyTorch and safetensors")
    parser.add_argument("--output", type=Path, help="table (default: benches/results.csv or results-narrow.csv, for small in target/bench)")
    args = parser.parse_args()
    bench = Bench(args)
    name = "results-narrow.csv" if args.narrow else "results.csv"
    output = args.output or (HERE if args.size == "full" else bench.scratch) / name
    chosen = list(jobs(args.size, bench.scratch))
    order = [job.name for job in chosen]
    if unknown := set(args.jobs or []) - set(order):
        parser.error(f"--jobs {','.join(sorted(unknown))}: none of {','.join(order)}")
    done = set()
    if args.missing and output.exists():
        with open(output, newline="") as file:
            done = {row["job"] for row in csv.DictReader(file)}
    if not bench.python:
        print("no rivals: ours run alone", file=sys.stderr)
    if args.narrow:
        build_narrow()
    bench.measure_machine()
    for job in chosen:
        if job.name in done or (args.jobs and job.name not in args.jobs):
            continue
        try:
            row = bench.run(job)
        except (RuntimeError, OSError) as error:
            print(f"{job.name}: {error}", file=sys.stderr)
            bench.wrong.append(job.name)
            continue
        write_row(output, row, order)
        shown = ("ours", "numpy", "pytorch", "cat", "ratio", "target", "percent_of_floor", "limit", "met")
        print(f"{job.name:20}", *(f"{name} {row[name]}" for name in shown if row[name] != ""), flush=True)
    if bench.wrong:
        sys.exit(f"failed, or differs beyond the tolerance: {', '.join(bench.wrong)}")


if __name__ == "__main__":
    main()
