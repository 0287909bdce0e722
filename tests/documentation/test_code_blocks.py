"""Every block of code in the documentation is code: Python that compiles, knows its names and imports what is there;
YAML that the settings' reader takes; JSON, TOML and shell that parse."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from doc_pages import Block, all_blocks, blocks, pages

from flytekitplugins.awsbatch.local.all_settings import parse_all_settings
from flytekitplugins.awsbatch.settings.reader import SECTIONS

# The readers' own modules, and what they install beside this package.
READERS = {"my_project", "tasks", "hello", "hello_batch", "words", "metaflow", "redun", "vision"}
PYTHON_PAGES = [page for page in pages() if blocks(page, "python")]
INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "ARG", "USER", "ENTRYPOINT", "CMD", "LABEL"}
LANGUAGES = {"python", "sh", "text", "yaml", "json", "toml", "dockerfile", "ini"}


def test_every_block_names_its_language() -> None:
    assert [str(block) for block in all_blocks() if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("page", PYTHON_PAGES)
def test_python_compiles_and_imports_what_is_there(page: str) -> None:
    for block in blocks(page, "python"):
        tree = ast.parse(block.text, str(block))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] not in READERS:
                module = importlib.import_module(node.module)
                assert [one.name for one in node.names if not hasattr(module, one.name)] == [], str(block)
            elif isinstance(node, ast.Import):
                for name in node.names:
                    if name.name.split(".")[0] not in READERS:
                        importlib.import_module(name.name)


@pytest.mark.parametrize("page", PYTHON_PAGES)
def test_python_knows_its_names(page: str, tmp_path: Path) -> None:
    """A block may use what an earlier one of its page has defined."""
    parts = []
    for number, block in enumerate(blocks(page, "python")):
        if block.file:
            (tmp_path / f"{number}_{Path(block.file).name}").write_text(block.text)
        parts.append(block.text)
    (tmp_path / "page.py").write_text("\n\n".join(parts))
    ruff = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--select",
        "F821,F822,E9",
        "--output-format",
        "concise",
    ]
    said = subprocess.run([*ruff, str(tmp_path)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_yaml_is_settings_that_can_be_read(block: Block) -> None:
    documents = list(yaml.safe_load_all(block.text))
    for document in documents:
        if isinstance(document, dict) and SECTIONS & set(document):
            parse_all_settings(document)


def test_data_parses() -> None:
    for block in all_blocks("json"):
        json.loads(block.text)
    if sys.version_info >= (3, 11):
        import tomllib

        for block in all_blocks("toml"):
            tomllib.loads(block.text)


def test_dockerfiles_have_instructions_that_exist() -> None:
    lines = [line for block in all_blocks("dockerfile") for line in block.text.replace("\\\n", " ").splitlines()]
    assert [line for line in lines if line and line.split()[0] not in INSTRUCTIONS] == []
    assert lines[0].startswith("FROM ")


@pytest.mark.parametrize("block", all_blocks("sh"), ids=str)
def test_shell_parses(block: Block) -> None:
    said = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert said.stderr == ""
