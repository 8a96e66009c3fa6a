"""Where tests run: the module from its sources, the programs of target/release (or of PROGRAMS)."""

import importlib.util
import os
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = Path(os.environ.get("PROGRAMS", ROOT / "target/release")).resolve()

sys.path.insert(0, str(ROOT / "python"))
os.environ["PYTHONPATH"] = str(ROOT / "python")
# Many small processes: threads would wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["PATH"] = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"

#: This Python, where a command says which.
PYTHON = sys.executable


def has(module):
    return importlib.util.find_spec(module) is not None


def needs(*modules):
    """Skips a test where a module is missing, in a word."""
    missing = [name for name in modules if not has(name)]
    return unittest.skipIf(missing, f"no {', '.join(missing)} here")


def programs_are_there():
    return (PROGRAMS / "molrg").exists()


def exec_is_there():
    """Whether these programs take exec: models."""
    return programs_are_there() and b"exec:" in run("pf-sample", "--help").stdout


def run(*command, check=True, **named):
    """A command, its bytes, and what it says where it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, **named)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: {done.stderr.decode()}")
    return done


def slopes(function, x, v, step):
    """Central differences of a function along rows v, at rows x."""
    return (function(x + step * v) - function(x - step * v)) / (2 * step)
