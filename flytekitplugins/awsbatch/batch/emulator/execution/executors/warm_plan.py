"""How the processes of a command can be forked from an interpreter that has imported what they need: data, made by
someone who knows the command. Nothing here knows flytekit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import JobProcess


@dataclass(frozen=True)
class Hook:
    """A call made inside a zygote.

    :param target: `module:function`.
    """

    target: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class WarmPlan:
    """:param interpreter: the Python that the script asks for.
    :param script: absolute path of the console script; each child executes that file as `__main__`.
    :param arguments: `sys.argv[1:]` of a child.
    :param preload: modules to import once, in this order.
    :param settle: called once after the imports, to end threads that they left idle.
    :param install: called once before the imports, in the zygote's directory: brings a code distribution.
    :param prepare: called before a fork, once for each value: what a child would else do for itself.
    :param python_path: directories after those of PYTHONPATH.
    :param withheld: prefixes of variables that may differ between attempts out of one zygote, besides those of AWS
        Batch, as long as no import reads them.
    :param harmless: modules whose reading of them does not matter: one that takes only other variables out of a copy of
        them all, or asks only whether one is set.
    """

    interpreter: str
    script: str
    arguments: tuple[str, ...]
    preload: tuple[str, ...] = ()
    settle: tuple[Hook, ...] = ()
    install: Hook | None = None
    prepare: tuple[Hook, ...] = ()
    python_path: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()
    harmless: tuple[str, ...] = ()


Planner = Callable[[JobProcess], WarmPlan | None]
"""None for a process that only `exec` can start."""
