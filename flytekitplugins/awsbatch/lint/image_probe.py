"""Runs inside an image: prints what a registered task finds there, as JSON after `MARK`. Standard library alone.

Arguments: the commands to look for, the modules to import and a folder of the user's code, as JSON.
"""

import importlib
import json
import os
import shutil
import sys

MARK = "flyte-awsbatch probe: "
DISTRIBUTIONS = ("flytekit", "flytekitplugins-awsbatch")
RUNS_AGAIN = "FLYTE_AWSBATCH_PROBE"


def _interpreter_of(script: str) -> str:
    """The Python that a console script starts; empty where its first line does not name one."""
    with open(script, "rb") as file:  # noqa: PTH123
        first = file.readline(4096).decode("utf-8", "replace").strip()
    words = first[2:].split() if first.startswith("#!") else []
    return words[0] if len(words) == 1 and os.path.isfile(words[0]) else ""  # noqa: PTH113


def _probe_import(name: str) -> str:
    """Why a module cannot be imported; empty when it can."""
    try:
        importlib.import_module(name)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> None:
    asked = json.loads(sys.argv[1])
    found = {name: shutil.which(name) or "" for name in asked["commands"]}
    python = next((_interpreter_of(path) for path in found.values() if path), "")
    if python and not os.environ.get(RUNS_AGAIN) and os.path.realpath(python) != os.path.realpath(sys.executable):
        os.environ[RUNS_AGAIN] = "1"
        os.execv(python, [python, *sys.argv])  # noqa: S606
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = ""
    # The folder of this file is no place of the image's; the code comes last, as in a job.
    sys.path[0:1] = [os.getcwd()]  # noqa: PTH109
    if asked["code"]:
        sys.path.append(asked["code"])
    problems = {name: _probe_import(name) for name in asked["modules"]}
    report = {"commands": found, "versions": versions, "problems": problems}
    sys.stdout.flush()
    print("\n" + MARK + json.dumps(report), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
