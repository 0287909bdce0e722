"""The documentation as its readers meet it: pages, blocks of code, headings, links."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from backends import ROOT

DOCS = ROOT / "docs"
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S)
NAMED = re.compile(r"`([\w./-]+\.(?:py|yaml))`[^`]*:\s*\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    :ivar file: the name that the sentence before it gives to it: "... as `hello.py`:".
    """

    page: str
    line: int
    language: str
    text: str
    file: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Paths below the repository's root: of the repository's front, its templates, and the folders with pages."""
    below = [*(ROOT / ".github").rglob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "tests").rglob("README.md")]
    found = [*ROOT.glob("*.md"), ROOT / "benchmarks" / "README.md", *below]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, *languages: str) -> list[Block]:
    text = text_of(page)
    found = []
    for one in FENCE.finditer(text):
        if not languages or one["language"] in languages:
            lines = [line.removeprefix(one["indent"]) for line in one["text"].splitlines(keepends=True)]
            named = NAMED.search(text[: one.start()])
            line = text.count("\n", 0, one.start()) + 1
            found.append(Block(page, line, one["language"], "".join(lines), named[1] if named else ""))
    return found


def all_blocks(*languages: str) -> list[Block]:
    return [block for page in pages() for block in blocks(page, *languages)]


def prose_of(page: str) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", text_of(page))


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose_of(page), flags=re.M):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        number = 0
        while (unique := slug if not number else f"{slug}-{number}") in found:
            number += 1
        found.add(unique)
    return found


def commands(page: str) -> list[str]:
    """The command lines of a page's shell blocks: continued lines and quoted ones joined, comments dropped."""
    found = []
    for block in blocks(page, "sh"):
        open_line = ""
        for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
            open_line += line
            try:
                words = shlex.split(open_line, comments=True)
            except ValueError:
                open_line += "\n"
                continue
            if words:
                found.append(re.sub(r"\s+#\s.*|^#.*", "", open_line))
            open_line = ""
    return found


def path_of(page: str, link: str) -> Path:
    return (ROOT / page).parent / link


def run(lines: str, folder: Path, environment: dict[str, str]) -> str:
    """What the lines of a shell block print, in which every command has to succeed."""
    done = subprocess.run(
        ["bash", "-ec", lines], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{lines}\n{done.stdout}\n{done.stderr}"
    return done.stdout
