"""A network snapshot of EDM or EDM2 as a model program: python -m molrg.edm NETWORK.pkl [--pythonpath DIR]

Snapshots are pickles that need their project's code: name a clone of it with --pythonpath. What a pickle says is run
when it is read, so read only those that you trust.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import pickle
import sys
from pathlib import Path
from typing import Sequence

import torch

from .torch import serve


class Denoiser(torch.nn.Module):
    """``net(x, σ, labels)`` of a snapshot, always in the arithmetic of its parameters; ``label`` is the class of all
    rows of which none is asked for."""

    def __init__(self, net: torch.nn.Module, label: int | None = None):
        super().__init__()
        self.net, self.label = net, label
        parameters = inspect.signature(net.forward).parameters.values()
        any_name = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
        named = any_name or any(parameter.name == "force_fp32" for parameter in parameters)
        # Snapshots of ImageNet compute in f16 otherwise.
        self.precise = {"force_fp32": True} if named else {}

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, class_labels: torch.Tensor | None = None
    ) -> torch.Tensor:
        if class_labels is None and self.label is not None:
            class_labels = torch.full((len(x),), self.label, device=x.device)
        labels = None
        if class_labels is not None:
            labels = torch.nn.functional.one_hot(class_labels, self.net.label_dim).to(x.dtype)
        return self.net(x, sigma, labels, **self.precise)


def network(path: str | Path, pythonpath: str | None = None, key: str = "ema") -> tuple[torch.nn.Module, str]:
    """The network of a snapshot, and the file's SHA-256."""
    if pythonpath:
        sys.path.insert(0, pythonpath)
    content = Path(path).read_bytes()
    try:
        snapshot = pickle.loads(content)
    except ModuleNotFoundError as error:
        raise SystemExit(f"{path}: needs {error.name}: name a clone of its project with --pythonpath DIR") from error
    if isinstance(snapshot, dict) and key not in snapshot:
        raise SystemExit(f"{path}: has no {key!r} but {', '.join(map(str, snapshot))}; choose with --key")
    net = snapshot[key] if isinstance(snapshot, dict) else snapshot
    if not isinstance(net, torch.nn.Module):
        raise SystemExit(f"{path}: holds {type(net).__name__}, not a network")
    return net, hashlib.sha256(content).hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m molrg.edm", description=__doc__.partition(":")[0])
    parser.add_argument("network", metavar="NETWORK.pkl")
    parser.add_argument("--pythonpath", metavar="DIR", help="a clone of the project whose code the snapshot needs")
    parser.add_argument("--key", default="ema", help="which network of the snapshot (default: ema)")
    parser.add_argument("--class", dest="label", type=int, help="the class of all rows (default: what the programs ask for with their --class, or none)")
    parser.add_argument("--batch", type=int, default=64, help="rows at a time (default: 64)")
    parser.add_argument("--device", help="default: the worker's GPU, or the processor")
    given = parser.parse_args(arguments)
    net, sha256 = network(given.network, given.pythonpath, given.key)
    classes = int(getattr(net, "label_dim", 0))
    if given.label is not None and not 0 <= given.label < classes:
        raise SystemExit(f"--class {given.label}: {given.network} has {classes} classes, numbered from 0")
    size, channels = int(net.img_resolution), int(net.img_channels)
    highest = float(getattr(net, "sigma_max", float("inf")))
    serve(
        Denoiser(net, given.label),
        shape=(size, size, channels),
        layout="nchw",
        device=given.device,
        batch=given.batch,
        name=Path(given.network).stem,
        # EDM's classes take any level and say 0 and inf.
        sigma_min=getattr(net, "sigma_min", None) or None,
        sigma_max=highest if highest < float("inf") else None,
        sha256=sha256,
        classes=classes if classes and given.label is None else None,
    )


if __name__ == "__main__":
    main()
