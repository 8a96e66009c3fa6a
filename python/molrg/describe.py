"""A descriptor of images as a program: python -m molrg.describe FILE --preset sscd|dinov2|raw

FILE is TorchScript or ONNX: images (n, 3, H, W) to descriptors (n, q). The presets prepare images as the papers' code
does, by Pillow, whose filters go over all pixels when an image gets smaller: RGB, squashed to the size, and ImageNet's
mean and standard deviation taken out.

    sscd     320×320, bilinear (SSCD; RP counts similarities above 0.6)
    dinov2   224×224, bicubic (DINOv2)
    raw      items as they are, channels first
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Callable, Sequence

import numpy as np

from .server import serve

#: Size and Pillow's filter.
PRESETS = {"sscd": (320, "BILINEAR"), "dinov2": (224, "BICUBIC")}

#: ImageNet's, of red, green and blue from 0 to 1.
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def as_bytes(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Items (n, H, W) or (n, H, W, C), of C = 1 or 3 and values low to high, as RGB of bytes (n, H, W, 3)."""
    x = x[..., None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[-1] not in (1, 3):
        raise ValueError(f"items of shape {x.shape[1:]}: images are (H, W), (H, W, 1) or (H, W, 3)")
    scaled = np.clip(np.rint(255 * (x.astype("f8") - low) / (high - low)), 0, 255).astype(np.uint8)
    return np.broadcast_to(scaled, (*x.shape[:3], 3))


def prepared(x: np.ndarray, preset: str, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """What the network sees of items: (n, 3, size, size), f32; with ``raw``, (n, C, H, W)."""
    if preset == "raw":
        return np.ascontiguousarray(np.moveaxis(x, -1, 1) if x.ndim == 4 else x, np.float32)
    from PIL import Image

    size, filtered = PRESETS[preset]
    out = np.empty((len(x), 3, size, size), np.float32)
    for row, pixels in zip(out, as_bytes(x, low, high)):
        image = Image.fromarray(np.ascontiguousarray(pixels)).resize((size, size), Image.Resampling[filtered])
        row[:] = np.moveaxis((np.asarray(image) / 255 - MEAN) / DEVIATION, -1, 0)
    return out


def network(path: str | Path, device: str | None = None) -> Callable[[np.ndarray], np.ndarray]:
    """The file's function, of f32."""
    if Path(path).suffix == ".onnx":
        from .onnx import session_of

        session = session_of(path, device="cuda" if device and device.startswith("cuda") else "cpu")
        name = session.get_inputs()[0].name
        return lambda images: session.run(None, {name: images})[0]
    import torch

    from .torch import own_device

    place = torch.device(device) if device else own_device()
    module = torch.jit.load(str(path), map_location=place).eval()

    def described(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(images).to(place)).float().cpu().numpy()

    return described


def pair(text: str) -> tuple[float, float]:
    low, high = (float(one) for one in text.split(","))
    if not low < high:
        raise argparse.ArgumentTypeError(f"{text}: is LOW,HIGH")
    return low, high


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m molrg.describe", description=__doc__.partition(":")[0])
    parser.add_argument("file", metavar="FILE", help="TorchScript, or ONNX by its ending .onnx")
    parser.add_argument("--preset", choices=[*PRESETS, "raw"], required=True, help="how images are prepared")
    parser.add_argument(
        "--from", dest="values", metavar="LOW,HIGH", type=pair, default=(-1.0, 1.0), help="black, white (default: -1,1)"
    )
    parser.add_argument("--batch", type=int, default=32, help="images at a time (default: 32)")
    parser.add_argument("--device", help="default: the worker's GPU, or the processor")
    given = parser.parse_args(arguments)
    described = network(given.file, given.device)
    size = f" {PRESETS[given.preset][0]}" if given.preset in PRESETS else ""
    low, high = given.values
    serve(
        describe=lambda x: described(prepared(x, given.preset, low, high)),
        batch=given.batch,
        name=f"{Path(given.file).stem} {given.preset}{size} from {low:g},{high:g}",
        sha256=hashlib.sha256(Path(given.file).read_bytes()).hexdigest(),
    )


if __name__ == "__main__":
    main()
