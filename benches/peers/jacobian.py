"""The numerical rank of a mixture's Jacobian: automatic differentiation, then a dense SVD, at a few of the points."""

import csv
import time

import numpy as np
from safetensors.numpy import load_file

import turns
from flow import coefficients, levels, molrg, pytorch_flow

ETA = 0.99

# Directions that automatic differentiation carries at a time.
CHUNK = 1024


def pytorch_job(job):
    import torch

    def denoiser(u, k):
        def denoise(x, sigma):
            gain, shrink = coefficients(sigma)
            z = x @ u
            parts = z.view(*z.shape[:-1], k, -1)
            weights = torch.softmax(gain * parts.square().sum(-1), -1)
            return (shrink * weights.unsqueeze(-1) * parts).flatten(-2) @ u.T

        return denoise

    def work():
        """The flow of all points is timed whole, a Jacobian with its SVD at the timed units; the rest is arithmetic."""
        start = time.perf_counter()
        u, k = molrg(load_file(job["model"]))
        denoise = denoiser(torch.from_numpy(u), k)
        sigmas = levels(job["levels"])
        x = torch.from_numpy(np.load(job["latents"])) * sigmas[0]
        points = len(x)
        seen = {}
        for step in range(job["levels"]):
            seen[step] = x.clone()
            if step + 1 < job["levels"]:
                pytorch_flow(denoise, x, sigmas[step : step + 2])
        flow = time.perf_counter() - start
        ranks, seconds = {}, []
        for step, point in job["timed"]:
            start = time.perf_counter()
            x, sigma = seen[step][point], sigmas[step]
            jacobian = torch.func.jacrev(lambda x: denoise(x, sigma), chunk_size=CHUNK)(x)
            energy = torch.linalg.svdvals(jacobian).square().cumsum(0)
            ranks[step, point] = int((energy <= ETA**2 * energy[-1]).sum()) + 1
            seconds.append(time.perf_counter() - start)
        total = flow + np.mean(seconds) * job["levels"] * points
        return {"seconds": total, "ranks": ranks}

    def difference(result):
        """The largest difference of a rank."""
        with open(job["ours"]) as file:
            rows = list(csv.DictReader(file))
        sigmas = levels(job["levels"])
        worst = 0
        for (step, point), rank in result["ranks"].items():
            (ours,) = (
                int(row["rank"])
                for row in rows
                if int(row["sample"]) == point and abs(float(row["sigma"]) / sigmas[step] - 1) < 1e-6
            )
            worst = max(worst, abs(ours - rank))
        return worst

    return work, difference


if __name__ == "__main__":
    turns.take(pytorch=pytorch_job)
