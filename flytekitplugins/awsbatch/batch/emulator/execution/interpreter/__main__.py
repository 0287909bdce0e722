"""Starts the zygote when this package is run by its path, under a private package name: the interpreter it becomes is
the job's, whose own modules may be called `child` or `serve`, and which has not imported anything of this project
yet.
"""

from __future__ import annotations

import importlib
import os
import sys
import types

PACKAGE = "_awsbatch_zygote"


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    # The directory of a script is the first entry of the path; that of the job's own script will take its place.
    if sys.path and sys.path[0] == here:
        del sys.path[0]
    package = types.ModuleType(PACKAGE)
    package.__path__ = [here]
    sys.modules[PACKAGE] = package
    importlib.import_module(f"{PACKAGE}.serve").main(*sys.argv[1:])


if __name__ == "__main__":
    main()
