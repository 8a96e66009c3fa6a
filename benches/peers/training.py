"""Training steps of PyTorch, on the networks of testdata/golden/networks.py.

A step draws a batch of data and noise, computes the denoising loss, its gradient
and an Adam step, and updates the moving average of the parameters. PyTorch runs
as fast as it can here: f32, fused Adam, channels last for images, foreach for
the average.
"""

import importlib.util
import math
import statistics
import time
from pathlib import Path

import torch

import turns

SIGMA_DATA = 0.5
SIGMA = 0.2
DECAY = 0.999


def networks():
    path = Path(__file__).resolve().parents[2] / "testdata/golden/networks.py"
    spec = importlib.util.spec_from_file_location("networks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def case(name):
    """Network, numbers of a row, rows of a batch, whether the loss is of all noise levels."""
    n = networks()
    if name == "mlp":
        return n.Mlp(1024, 1024, 3), 1024, 256, True
    if name == "two-layer":
        return n.TwoLayer(1024, 1024), 1024, 256, False
    return n.UNet([32, 32, 3], 64, [1, 2], 1), 32 * 32 * 3, 64, True


def edm_loss(network, clean, noise, z):
    """The weighted loss of arXiv 2206.00364, table 1."""
    log_sigma = (-1.2 + 1.2 * z).unsqueeze(1)
    sigma = log_sigma.exp()
    total = sigma**2 + SIGMA_DATA**2
    x = clean + sigma * noise
    skip, out, inside = SIGMA_DATA**2 / total, sigma * SIGMA_DATA / total.sqrt(), total.rsqrt()
    denoised = skip * x + out * network(inside * x, log_sigma.squeeze(1) / 4)
    weight = total / (sigma * SIGMA_DATA) ** 2
    return (weight * (denoised - clean).square()).mean()


def fixed_loss(network, clean, noise, _):
    return (network(clean + SIGMA * noise, None) - clean).square().mean()


def pytorch_job(job):
    torch.manual_seed(0)
    network, d, rows, all_levels = case(job["case"])
    network.float()
    if job["case"] == "unet":
        network.to(memory_format=torch.channels_last)
    parameters = list(network.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.Adam(parameters, lr=1e-4, fused=True)
    data = SIGMA_DATA * torch.randn(4096, d)
    loss_of = edm_loss if all_levels else fixed_loss

    def step():
        clean = data[torch.randint(len(data), (rows,))]
        noise, z = torch.randn(rows, d), torch.randn(rows)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(network, clean, noise, z)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(average, parameters, 1 - DECAY)
        return loss.item()

    for _ in range(3):
        step()

    def work():
        seconds = []
        for _ in range(job["steps"]):
            start = time.perf_counter()
            loss = step()
            seconds.append(time.perf_counter() - start)
        assert math.isfinite(loss)
        return {"seconds": statistics.median(seconds)}

    # The same numbers come out of both by the golden values that tests compare with, not here.
    return work, None


if __name__ == "__main__":
    turns.take(pytorch=pytorch_job)
