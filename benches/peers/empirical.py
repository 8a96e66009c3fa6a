"""The optimal denoiser of a finite set, by products:
softmax_i((xᵀy_i − ½‖y_i‖²)/σ²) y_i, for a block of points at one noise level."""

import numpy as np

import turns


def numpy_denoiser(model):
    from safetensors.numpy import load_file

    y = load_file(model)["data"]
    half_norms = 0.5 * np.einsum("nd,nd->n", y, y)

    def denoise(x, sigma):
        weights = x @ y.T
        weights -= half_norms
        weights *= np.float32(1 / sigma**2)
        weights -= weights.max(1, keepdims=True)
        # Denormal weights would make the product after them slow.
        np.maximum(weights, np.float32(-80), out=weights)
        np.exp(weights, out=weights)
        weights /= weights.sum(1, keepdims=True)
        return weights @ y

    return denoise


def pytorch_denoiser(model):
    import torch
    from safetensors.torch import load_file

    # Mapped, not copied.
    y = load_file(model)["data"]
    half_norms = torch.linalg.vector_norm(y, dim=1).square_().mul_(0.5)

    def denoise(x, sigma):
        scale = 1 / sigma**2
        weights = torch.softmax(torch.addmm(half_norms, x, y.T, beta=-scale, alpha=scale), 1)
        return weights @ y

    return denoise


def numpy_job(job):
    def work():
        return numpy_denoiser(job["model"])(np.load(job["points"]), job["sigma"])

    return work, lambda d: turns.relative(d, np.load(job["ours"]))


def pytorch_job(job):
    import torch

    def work():
        return pytorch_denoiser(job["model"])(torch.from_numpy(np.load(job["points"])), job["sigma"]).numpy()

    return work, lambda d: turns.relative(d, np.load(job["ours"]))


if __name__ == "__main__":
    turns.take(numpy=numpy_job, pytorch=pytorch_job)
