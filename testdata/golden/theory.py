"""Writes theory.json, which tests/numerics/theory.rs compares with.

    python testdata/golden/theory.py

variances: what one and two layers generate along training, by the closed forms with exponential integrals and logarithms,
at 40 digits (mpmath). filters: what local filters generate, by matrix exponentials (SciPy) at every noise level and
adaptive quadrature over them. kappa: roots at 40 digits. maps: mean and variance over training sets of the square root of
an empirical covariance, by adaptive quadrature in u itself.
"""

import json
from pathlib import Path

import mpmath as mp
import numpy as np
from scipy import integrate, linalg, optimize

HERE = Path(__file__).parent
mp.mp.dps = 40
rng = np.random.default_rng(17)


def one_layer(lam, q, rate, tau, low, high):
    lam, q, c = mp.mpf(lam), mp.mpf(q), 2 * mp.mpf(rate) * mp.mpf(tau)

    def log_phi(s):
        s = mp.mpf(s)
        more = (1 - q) * mp.ei(-c * s**2) * mp.exp(-c * lam) - mp.ei(-c * (lam + s**2))
        return mp.log(lam + s**2) / 2 + more / 2

    return mp.mpf(high) ** 2 * mp.exp(2 * (log_phi(low) - log_phi(high)))


def two_layer(lam, q, rate, tau, low, high):
    lam, q = mp.mpf(lam), mp.mpf(q)
    e = mp.exp(-8 * mp.mpf(rate) * mp.mpf(tau) * lam)
    r = q + (1 - q) * e

    def log_phi(s):
        s = mp.mpf(s)
        return (1 - q) * e / r * mp.log(s) + q / (2 * r) * mp.log(lam * e + q * (1 - e) * (lam + s**2))

    return mp.mpf(high) ** 2 * mp.exp(2 * (log_phi(low) - log_phi(high)))


def variances():
    rows = []
    for layers, of in [(1, one_layer), (2, two_layer)]:
        for _ in range(40):
            case = dict(
                eigenvalue=float(np.exp(rng.normal(-1, 3))),
                initial=float(rng.uniform(0.01, 0.9)),
                rate=float(np.exp(rng.normal())),
                time=float(10 ** rng.uniform(-4, 3)),
                low=float(10 ** rng.uniform(-3, -1)),
                high=float(10 ** rng.uniform(0.5, 2)),
            )
            value = of(*case.values())
            rows.append(dict(layers=layers, **case, variance=float(value)))
    return rows


def filters():
    """Of N pixels, odd and even, and K taps."""
    rows = []
    for n, k in [(9, 3), (10, 5), (7, 7)]:
        half = np.exp(rng.normal(size=n // 2 + 1))
        power = np.array([half[min(j, n - j)] for j in range(n)])
        covariance = linalg.circulant(np.fft.ifft(power).real)
        patch = covariance[:k, :k]
        centre = np.eye(k)[k // 2]
        offsets = np.arange(k) - k // 2
        q, rate = 0.1, 0.7
        for tau in [0.003, 0.05, 1.0]:

            def response(log_sigma):
                s2 = np.exp(2 * log_sigma)
                a = patch + s2 * np.eye(k)
                best = np.linalg.solve(a, patch @ centre)
                w = best + linalg.expm(-2 * n * rate * tau * a) @ (q * centre - best)
                modes = 2 * np.pi * np.outer(np.arange(n), offsets) / n
                return np.cos(modes) @ w

            low, high = 0.01, 30.0
            shrinkage, _ = integrate.quad_vec(
                lambda u: 1 - response(u), np.log(low), np.log(high), epsabs=1e-12, epsrel=1e-12
            )
            rows.append(
                dict(
                    eigenvalues=power.tolist(), patch=k, initial=q, rate=rate, time=tau, low=low, high=high,
                    weights=response(np.log(0.5)).tolist(),
                    variances=(high**2 * np.exp(-2 * shrinkage)).tolist(),
                )
            )
    return rows


def kappa_exactly(eigenvalues, ratio, z):
    lam = [mp.mpf(v) for v in eigenvalues]
    ratio, z = mp.mpf(ratio), mp.mpf(z)

    def f(k):
        return k - z - ratio * k * sum(v / (v + k) for v in lam) / len(lam)

    return mp.findroot(f, (z + ratio * sum(lam) / len(lam), z + mp.mpf(10) ** -30), solver="anderson", tol=1e-60)


def kappas():
    rows = []
    for d in [3, 8]:
        lam = np.exp(rng.normal(0, 2, size=d)).tolist()
        for ratio in [0.3, 1.0, 3.7]:
            for z in [1e-6, 0.05, 4.0]:
                rows.append(dict(eigenvalues=lam, ratio=ratio, z=z, kappa=float(kappa_exactly(lam, ratio, z))))
    return rows


def maps():
    rows = []
    for d, n in [(6, 9), (5, 4)]:
        lam = np.exp(rng.normal(0, 1, size=d))

        def kappa(u):
            z = u * u
            f = lambda k: k - z - d / n * k * np.mean(lam / (lam + k))
            return optimize.brentq(f, z, z + d / n * lam.mean(), xtol=1e-15, rtol=1e-14)

        # u = t/(1 − t).
        def at(t):
            u = t / (1 - t)
            return kappa(u), 1 / (1 - t) ** 2

        def gain(t):
            k, jacobian = at(t)
            return lam / (lam + k) * jacobian

        gains = 2 / np.pi * integrate.quad_vec(gain, 1e-12, 1 - 1e-9, epsabs=1e-12, epsrel=1e-12)[0]

        def inner(t):
            k, jacobian = at(t)

            def of(s):
                other, more = at(s)
                freedom = np.sum(lam**2 / ((lam + k) * (lam + other)))
                share = lam / ((lam + k) * (lam + other))
                return k * other / (n - freedom) * share * share.sum() * jacobian * more

            return integrate.quad_vec(of, 1e-12, 1 - 1e-9, epsabs=1e-9, epsrel=1e-9)[0]

        spread = 4 / np.pi**2 * integrate.quad_vec(inner, 1e-12, 1 - 1e-9, epsabs=1e-8, epsrel=1e-8)[0]
        rows.append(dict(eigenvalues=lam.tolist(), samples=n, gains=gains.tolist(), variances=spread.tolist()))
    return rows


value = dict(variances=variances(), filters=filters(), kappas=kappas(), maps=maps())
text = json.dumps(value, separators=(",", ":"))
(HERE / "theory.json").write_text(text.replace("},{", "},\n{") + "\n")
