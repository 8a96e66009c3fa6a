"""Operations a second of the best products NumPy or PyTorch makes here, in f32 and f64, as one line of JSON."""

import argparse
import json
import time

import numpy as np

TAKES = 7


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", choices=["numpy", "pytorch"], required=True)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.library == "pytorch":
        import torch

        torch.set_num_threads(args.threads)
    found = {}
    n = 1536
    for kind, dtype in [("f32", np.float32), ("f64", np.float64)]:
        a = np.random.default_rng(1).standard_normal((n, n)).astype(dtype)
        c = np.empty_like(a)
        if args.library == "pytorch":
            a, c = torch.from_numpy(a), torch.from_numpy(c)
            product = lambda: torch.mm(a, a, out=c)
        else:
            product = lambda: np.matmul(a, a, out=c)
        seconds = []
        for _ in range(TAKES):
            start = time.perf_counter()
            product()
            seconds.append(time.perf_counter() - start)
        found[kind] = 2 * n**3 / min(seconds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
