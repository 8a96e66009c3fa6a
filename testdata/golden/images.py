"""Writes images.json: what SciPy and NumPy make of small images, and the laws of a watermark's scores.

    python testdata/golden/images.py
"""

import json
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy import ndimage, stats

rng = np.random.default_rng(20)
image = rng.standard_normal((7, 6, 2)).round(6)
each = lambda f: np.stack([f(image[..., c]) for c in range(2)], axis=-1).ravel().tolist()


def ln_noncentral(x, k, l):
    """From the definition, with 60 digits, where SciPy is without relative accuracy."""
    mp.mp.dps = 60
    x, k, l = mp.mpf(x), mp.mpf(k), mp.mpf(l)
    term = lambda j: mp.exp(-l / 2) * (l / 2) ** j / mp.factorial(j) * mp.gammainc(k / 2 + j, 0, x / 2, regularized=True)
    return float(mp.log(mp.fsum(term(j) for j in range(int(4 * (l + x)) + 400))))


chi = [{"x": x, "k": k, "l": l, "ln": ln_noncentral(x, k, l)}
       for x, k, l in [(3.0, 5, 2.0), (40.0, 29, 31.0), (1e-3, 29, 60.0), (0.7, 4, 300.0), (900.0, 500, 450.0), (2.5, 3, 0.0)]]
for case in chi[:2] + chi[4:5]:
    assert abs(np.log(stats.ncx2.cdf(case["x"], case["k"], case["l"])) - case["ln"]) < 1e-9

# SciPy has them near the mean; in the tail, the sum of the terms about the largest.
def ln_tail(x, k, l):
    j = np.arange(0, int(l + x) + 2000.0)
    from scipy.special import gammaln, logsumexp
    # ln P(a, y) by its series, downwards: P(a, y) = P(a + 1, y) + y^a e^-y / Γ(a + 1).
    a, y = k / 2 + j, x / 2
    steps = a * np.log(y) - y - gammaln(a + 1)
    ln_p = np.logaddexp.accumulate(steps[::-1])[::-1]
    return float(logsumexp(j * np.log(l / 2) - l / 2 - gammaln(j + 1) + ln_p))


large = [{"x": x, "k": k, "l": l, "ln": ln_tail(x, k, l)}
         for x, k, l in [(5e4, 29, 5e4), (4.9e4, 29, 5e4), (3e4, 120, 6e4), (5.2e4, 12, 5e4), (100.0, 29, 1.2e7)]]
for case in large[:2]:
    assert abs(np.log(stats.ncx2.cdf(case["x"], case["k"], case["l"])) - case["ln"]) < 1e-4

out = {
    "image": image.ravel().tolist(),
    "blur": [{"strength": s, "image": each(lambda x: ndimage.gaussian_filter(x, s))} for s in [0.8, 3.0]],
    "median": [{"strength": s, "image": each(lambda x: ndimage.median_filter(x, size=s))} for s in [3, 5]],
    "noncentral_chi_squared": chi,
    "large_noncentral_chi_squared": large,
}
(Path(__file__).parent / "images.json").write_text(json.dumps(out, separators=(",", ":")).replace("},{", "},\n{") + "\n")
