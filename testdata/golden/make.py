"""Writes the values that the numerical tests compare with.

    python testdata/golden/make.py

mixture.json: posteriors of small mixtures from full covariance matrices, solved
densely with 60 digits (mpmath), and Jacobians of some. rest.json: x − D = Σ w_k σ² (Σ_k + σ²)⁻¹ (x − μ_k) at
small σ by the same algebra. random.json: the bytes
of ChaCha with 8 rounds, written here from its definition (RFC 8439, with 64-bit
counter and nonce). moments.json, shares.json, amounts.json: NumPy's means, covariances
and eigenvalues, SciPy's Wilson and gamma intervals. flow.json: a one-dimensional flow as
SciPy's quantile map. ranks.json: numerical ranks of the exact denoiser's
Jacobian along EDM's trajectories, by dense matrices.
"""

import json
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy import optimize, stats

HERE = Path(__file__).parent
mp.mp.dps = 60


def write(name, value):
    text = json.dumps(value, separators=(",", ":"))
    (HERE / name).write_text(text.replace("},{", "},\n{") + "\n")


# Mixtures

def column(v):
    return mp.matrix([mp.mpf(float(x)) for x in v])


def posterior(components, x, sigma):
    """Component means, log weights and the Jacobian by dense algebra."""
    d = len(x)
    noise = mp.mpf(sigma) ** 2 * mp.eye(d)
    means, logs, shrinks = [], [], []
    for c in components:
        u = mp.matrix(c["basis"])
        r = u.cols
        lam = mp.diag([mp.mpf(v) for v in c["variances"]])
        delta = mp.mpf(c["noise"])
        # The projector on the span of the columns, which are orthonormal to
        # the rounding of f64 only.
        gram = u.T * u
        covariance = u * lam * u.T + delta * (mp.eye(d) - u * gram ** -1 * u.T)
        mean = column(c["mean"])
        total = covariance + noise
        centred = column(x) - mean
        solved = mp.lu_solve(total, centred)
        means.append(mean + covariance * solved)
        logs.append(mp.log(mp.mpf(c["weight"])) - (mp.log(mp.det(total)) + (centred.T * solved)[0]) / 2)
        shrinks.append(covariance * total ** -1)
    top = max(logs)
    logs = [l - top for l in logs]
    weights = [mp.exp(l) for l in logs]
    weights = [w / mp.fsum(weights) for w in weights]
    mean = sum((w * m for w, m in zip(weights, means)), mp.zeros(d, 1))
    jacobian = sum((w * s for w, s in zip(weights, shrinks)), mp.zeros(d, d))
    for w, m in zip(weights, means):
        jacobian += w * (m - mean) * (m - mean).T / mp.mpf(sigma) ** 2
    return means, logs, jacobian


def component(rng, d, r, weight, mean, noise, low=None, basis=None):
    if basis is None:
        basis = np.linalg.qr(rng.standard_normal((d, r)))[0]
    direction = rng.standard_normal(d)
    variances = np.ones(r) if low is None else np.exp(rng.uniform(np.log(low), np.log(3), r))
    return {
        "weight": weight,
        "mean": (direction * (mean / np.linalg.norm(direction))).tolist(),
        "basis": basis.tolist(),
        "variances": variances.tolist(),
        "noise": noise,
    }


def mixtures():
    rng = np.random.default_rng(20240902)
    d = 8
    frame = np.linalg.qr(rng.standard_normal((d, 6)))[0]
    cases = {
        "molrg": [component(rng, d, 2, w, 0.0, 0.0, basis=frame[:, 2 * k:2 * k + 2])
                  for k, w in enumerate([0.25, 0.25, 0.5])],
        "general": [component(rng, d, 1, 0.5, 2.0, 0.01, 0.3), component(rng, d, 2, 0.3, 1.5, 0.0025, 0.1),
                    component(rng, d, 4, 0.2, 0.0, 0.09, 0.2)],
        "one-clean": [component(rng, d, 3, 0.5, 0.0, 0.0, 0.5), component(rng, d, 2, 0.5, 0.0, 0.04, 0.5)],
        "far-means": [component(rng, d, 2, 0.5, 30.0, 0.0), component(rng, d, 3, 0.5, 50.0, 0.0)],
    }
    out = {}
    for name, components in cases.items():
        points = []
        for sigma in [1e-4, 1e-3, 0.01, 0.1, 0.5, 1.0, 3.0, 10.0, 100.0, 1e4]:
            drawn = []
            for c in components:
                u = np.array(c["basis"])
                z = rng.standard_normal(u.shape[1]) * np.sqrt(c["variances"])
                e = rng.standard_normal(d) * np.sqrt(c["noise"])
                drawn.append(np.array(c["mean"]) + u @ z + e - u @ (u.T @ e))
            xs = [y + sigma * rng.standard_normal(d) for y in drawn[:2]]
            # In the middle, more or less, and anywhere.
            share = rng.uniform(0.3, 0.7)
            xs.append(share * drawn[0] + (1 - share) * drawn[1] + sigma * rng.standard_normal(d))
            xs.append(rng.standard_normal(d) * (1 + sigma))
            for i, x in enumerate(xs):
                x = x.astype(np.float32).astype(float)
                means, logs, jacobian = posterior(components, x, sigma)
                point = {
                    "sigma": sigma,
                    "x": x.tolist(),
                    "means": [[float(v) for v in m] for m in means],
                    "logs": [float(l) for l in logs],
                }
                if i == 2 and 0.05 < sigma < 50:
                    point["jacobian"] = [[float(jacobian[a, b]) for b in range(d)] for a in range(d)]
                points.append(point)
        out[name] = {"components": components, "points": points}
    write("mixture.json", out)


