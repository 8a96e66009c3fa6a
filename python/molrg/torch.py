"""Networks of PyTorch as model programs, with their Jacobians; model files of ours as modules of PyTorch."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path
from typing import Callable, Sequence

import numpy as np
import torch
from torch.autograd import forward_ad
from torch.nn.attention import SDPBackend, sdpa_kernel

from . import models, server

#: D(x; σ) of a batch, σ of shape (n,); of a class, with class_labels (n) too.
Net = Callable[..., torch.Tensor]

_TYPES = {"f32": torch.float32, "f64": torch.float64}


class Layout:
    """How the framework lays out items, beside rows of (H, W, C): ``nhwc`` (as they are) or ``nchw``."""

    def __init__(self, shape: Sequence[int], layout: str):
        if layout not in ("nhwc", "nchw"):
            raise ValueError(f"layout {layout!r}: is nhwc or nchw")
        if layout == "nchw" and len(shape) != 3:
            raise ValueError(f"layout nchw: is for items (H, W, C), not {tuple(shape)}")
        self.turned = layout == "nchw"

    def inwards(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 3, 1, 2).contiguous() if self.turned else x

    def outwards(self, x: torch.Tensor) -> torch.Tensor:
        return x.permute(0, 2, 3, 1).contiguous() if self.turned else x

    def around(self, net: Net, x: torch.Tensor, sigma: torch.Tensor, **labels: torch.Tensor) -> torch.Tensor:
        """The network of rows. Convolutions of PyTorch take channels first, and say no more than that a size is wrong."""
        try:
            return self.outwards(net(self.inwards(x), sigma, **labels))
        except RuntimeError as error:
            if self.turned or x.ndim != 4 or type(error) is not RuntimeError:
                raise
            raise RuntimeError(f'{error}; it was given (n, H, W, C): layout="nchw" gives it (n, C, H, W)') from error


def serve(
    net: Net,
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
    sha256: str | None = None,
    classes: int | None = None,
) -> None:
    """Serves ``net(x, sigma)``, the denoiser D(x; σ) of a batch, σ of shape (n,); see :func:`molrg.serve`.

    ``shape`` is that of an item as data have it, (H, W, C) for images; with ``layout="nchw"`` the network sees
    (n, C, H, W). ``device`` defaults to the worker's own GPU where there is one (worker i takes number i of them).
    ``sha256`` defaults to that of the parameters. With ``classes``, their number, a class that is asked for goes to
    ``net(x, sigma, class_labels=…)``, a tensor of whole numbers (n,).
    """
    # Ten bits of mantissa, the default of convolutions, are too few for Jacobians; and kernels that are tried out, or
    # that add in any order, give other numbers every time.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    functions = functions_of(net, shape=shape, layout=layout, device=device, dtype=dtype)
    if not derivatives:
        functions = {"denoise": functions["denoise"]}
    if sha256 is None and isinstance(net, torch.nn.Module):
        sha256 = digest(net)
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


def digest(net: torch.nn.Module) -> str:
    """SHA-256 of a network's names and numbers, in the order of its state."""
    hashed = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        if isinstance(tensor, torch.Tensor):
            hashed.update(name.encode())
            hashed.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()


def own_device() -> torch.device:
    """The GPU of this worker, by its number; the processor where there is none."""
    count = torch.cuda.device_count()
    return torch.device("cuda", int(os.environ.get("MOLRG_WORKER", "0")) % count) if count else torch.device("cpu")


def functions_of(
    net: Net,
    *,
    shape: Sequence[int],
    layout: str = "nhwc",
    device: str | torch.device | None = None,
    dtype: str = "f32",
) -> dict[str, Callable[..., np.ndarray]]:
    """``denoise``, ``jvp`` and ``vjp`` of NumPy arrays."""
    lay, device = Layout(shape, layout), torch.device(device) if device is not None else own_device()
    kind = _TYPES[dtype]
    if isinstance(net, torch.nn.Module):
        net = net.to(device=device, dtype=kind).eval().requires_grad_(False)

    def tensor(x: np.ndarray) -> torch.Tensor:
        return torch.tensor(x, device=device, dtype=kind)

    def denoised(class_labels: np.ndarray | None, m: int) -> Net:
        """D of m rows, which are of these classes."""
        labels = {}
        if class_labels is not None:
            labels["class_labels"] = torch.tensor(class_labels, device=device).expand(m)
        return lambda x, sigma: lay.around(net, x, sigma, **labels)

    def denoise(x: np.ndarray, sigma: np.ndarray, class_labels: np.ndarray | None = None) -> np.ndarray:
        with torch.no_grad():
            return denoised(class_labels, len(x))(tensor(x), tensor(sigma)).cpu().numpy()

    def points(x: np.ndarray, sigma: np.ndarray, m: int) -> tuple[torch.Tensor, torch.Tensor]:
        # A row for every direction, so that each is computed as if alone.
        return tensor(x).expand(m, *x.shape[1:]).contiguous(), tensor(sigma).expand(m).contiguous()

    product = Products()

    def jvp(x: np.ndarray, v: np.ndarray, sigma: np.ndarray, class_labels: np.ndarray | None = None) -> np.ndarray:
        net = denoised(class_labels, len(v))
        return product.forward(net, *points(x, sigma, len(v)), tensor(v)).cpu().numpy()

    def vjp(x: np.ndarray, u: np.ndarray, sigma: np.ndarray, class_labels: np.ndarray | None = None) -> np.ndarray:
        net = denoised(class_labels, len(u))
        return product.backward(net, *points(x, sigma, len(u)), tensor(u)).cpu().numpy()

    return {"denoise": denoise, "jvp": jvp, "vjp": vjp}


