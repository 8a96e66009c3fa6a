"""Times training steps of PyTorch, on the networks of testdata/golden/networks.py.

    python benches/peers/training.py --case mlp [--threads 2] [--steps 50] [--compile]

A step draws a batch of data and noise, computes the denoising loss, its gradient
and an Adam step, and updates the moving average of the parameters. PyTorch runs
as fast as it can here: f32, fused Adam, channels last for images, foreach for
the average, with --compile also torch.compile. Prints one line of JSON with the
median over the steps after warm-up.
"""

import argparse
import importlib.util
import json
import math
import statistics
import time
from pathlib import Path

import torch

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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", choices=["mlp", "two-layer", "unet"], required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    network, d, rows, all_levels = case(args.case)
    network.float()
    if args.case == "unet":
        network.to(memory_format=torch.channels_last)
    parameters = list(network.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.Adam(parameters, lr=1e-4, fused=True)
    data = SIGMA_DATA * torch.randn(4096, d)
    loss_of = edm_loss if all_levels else fixed_loss
    if args.compile:
        loss_of = torch.compile(loss_of)

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

    for _ in range(max(3, args.steps // 10)):
        loss = step()
    seconds = []
    for _ in range(args.steps):
        start = time.perf_counter()
        loss = step()
        seconds.append(time.perf_counter() - start)
    assert math.isfinite(loss)
    print(json.dumps({"case": args.case, "seconds_per_step": statistics.median(seconds)}))


if __name__ == "__main__":
    main()
