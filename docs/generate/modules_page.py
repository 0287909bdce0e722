"""docs/explanation/modules.md: every module of the package with what its docstring says first."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import flytekitplugins.awsbatch

from .markdown import code, page, table

ROOT = Path(inspect.getfile(flytekitplugins.awsbatch)).parent
INTRODUCTION = """\
What each module is about, in the words of its docstring, from the outside in. [Architecture](architecture.md) has the
tree of packages, which of them may import which, and the reasons. "Pure" means that a module reads no file, no clock
and no environment.
"""


def modules_page() -> str:
    parts = [INTRODUCTION]
    for package in [ROOT, *sorted(one.parent for one in ROOT.rglob("*/__init__.py"))]:
        modules = [(code(module.name), about(module)) for module in in_package(package)]
        heading = package.relative_to(ROOT).as_posix() if package != ROOT else "flytekitplugins/awsbatch"
        parts += [f"## {heading}", about(package / "__init__.py"), table(("module", "what it is about"), modules)]
    return page("The modules", "the modules' docstrings", parts)


def in_package(package: Path) -> Iterator[Path]:
    return (file for file in sorted(package.glob("*.py")) if file.name != "__init__.py")


def about(module: Path) -> str:
    """The first paragraph of its docstring."""
    said = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return " ".join(said.split("\n\n")[0].split())