def rests():
    rng = np.random.default_rng(20261126)
    d = 6
    near = [component(rng, d, 2, 0.6, 0.3, 0.01, 0.3), component(rng, d, 1, 0.4, 0.3, 0.04, 0.3)]
    # The same a thousand units away, in numbers of few digits: readers of JSON may round others.
    short = lambda v: np.round(np.array(v) * 1024) / 1024
    far = [dict(c, mean=(short(c["mean"]) + 1000).tolist()) for c in near]
    cases = {
        "noise": near,
        "far": far,
        "subspaces": [component(rng, d, 2, 0.5, 0.0, 0.0, 0.3), component(rng, d, 3, 0.5, 0.0, 0.0, 0.3)],
        "one": [component(rng, d, 3, 1.0, 5.0, 0.0, 0.3)],
    }
    out = {}
    for name, components in cases.items():
        points = []
        for sigma in [1e-6, 1e-5, 1e-4, 1e-3]:
            for c in components:
                u = np.array(c["basis"])
                z = rng.standard_normal(u.shape[1]) * np.sqrt(c["variances"])
                e = rng.standard_normal(d) * np.sqrt(c["noise"])
                y = np.array(c["mean"]) + u @ z + e - u @ (u.T @ e)
                x = (y + sigma * rng.standard_normal(d)).astype(np.float32).astype(float)
                if name == "far":
                    x = short(x)
                means, logs, _ = posterior(components, x, sigma)
                weights = [mp.exp(l) for l in logs]
                rest = sum((w * (column(x) - m) for w, m in zip(weights, means)), mp.zeros(d, 1)) / mp.fsum(weights)
                points.append({"sigma": sigma, "x": x.tolist(), "rest": [float(v) for v in rest]})
        out[name] = {"components": components, "points": points}
    write("rest.json", out)


# Random numbers

def chacha8(seed, purpose, row, count):
    """The first `count` 64-bit outputs."""
    key = seed.to_bytes(8, "little") + purpose.encode().ljust(24, b"\0")
    words = [int.from_bytes(key[i:i + 4], "little") for i in range(0, 32, 4)]
    mask = 0xFFFFFFFF
    out = []
    block = 0
    while len(out) < 2 * count:
        start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *words,
                 block & mask, block >> 32, row & mask, row >> 32]
        s = list(start)

        def quarter(a, b, c, d):
            for p, q, r, turn in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
                s[p] = (s[p] + s[q]) & mask
                s[r] ^= s[p]
                s[r] = ((s[r] << turn) | (s[r] >> (32 - turn))) & mask

        for _ in range(4):
            for i in range(4):
                quarter(i, 4 + i, 8 + i, 12 + i)
            for i in range(4):
                quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        out += [(a + b) & mask for a, b in zip(s, start)]
        block += 1
    return [out[2 * i] | out[2 * i + 1] << 32 for i in range(count)]


def random():
    purposes = ["bases", "means", "labels", "coefficients", "noise", "latents", "point-noise", "churn",
                "restarts", "completion", "training", "probes", "bootstrap", "measurement", "restoration", "paths",
                "particles", "bridges", "free-paths", "bridge-start", "bridge-times"]
    rows = []
    for i, purpose in enumerate(purposes):
        for seed, row in [(0, 0), (i + 1, 7), (2**64 - 1, 2**40 + i)]:
            # As text: JSON's numbers are f64 to many readers.
            rows.append({"seed": str(seed), "purpose": purpose, "row": str(row),
                         "outputs": [f"{v:016x}" for v in chacha8(seed, purpose, row, 10)]})
    write("random.json", rows)


# Statistics

