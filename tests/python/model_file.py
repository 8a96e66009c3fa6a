"""A model program in NumPy, the posterior mean of a Gaussian whose covariance is given: python model_file.py MODE"""

import subprocess
import sys

import numpy as np
import place  # noqa: F401: finds the module
import molrg

mode = sys.argv[1]
variances = np.linspace(0.5, 2, 6)


def denoise(x, sigma):
    if mode == "prints":
        print("what a library says")
        subprocess.run(["sh", "-c", "echo what a child says; cat"], check=True)
    if mode == "fails" and sigma[0] > 1:
        raise ValueError("too far\nfrom the data")
    if mode == "turns":
        return denoise_rows(x, sigma).T
    x *= 1  # may be written to
    return denoise_rows(x, sigma)


def of_class(x, sigma, class_labels=None):
    assert class_labels is None or class_labels.dtype == np.int64
    return denoise_rows(x, sigma) * (1 if class_labels is None else 2 + class_labels[:, None])


def denoise_rows(x, sigma):
    return (variances / (variances + sigma[:, None] ** 2)) * x


def product(x, v, sigma):
    return denoise_rows(v, np.broadcast_to(sigma, len(v)))


def product_of_class(x, v, sigma, class_labels=None):
    return of_class(v, np.broadcast_to(sigma, len(v)), class_labels)


print("a greeting")
if mode == "classes":
    molrg.serve(of_class, shape=(6,), jvp=product_of_class, batch=8, dtype="f64", classes=3)
if mode == "classless":
    molrg.serve(denoise, shape=(6,), classes=3)
molrg.serve(denoise, shape=(6,), jvp=product, vjp=product, batch=8, dtype="f64", name="a Gaussian", sigma_max=80)
