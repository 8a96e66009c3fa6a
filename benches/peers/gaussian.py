"""Mean and covariance of samples, and the covariance's eigenvalues and eigenvectors, in f64."""

import numpy as np
from safetensors.numpy import load_file

import turns


def numpy_gaussian(path):
    x = np.load(path).astype(np.float64)
    mean = x.mean(0)
    x -= mean
    # NumPy sees that this is symmetric and computes half of it.
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    return mean, values[::-1], vectors[:, ::-1]


def pytorch_gaussian(path):
    import torch

    x = torch.from_numpy(np.load(path)).double()
    mean = x.mean(0)
    x -= mean
    values, vectors = torch.linalg.eigh(x.T @ x / len(x))
    return mean.numpy(), values.flip(0).numpy(), vectors.flip(1).numpy()


def against_ours(job, found):
    """The distance of the means and eigenvalues, and what the leading eigenvectors leave of each other's span."""
    mean, values, vectors = found
    model = load_file(job["ours"])
    variances, basis = model["variances"][0], model["bases"][0]
    spectrum = turns.relative(variances, values[: len(variances)])
    # The mean's scale is that of the samples: it may be 0 itself.
    centre = np.linalg.norm(model["means"][0] - mean) / np.sqrt(values.sum())
    q = job["leading"]
    overlap = np.linalg.norm(vectors[:, :q].T @ basis[:, :q]) ** 2 / q
    return max(spectrum, centre, abs(1 - overlap))


def of(gaussian):
    return lambda job: (lambda: gaussian(job["data"]), lambda found: against_ours(job, found))


if __name__ == "__main__":
    turns.take(numpy=of(numpy_gaussian), pytorch=of(pytorch_gaussian))
