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
from typing import Any, Iterator

import numpy as np

from . import arrays


class Failed(RuntimeError):
    """A program ended with an error: its line. ``code`` is the exit code; 75 asks to be run again, with ``resume``."""

    def __init__(self, said: str, code: int):
        super().__init__(said)
        self.code = code


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

    Inputs are names of files, ``exec:`` commands, arrays, or the bytes of a model. Flags are those of ``--help``, with
    ``_`` for ``-``: ``sigma_max=40``, ``quiet=True``, ``rows="..10"``, ``gl=["similarity", "ratio"]``; short ones too
    (``n``), and ``from_`` for what Python has taken. Their names, types and choices are checked before anything runs.
    Gives back an array, a table (a list of dicts, or with ``table="pandas"`` or ``"polars"`` a data frame), or the bytes
    of a model or picture; ``None`` where ``output`` names a file. Warnings go to standard error.
    """
    described = registry().get(command)
    if described is None:
        near = [name for name in registry() if name.startswith(command)]
        raise ValueError(f"no program is called {command!r}; there are {', '.join(near or registry())}")
    if table not in ("list", "pandas", "polars"):
        raise ValueError(f"table {table!r}: is list, pandas or polars")
    with tempfile.TemporaryDirectory(prefix="molrg-") as folder:
        files = _Files(Path(folder))
        names = set()
        arguments = command.split()
        for name, value in flags.items():
            argument = _called(described, command, name)
            names.add(argument["name"])
            arguments += _flag(name, argument, value, files)
        as_table = described["writes"] == "table" and not names & {"format", "output"}
        if as_table:
            arguments += ["--format", "json"]
        arguments += _positions(described, command, inputs, files)
        done = subprocess.run(
            [executable(), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    said = done.stderr.decode(errors="replace")
    if done.returncode != 0:
        raise Failed(said.strip() or f"{command} ended with exit code {done.returncode}", done.returncode)
    sys.stderr.write(said)
    if as_table:
        return _table([json.loads(line) for line in done.stdout.splitlines()], table)
    if "output" in names:
        return None
    if described["writes"] == "samples" and flags.get("format", flags.get("f", "npy")) == "npy":
        return arrays.read(io.BytesIO(done.stdout))
    return done.stdout


class _Files:
    """Arrays and models as files for the time of a run."""

    def __init__(self, folder: Path):
        self.folder, self.count = folder, 0

    def named(self, value: Any) -> str:
        if isinstance(value, (str, os.PathLike)):
            return os.fspath(value)
        self.count += 1
        if isinstance(value, (bytes, bytearray)):
            path = self.folder / f"{self.count}.st"
            path.write_bytes(value)
        else:
            path = self.folder / f"{self.count}.npy"
            arrays.write(path, np.asarray(value))
        return str(path)


def _called(described: dict[str, Any], command: str, name: str) -> dict[str, Any]:
    """The flag that a keyword names."""
    known = {}
    for argument in described["arguments"]:
        if argument["flag"]:
            known[argument["flag"].lstrip("-").replace("-", "_")] = argument
            if argument["short"]:
                known[argument["short"].lstrip("-")] = argument
    argument = known.get(name) or known.get(name.rstrip("_"))
    if argument is None:
        raise TypeError(f"{command} has no argument {name!r}; it has {', '.join(sorted(known))}")
    return argument


def _positions(described: dict[str, Any], command: str, inputs: tuple[Any, ...], files: _Files) -> list[str]:
    places = [argument for argument in described["arguments"] if not argument["flag"]]
    if len(inputs) > len(places) and not (places and places[-1]["several"]):
        takes = " ".join(place["value"] for place in places) or "none"
        raise TypeError(f"{command} takes inputs {takes}, not {len(inputs)} of them")
    if missing := [place["value"] for place in places[len(inputs) :] if place["required"]]:
        raise TypeError(f"{command} needs {' '.join(missing)}")
    given = [_value(place["name"], place, one, files) for one, place in zip(inputs, _without_end(places))]
    return ["--", *given] if given else []


def _without_end(places: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield from places
    while places:
        yield places[-1]


def _flag(name: str, argument: dict[str, Any], value: Any, files: _Files) -> list[str]:
    if argument["type"] == "switch":
        if not isinstance(value, bool):
            raise TypeError(f"{name}: is given or not; give True or False")
        return [argument["flag"]] if value else []
    if value is None:
        return []
    if isinstance(value, (list, tuple)) and argument["repeated"]:
        return [f"{argument['flag']}={_value(name, argument, one, files)}" for one in value]
    return [f"{argument['flag']}={_value(name, argument, value, files)}"]


def _value(name: str, argument: dict[str, Any], value: Any, files: _Files) -> str:
    if argument["type"] == "path":
        return files.named(value)
    if isinstance(value, (list, tuple, np.ndarray)) and np.ndim(value) == 1:
        return ",".join(_value(name, argument, one, files) for one in value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (str, os.PathLike, int, float, np.number)):
        raise TypeError(f"{name}: {value!r} is no {argument['type']}")
    text = value if isinstance(value, str) else os.fspath(value) if isinstance(value, os.PathLike) else _number(value)
    # Text goes as it is: levels may be grids, and numbers fractions, whose grammar the program knows.
    if argument["type"] == "integer" and not isinstance(value, str) and int(value) != value:
        raise TypeError(f"{name}: {value!r} is no whole number")
    if argument["choices"] and any(one not in argument["choices"] for one in text.split(",")):
        raise ValueError(f"{name}: {text!r} is none of {', '.join(argument['choices'])}")
    return text


def _number(value: Any) -> str:
    """The shortest text that reads back as the number; 1e3 as the whole number that it is."""
    exact = value.item() if isinstance(value, np.number) else value
    whole = isinstance(exact, float) and exact.is_integer() and abs(exact) < 2**53
    return str(int(exact)) if whole else repr(exact)


def _table(rows: list[dict[str, Any]], kind: str) -> Any:
    if kind == "pandas":
        import pandas

        return pandas.DataFrame(rows)
    if kind == "polars":
        import polars

        return polars.DataFrame(rows)
    return rows
