"""``python -m tosget script.py …``: runs a script that says ``import tos``, with its downloads on tosget's engine."""

from __future__ import annotations

import os
import runpy
import sys
from typing import List

from . import __version__
from ._accelerate import accelerate

USAGE = """\
usage: python -m tosget SCRIPT [ARGUMENT]...
       python -m tosget -m MODULE [ARGUMENT]...

Runs a Python script or module unchanged, with the downloads of the package `tos` on tosget's engine. Where the package
is not installed, `import tos` imports tosget, which has what downloads need."""


def main(arguments: List[str]) -> None:
    """Runs what the arguments say."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if arguments else sys.stderr)
        sys.exit(0 if arguments else 2)
    if arguments[0] in ("-V", "--version"):
        print(f"tosget {__version__}")
        return
    if arguments[0] == "-m":
        if len(arguments) < 2:
            sys.exit("python -m tosget -m: the module's name is missing")
        # As `python -m` does: the current directory is where modules are looked for, and already is.
        sys.argv = arguments[1:]
        accelerate()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    script = arguments[0]
    if not os.path.exists(script):
        sys.exit(f"python -m tosget: there is no script {script!r}")
    sys.argv = arguments
    # As `python script.py` does: modules are looked for beside the script.
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    accelerate()
    runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
