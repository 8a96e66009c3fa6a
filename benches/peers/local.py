"""A local machine, by products: patches of all places that are clipped alike at the border are rows of one matrix,
and log weights its products with the patches of x, block after block under a running maximum. (By a map of squared
differences for each shift and sums over windows, as ours has it, PyTorch takes longer: --by shifts.)"""

import numpy as np

import turns

# Log weights that are held at once: more do not fit in the cache.
BLOCK = 1 << 19


def classes(length, radius, circular):
    """Places along an axis whose patches are alike: (places, offsets)."""
    if circular:
        return [(list(range(length)), list(range(-radius, radius + 1)))]
    reach = lambda place: (max(-radius, -place), min(radius, length - 1 - place))
    found = {}
    for place in range(length):
        found.setdefault(reach(place), []).append(place)
    return [(places, list(range(first, last + 1))) for (first, last), places in found.items()]


def patches(torch, images, rows, columns):
    """(n, places, numbers of a patch) of images (n, h, w, c), over the end to the beginning."""
    (i, up), (j, left) = rows, columns
    h, w = images.shape[1:3]
    i = (torch.tensor(i)[:, None] + torch.tensor(up)) % h
    j = (torch.tensor(j)[:, None] + torch.tensor(left)) % w
    found = images[:, i[:, None, :, None], j[None, :, None, :]]
    return found.reshape(len(images), found.shape[1] * found.shape[2], -1)


def pytorch_machine(model, circular, patch):
    import torch
    from safetensors.torch import load_file

    y = load_file(model)["data"]
    n, h, w, c = y.shape
    groups = []
    for rows in classes(h, patch // 2, circular):
        for columns in classes(w, patch // 2, circular):
            all_ = patches(torch, y, rows, columns).flatten(0, 1)
            centre = y[:, rows[0]][:, :, columns[0]].reshape(-1, c)
            # Sums of weights come with those of centres.
            centre = torch.cat([centre, torch.ones(len(centre), 1)], 1)
            half_norms = torch.linalg.vector_norm(all_, dim=1).square_().mul_(0.5)
            groups.append((rows, columns, all_.T.contiguous(), half_norms, centre))

    def denoise(x, sigma):
        scale = 1 / sigma**2
        out = torch.empty(len(x), h, w, c)
        for rows, columns, all_, half_norms, centre in groups:
            places = len(rows[0]) * len(columns[0])
            # A few points at a time, so that a block has many patches of each.
            for first in range(0, len(x), 4):
                own = patches(torch, x[first : first + 4], rows, columns).flatten(0, 1)
                step = max(1, BLOCK // len(own))
                most = torch.full((len(own), 1), -torch.inf)
                sums = torch.zeros(len(own), c + 1)
                for at in range(0, len(centre), step):
                    part = slice(at, at + step)
                    logs = torch.addmm(half_norms[part], own, all_[:, part], beta=-scale, alpha=scale)
                    more = torch.maximum(most, logs.amax(1, keepdim=True))
                    sums = sums * (most - more).exp() + logs.sub_(more).exp_() @ centre[part]
                    most = more
                mean = (sums[:, :c] / sums[:, c:]).reshape(-1, len(rows[0]), len(columns[0]), c)
                out[first : first + 4, torch.tensor(rows[0])[:, None], torch.tensor(columns[0])] = mean
        return out

    return denoise


def by_shifts(model, circular, patch):
    """Of circular machines."""
    import torch
    from safetensors.torch import load_file

    assert circular
    y = load_file(model)["data"].permute(3, 0, 1, 2).contiguous()
    c, n, h, w = y.shape
    radius = patch // 2
    doubled = torch.cat([torch.cat([y, y], 2), torch.cat([y, y], 2)], 3)

    def windows(map_):
        for axis in (1, 2):
            length = map_.shape[axis]
            ends = [map_.narrow(axis, length - radius, radius), map_, map_.narrow(axis, 0, radius)]
            sums = torch.nn.functional.pad(torch.cat(ends, axis), (0, 0, 1, 0) if axis == 1 else (1, 0)).cumsum(axis)
            map_ = sums.narrow(axis, patch, length) - sums.narrow(axis, 0, length)
        return map_

    def denoise(x, sigma):
        scale = -0.5 / sigma**2
        out = torch.empty(len(x), h, w, c)
        for image, x in zip(out, x):
            x = x.permute(2, 0, 1)[:, None]
            most, total, sums = torch.full((1, h, w), -torch.inf), torch.zeros(h, w), torch.zeros(c, h, w)
            for i in range(h):
                for j in range(w):
                    moved = doubled[:, :, i : i + h, j : j + w]
                    logs = windows((moved - x).square_().sum(0)).mul_(scale)
                    more = torch.maximum(most, logs.amax(0, keepdim=True))
                    weights = logs.sub_(more).exp_()
                    kept = (most - more).exp_()[0]
                    total = total * kept + weights.sum(0)
                    sums = sums * kept + (weights * moved).sum(1)
                    most = more
            image.copy_((sums / total).permute(1, 2, 0))
        return out

    return denoise


def pytorch_job(job):
    import torch

    make = by_shifts if job.get("by") == "shifts" else pytorch_machine

    def work():
        machine = make(job["model"], job["circular"], job["patch"])
        x = torch.from_numpy(np.load(job["points"]))
        return machine(x.reshape(len(x), *job["shape"]), job["sigma"]).numpy()

    return work, lambda d: turns.relative(d.ravel(), np.load(job["ours"]).ravel())


if __name__ == "__main__":
    turns.take(pytorch=pytorch_job)
