"""Writes logistic.json: what scikit-learn makes of a multinomial logistic regression.

    python testdata/golden/logistic.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

rng = np.random.default_rng(31)
cases = []
# More rows than numbers, fewer, and classes that a plane tells apart.
for n, d, k, spread, ridge in [(90, 4, 3, 0.7, 1e-2), (20, 30, 2, 0.7, 1e-3), (60, 3, 4, 6.0, 1e-4)]:
    y = np.arange(n) % k
    # Columns in different units, far from the origin.
    x = (spread * rng.standard_normal((k, d))[y] + rng.standard_normal((n, d))) * np.geomspace(1, 30, d) + 5
    x = x.round(4)
    scale = x.std(axis=0, ddof=0)
    scaled = (x - x.mean(axis=0)) / np.sqrt(np.mean(scale**2))
    # Of two classes it has one set of weights, the difference of two that are each half of it.
    c = (2 if k == 2 else 1) / (ridge * n)
    fit = LogisticRegression(C=c, tol=1e-12, max_iter=100000, solver="newton-cg").fit(scaled, y)
    if k == 2:
        scores = fit.decision_function(scaled)[:, None] * [-0.5, 0.5]
        square = fit.coef_.ravel() @ fit.coef_.ravel() / 2
    else:
        scores = fit.decision_function(scaled)
        square = (fit.coef_**2).sum()
    log_p = scores - logsumexp(scores, axis=1, keepdims=True)
    loss = -log_p[np.arange(n), y].mean() + ridge / 2 * square
    cases.append({"d": d, "classes": y.tolist(), "ridge": ridge, "x": x.ravel().tolist(), "loss": loss,
                  "probabilities": np.exp(log_p).ravel().tolist()})

path = Path(__file__).parent / "logistic.json"
path.write_text(json.dumps(cases, separators=(",", ":")).replace("},{", "},\n{") + "\n")
