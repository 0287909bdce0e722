"""A function that only its own module uses begins with an underscore, so that a reader sees what a module is for."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest
from backends import ROOT

PACKAGE = ROOT / "flytekitplugins" / "awsbatch"
USERS = [*PACKAGE.rglob("*.py"), *ROOT.glob("*.py")]
USERS += [path for folder in ("tests", "benchmarks", "docs", "examples") for path in (ROOT / folder).rglob("*.py")]
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")


def names_in(path: Path) -> set[str]:
    """What a file imports, looks up in something, or names in a text (`module:function`, a patch of a test)."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.update(re.findall(r"(?:^|[:.])([a-z]\w*)$", node.value.split("\n")[0].strip()))
            # Of a script that a test runs.
            found.update(name for names in re.findall(r" import ([\w, ]+)", node.value) for name in names.split(", "))
    return found


USED_IN = defaultdict(set)
for each in USERS:
    for name in names_in(each):
        USED_IN[name].add(each)


def is_called_by_click(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(re.search(r"\.(command|group)\b|click\.", ast.unparse(one)) for one in function.decorator_list)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_function_of_its_module_alone_begins_with_an_underscore(path: Path) -> None:
    functions = [
        node
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    open_to_others = [
        one.name
        for one in functions
        if not one.name.startswith("_") and one.name != "main" and not is_called_by_click(one)
    ]
    assert [name for name in open_to_others if not USED_IN[name] - {path}] == []
