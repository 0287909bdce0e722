"""The house's one-way imports, held by reading every import statement of the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = "flytekitplugins.awsbatch"
ROOT = Path(__file__).parent.parent / "flytekitplugins" / "awsbatch"

# What each room may import, besides itself. "Lazily" allowed imports (inside a function) are listed apart.
SDK = {
    "switch",
    "metadata",
    "submit_job",
    "config",
    "map_settings",
    "refusals",
    "hook",
    "attempts",
    "task",
    "maptask",
    "child",
    "input_index",
    "command_line",
    "conversion",
    "siblings",
    "quick",
    "entrypoint",
    "lint",
}
ALLOWED: dict[str, set[str]] = {
    "wire": set(),
    "switch": {"wire"},
    "submit_job": set(),
    "config": {"submit_job"},
    "map_settings": set(),
    "metadata": set(),
    "refusals": set(),
    "hook": {"switch"},
    "attempts": {"wire"},
    "task": {"wire", "attempts", "switch", "config", "metadata", "refusals", "hook"},
    "maptask": {"wire", "config", "map_settings", "metadata", "refusals", "hook"},
    "child": {"wire"},
    "input_index": {"child"},
    "command_line": {"child", "maptask"},
    "conversion": set(),
    "siblings": {"wire", "task", "command_line", "input_index", "conversion"},
    "quick": {"wire", "child", "command_line", "siblings"},
    "entrypoint": {"wire", "attempts", "switch", "child", "command_line", "quick", "siblings"},
    "lint": {"wire", "switch", "config", "metadata", "refusals", "settings", "task"},
    "settings": set(),
    "admin": {"wire", "settings"},
    "batch.api": set(),
    "batch.aws": {"batch.api", "settings"},
    "batch.emulator": {"batch.api", "settings", "wire"},
    "propeller": {"batch.api", "settings", "wire"},
    "local": {"admin", "propeller", "batch.api", "batch.emulator", "batch.aws", "settings", "wire", *SDK},
    "testing": {"local", "admin", "propeller", "batch.api", "batch.emulator", "settings", "wire"},
    "cli": {"local", "admin", "propeller", "batch.api", "batch.emulator", "batch.aws", "settings", "wire", *SDK},
    "": {"config", "refusals", "task", "maptask"},
}
LAZY: dict[str, set[str]] = {"hook": {"local"}, "task": {"lint"}, "maptask": {"lint"}, "": {"local"}}
NOT_IN = {
    "batch.emulator": {"flytekit", "flyteidl"},
    "settings": {"flytekit", "flyteidl"},
    "wire": {"flytekit", "flyteidl"},
    "switch": {"flytekit", "flyteidl"},
}


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


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__").removesuffix("__init__")
    mine = room(dotted)
    wrong = []
    for module, lazy, line in imports(path):
        if module.startswith(PACKAGE):
            theirs = room(module[len(PACKAGE) + 1 :])
            allowed = ALLOWED[mine] | (LAZY.get(mine, set()) if lazy else set()) | {mine}
            if theirs not in allowed:
                wrong.append(f"line {line}: {mine or 'the package'} imports {module}")
        elif module.split(".")[0] in NOT_IN.get(mine, set()):
            wrong.append(f"line {line}: {mine} imports {module}")
    assert wrong == []
