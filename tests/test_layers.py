"""The house's one-way imports, held by reading every import statement of the package."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "flytekitplugins.awsbatch"
ROOT = Path(__file__).parent.parent / "flytekitplugins" / "awsbatch"

# What each room may import, besides itself: the longest prefix of a module's name is its room. A room's name stands for
# the rooms inside it as well, unless it says "only". What may be imported inside a function only is listed apart.
SDK_ROOMS = {"sdk", "task", "maptask", "container", "entrypoint", "lint"}
EMULATOR = "batch.emulator"
FOR_INTERPRETERS = {f"{EMULATOR}.execution.{name}" for name in ("channel", "process_tree", "reaper")}
ALLOWED: dict[str, set[str]] = {
    "": {"sdk", "task", "maptask"},
    "wire": set(),
    "shape_walker": set(),
    "machine_time": set(),
    "settings": set(),
    "sdk": {"wire", "shape_walker"},
    "task": {"wire", "sdk"},
    "maptask": {"wire", "sdk"},
    "container": {"wire", "maptask"},
    "container.fast": {"wire", "container", "task", "maptask"},
    "entrypoint": {"wire", "sdk", "container"},
    "lint": {"wire", "sdk", "settings", "task"},
    "admin": {"wire", "settings", "propeller.golang"},
    "propeller": {"wire", "settings", "propeller.golang"},
    "propeller.golang": set(),
    "propeller.aws_array": {"wire", "shape_walker", "batch.api", "propeller", "propeller.golang"},
    "propeller.node": {"wire", "machine_time", "batch.api", "propeller", "propeller.golang", "propeller.aws_array"},
    "batch.api": set(),
    "batch.aws": {"machine_time", "batch.api", "batch.rate_limits"},
    "batch.rate_limits": {"machine_time"},
    "batch.definition_reuse": {"batch.api"},
    "batch.job_watch": {"machine_time", "batch.api"},
    "batch.job_logs": {"batch.api"},
    EMULATOR: {"settings", "machine_time"},
    f"{EMULATOR}.store": {EMULATOR, "machine_time"},
    f"{EMULATOR}.execution": {EMULATOR, "wire", "machine_time", f"{EMULATOR}.execution.executors"},
    # These six know nothing of the rest: the supervisor and the interpreters start with them alone.
    f"{EMULATOR}.execution.channel": set(),
    f"{EMULATOR}.execution.process_tree": set(),
    f"{EMULATOR}.execution.memory_limits": {f"{EMULATOR}.execution.process_tree"},
    f"{EMULATOR}.execution.reaper": {f"{EMULATOR}.execution.process_tree", f"{EMULATOR}.execution.memory_limits"},
    f"{EMULATOR}.execution.interpreter": FOR_INTERPRETERS,
    f"{EMULATOR}.execution.executors.supervisor": FOR_INTERPRETERS,
    f"{EMULATOR}.execution.executors": {
        *(EMULATOR, "wire", "machine_time", f"{EMULATOR}.execution"),
        *FOR_INTERPRETERS,
    },
    f"{EMULATOR}.scheduling": {
        *(EMULATOR, "machine_time", f"{EMULATOR}.store", f"{EMULATOR}.execution", f"{EMULATOR}.execution.executors")
    },
    f"{EMULATOR}.operations": {
        *("batch.api", "shape_walker", "machine_time", EMULATOR, f"{EMULATOR}.store", f"{EMULATOR}.scheduling"),
    },
    f"{EMULATOR}.adoption": {
        *(EMULATOR, f"{EMULATOR}.store", f"{EMULATOR}.execution", f"{EMULATOR}.execution.executors"),
        f"{EMULATOR}.scheduling",
    },
    f"{EMULATOR}.service": {
        *("batch.api", EMULATOR, f"{EMULATOR}.store", f"{EMULATOR}.execution", f"{EMULATOR}.execution.executors"),
        *(f"{EMULATOR}.scheduling", f"{EMULATOR}.operations", f"{EMULATOR}.adoption"),
    },
    f"{EMULATOR}.http": {
        *("batch.api", EMULATOR, f"{EMULATOR}.execution", f"{EMULATOR}.operations", f"{EMULATOR}.service"),
    },
    "local": {"wire", "settings", "admin", "propeller", EMULATOR, "lint"},
    "local.console": {"wire", "machine_time", "propeller", "local"},
    "local.history": {"wire", "machine_time", "propeller", EMULATOR, "local"},
    "local.identity": {"wire", "admin", "propeller", "local"},
    "local.deployment": {
        *("wire", "machine_time", "batch", "propeller", "sdk", "container", "local", "admin", "account"),
        *("local.console", "local.history", "local.identity"),
    },
    "local.run": {
        *("sdk", "account"),
        *("wire", "machine_time", "admin", "batch", "propeller", "lint", "local"),
        *("local.console", "local.history", "local.identity", "local.deployment"),
    },
    # The page reads `local.history` alone; a deployment writes its report when it closes.
    "ui": {"batch.api", f"{EMULATOR}.http", "local.history", "local.console"},
    "testing": {"local"},
    "account": {"wire", "settings", "admin", "propeller", "local only", "lint"},
    "cli": {"wire", "settings", "account", "admin", "propeller", "batch", "local", "ui", *SDK_ROOMS},
}
# Rooms that are one to those outside of the whole.
WHOLE = {"batch", EMULATOR, "propeller", "container", "local"}
LAZY: dict[str, set[str]] = {
    "": {"local"},
    "sdk": {"local"},
    "local.deployment": {"ui"},
    "task": {"container", "lint"},
    "maptask": {"lint"},
}
NOT_IN = {
    "batch": {"flytekit", "flyteidl"},
    "settings": {"flytekit", "flyteidl"},
    "wire": {"flytekit", "flyteidl"},
    "shape_walker": {"flytekit", "flyteidl"},
    "machine_time": {"flytekit", "flyteidl"},
    "sdk.switch": {"flytekit", "flyteidl"},
}


def allows(mine: str, allowed: set[str], theirs: str) -> bool:
    """Whether a room may import another. Naming a whole house from outside of it names its inner rooms too."""
    return any(
        theirs == one.removesuffix(" only")
        or (one in WHOLE and not mine.startswith(one) and theirs.startswith(f"{one}."))
        for one in allowed
    )


def room(dotted: str) -> str:
    """The room that a module of the package belongs to: the longest known prefix of its name."""
    parts = dotted.split(".") if dotted else []
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in ALLOWED:
            return name
    return ""


def imports(path: Path) -> list[tuple[str, bool, int]]:
    """(absolute module name, whether inside a function, line) of each import, type checking ones left out."""
    found: list[tuple[str, bool, int]] = []
    package_parts = [*PACKAGE.split("."), *path.relative_to(ROOT).with_suffix("").parts]
    if package_parts[-1] == "__init__":
        package_parts = package_parts[:-1]
        containing = package_parts
    else:
        containing = package_parts[:-1]

    def visit(node: ast.AST, lazy: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                found.extend((alias.name, lazy, child.lineno) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = containing[: len(containing) - child.level + 1] if child.level else []
                module = ".".join([*base, *([child.module] if child.module else [])])
                found.extend((f"{module}.{alias.name}", lazy, child.lineno) for alias in child.names)
            visit(child, lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))

    visit(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


MODULES = sorted(ROOT.rglob("*.py"))


def dotted_name(path: Path) -> str:
    """The module's name within the package; that of the package itself is empty."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__").removesuffix("__init__")


