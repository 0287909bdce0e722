"""Runs the children of a map under a flytekit in which some names are others, everywhere; run as a script.

Arguments: a folder, then groups of names with commas. Prints a line of JSON for each group: whether an array context
was found, and how two children ended.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import json
import os
import re
import sys
from pathlib import Path
from types import CodeType
from typing import Any

RESOLVER = "flytekit.core.python_auto_container.default_task_resolver"
TASK = """
from flytekit import task

@task
def double(x: int) -> int:
    return 2 * x
"""


class Renaming(importlib.abc.MetaPathFinder):
    """Loads flytekit's modules from sources in which the names have been replaced."""

    def __init__(self, names: list[str]) -> None:
        self._name = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(map(re.escape, names))})\b")

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname.partition(".")[0] != "flytekit":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = RenamingLoader(spec.loader.name, spec.loader.path, self._name)
        return spec


class RenamingLoader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, name: re.Pattern[str]) -> None:
        super().__init__(fullname, path)
        self._name = name

    def get_code(self, fullname: str) -> CodeType | None:
        source = Path(self.path).read_text(encoding="utf-8")
        changed = self._name.sub(lambda found: f"{found.group()}_renamed", source)
        return super().get_code(fullname) if changed == source else compile(changed, self.path, "exec")


def run_children(root: Path, names: list[str]) -> None:
    """Never returns."""
    if names:
        sys.meta_path.insert(0, Renaming(names))
    from flytekitplugins.awsbatch import entrypoint

    words = [
        "--inputs",
        f"{root}/inputs.pb",
        "--output-prefix",
        f"{root}/out",
        "--raw-output-data-prefix",
        f"{root}/raw",
    ]
    words += ["--checkpoint-path", f"{root}/checkpoint"]
    words += ["--resolver", "flytekitplugins.awsbatch.maptask.MapTaskResolver", "--", "vars", "", "resolver", RESOLVER]
    words += ["task-module", "renamed_task", "task-name", "double"]
    entrypoint.prepare_map_children(*words)
    codes = []
    for index in range(2):
        pid = os.fork()
        if pid == 0:
            os.environ["AWS_BATCH_JOB_ARRAY_INDEX"] = str(index)
            sys.argv[1:] = words
            code = 1
            try:
                entrypoint.main()
                code = 0
            except SystemExit as exit_:
                code = int(exit_.code or 0)
            finally:
                os._exit(code)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    outputs = [path.read_bytes().hex() for path in sorted(root.glob("out/*/outputs.pb"))]
    print(json.dumps({"fast": bool(entrypoint._prepared), "codes": codes, "outputs": outputs}), flush=True)
    os._exit(0)


def main() -> None:
    root = Path(sys.argv[1])
    os.environ.update({"BATCH_JOB_ARRAY_INDEX_VAR_NAME": "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ATTEMPT": "1"})
    from flyteidl.core.literals_pb2 import LiteralMap

    importlib.import_module("flytekitplugins.awsbatch.entrypoint")

    inputs = LiteralMap()
    for value in (3, 4):
        inputs.literals["x"].collection.literals.add().scalar.primitive.integer = value
    # What flytekit imports of others is imported once for all.
    for module in [each for each in sys.modules if each.partition(".")[0] in ("flytekit", "flytekitplugins")]:
        del sys.modules[module]
    for number, group in enumerate(sys.argv[2:]):
        place = root / str(number)
        place.mkdir()
        (place / "inputs.pb").write_bytes(inputs.SerializeToString())
        (place / "renamed_task.py").write_text(TASK)
        pid = os.fork()
        if pid == 0:
            os.chdir(place)
            run_children(place, [name for name in group.split(",") if name])
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
