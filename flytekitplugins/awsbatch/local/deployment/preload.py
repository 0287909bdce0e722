"""What a warm interpreter imports for a Flyte command, read off the command line that propeller rendered.

The warm executor knows no flytekit; this module knows flytekit's console scripts and this package's, and runs none.
By default the user's own modules are left to each job, as on AWS Batch: the interpreter imports flytekit, and the
installed modules that the user's modules import.
"""

from __future__ import annotations

import functools
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.emulator.execution.executors.warm_plan import Planner, PreloadHook, WarmPlan

from .job_scripts import DISTRIBUTIONS, FAST_EXECUTE, OURS, entry_point_of_script, written_scripts_folder
from .user_imports import installed_user_imports, user_import_sources

# Of this interpreter, for every call of a task: `sysconfig` works them out anew each time.
SCRIPTS = Path(sysconfig.get_path("scripts"))
LIBRARIES = tuple(dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib")))

# As much of a script as Linux reads to find its interpreter (BINPRM_BUF_SIZE).
MAX_FIRST_LINE = 256

HOOKS = "flytekitplugins.awsbatch.local.deployment.preload_hooks"
# The modules of both kinds of commands, so that one interpreter can fork the children of both, and what each child
# would work out for itself.
ENTRY_MODULES = (
    "flytekit.bin.entrypoint",
    "flytekitplugins.awsbatch.entrypoint",
    "flytekitplugins.awsbatch.container.fast.rehearsal",
)
# Variables that FlytePropeller sets for one execution, task or child (`flyteplugins/go/tasks/pluginmachinery/flytek8s/
# k8s_resource_adds.go` and the aws_array handler), and flytekit's.
NEVER_NATIVE = ("FLYTE_", "_F_", "BATCH_JOB_ARRAY_INDEX", wire.FAKE_ARRAY_INDEX)
# fsspec, tqdm (and so torch, datasets, optuna), dask and numba look through all variables for their own, `platform`
# hands all of them to `uname`; flytekit's logging and this package's switch ask whether the execution's id is set,
# which it is for every job.
ALWAYS_READ = ("CUDA_PATH", "DASK_", "FSSPEC_", "NUMBA_", "TQDM_")
EXECUTION_ID = "FLYTE_INTERNAL_EXECUTION_ID"
HARMLESS = (
    ("dask.config", ("",)),
    ("fsspec.config", ("",)),
    ("numba.core.config", ("",)),
    ("platform", ("",)),
    ("tqdm.utils", ("",)),
    ("flytekit.loggers", (EXECUTION_ID,)),
    ("flytekitplugins.awsbatch.sdk.switch", (EXECUTION_ID, wire.AWS_JOB_ID)),
)


@dataclass(frozen=True)
class PreloadOptions:
    """:param everything: whether the user's modules are preloaded too (`emulator.preload`).
    :param fast_path: whether children of an array may leave out what flytekit does for each of them
        (`emulator.fast_path`).
    """

    everything: bool = False
    fast_path: bool = True


DEFAULT = PreloadOptions()


def preload_planner(options: PreloadOptions = DEFAULT) -> Planner:
    """A planner for the console scripts of this installation."""
    return lambda process: preload_plan(process.argv, process.environment.get("PATH", os.defpath), options)


@functools.lru_cache(maxsize=256)
def preload_plan(argv: tuple[str, ...], path: str, options: PreloadOptions = DEFAULT) -> WarmPlan | None:
    """None for what is not a Flyte command of this installation, or whose task module does not stand on the command
    line.
    """
    if argv[1:3] == ("-m", wire.CODE_MODULE):
        distribution, folder, *inner = argv[3:]
        install = f"{wire.CODE_MODULE}:unpack_once", (distribution, folder)
        return _with_code(preload_plan(tuple(inner), path, options), install, folder)
    script = preload_script_of_command(argv[0], path) if argv else None
    if script is None:
        return None
    if script.name == FAST_EXECUTE:
        return _fast_plan(argv, path, options)
    modules = _task_modules(argv)
    if modules is None:
        return None
    function = "prepare_map_children_with_task" if options.everything else "prepare_map_children"
    hook = f"{_entry_module(script.name)}:{function}", argv[1:]
    first = common_preload_plan(script)
    prepare = (hook,) if script.name == OURS and options.fast_path else ()
    least = replace(first, arguments=argv[1:], prepare=prepare)
    if options.everything:
        sources = (*first.sources, *user_import_sources(modules[-1]))
        return replace(least, preload=(*first.preload, *modules), sources=sources)
    installed = installed_user_imports(modules[-1])
    return replace(least, preload=(*first.preload, *installed), otherwise=least) if installed else least


def common_preload_plan(script: Path) -> WarmPlan:
    """What the plans for all commands of this installation begin with."""
    return WarmPlan(
        interpreter=_preload_interpreter(script),
        script=str(script),
        arguments=(),
        preload=ENTRY_MODULES,
        sources=_installation(),
        settle=((f"{HOOKS}:preload_hook_settle", ()),),
        never_native=NEVER_NATIVE,
        always_read=ALWAYS_READ,
        harmless=HARMLESS,
    )


def _installation() -> tuple[tuple[str, int, int], ...]:
    """The folders that distributions are installed into, as they are now."""
    return tuple((folder, Path(folder).stat().st_mtime_ns, 0) for folder in LIBRARIES if Path(folder).is_dir())


def preload_script_of_command(command: str, path: str) -> Path | None:
    """The script file when a shell would run one of this installation's Flyte scripts for the command."""
    found = Path(shutil.which(command, path=path) or "")
    if found.name not in DISTRIBUTIONS or found.name == wire.TIMEOUT_SCRIPT:
        return None
    if not SCRIPTS.samefile(found.parent) and found.parent != written_scripts_folder():
        return None
    return found if _entry_module(found.name) else None


def _entry_module(script: str) -> str:
    entry = entry_point_of_script(script)
    return entry.module if entry is not None else ""


def _preload_interpreter(script: Path) -> str:
    """The Python that the script's first line names, else this one: a long path stands behind `/bin/sh`."""
    with script.open("rb") as file:
        first = file.readline(MAX_FIRST_LINE).decode(errors="replace").strip()
    named = first.removeprefix("#!").strip()
    is_python = first.startswith("#!") and Path(named).is_file() and Path(named).name != "sh"
    return named if is_python else sys.executable


def _task_modules(argv: Sequence[str]) -> tuple[str, ...] | None:
    """The modules that the command imports to find its task, from `--resolver R [--] [vars B resolver R] task-module
    M ...`: those of the resolvers, then the task's.

    None where the task is found in another way (a pickle, a user's own resolver's words).
    """
    try:
        at = argv.index("--resolver")
        resolvers = [argv[at + 1]]
        rest = [word for word in argv[at + 2 :] if word != "--"]
        if rest[:1] == ["vars"]:
            resolvers.append(rest[3])
            rest = rest[4:]
        words = dict(zip(rest[::2], rest[1::2], strict=False))
        module = words["task-module"]
    except (ValueError, IndexError, KeyError):
        return None
    return (*(resolver.rpartition(".")[0] for resolver in resolvers), module)


def _fast_plan(argv: tuple[str, ...], path: str, options: PreloadOptions) -> WarmPlan | None:
    """flytekit's script brings the code, puts `--dynamic-...` before `--resolver`, and starts the command that
    follows with the code's directory on PYTHONPATH (`fast_execute_task_cmd`). The interpreter brings the code once; a
    child runs that command.
    """
    named, inner = preload_split_fast(argv[1:])
    distribution, destination = named.get("--additional-distribution"), named.get("--dest-dir")
    if distribution is None or destination is None or not inner:
        return None
    words = preload_with_distribution(inner, distribution, destination)
    return _with_code(
        preload_plan(words, path, options),
        (f"{HOOKS}:preload_hook_install", (distribution, destination)),
        destination,
    )


def _with_code(found: WarmPlan | None, install: PreloadHook, folder: str) -> WarmPlan | None:
    if found is None:
        return None
    otherwise = _with_code(found.otherwise, install, folder)
    return replace(found, install=install, python_path=(folder,), otherwise=otherwise)


def preload_with_distribution(command: Sequence[str], distribution: str, destination: str) -> tuple[str, ...]:
    """A command that knows where its code came from, as `pyflyte-fast-execute` would start it."""
    words: list[str] = []
    for word in command:
        if word == "--resolver":
            words += ["--dynamic-addl-distro", distribution, "--dynamic-dest-dir", destination]
        words.append(word)
    return tuple(words)


def preload_split_fast(words: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The script's own options, and the command that it would start."""
    options: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("--"):
        word = rest.pop(0)
        if word == "--":
            break
        name, equals, value = word.partition("=")
        options[name] = value if equals or not rest else rest.pop(0)
    return options, tuple(rest)
