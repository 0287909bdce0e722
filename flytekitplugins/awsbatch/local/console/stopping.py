"""The lines that a person reads when a run is stopped: what happens, how far it came, how to resume it. Pure."""

from __future__ import annotations

import enum
import multiprocessing
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from flytekitplugins.awsbatch import wire

from .interrupts import is_interactive_session
from .redaction import redact_command

SWITCHES = (wire.SWITCH, wire.SWITCH_CONFIG, wire.SWITCH_HOME)
# In the commands by which libraries spawn workers; a worker has the program's arguments in `sys.argv`.
SPAWNING = ("multiprocess", "loky")


class JobsLeft(enum.Enum):
    """What becomes of the jobs of a run that is stopped."""

    ENDED = "all its jobs have ended"
    TERMINATED = "its jobs were terminated"
    RUNNING = "its jobs run on"


def stopping_begins(labels: Sequence[str], grace: float, jobs: JobsLeft) -> str:
    """:param grace: seconds that jobs have to end by themselves."""
    if jobs is JobsLeft.RUNNING:
        return f"\nLeaving {', '.join(labels)}."
    does, again = f"jobs are asked to end, and killed after {grace:g} s", "quit now"
    if jobs is JobsLeft.TERMINATED:
        does, again = "the jobs are terminated", "leave them running"
    offer = "" if is_interactive_session() else f" Press Ctrl-C again to {again}."
    return f"\nStopping {', '.join(labels)}: {does}.{offer}"


def stopping_ended(left: Sequence[str], execution: str, jobs: JobsLeft, resume: str) -> str:
    """:param left: how far each task call came; none where the workflow was stopped between two.
    :param resume: what to type to resume it; "" where nothing is left to resume.
    """
    # The line break ends the line on which the terminal prints `^C`.
    begins = "" if left else "\n"
    did, again = ("Left", "To come back") if jobs is JobsLeft.RUNNING and left else ("Stopped", "To resume")
    how = f"; {jobs.value}" if left or jobs is JobsLeft.ENDED else ""
    return "\n".join([f"{begins}{did} execution {execution}{how}.", *left, *([f"{again}: {resume}"] if resume else [])])


def how_to_resume_at_stopping(execution: str) -> str:
    """After a failure: flytekit has printed what failed by then."""
    return (
        f"To resume execution {execution} once the cause is mended (what has succeeded does not run again):\n"
        f"{resume_command_at_stopping(execution)}"
    )


def resume_command_at_stopping(execution: str) -> str:
    """What to type to resume an execution of this process.

    The variables that switch the emulation on and say where its home is stand before the command, unless it names them
    itself (`--env`): without them the same command would run no job, or know nothing of the execution. In an
    interactive session the command is not one that a person would type again.
    """
    if is_interactive_session():
        return f"os.environ[{wire.SWITCH_RESUME!r}] = {execution!r}, and the same call again"
    argv = _command_of_program()
    named = {word.partition("=")[0] for word in argv}
    missing = [f"{name}={os.environ[name]}" for name in SWITCHES if os.environ.get(name) and name not in named]
    # The name of a variable is not quoted, or the shell would take the whole for a command.
    pairs = (word.partition("=") for word in redact_command(missing, os.environ))
    before = "".join(f"{name}={shlex.quote(value)} " for name, _, value in pairs)
    return f"{wire.SWITCH_RESUME}={execution} {before}{typed_command(argv, os.environ)}"


def _command_of_program() -> list[str]:
    """The command that started this process or, where that is one of a library that spawns workers, its program."""
    is_worker = multiprocessing.parent_process() is not None
    if is_worker and any(library in word for word in sys.orig_argv[1:] for library in SPAWNING):
        return [sys.executable, *sys.argv]
    return sys.orig_argv


def results_at_stopping(folder: Path) -> str:
    """Where a person finds the files of a run that has ended."""
    return f"Files of the results lie below {folder}. They are the run's: copy them before you change them."


def typed_command(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """The command of this process as a person would type it, without secrets."""
    words = list(argv)
    if words:
        words[0] = _short(words[0])
    # `python /path/to/bin/pyflyte run`: what the shell started was the script.
    if len(words) > 1 and os.access(words[1], os.X_OK) and _short(words[1]) != words[1]:
        words = [_short(words[1]), *words[2:]]
    return shlex.join(redact_command(words, environ))


def _short(program: str) -> str:
    """The name alone, where PATH leads to that very program."""
    name = Path(program).name
    found = shutil.which(name)
    return name if found is not None and Path(found).absolute() == Path(program).absolute() else program
