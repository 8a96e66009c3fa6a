"""The other side of the protocol: starts a model program and asks it."""

import os
import subprocess

import place  # noqa: F401: finds the module
from molrg import frames


class Client:
    """``with Client([python, "model.py"]) as model: model.ask("denoise", x=x, sigma=sigma)``"""

    def __init__(self, command, **environment):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            shell=isinstance(command, str),
            env={**os.environ, "MOLRG_WORKER": "0", **environment},
        )
        self.count = 0

    def __enter__(self):
        frames.write(self.process.stdin, {"protocol": frames.PROTOCOL})
        answer = frames.read(self.process.stdout)
        if answer is None:
            raise AssertionError(f"no hello: {self.process.stderr.read().decode()}")
        self.hello = answer[0]
        return self

    def ask(self, op, **tensors):
        self.count += 1
        frames.write(self.process.stdin, {"op": op, "id": str(self.count)}, tensors)
        metadata, answer = frames.read(self.process.stdout)
        assert metadata["id"] == str(self.count), metadata
        if "error" in metadata:
            assert not answer
            raise RuntimeError(metadata["error"])
        (name,) = answer
        assert name == "y"
        return answer["y"]

    def __exit__(self, *_):
        """Ends its input: what is left of it, and that it ends well, is checked."""
        self.process.stdin.close()
        self.rest = self.process.stdout.read()
        self.said = self.process.stderr.read().decode()
        self.process.stdout.close()
        self.process.stderr.close()
        self.code = self.process.wait(timeout=600)
