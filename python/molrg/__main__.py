"""``python -m molrg pfd …``: the programs where PATH does not have them."""

import os
import sys

from .programs import executable


def main() -> None:
    program = executable()
    os.execv(program, ["molrg", *sys.argv[1:]])


if __name__ == "__main__":
    main()
