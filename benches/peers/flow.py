"""The probability flow of a mixture or of a finite set, Heun's method on EDM's grid."""

import numpy as np
from safetensors.numpy import load_file

import turns

# Rows that are carried together: what a step makes of them stays in the cache.
BATCH = 512


def levels(steps, low=0.002, high=80.0, rho=7.0):
    ramp = np.arange(steps) / (steps - 1)
    sigmas = (high ** (1 / rho) + ramp * (low ** (1 / rho) - high ** (1 / rho))) ** rho
    return [*sigmas.tolist(), 0.0]


def molrg(model):
    """[U_1 … U_K] of a mixture in its proper form: unit variances, no noise, no means, equal weights."""
    assert (model["variances"] == 1).all() and not model["noise_variance"].any() and not model["means"].any()
    k, d, r = model["bases"].shape
    return np.ascontiguousarray(model["bases"].transpose(1, 0, 2).reshape(d, k * r)), k


def coefficients(sigma):
    """What z² adds to a log weight, and by what z shrinks (arXiv 2409.02426, lemma 1)."""
    return 0.5 / (sigma**2 * (1 + sigma**2)), 1 / (1 + sigma**2)


def numpy_flow(denoise, x, sigmas):
    for s, t in zip(sigmas, sigmas[1:]):
        e = denoise(x, s)
        if t == 0:
            return e
        np.subtract(x, e, out=e)
        e /= np.float32(s)
        guess = e * np.float32(t - s)
        guess += x
        f = denoise(guess, t)
        np.subtract(guess, f, out=f)
        f /= np.float32(t)
        e += f
        e *= np.float32((t - s) / 2)
        x += e


def pytorch_flow(denoise, x, sigmas):
    import torch

    for s, t in zip(sigmas, sigmas[1:]):
        e = denoise(x, s)
        if t == 0:
            return e
        torch.sub(x, e, out=e).div_(s)
        guess = torch.add(x, e, alpha=t - s)
        f = denoise(guess, t)
        torch.sub(guess, f, out=f).div_(t)
        x.add_(e.add_(f), alpha=(t - s) / 2)


def numpy_mixture(job):
    def work():
        u, k = molrg(load_file(job["model"]))
        u_t = np.ascontiguousarray(u.T)

        def denoise(x, sigma):
            gain, shrink = coefficients(sigma)
            z = x @ u
            parts = z.reshape(len(x), k, -1)
            logits = np.einsum("nkr,nkr->nk", parts, parts)
            logits *= np.float32(gain)
            logits -= logits.max(1, keepdims=True)
            np.exp(logits, out=logits)
            logits *= np.float32(shrink) / logits.sum(1, keepdims=True)
            parts *= logits[:, :, None]
            return z @ u_t

        return numpy_rows(job, denoise)

    return work, lambda x: turns.relative(x, np.load(job["ours"]))


def pytorch_mixture(job):
    import torch

    def work():
        u, k = molrg(load_file(job["model"]))
        u = torch.from_numpy(u)

        def denoise(x, sigma):
            gain, shrink = coefficients(sigma)
            z = x @ u
            parts = z.view(len(x), k, -1)
            weights = torch.softmax(parts.square().sum(2).mul_(gain), 1)
            parts.mul_(weights.mul_(shrink).unsqueeze(2))
            return z @ u.T

        return pytorch_rows(job, denoise)

    return work, lambda x: turns.relative(x, np.load(job["ours"]))


def numpy_finite_set(job):
    import empirical

    def work():
        return numpy_rows(job, empirical.numpy_denoiser(job["model"]))

    return work, lambda x: turns.relative(x, np.load(job["ours"]))


def pytorch_finite_set(job):
    import empirical

    def work():
        return pytorch_rows(job, empirical.pytorch_denoiser(job["model"]))

    return work, lambda x: turns.relative(x, np.load(job["ours"]))


def numpy_rows(job, denoise):
    sigmas = levels(job["steps"])
    x = np.load(job["latents"])
    for start in range(0, len(x), BATCH):
        rows = x[start : start + BATCH]
        rows *= np.float32(sigmas[0])
        rows[:] = numpy_flow(denoise, rows, sigmas)
    return x


def pytorch_rows(job, denoise):
    import torch

    sigmas = levels(job["steps"])
    x = torch.from_numpy(np.load(job["latents"]))
    for rows in x.split(BATCH):
        rows.mul_(sigmas[0])
        rows.copy_(pytorch_flow(denoise, rows, sigmas))
    return x.numpy()


def of_kind(mixture, finite_set):
    return lambda job: (finite_set if job["kind"] == "empirical" else mixture)(job)


if __name__ == "__main__":
    turns.take(
        numpy=of_kind(numpy_mixture, numpy_finite_set),
        pytorch=of_kind(pytorch_mixture, pytorch_finite_set),
    )
