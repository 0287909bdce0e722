"""How the processes of a command can be forked from an interpreter that has imported what they need: data, made by
code that knows the command. Nothing here knows flytekit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .protocol import JobProcess

AWS_PREFIX = "AWS_BATCH_"
# Variables that each attempt has its own value of.
OWN = (AWS_PREFIX, "TMPDIR")


# A call made inside an interpreter: `module:function`, and its arguments.
PreloadHook = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class WarmPlan:
    """:param interpreter: the Python that the script asks for.
    :param script: absolute path of the console script; each child executes that file as `__main__`.
    :param arguments: `sys.argv[1:]` of a child.
    :param preload: modules to import once, in this order.
    :param sources: files of the user's modules among them, with their time of change and size: an interpreter that
        imported others is of no use.
    :param settle: called once after the imports, to end threads that they left idle.
    :param install: called once before the imports, in the interpreter's directory: brings a code distribution.
    :param prepare: called before a fork, once for each value: what a child would otherwise do for itself.
    :param python_path: directories after those of PYTHONPATH.
    :param never_native: prefixes of variables that no native code reads.
    :param always_read: prefixes of variables that an import reads without being noticed.
    :param harmless: modules, and the beginnings of variables whose reading by them does not matter: one that takes only
        other variables out of a copy of them all, or asks only whether one is set.
    :param otherwise: the plan for when nothing can be forked after these imports.
    """

    interpreter: str
    script: str
    arguments: tuple[str, ...]
    preload: tuple[str, ...] = ()
    sources: tuple[tuple[str, int, int], ...] = ()
    settle: tuple[PreloadHook, ...] = ()
    install: PreloadHook | None = None
    prepare: tuple[PreloadHook, ...] = ()
    python_path: tuple[str, ...] = ()
    never_native: tuple[str, ...] = ()
    always_read: tuple[str, ...] = ()
    harmless: tuple[tuple[str, tuple[str, ...]], ...] = ()
    otherwise: WarmPlan | None = None


Planner = Callable[[JobProcess], WarmPlan | None]
"""None for a process that only `exec` can start."""
