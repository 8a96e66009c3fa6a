"""GL in its similarity form: the share of samples whose best cosine to a training row is at most a threshold."""

import csv

import numpy as np

import turns

THRESHOLD = 0.6

# Samples compared at a time in NumPy, so that similarities need not all be held.
BATCH = 1024


def rows_of(file):
    x = np.load(file)
    return x.reshape(len(x), -1)


def unit_rows(x):
    x /= np.sqrt(np.einsum("nd,nd->n", x, x))[:, None]
    return x


def numpy_best(job):
    samples, train = (unit_rows(rows_of(job[name])) for name in ("samples", "train"))
    return np.concatenate([(samples[i : i + BATCH] @ train.T).max(1) for i in range(0, len(samples), BATCH)])


def pytorch_best(job):
    import torch

    samples, train = (torch.from_numpy(rows_of(job[name])) for name in ("samples", "train"))
    samples.div_(torch.linalg.vector_norm(samples, dim=1, keepdim=True))
    train.div_(torch.linalg.vector_norm(train, dim=1, keepdim=True))
    return (samples @ train.T).max(1).values.numpy()


def against_ours(job, best):
    """The largest difference of a sample's best similarity, and of the score."""
    with open(job["per_sample"]) as file:
        ours = np.array([float(row["similarity"]) for row in csv.DictReader(file)])
    with open(job["ours"]) as file:
        (score,) = (float(row["value"]) for row in csv.DictReader(file) if row["score"] == "gl")
    return max(np.abs(ours - best[: len(ours)]).max(), abs(score - (best <= THRESHOLD).mean()))


def of(best):
    return lambda job: (lambda: best(job), lambda found: against_ours(job, found))


if __name__ == "__main__":
    turns.take(numpy=of(numpy_best), pytorch=of(pytorch_best))
