"""Samples of a mixture of low-rank Gaussians, planted at random, to a file."""

import os

import numpy as np
from safetensors.numpy import load_file

import turns


def numpy_samples(job):
    n, d, k, r = (job[name] for name in ("n", "d", "k", "r"))
    rng = np.random.default_rng(1)
    bases = np.linalg.qr(rng.standard_normal((d, k * r)))[0].astype(np.float32)
    labels = rng.integers(k, size=n)
    coefficients = rng.standard_normal((n, r), dtype=np.float32)
    x = np.empty((n, d), np.float32)
    for component in range(k):
        mine = np.flatnonzero(labels == component)
        x[mine] = coefficients[mine] @ bases[:, component * r : (component + 1) * r].T
    return x, bases


def pytorch_samples(job):
    import torch

    n, d, k, r = (job[name] for name in ("n", "d", "k", "r"))
    bases = torch.linalg.qr(torch.randn(d, k * r, dtype=torch.float64))[0].float()
    labels = torch.randint(k, (n,))
    coefficients = torch.randn(n, r)
    x = torch.empty(n, d)
    for component in range(k):
        mine = (labels == component).nonzero().squeeze(1)
        x[mine] = coefficients[mine] @ bases[:, component * r : (component + 1) * r].T
    return x.numpy(), bases.numpy()


def to_file(samples):
    def job_of(job):
        def work():
            x, bases = samples(job)
            with open(job["output"], "wb") as file:
                np.save(file, x)
                if job["durable"]:
                    file.flush()
                    os.fsync(file.fileno())
            return bases

        return work, lambda bases: max(off(job, job["output"], bases, True), off(job, job["ours"], None, False))

    return job_of


def off(job, path, bases, rivals):
    """How far a file of samples is from the mixture: what lies off all subspaces, and the mean energy's error
    in its standard errors, a tenth of which counts as a millionth."""
    if not rivals:
        model = load_file(job["truth"])["bases"]
        bases = model.transpose(1, 0, 2).reshape(model.shape[1], -1)
    rows = np.load(path, mmap_mode="r")
    assert rows.shape == (job["n"], job["d"]) and rows.dtype == np.float32
    rows = np.asarray(rows[:: max(1, job["n"] // 4096)], np.float64)
    z = (rows @ bases).reshape(len(rows), job["k"], job["r"])
    energy = (z**2).sum((1, 2))
    own = (z**2).sum(2).max(1)
    outside = 1 - own.sum() / (rows**2).sum()
    errors = abs(energy.mean() - job["r"]) / np.sqrt(2 * job["r"] / len(rows))
    return max(abs(outside), 1e-5 * errors)


if __name__ == "__main__":
    turns.take(numpy=to_file(numpy_samples), pytorch=to_file(pytorch_samples))
