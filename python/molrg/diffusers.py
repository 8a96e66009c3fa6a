"""A UNet2DModel of diffusers as a model program: python -m molrg.diffusers FOLDER

FOLDER is what save_pretrained wrote: a pipeline (unet/ and scheduler/), or a network whose scheduler --scheduler
names. With the scheduler's ᾱ_t, x_t = √ᾱ_t x̂ and σ_t = √((1 − ᾱ_t)/ᾱ_t), so x̂ = x₀ + σ_t ε. The network's ε, v or x₀
gives D(x̂; σ), at the t whose σ_t is σ: interpolated in ln σ between the steps (default), or the nearest step. Beyond
the first and last step, t stays there.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Sequence

import diffusers
import torch

from .torch import serve


class Denoiser(torch.nn.Module):
    """D(x̂; σ) of a network F(x_t, t) of ε, v or x₀, in the layout of the network (n, C, H, W)."""

    def __init__(
        self,
        net: torch.nn.Module,
        alphas_cumprod: torch.Tensor,
        prediction: str,
        timestep: str = "continuous",
        label: int | None = None,
    ):
        super().__init__()
        if prediction not in ("epsilon", "v_prediction", "sample"):
            raise ValueError(f"prediction_type {prediction!r}: is none of epsilon, v_prediction, sample")
        self.net, self.prediction, self.timestep, self.label = net, prediction, timestep, label
        bar = alphas_cumprod.double()
        if not bool(((bar[1:] < bar[:-1]) & (bar[:-1] > 0)).all()):
            raise ValueError("the scheduler's ᾱ does not decrease from step to step")
        # With zero terminal SNR the last step has no x₀ in it, and no finite σ.
        bar = bar[bar > 0]
        # In f64 whatever the type of the network, so no buffer.
        self.log_sigmas = ((1 - bar) / bar).log() / 2

    def steps(self, sigma: torch.Tensor) -> torch.Tensor:
        """t(σ), as a real number."""
        grid, log = self.log_sigmas.to(sigma.device), sigma.double().log()
        if self.timestep == "nearest":
            return (log[:, None] - grid).abs().argmin(dim=1).to(sigma.dtype)
        above = torch.searchsorted(grid, log).clamp(1, len(grid) - 1)
        low, high = grid[above - 1], grid[above]
        return (above - 1 + ((log - low) / (high - low)).clamp(0, 1)).to(sigma.dtype)

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, class_labels: torch.Tensor | None = None
    ) -> torch.Tensor:
        if class_labels is None and self.label is not None:
            class_labels = torch.full((len(x),), self.label, device=x.device)
        s = sigma[:, None, None, None]
        root = (1 + s**2) ** 0.5  # 1/√ᾱ
        f = self.net(x / root, self.steps(sigma), class_labels=class_labels, return_dict=False)[0]
        # Networks that also learn the variance have it in further channels.
        f = f[:, : x.shape[1]]
        if self.prediction == "epsilon":
            return x - s * f
        if self.prediction == "v_prediction":  # v = √ᾱ ε − √(1 − ᾱ) x₀
            return x / root**2 - s / root * f
        return f


def scheduler_of(folder: Path):
    """The scheduler of a folder, of the class that its configuration names."""
    config = diffusers.DDPMScheduler.load_config(str(folder))
    kind = getattr(diffusers, config.get("_class_name", ""), diffusers.DDPMScheduler)
    scheduler = kind.from_config(config)
    if not isinstance(getattr(scheduler, "alphas_cumprod", None), torch.Tensor):
        scheduler = diffusers.DDPMScheduler.from_config(config)
    return scheduler


def model(
    folder: str | Path, scheduler: str | Path | None = None, timestep: str = "continuous", label: int | None = None
) -> Denoiser:
    """The denoiser of a folder."""
    folder = Path(folder)
    unet = folder / "unet" if (folder / "unet").is_dir() else folder
    beside = folder / "scheduler" if (folder / "scheduler").is_dir() else folder
    beside = Path(scheduler) if scheduler else beside
    if not (beside / "scheduler_config.json").is_file():
        raise SystemExit(f"{beside}: has no scheduler_config.json; name its folder with --scheduler")
    if not (unet / "config.json").is_file():
        raise SystemExit(f"{unet}: has no config.json; FOLDER is what save_pretrained wrote")
    net = diffusers.UNet2DModel.from_pretrained(str(unet))
    noise = scheduler_of(beside)
    prediction = noise.config.get("prediction_type", "epsilon")
    return Denoiser(net, noise.alphas_cumprod, prediction, timestep, label)


def digest(folder: str | Path) -> str:
    """SHA-256 of the SHA-256 of all weights, in the order of their names."""
    files = sorted(path for path in Path(folder).rglob("*") if path.suffix in (".safetensors", ".bin"))
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m molrg.diffusers", description=__doc__.partition(":")[0])
    parser.add_argument("folder", metavar="FOLDER", help="what save_pretrained wrote")
    parser.add_argument("--scheduler", metavar="DIR", help="the scheduler's folder (default: in or beside the network's)")
    parser.add_argument("--timestep", choices=["continuous", "nearest"], default="continuous", help="t(σ) between steps")
    parser.add_argument("--class", dest="label", type=int, help="the class of all rows (default: what the programs ask for with their --class, or none)")
    parser.add_argument("--batch", type=int, default=64, help="rows at a time (default: 64)")
    parser.add_argument("--device", help="default: the worker's GPU, or the processor")
    given = parser.parse_args(arguments)
    denoiser = model(given.folder, given.scheduler, given.timestep, given.label)
    size = denoiser.net.config.sample_size
    if size is None:
        raise SystemExit(f"{given.folder}: its configuration has no sample_size")
    height, width = (size, size) if isinstance(size, int) else size
    classes = denoiser.net.config.get("num_class_embeds")
    if given.label is not None and not 0 <= given.label < (classes or 0):
        raise SystemExit(f"--class {given.label}: {given.folder} has {classes or 0} classes, numbered from 0")
    lowest, highest = denoiser.log_sigmas[[0, -1]].exp().tolist()
    serve(
        denoiser,
        shape=(height, width, denoiser.net.config.in_channels),
        layout="nchw",
        device=given.device,
        batch=given.batch,
        name=Path(given.folder).resolve().name,
        sigma_min=lowest,
        sigma_max=highest,
        sha256=digest(given.folder),
        classes=classes if given.label is None else None,
    )


if __name__ == "__main__":
    main()
