"""molrg from Python: the programs as functions, models as programs, array streams. NumPy only.

    import molrg
    samples = molrg.run("pf-sample", "model.st", n=1000)     # arrays in, arrays or tables out
    molrg.serve(denoise, shape=(28, 28, 1))                  # a model program: pf-sample "exec:python model.py"
    x = molrg.read("samples.npy")                            # all blocks of a stream
    denoiser = molrg.load("model.st")                        # D(x; σ) of a model file, in NumPy

``molrg.torch``, ``molrg.jax``, ``molrg.edm``, ``molrg.diffusers``, ``molrg.onnx`` and ``molrg.describe`` bring models of
those frameworks; each imports its own where it is used.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from .arrays import blocks, read, write
from .models import Model, load
from .programs import Failed, executable, registry, run
from .server import serve

__all__ = ["Failed", "Model", "blocks", "executable", "load", "read", "registry", "run", "serve", "write"]


def __getattr__(name: str) -> ModuleType:
    # import molrg, then molrg.torch.serve: the framework comes with its first use.
    if name in ("torch", "jax"):
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
