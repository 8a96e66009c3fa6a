"""The programs from Python: arrays in, arrays or tables out."""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from . import arrays


class Failed(RuntimeError):
    """A program ended with an error: its one line."""


def executable() -> str:
    """The path of ``molrg``, all programs in one."""
    beside = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    for folder in beside:
        found = shutil.which("molrg", path=str(folder))
        if found:
            return found
    found = shutil.which("molrg")
    if not found:
        raise FileNotFoundError("molrg: not installed here; pip install molrg, or put it on PATH")
    return found


@functools.cache
def registry() -> dict[str, dict[str, Any]]:
    """What every command takes, by its name as it is called: ``pfd``, ``npy cat``."""
    text = subprocess.run([executable(), "--generate", "json"], stdout=subprocess.PIPE, check=True).stdout
    commands = {}
    for program in json.loads(text)["commands"]:
        for command in program.get("commands", [program]):
            name = program["name"] if command is program else f"{program['name']} {command['name']}"
            commands[name] = command
    return commands


def run(command: str, *inputs: Any, table: str = "list", **flags: Any) -> Any:
    """Runs a program: ``run("pf-sample", "model.st", n=1000)``.

    Inputs are names of files, ``exec:`` commands, or arrays. Flags are those of ``--help``, with ``_`` for ``-``:
    ``sigma_max=40``, ``quiet=True``, ``rows="..10"``, ``gl=["similarity", "ratio"]``; short ones too (``n``). Their
    names, types and choices are checked before anything runs. Gives back an array, a table (a list of dicts, or with
    ``table="pandas"`` or ``"polars"`` a data frame), or the bytes of a model or picture; nothing where ``output=`` names
    a file. Warnings go to standard error.
    """
    described = registry().get(command)
    if described is None:
        raise ValueError(f"no program is called {command!r}; there are {', '.join(registry())}")
    with tempfile.TemporaryDirectory(prefix="molrg-") as folder:
        place = _Inputs(Path(folder))
        arguments = [*command.split(), *_flags(described, flags, place), *(place.named(value) for value in inputs)]
        writes = described["writes"]
        if writes == "table" and "format" not in flags and "output" not in flags:
            arguments += ["--format", "json"]
        done = subprocess.run([executable(), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said = done.stderr.decode(errors="replace")
    if done.returncode != 0:
        raise Failed(said.strip() or f"{command} ended with exit code {done.returncode}")
    sys.stderr.write(said)
    if "output" in flags or not done.stdout:
        return None
    if writes == "samples" and flags.get("format", "npy") == "npy":
        return arrays.read(io.BytesIO(done.stdout))
    if writes == "table" and "format" not in flags:
        return _table([json.loads(line) for line in done.stdout.splitlines()], table)
    return done.stdout


class _Inputs:
    """Arrays as files for the time of a run."""

    def __init__(self, folder: Path):
        self.folder, self.count = folder, 0

    def named(self, value: Any) -> str:
        if isinstance(value, (str, os.PathLike)):
            return os.fspath(value)
        path = self.folder / f"{self.count}.npy"
        self.count += 1
        arrays.write(path, np.asarray(value))
        return str(path)


def _flags(described: dict[str, Any], flags: dict[str, Any], place: _Inputs) -> list[str]:
    known = {}
    for argument in described["arguments"]:
        if argument["flag"]:
            known[argument["flag"].lstrip("-").replace("-", "_")] = argument
            if argument["short"]:
                known[argument["short"].lstrip("-")] = argument
    given = []
    for name, value in flags.items():
        argument = known.get(name.rstrip("_"))
        if argument is None:
            raise TypeError(f"{described['name']} has no argument {name!r}; it has {', '.join(sorted(known))}")
        if argument["type"] == "switch":
            if not isinstance(value, bool):
                raise TypeError(f"{name}: is given or not; give True or False")
            given += [argument["flag"]] if value else []
        elif value is not None:
            given.append(f"{argument['flag']}={_value(name, argument, value, place)}")
    return given


def _value(name: str, argument: dict[str, Any], value: Any, place: _Inputs) -> str:
    if isinstance(value, (list, tuple)) and not argument["type"] == "path":
        return ",".join(_value(name, argument, one, place) for one in value)
    if argument["type"] == "path":
        return place.named(value)
    # Lists of numbers are given as text; one number among them is checked by the program.
    if argument["type"] == "integer" and (isinstance(value, bool) or int(value) != value):
        raise TypeError(f"{name}: {value!r} is no whole number")
    if argument["type"] == "number" and isinstance(value, str) and "/" not in value:
        float(value)
    text = repr(float(value)) if isinstance(value, (float, np.floating)) else str(value)
    if argument["choices"] and text not in argument["choices"]:
        raise ValueError(f"{name}: {text!r} is none of {', '.join(argument['choices'])}")
    return text


def _table(rows: list[dict[str, Any]], kind: str) -> Any:
    if kind == "pandas":
        import pandas

        return pandas.DataFrame(rows)
    if kind == "polars":
        import polars

        return polars.DataFrame(rows)
    return rows