def test_rooms_with_the_machines_clocks_ask_no_others() -> None:
    asked = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        if "machine_time" in ALLOWED[room(dotted_name(path))]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"time.time", "time.monotonic"}
    ]

    assert asked == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    dotted = dotted_name(path)
    mine = room(dotted)
    wrong = []
    for module, lazy, line in imports(path):
        if module.startswith(PACKAGE):
            theirs = room(module[len(PACKAGE) + 1 :])
            allowed = ALLOWED[mine] | (LAZY.get(mine, set()) if lazy else set()) | {mine}
            if not allows(mine, allowed, theirs):
                wrong.append(f"line {line}: {mine or 'the package'} imports {module}")
        elif any(f"{dotted}.".startswith(f"{one}.") and module.split(".")[0] in NOT_IN[one] for one in NOT_IN):
            wrong.append(f"line {line}: {dotted} imports {module}")
    assert wrong == []


def test_no_room_imports_itself_by_way_of_another() -> None:
    """Of rooms one of which is inside the other, the inner one is a part of the outer."""
    needs: dict[str, set[str]] = {}
    for path in MODULES:
        mine = room(dotted_name(path))
        for module, lazy, _ in imports(path):
            theirs = room(module[len(PACKAGE) + 1 :]) if module.startswith(f"{PACKAGE}.") else ""
            inside = theirs.startswith(f"{mine}.") or mine.startswith(f"{theirs}.")
            if theirs and mine and theirs != mine and not lazy and not inside:
                needs.setdefault(mine, set()).add(theirs)
    # Raises CycleError.
    TopologicalSorter(needs).prepare()
