"""Functions of JAX as model programs, with their Jacobians."""

from __future__ import annotations

from typing import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from . import server


def serve(
    denoise: Callable[..., jax.Array],
    *,
    shape: Sequence[int],
    dtype: str = "f32",
    derivatives: bool = True,
    batch: int = 64,
    name: str = "jax",
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    sha256: str | None = None,
    classes: int | None = None,
) -> None:
    """Serves ``denoise(x, sigma)``, the denoiser D(x; σ) of a batch x (n, *shape), σ (n); see :func:`molrg.serve`.

    It is compiled (``jax.jit``), once for every number of rows. With ``classes``, their number, a class that is asked
    for goes to ``denoise(x, sigma, class_labels=…)``, whole numbers (n,).
    """
    functions = functions_of(denoise, dtype=dtype)
    if not derivatives:
        functions = {"denoise": functions["denoise"]}
    server.serve(
        **functions,
        shape=shape,
        batch=batch,
        dtype=dtype,
        name=name,
        sigma_min=sigma_min,
        sigma_max=sigma_max,
        sha256=sha256,
        classes=classes,
    )


def functions_of(denoise: Callable[..., jax.Array], *, dtype: str = "f32") -> dict[str, Callable[..., np.ndarray]]:
    """``denoise``, ``jvp`` and ``vjp`` of NumPy arrays."""
    if dtype == "f64":
        jax.config.update("jax_enable_x64", True)
    # What a GPU multiplies in fewer bits by default is too rough for Jacobians.
    jax.config.update("jax_default_matmul_precision", "highest")
    kind = {"f32": jnp.float32, "f64": jnp.float64}[dtype]

    def at(x: jax.Array, m: int, **conditions: jax.Array) -> tuple[jax.Array, Callable[[jax.Array], jax.Array]]:
        # A row for every direction, so that each is computed as if alone.
        of_rows = {name: jnp.broadcast_to(one, (m,)) for name, one in conditions.items()}
        levels = of_rows.pop("sigma")
        return jnp.broadcast_to(x, (m, *x.shape[1:])), lambda points: denoise(points, levels, **of_rows)

    def jvp(x: jax.Array, v: jax.Array, sigma: jax.Array, **labels: jax.Array) -> jax.Array:
        points, function = at(x, len(v), sigma=sigma, **labels)
        return jax.jvp(function, (points,), (v,))[1]

    def vjp(x: jax.Array, u: jax.Array, sigma: jax.Array, **labels: jax.Array) -> jax.Array:
        points, function = at(x, len(u), sigma=sigma, **labels)
        return jax.vjp(function, points)[1](u)[0]

    def of_arrays(function: Callable[..., jax.Array]) -> Callable[..., np.ndarray]:
        compiled = jax.jit(function)

        def of_numpy(*arrays: np.ndarray, class_labels: np.ndarray | None = None) -> np.ndarray:
            labels = {} if class_labels is None else {"class_labels": jnp.asarray(class_labels)}
            return np.asarray(compiled(*(jnp.asarray(array, kind) for array in arrays), **labels))

        return of_numpy

    return {"denoise": of_arrays(denoise), "jvp": of_arrays(jvp), "vjp": of_arrays(vjp)}
