"""K-subspaces with restarts: assign every row to the subspace that captures most of it, refit by PCA, repeat."""

import csv

import numpy as np

import turns

ITERATIONS = 100


def climb(x, k, r, rng):
    """From subspaces through random rows to labels that rest; gives the mean energy captured."""
    n, d = x.shape
    rows = x[rng.permutation(n)[: k * r]].reshape(k, r, d)
    bases = np.linalg.qr(rows.transpose(0, 2, 1))[0]
    labels = None
    for _ in range(ITERATIONS):
        z = x @ bases.transpose(1, 0, 2).reshape(d, k * r)
        z = z.reshape(n, k, r)
        captured = np.einsum("nkr,nkr->nk", z, z)
        new = captured.argmax(1)
        objective = captured[np.arange(n), new].mean(dtype=np.float64)
        if labels is not None and (new == labels).all():
            break
        labels = new
        for component in range(k):
            mine = x[labels == component]
            if len(mine) >= r:
                bases[component] = np.linalg.eigh(mine.T @ mine)[1][:, -r:]
    return objective


def numpy_job(job):
    def work():
        x = np.load(job["data"])
        rng = np.random.default_rng(0)
        return max(climb(x, job["k"], job["r"], rng) for _ in range(job["restarts"]))

    def difference(objective):
        with open(job["report"]) as file:
            ours = max(float(row["objective"]) for row in csv.DictReader(file))
        return abs(objective - ours) / ours

    return work, difference


if __name__ == "__main__":
    turns.take(numpy=numpy_job)
