"""Starts the supervisor or an interpreter when this package is run by its path: the first argument names the module.

The modules get a private package name. The interpreter becomes a job, whose own modules may be called `reaper` or
`serve`, and which has not imported anything of this project yet.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import types

PACKAGE = "_awsbatch_execution"


def main() -> None:
    # Whoever blocked signals, the ends of attempts are heard of, and attempts begin as in a container.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    here = os.path.dirname(os.path.abspath(__file__))
    # The directory of a script is the first entry of the path; that of the job's own script will take its place.
    if sys.path and sys.path[0] == here:
        del sys.path[0]
    package = types.ModuleType(PACKAGE)
    package.__path__ = [here]
    sys.modules[PACKAGE] = package
    importlib.import_module(f"{PACKAGE}.{sys.argv[1]}").main(*sys.argv[2:])


if __name__ == "__main__":
    main()
