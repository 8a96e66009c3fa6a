"""Writes the values that tests of edits and detectors compare with.

    python testdata/golden/local_geometry.py

steering.json: a mixture of two subspaces, a point, the Jacobian of its posterior mean with 12 of 48 outputs in the mask,
that Jacobian's singular values by LAPACK and by 50 rounds of the published power iteration (the numbers
.4070 .2955 .2701 .2288 .2067), and how much of an edit lies inside and outside for null ranks 0, 1, 5, 10.
quality.json: pairs of images with scikit-image's PSNR and SSIM.
roc.json: scores with scikit-learn's area and greatest TPR at an FPR of at most 0.01, and DeLong's error from the
matrix of all pairs.
"""

import json
from pathlib import Path

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.metrics import roc_auc_score, roc_curve

HERE = Path(__file__).parent


def write(name, value):
    text = json.dumps(value, separators=(",", ":"))
    (HERE / name).write_text(text.replace("},{", "},\n{") + "\n")


# Steering

def jacobian(bases, x, sigma):
    """Of E[x0 | x] at x = x0 + sigma·noise, for unit variances, equal weights and no noise off the subspaces."""
    logs = np.array([(u.T @ x) @ (u.T @ x) for u in bases]) / (2 * sigma**2 * (1 + sigma**2))
    w = np.exp(logs - logs.max())
    w /= w.sum()
    m = [u @ (u.T @ x) / (1 + sigma**2) for u in bases]
    mean = sum(wk * mk for wk, mk in zip(w, m))
    j = sum(wk * (u @ u.T) for wk, u in zip(w, bases)) / (1 + sigma**2)
    return j + (sum(wk * np.outer(mk, mk) for wk, mk in zip(w, m)) - np.outer(mean, mean)) / sigma**2


def power_method(j, r, rng):
    """The published one: V <- right singular vectors of (J^T J V)^T, 50 times."""
    v = np.linalg.qr(rng.standard_normal((j.shape[1], r)))[0]
    for _ in range(50):
        _, s2, vt = np.linalg.svd((j.T @ (j @ v)).T, full_matrices=False)
        v = vt.T
    return np.sqrt(s2), v


def steering():
    d, r, alpha = 48, 7, 0.3
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    bases = [q[:, :r], q[:, r : 2 * r]]
    sigma = np.sqrt((1 - alpha) / alpha)
    x = bases[0] @ rng.standard_normal(r) + sigma * rng.standard_normal(d)
    # In x_t = sqrt(alpha) x, as published; that by x is sqrt(alpha) times it.
    j = jacobian(bases, x, sigma) / np.sqrt(alpha)
    inside, outside = j[:12], j[12:]
    _, s, vt = np.linalg.svd(inside)
    powers, _ = power_method(inside, 5, np.random.default_rng(1))
    null = np.linalg.svd(outside)[2]
    edits = []
    for q_ in (0, 1, 5, 10):
        v = vt[0] - null[:q_].T @ (null[:q_] @ vt[0])
        v /= np.linalg.norm(v)
        edits.append([q_, np.linalg.norm(inside @ v), np.linalg.norm(outside @ v)])
    print("steering:", powers.round(4), np.round(edits, 3).tolist())
    return {
        "alpha": alpha,
        "bases": [u.ravel().tolist() for u in bases],
        "x": x.tolist(),
        "values": s[:5].tolist(),
        "powers": powers.tolist(),
        "edits": edits,
    }


# Images

def quality():
    rng = np.random.default_rng(2)
    cases = []
    for h, w, c, lo, hi, spread in [
        (11, 11, 1, -1, 1, 0.1),
        (14, 17, 3, -1, 1, 0.3),
        (23, 12, 1, 0, 255, 9.0),
        (12, 13, 2, 1000, 1001, 0.2),
    ]:
        i, j = np.mgrid[:h, :w]
        smooth = np.stack([np.sin(0.3 * i + 0.2 * j * (k + 1)) for k in range(c)], axis=2)
        a = np.round(lo + (hi - lo) * (0.5 + 0.4 * smooth), 4)
        b = np.round(a + spread * rng.standard_normal(a.shape), 4)
        ssim = structural_similarity(
            a, b, data_range=hi - lo, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        psnr = peak_signal_noise_ratio(a, b, data_range=hi - lo)
        cases.append({
            "shape": [h, w, c], "range": [lo, hi], "a": a.ravel().tolist(), "b": b.ravel().tolist(),
            "psnr": psnr, "ssim": ssim, "rmse": float(np.sqrt(np.mean((a - b) ** 2))),
        })
    return cases


# Detection

def roc():
    rng = np.random.default_rng(3)
    cases = []
    for m, n, shift, digits in [(40, 250, 1.0, 1), (30, 60, 0.5, 3), (7, 130, 3.0, 0), (2, 2, 0.0, 1), (25, 100, 1.5, 2)]:
        positive = np.round(rng.standard_normal(m) + shift, digits)
        negative = np.round(rng.standard_normal(n), digits)
        labels = np.r_[np.ones(m), np.zeros(n)]
        scores = np.r_[positive, negative]
        fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
        wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
        error = np.sqrt(wins.mean(axis=1).var(ddof=1) / m + wins.mean(axis=0).var(ddof=1) / n)
        cases.append({
            "positive": positive.tolist(), "negative": negative.tolist(), "auc": roc_auc_score(labels, scores),
            "std_error": error, "tpr": tpr[fpr <= 0.01].max(),
        })
    return cases


write("steering.json", steering())
write("quality.json", quality())
write("roc.json", roc())