def moments():
    rng = np.random.default_rng(7)
    x = (rng.standard_normal((40, 6)) @ rng.standard_normal((6, 6)) + 1000 * rng.standard_normal(6))
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    write("moments.json", {
        "rows": x.tolist(), "mean": x.mean(axis=0).tolist(), "covariance": np.cov(x.T, bias=True).tolist(),
        "eigenvalues": values.tolist(),
    })


def amounts():
    """Fay and Feuer's gamma intervals of means, from the variance about the mean."""
    rng = np.random.default_rng(5)
    rows = []
    for x in [rng.gamma(24, 1, 30), rng.gamma(0.5, 1, 60), rng.gamma(0.05, 1, 80), rng.lognormal(0, 2, 50),
              np.eye(1, 40).ravel(), np.ones(7)]:
        n, mean, largest = len(x), x.mean(), x.max() / len(x)
        variance = x.var(ddof=1) / n
        quantile = lambda m, v, p: stats.gamma.ppf(p, m * m / v, scale=v / m) if v > 0 else m
        rows.append({"x": x.tolist(), "mean": mean, "low": quantile(mean, variance, 0.025),
                     "high": quantile(mean + largest, variance + largest**2, 0.975)})
    write("amounts.json", rows)


def shares():
    rows = []
    for k, n in [(0, 1), (1, 1), (0, 20), (20, 20), (1, 7), (3, 10), (50, 100), (997, 1000), (123456, 1000000)]:
        ci = stats.binomtest(k, n).proportion_ci(method="wilson")
        rows.append({"k": k, "n": n, "low": ci.low, "high": ci.high})
    write("shares.json", rows)


def flow():
    """Quantile maps of a mixture of three normal laws between noise levels."""
    weights, means, stds = [0.2, 0.5, 0.3], [-3.0, 0.5, 2.0], [0.3, 1.0, 0.4]

    def cdf(x, sigma):
        return sum(w * stats.norm.cdf((x - m) / np.hypot(s, sigma)) for w, m, s in zip(weights, means, stds))

    rows = []
    for start, stop in [(80.0, 0.0), (10.0, 0.1), (3.0, 0.5)]:
        for z in [-1.5, -0.8, -0.1, 0.0, 0.4, 1.3]:
            p = cdf(z * start, start)
            end = optimize.brentq(lambda x: cdf(x, stop) - p, -20, 20, xtol=1e-14, rtol=1e-14)
            rows.append({"from": start, "to": stop, "x": z * start, "y": end})
    write("flow.json", {"weights": weights, "means": means, "stds": stds, "rows": rows})


def ranks():
    rng = np.random.default_rng(5)
    d, r, n = 48, 6, 600
    frame = np.linalg.qr(rng.standard_normal((d, 2 * r)))[0]
    covariances = [u @ u.T for u in (frame[:, :r], frame[:, r:])]

    def posterior(x, sigma):
        logs, means = [], []
        for c in covariances:
            solved = np.linalg.solve(c + sigma**2 * np.eye(d), x.T)
            logs.append(-0.5 * np.einsum("ij,ji->i", x, solved))
            means.append((c @ solved).T)
        w = np.exp(np.array(logs) - np.max(logs, axis=0))
        return w / w.sum(axis=0), np.array(means)

    def denoised(x, sigma):
        w, means = posterior(x, sigma)
        return (w[:, :, None] * means).sum(axis=0)

    def rank(w, means, sigma):
        mean = w @ means
        j = sum(wk * np.linalg.solve(c + sigma**2 * np.eye(d), c) for wk, c in zip(w, covariances))
        j += sum(wk * np.outer(m - mean, m - mean) for wk, m in zip(w, means)) / sigma**2
        s2 = np.linalg.svd(j, compute_uv=False) ** 2
        return int(np.argmax(np.sqrt(np.cumsum(s2)) > 0.99 * np.sqrt(s2.sum())) + 1)

    u = np.arange(18) / 17
    sigmas = np.append((80 ** (1 / 7) + u * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7, 0)
    x = rng.standard_normal((n, d)) * 80
    rows = []
    for s, t in zip(sigmas[:-1], sigmas[1:]):
        w, means = posterior(x, s)
        found = [rank(w[:, i], means[:, i], s) for i in range(n)]
        rows.append({"sigma": float(s), "mean": float(np.mean(found)), "std": float(np.std(found)),
                     "least": min(found), "most": max(found)})
        slope = (x - denoised(x, s)) / s
        guess = x + (t - s) * slope
        if t > 0:
            guess = x + (t - s) / 2 * (slope + (guess - denoised(guess, t)) / t)
        x = guess
    write("ranks.json", rows)


for make in [mixtures, rests, random, moments, shares, amounts, flow, ranks]:
    make()
