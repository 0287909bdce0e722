"""Every relative link of the documentation leads to a file, and to a heading in it."""

from __future__ import annotations

import re

import pytest
import yaml
from backends import ROOT
from doc_pages import DOCS, anchors, pages, path_of, prose_of, text_of

LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")


def links(page: str) -> list[str]:
    return [first or second for first, second in LINK.findall(prose_of(page))]


@pytest.mark.parametrize("page", pages())
def test_links_lead_to_files_and_headings(page: str) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = path_of(page, path) if path else ROOT / page
        if not target.exists():
            broken.append(link)
        elif anchor and target.suffix == ".md":
            inside = str(target.resolve().relative_to(ROOT.resolve()))
            if anchor not in anchors(inside):
                broken.append(link)
    assert broken == []


def test_every_page_has_a_place_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    navigation = yaml.safe_load(re.sub(r"!!python/\S+", "", text))["nav"]
    listed = set(leaves(navigation))
    assert listed == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}


def test_the_first_page_links_to_every_other() -> None:
    linked = {link.partition("#")[0] for link in links("docs/index.md")}
    assert {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - linked == {"index.md"}


@pytest.mark.parametrize("page", pages())
def test_no_page_has_the_marks_of_a_merge(page: str) -> None:
    assert re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", text_of(page), flags=re.M) == []


def leaves(node: object) -> list[str]:
    if isinstance(node, dict):
        node = list(node.values())
    return [leaf for one in node for leaf in leaves(one)] if isinstance(node, list) else [str(node)]
