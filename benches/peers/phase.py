"""The phase diagram of PCA on one planted subspace: success over ranks and sample counts."""

import csv

import numpy as np

import turns

TOLERANCE = 0.01


def error(d, r, n, rng):
    """‖ÛÛᵀ − UUᵀ‖_F of the principal directions Û of n samples; what few samples leave open is drawn."""
    u = np.linalg.qr(rng.standard_normal((d, r), dtype=np.float32))[0]
    x = rng.standard_normal((n, r), dtype=np.float32) @ u.T
    found = np.linalg.svd(x, full_matrices=False)[2][:r].T
    if n < r:
        drawn = rng.standard_normal((d, r - n), dtype=np.float32)
        found = np.linalg.qr(np.concatenate([found, drawn], 1))[0]
    return np.sqrt(max(0.0, 2 * (r - np.square(found.T @ u).sum())))


def numpy_job(job):
    def work():
        rng = np.random.default_rng(0)
        share = {}
        for r in job["ranks"]:
            for n in job["samples"]:
                errors = [error(job["d"], r, n, rng) for _ in range(job["trials"])]
                share[r, n] = np.mean([e <= TOLERANCE for e in errors])
        return share

    def difference(share):
        with open(job["ours"]) as file:
            ours = {(int(row["rank"]), int(row["samples"])): float(row["success"]) for row in csv.DictReader(file)}
        assert ours.keys() == share.keys()
        return max(abs(ours[cell] - share[cell]) for cell in share)

    return work, difference


if __name__ == "__main__":
    turns.take(numpy=numpy_job)
