"""What the README shows is what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from flytekitplugins.awsbatch.cli.main import main
from flytekitplugins.awsbatch.lint.codes import CODES

ROOT = Path(__file__).parents[2]
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


def test_the_readme_is_read_to_its_end() -> None:
    assert len(README.splitlines()) < 150
    assert f"{len(CODES)} lint codes" in README


def test_the_description_on_a_package_index_has_no_links_of_the_repository() -> None:
    """setup.py makes it of the README."""
    made = subprocess.run(
        [sys.executable, "setup.py", "--long-description"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    links = re.findall(r"\]\(([^)]*)\)", made)
    assert links != []
    assert [link for link in links if not link.startswith("https://")] == []
    assert "hello_batch.py" in made


def test_the_steps_of_the_setup_fit_together(tmp_path: Path) -> None:
    steps = re.findall(
        r"```yaml\n(.*?)```", (ROOT / "docs" / "how-to" / "setup.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    for number, step in enumerate(steps):
        (tmp_path / f"{number}.yaml").write_text(step)
    answer = CliRunner().invoke(main, ["config", "check", *(str(tmp_path / f"{n}.yaml") for n in range(len(steps)))])
    assert (answer.exit_code, len(steps)) == (0, 7), answer.output
