"""The console scripts that jobs start with, flytekit's and this package's: where they are, and what each calls."""

from __future__ import annotations

import functools
import importlib.metadata
import shlex
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
SCRIPT = """{first}
import sys
from {entry.module} import {entry.attr}
sys.exit({entry.attr}())
"""
# As much of a first line as every kernel reads.
MAX_FIRST_LINE = 127


@functools.cache
def entry_point_of_script(script: str) -> EntryPoint | None:
    """What a console script calls, as its distribution's metadata says; None when there is none such."""
    try:
        points = importlib.metadata.distribution(DISTRIBUTIONS[script]).entry_points
    except importlib.metadata.PackageNotFoundError:
        return None
    return next((point for point in points if point.group == "console_scripts" and point.name == script), None)


def job_scripts_directories() -> tuple[str, ...]:
    """Where this installation has these scripts, most likely first; the last one is `written_scripts_folder`."""
    written = written_scripts_folder()
    return _installed_in() if written is None else (*_installed_in(), str(written))


@functools.cache
def _installed_in() -> tuple[str, ...]:
    candidates = [
        sysconfig.get_path("scripts"),
        str(Path(sys.executable).parent),
        sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")),
    ]
    have = (folder for folder in candidates if folder and any((Path(folder) / name).exists() for name in DISTRIBUTIONS))
    return tuple(dict.fromkeys(have))


@functools.cache
def _missing() -> tuple[EntryPoint, ...]:
    missing = (name for name in DISTRIBUTIONS if not any((Path(one) / name).exists() for one in _installed_in()))
    return tuple(entry for name in missing if (entry := entry_point_of_script(name)) is not None)


def written_scripts_folder() -> Path | None:
    """A folder with the scripts that this interpreter's own do not have, although it imports their distribution from
    somewhere else: from the installation that a `venv --system-site-packages` is made of, by PYTHONPATH, from what
    `pip install --target` has made. None where nothing is missing.
    """
    return _written_below(temporary_folder_of_process()) if _missing() else None


@functools.lru_cache(maxsize=1)
def _written_below(temporary: Path) -> Path:
    """:param temporary: another one in a fork of the process, and once the one before is gone."""
    folder = temporary / "scripts"
    folder.mkdir(mode=0o700, exist_ok=True)
    first = f"#!{sys.executable}"
    if " " in first or len(first) > MAX_FIRST_LINE:
        # For sh the second line, for Python a text.
        first = f"#!/bin/sh\n'''exec' {shlex.quote(sys.executable)} \"$0\" \"$@\"\n' '''"
    for entry in _missing():
        script = folder / entry.name
        script.write_text(SCRIPT.format(first=first, entry=entry))
        script.chmod(0o700)
    return folder
