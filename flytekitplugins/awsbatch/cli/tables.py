"""Tables for people; JSON and errors are in `common`."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

import rich_click as click

GAP = "  "
# The columns that the last cell of a row needs at least.
LAST_CELL = 24


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table that fits a terminal, whose last column holds sentences; in a pipe nothing is wrapped or cut."""
    width = shutil.get_terminal_size().columns if sys.stdout is not None and sys.stdout.isatty() else None
    for line in table_lines(columns, rows, width):
        click.echo(line)


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """:param width: None for one without end. What is too wide goes below its row; where even the other cells are too
    wide, each row is a paragraph.
    """
    widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
    before = sum(widths[:-1]) + len(GAP) * (len(widths) - 1)
    if width is None or before + widths[-1] <= width:
        yield from (_padded(row, widths) for row in [columns, *rows])
    elif before + LAST_CELL <= width:
        for row in [columns, *rows]:
            first, *more = textwrap.wrap(row[-1], width - before) or [""]
            yield _padded([*row[:-1], first], widths)
            yield from (" " * before + line for line in more)
    elif before <= width:
        yield _padded(columns[:-1], widths)
        for row in rows:
            yield _padded(row[:-1], widths)
            yield from _below(row[-1], width)
    else:
        for row in rows:
            pairs = [f"{column} {cell}" for column, cell in zip(columns[:-1], row[:-1], strict=True) if cell]
            # A title and its value stay together.
            whole = textwrap.wrap(GAP.join(pair.replace(" ", "\0") for pair in pairs), width, break_on_hyphens=False)
            yield from (line.replace("\0", " ") for line in whole)
            yield from _below(row[-1], width)


def _padded(row: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip()


def _below(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=GAP, subsequent_indent=GAP)
