"""The console scripts that jobs start with, flytekit's and this package's: where they are, and what each calls."""

from __future__ import annotations

import functools
import importlib.metadata
import sys
import sysconfig
from importlib.metadata import EntryPoint
from pathlib import Path

from flytekitplugins.awsbatch import wire

from .temporary_folder import temporary_folder_of_process

EXECUTE = "pyflyte-execute"
MAP_EXECUTE = "pyflyte-map-execute"
FAST_EXECUTE = "pyflyte-fast-execute"
OURS = wire.MAP_EXECUTE_SCRIPT
FLYTEKIT, PLUGIN = "flytekit", "flytekitplugins-awsbatch"
# Each script's distribution.
DISTRIBUTIONS = {
    EXECUTE: FLYTEKIT,
    MAP_EXECUTE: FLYTEKIT,
    FAST_EXECUTE: FLYTEKIT,
    OURS: PLUGIN,
    wire.TIMEOUT_SCRIPT: PLUGIN,
}
SCRIPT = """#!{interpreter}
import sys
from {entry.module} import {entry.attr}
sys.exit({entry.attr}())
"""


@functools.cache
def entry_point_of_script(script: str) -> EntryPoint | None:
    """What a console script calls, as its distribution's metadata says; None when there is none such."""
    try:
        points = importlib.metadata.distribution(DISTRIBUTIONS[script]).entry_points
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((point for point in points if point.group == "console_scripts" and point.name == script), None)


@functools.cache
def job_scripts_directories() -> tuple[str, ...]:
    """Where this installation has these scripts, most likely first; the last one is `written_scripts_folder`."""
    written = written_scripts_folder()
    return (*_installed_in(), *([str(written)] if written is not None else []))


def _installed_in() -> tuple[str, ...]:
    candidates = [
        sysconfig.get_path("scripts"),
        str(Path(sys.executable).parent),
        sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")),
    ]
    have = (folder for folder in candidates if folder and any((Path(folder) / name).exists() for name in DISTRIBUTIONS))
    return tuple(dict.fromkeys(have))


@functools.cache
def written_scripts_folder() -> Path | None:
    """A folder with the scripts that this interpreter's own do not have, although it imports their distribution from
    somewhere else: from the installation that a `venv --system-site-packages` is made of, by PYTHONPATH, from what
    `pip install --target` has made. None where nothing is missing.
    """
    missing = [name for name in DISTRIBUTIONS if not any((Path(one) / name).exists() for one in _installed_in())]
    entries = [entry for name in missing if (entry := entry_point_of_script(name)) is not None]
    if not entries:
        return None
    folder = temporary_folder_of_process() / "scripts"
    folder.mkdir(mode=0o700, exist_ok=True)
    for entry in entries:
        script = folder / entry.name
        script.write_text(SCRIPT.format(interpreter=sys.executable, entry=entry))
        script.chmod(0o700)
    return folder
