"""Training steps of these programs and of PyTorch, in turn, as a table.

    make bench-train

Every round times a case here and then there, so that both meet the same machine;
the ratio is the median over rounds of time here over time there (below 1: faster
here). The floor is what the step's operations take at the measured peak of this
machine's products.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def run(command):
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", default="mlp,two-layer,unet")
    args = parser.parse_args()
    numbers = [str(args.steps), str(args.threads)]
    ours = ["cargo", "bench", "--quiet", "--bench", "training", "--"]
    peer = [sys.executable, str(HERE / "peers/training.py"), "--threads", numbers[1], "--steps", numbers[0], "--case"]
    print("case,seconds,seconds_pytorch,ratio,floor,over_floor")
    for case in args.cases.split(","):
        rounds = [(run([*ours, case, *numbers]), run([*peer, case])) for _ in range(args.rounds)]
        here = statistics.median(a["seconds_per_step"] for a, _ in rounds)
        there = statistics.median(b["seconds_per_step"] for _, b in rounds)
        ratio = statistics.median(a["seconds_per_step"] / b["seconds_per_step"] for a, b in rounds)
        floor = statistics.median(a["floor"] for a, _ in rounds)
        print(f"{case},{here:.4f},{there:.4f},{ratio:.2f},{floor:.4f},{here / floor:.2f}", flush=True)


if __name__ == "__main__":
    main()
