"""molrg from Python: the programs as functions, models as programs, array streams. NumPy only.

    import molrg
    samples = molrg.run("pf-sample", "model.st", n=1000)     # arrays in, arrays or tables out
    molrg.serve(denoise, shape=(28, 28, 1))                  # a model program: pf-sample "exec:python model.py"
    x = molrg.read("samples.npy")                            # all blocks of a stream
    denoiser = molrg.load("model.st")                        # D(x; σ) of a model file, in NumPy

``molrg.torch``, ``molrg.jax``, ``molrg.edm``, ``molrg.diffusers``, ``molrg.onnx`` and ``molrg.describe`` bring models of
those frameworks; each imports its own where it is used.
"""

from .arrays import read, write
from .models import Model, load
from .programs import Failed, executable, registry, run
from .server import serve

__all__ = ["Failed", "Model", "executable", "load", "read", "registry", "run", "serve", "write"]
