"""What the README shows is what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from flytekitplugins.awsbatch.cli.main import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code(text: str) -> str:
    """Without docstring, comments for linters and blank lines: what a reader would type."""
    text = re.sub(r'^""".*?"""', "", text, flags=re.DOTALL)
    lines = [re.sub(r"\s*# noqa.*", "", line) for line in text.splitlines()]
    return "\n".join(line for line in lines if line.strip())


def test_the_first_example_is_the_file_it_names() -> None:
    shown = re.search(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert shown is not None
    assert code(shown[1]) == code((ROOT / "examples" / "hello_batch.py").read_text(encoding="utf-8"))


PAGES = sorted({"README.md", "CHANGELOG.md", *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))})


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    here = ROOT / page
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", here.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (here.parent / link).exists()]
    assert missing == []


def test_the_steps_of_the_setup_fit_together(tmp_path: Path) -> None:
    steps = re.findall(
        r"```yaml\n(.*?)```", (ROOT / "docs" / "how-to" / "setup.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    for number, step in enumerate(steps):
        (tmp_path / f"{number}.yaml").write_text(step)
    answer = CliRunner().invoke(main, ["config", "check", *(str(tmp_path / f"{n}.yaml") for n in range(len(steps)))])
    assert (answer.exit_code, len(steps)) == (0, 7), answer.output