class Products:
    """J v and Jᵀu of every row, J = ∂D(x; σ)/∂x. By autograd itself: whatever trains can be differentiated."""

    def __init__(self) -> None:
        self.dual = True

    def backward(self, net: Net, x: torch.Tensor, sigma: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            x = x.requires_grad_()
            y = net(x, sigma)
            return torch.autograd.grad(y, x, u)[0]

    def forward(self, net: Net, x: torch.Tensor, sigma: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if self.dual:
            try:
                return self._dual(net, x, sigma, v)
            except (NotImplementedError, RuntimeError) as error:
                if isinstance(error, torch.cuda.OutOfMemoryError):
                    raise
                # Some operation has no rule for dual numbers: functions written with a backward alone, as EDM's attention.
                self.dual = False
        return self._twice_backward(net, x, sigma, v)

    def _dual(self, net: Net, x: torch.Tensor, sigma: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        with warnings.catch_warnings(), torch.no_grad(), forward_ad.dual_level(), sdpa_kernel(SDPBackend.MATH):
            # PyTorch's own rules for dual numbers are written in what it calls deprecated.
            warnings.simplefilter("ignore", FutureWarning)
            y = forward_ad.unpack_dual(net(forward_ad.make_dual(x, v), sigma))
            return torch.zeros_like(y.primal) if y.tangent is None else y.tangent

    def _twice_backward(self, net: Net, x: torch.Tensor, sigma: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        # Jᵀu is linear in u, and its derivative there, transposed, is J.
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            x = x.requires_grad_()
            y = net(x, sigma)
            u = torch.zeros_like(y, requires_grad=True)
            (pulled,) = torch.autograd.grad(y, x, u, create_graph=True)
            return torch.autograd.grad(pulled, u, v)[0]


class Denoiser(torch.nn.Module):
    """A model file as a module: ``net(x, sigma)`` is D(x; σ) of items x (n, *item_shape), σ (n) or a number.

    The parameters of networks are parameters, by the names of the file with ``_`` for ``.``, and can be trained;
    mixtures and finite sets are buffers.
    """

    def __init__(self, path: str | Path, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.model, tensors = models.checked(path)
        self.kind = self.model["kind"]
        self.item_shape = tuple(int(n) for n in self.model["item_shape"].split(","))
        trained = "architecture" in self.model
        if trained:
            tensors = {f"model.{name}": tensor for name, tensor in models.of_network(tensors).items()}
        self.places = {name: name.removeprefix("model.").replace(".", "_") for name in tensors}
        for name, place in self.places.items():
            tensor = torch.from_numpy(tensors[name]).to(dtype)
            if trained:
                self.register_parameter(place, torch.nn.Parameter(tensor))
            else:
                self.register_buffer(place, tensor)

    def forward(
        self,
        x: torch.Tensor,
        sigma: torch.Tensor | float,
        class_labels: torch.Tensor | int | None = None,
        condition: torch.Tensor | None = None,
    ) -> torch.Tensor:
        rows = x.reshape(len(x), -1)
        sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        tensors = {name: getattr(self, place) for name, place in self.places.items()}
        if isinstance(class_labels, torch.Tensor):
            class_labels = class_labels.detach().cpu().numpy()
        classes = models.classes_of(self.model, class_labels, len(x))
        if classes is not None:
            classes = torch.tensor(classes, device=x.device)
        # Its shape is checked there; what is computed with keeps its gradient.
        checked = models.conditions_of(self.model, None if condition is None else condition.detach().cpu(), len(x))
        if checked is not None:
            condition = condition.reshape(checked.shape)
        return models.denoised_by(self.model, tensors, rows, sigma, torch, classes, condition).reshape(x.shape)


def load(path: str | Path, dtype: torch.dtype = torch.float32) -> Denoiser:
    """A model file (mixture, finite set or network) as a module of PyTorch, with gradients."""
    return Denoiser(path, dtype)
