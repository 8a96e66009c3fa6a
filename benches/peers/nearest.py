"""Entropy by nearest rows, and rows farthest from each other."""

import csv

import numpy as np

import turns

# Rows compared at a time, so that distances need not all be held.
BATCH = 1024


def entropy_of(nearest, d):
    """Kozachenko and Leonenko's, k = 1, up to what depends on N and d alone."""
    return d * np.log(nearest).mean()


def ours(job):
    with open(job["ours"]) as file:
        (row,) = csv.DictReader(file)
    n, d = int(row["n"]), int(row["dim"])
    from math import lgamma, log, pi

    # ψ(N) is ln N − 1/(2N) to 1e-10 from here on, −ψ(1) Euler's constant.
    return float(row["entropy"]) - (log(n) - 0.5 / n + np.euler_gamma + d / 2 * log(pi) - lgamma(d / 2 + 1))


def numpy_entropy(job):
    x = np.load(job["samples"])
    x -= x.mean(0)
    squares = np.einsum("nd,nd->n", x, x)
    nearest = np.empty(len(x))
    for i in range(0, len(x), BATCH):
        far = squares - 2 * (x[i : i + BATCH] @ x.T)
        far[np.arange(len(far)), np.arange(i, i + len(far))] = np.inf
        nearest[i : i + BATCH] = far.min(1)
    return entropy_of(np.sqrt(np.maximum(nearest + squares, 1e-30)), x.shape[1])


def pytorch_entropy(job):
    import torch

    x = torch.from_numpy(np.load(job["samples"]))
    x -= x.mean(0)
    squares = (x * x).sum(1)
    nearest = torch.empty(len(x))
    for i in range(0, len(x), BATCH):
        far = torch.addmm(squares[None], x[i : i + BATCH], x.T, alpha=-2)
        far[torch.arange(len(far)), torch.arange(i, i + len(far))] = torch.inf
        nearest[i : i + BATCH] = far.min(1).values
    return entropy_of(np.sqrt(np.maximum((nearest + squares).numpy(), 1e-30)), x.shape[1])


def chosen(job):
    """Numbers of the rows, and the distance of the last from the others."""
    with open(job["indices"]) as file:
        rows = list(csv.DictReader(file))
    return [int(row["row"]) for row in rows], float(rows[-1]["distance"])


def numpy_subset(job):
    x = np.load(job["samples"])
    rows, _ = chosen(job)
    row, nearest = rows[0], np.full(len(x), np.inf, x.dtype)
    for _ in rows[1:]:
        away = x - x[row]
        nearest = np.minimum(nearest, np.einsum("nd,nd->n", away, away))
        row = nearest.argmax()
    return float(np.sqrt(nearest[row]))


def pytorch_subset(job):
    import torch

    x = torch.from_numpy(np.load(job["samples"]))
    rows, _ = chosen(job)
    row, nearest = rows[0], torch.full((len(x),), torch.inf)
    for _ in rows[1:]:
        nearest = torch.minimum(nearest, (x - x[row]).square_().sum(1))
        row = nearest.argmax()
    return float(nearest[row].sqrt())


def of(entropy, subset):
    def job(settings):
        if "indices" in settings:
            return lambda: subset(settings), lambda found: turns.relative(found, chosen(settings)[1])
        return lambda: entropy(settings), lambda found: turns.relative(found, ours(settings))

    return job


if __name__ == "__main__":
    turns.take(numpy=of(numpy_entropy, numpy_subset), pytorch=of(pytorch_entropy, pytorch_subset))
