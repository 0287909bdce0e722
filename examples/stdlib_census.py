"""A census of the Python standard library: which modules are large, and what everybody imports.

A plain task lists the source files of the running Python in chunks, an array job on AWS Batch parses one chunk an item,
and one more job on AWS Batch merges and ranks. Every machine has the input.

    pyflyte run examples/stdlib_census.py census --chunks 40
    pyflyte run --env FLYTE_AWSBATCH=local examples/stdlib_census.py census --chunks 40

With `--chunks 0` each file is an item of its own, those of the library's own tests too: an array of about 1,800
children where Python came with its tests (`plugins.aws.batch.maxArrayJobSize` is 5,000 unless it is set).
"""

import ast
import sysconfig
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from flytekit import Resources, task, workflow

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

TOP = 10


@dataclass
class Count:
    """What was counted in one chunk of files, or in all of them."""

    files: int = 0
    unreadable: int = 0
    lines: int = 0
    functions: int = 0
    classes: int = 0
    longest_function: str = ""
    longest_lines: int = 0
    lines_by_package: dict[str, int] = field(default_factory=dict)
    imports: dict[str, int] = field(default_factory=dict)


@task
def list_sources(chunks: int) -> list[list[str]]:
    """The standard library's files relative to its root, dealt out like cards so that the chunks are about equal."""
    # With no number of chunks each file is one, and tests count too.
    root = Path(sysconfig.get_path("stdlib"))
    left_out = {"site-packages"} if chunks == 0 else {"site-packages", "test", "tests", "idle_test"}
    files = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if path.is_file() and not left_out & set(path.relative_to(root).parts)
    )
    chunks = max(1, min(chunks or len(files), len(files)))
    return [files[start::chunks] for start in range(chunks)]


@task(task_config=AWSBatchConfig(tags={"example": "stdlib-census"}), limits=Resources(cpu="1"), retries=1)
def count_chunk(files: list[str]) -> Count:
    """Parses each file and counts what is in it."""
    root = Path(sysconfig.get_path("stdlib"))
    count = Count()
    imports: Counter[str] = Counter()
    lines_by_package: Counter[str] = Counter()
    for name in files:
        try:
            source = (root / name).read_bytes()
            tree = ast.parse(source)
        except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
            count.unreadable += 1
            continue
        lines = source.count(b"\n")
        count.files += 1
        count.lines += lines
        lines_by_package[name.split("/")[0].removesuffix(".py")] += lines
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                count.functions += 1
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > count.longest_lines:
                    count.longest_lines, count.longest_function = length, f"{name}:{node.name}"
            elif isinstance(node, ast.ClassDef):
                count.classes += 1
            elif isinstance(node, ast.Import):
                imports.update({alias.name.split(".")[0] for alias in node.names})
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imports[node.module.split(".")[0]] += 1
    count.imports = dict(imports)
    count.lines_by_package = dict(lines_by_package)
    return count


@task(task_config=AWSBatchConfig(tags={"example": "stdlib-census"}), limits=Resources(cpu="1"), retries=1)
def merge(counts: list[Count]) -> str:
    """One table out of all chunks."""
    imports: Counter[str] = Counter()
    lines_by_package: Counter[str] = Counter()
    for count in counts:
        imports.update(count.imports)
        lines_by_package.update(count.lines_by_package)
    longest = max(counts, key=lambda count: (count.longest_lines, count.longest_function))
    totals = [
        ("files", sum(count.files for count in counts)),
        ("unreadable", sum(count.unreadable for count in counts)),
        ("lines", sum(count.lines for count in counts)),
        ("functions", sum(count.functions for count in counts)),
        ("classes", sum(count.classes for count in counts)),
    ]
    parts = [
        "\n".join(f"{name:<12}{number:>9}" for name, number in totals),
        f"longest function: {longest.longest_function}, {longest.longest_lines} lines",
        ranking("largest", "lines", lines_by_package),
        ranking("most imported", "times", imports),
    ]
    return "\n\n".join(parts)


def ranking(title: str, unit: str, numbers: Counter[str]) -> str:
    ranked = sorted(numbers.items(), key=lambda item: (-item[1], item[0]))[:TOP]
    return "\n".join([f"{title:<24}{unit:>8}", *(f"  {name:<22}{number:>8}" for name, number in ranked)])


@workflow
def census(chunks: int = 40) -> str:
    return merge(counts=map_task(count_chunk)(files=list_sources(chunks=chunks)))
