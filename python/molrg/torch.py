"""Networks of PyTorch as model programs, with Jacobians by torch.func."""

from __future__ import annotations

import hashlib
import os
from typing import Callable, Sequence

import numpy as np
import torch

from . import server


class Layout:
    """How the framework lays out items, beside rows of (H, W, C): ``nhwc`` (as they are) or ``nchw``."""

    def __init__(self, shape: Sequence[int], layout: str):
        if layout not in ("nhwc", "nchw"):
            raise ValueError(f"layout {layout!r}: is nhwc or nchw")
        self.shape = tuple(int(n) for n in shape)
        if layout == "nchw" and len(self.shape) != 3:
            raise ValueError(f"layout nchw: is for items (H, W, C), not {self.shape}")
        self.turned = layout == "nchw"

    def inwards(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 3, 1, 2).contiguous() if self.turned else x

    def outwards(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).contiguous() if self.turned else x


def serve(
    net: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    shape: Sequence[int],
    layout: str = "nhwc",
    device: str | torch.device | None = None,
    dtype: str = "f32",
    batch: int = 64,
    name: str = "torch",
    derivatives: bool = True,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
) -> None:
    """Serves ``net(x, sigma)``, the denoiser D(x; σ) of a batch, σ of shape (n,); see :func:`molrg.serve`.

    ``shape`` is that of an item as data have it, (H, W, C) for images; with ``layout="nchw"`` the network sees
    (n, C, H, W). ``device`` defaults to the worker's own GPU where there is one (worker i takes number i of them).
    """
    functions = functions_of(net, shape=shape, layout=layout, device=device, dtype=dtype)
    if not derivatives:
        functions = {"denoise": functions["denoise"]}
    digest = None
    if isinstance(net, torch.nn.Module):
        digest = hashlib.sha256()
        for parameter in net.state_dict().values():
            digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
        digest = digest.hexdigest()
    server.serve(
        **functions,
        shape=shape,
        batch=batch,
        dtype=dtype,
        name=name,
        sigma_min=sigma_min,
        sigma_max=sigma_max,
        sha256=digest,
    )


def own_device() -> torch.device:
    """The GPU of this worker, by its number; the processor where there is none."""
    count = torch.cuda.device_count()
    return torch.device("cuda", int(os.environ.get("MOLRG_WORKER", "0")) % count) if count else torch.device("cpu")


def functions_of(
    net: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    shape: Sequence[int],
    layout: str = "nhwc",
    device: str | torch.device | None = None,
    dtype: str = "f32",
) -> dict[str, Callable[..., np.ndarray]]:
    """``denoise``, ``jvp`` and ``vjp`` of NumPy arrays."""
    lay, device = Layout(shape, layout), torch.device(device) if device is not None else own_device()
    kind = {"f32": torch.float32, "f64": torch.float64}[dtype]
    if isinstance(net, torch.nn.Module):
        net = net.to(device=device, dtype=kind).eval().requires_grad_(False)

    def tensor(x: np.ndarray) -> torch.Tensor:
        # A frame's bytes are not to be written to.
        return torch.from_numpy(np.array(x)).to(device=device, dtype=kind)

    def denoised(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return lay.outwards(net(lay.inwards(x), sigma))

    def denoise(x: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return denoised(tensor(x), tensor(sigma)).cpu().numpy()

    def products(x: np.ndarray, v: np.ndarray, sigma: np.ndarray, backward: bool) -> np.ndarray:
        # A row for every direction: its own copy of the point, so that batch statistics have no say.
        points = tensor(x).expand(len(v), *x.shape[1:]).contiguous()
        levels = tensor(sigma).expand(len(v)).contiguous()
        function = lambda points: denoised(points, levels)  # noqa: E731
        if backward:
            _, pull = torch.func.vjp(function, points)
            return pull(tensor(v))[0].cpu().numpy()
        return torch.func.jvp(function, (points,), (tensor(v),))[1].cpu().numpy()

    return {
        "denoise": denoise,
        "jvp": lambda x, v, sigma: products(x, v, sigma, False),
        "vjp": lambda x, u, sigma: products(x, u, sigma, True),
    }
