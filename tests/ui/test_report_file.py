"""A run as one file: complete, silent towards the outside, without secrets; written by commands, runs and tests."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright_or_skip import expect
from ui_home import WrittenHome, busy_home

from flytekitplugins.awsbatch.testing import Emulation
from flytekitplugins.awsbatch.ui.report_file import report_file_text

FLOW = """
from flytekit import task, workflow
from flytekitplugins.awsbatch import AWSBatchConfig, map_task

@task(task_config=AWSBatchConfig())
def half(n: int) -> int:
    print("halving", n)
    if n % 2:
        raise ValueError(f"{n} is odd")
    return n // 2

@workflow
def halves(ns: list[int]) -> list[int]:
    return map_task(half)(n=ns)
"""


def digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_file_runs_its_own_script_and_nothing_else(tmp_path: Path) -> None:
    home = busy_home(tmp_path, 50)
    text = report_file_text(home.home, [home.name])
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert policy is not None
    allowed = policy[1].replace("&#x27;", "'")
    assert digest(style) in allowed
    assert [digest(one) in allowed for one in script] == [True]
    assert "default-src 'none'" in allowed
    assert re.findall(r'(?:src|href)="(?:https?:)?//', text) == []


def test_secrets_of_the_environment_are_not_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_TOKEN", "hunter2&<hunter2>")
    home = WrittenHome(tmp_path, 2)
    home.commit(home.started(0, 10))
    home.log(0, "calling with hunter2&<hunter2>\n")
    home.error(0, "ValueError: hunter2&<hunter2>")
    home.commit(home.ended(0, 20, 1))
    text = report_file_text(home.home, [home.name])
    assert "hunter2" not in text
    assert "calling with ***" in text


def test_it_is_looked_at_in_a_browser_from_a_file(tmp_path: Path, tab: Any) -> None:
    home = busy_home(tmp_path / "home", 300)
    file = tmp_path / "run.html"
    file.write_text(report_file_text(home.home, [home.name]), encoding="utf-8")
    tab.page.goto(file.as_uri())
    expect(tab.page.get_by_role("heading", name="What failed")).to_be_visible()
    tab.page.locator(".vrow").first.get_by_role("cell").nth(1).click()
    expect(tab.page.locator(".child .headline")).to_contain_text("ValueError: chunk")
    expect(tab.page.locator(".log .c3")).to_have_text("WARNING")
    tab.page.get_by_label("Find in the log").fill("chunk")
    expect(tab.page.locator(".found")).to_have_text("line 1 of 1")
    tab.page.goto(tab.page.url)
    expect(tab.page.locator(".child .headline")).to_contain_text("ValueError: chunk")
    assert tab.accessibility() == []
    assert tab.complaints == []
    assert [url for url in tab.asked if not url.startswith(("file:", "data:"))] == []


def test_a_test_writes_its_report(awsbatch: Emulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halves_of_report.py").write_text(FLOW)
    monkeypatch.syspath_prepend(tmp_path)
    import halves_of_report  # type: ignore[import-not-found]

    assert halves_of_report.halves(ns=[2, 4]) == [1, 2]
    awsbatch.report(tmp_path / "reports" / "halves.html")
    text = (tmp_path / "reports" / "halves.html").read_text(encoding="utf-8")
    assert "halving 2" in text
    assert "2 succeeded" in text


def test_a_failed_run_leaves_its_report(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    command = [sys.executable, "-m", "flytekit.clis.sdk_in_container.pyflyte", "run"]
    command += ["--env", "FLYTE_AWSBATCH=local", "--env", "FLYTE_AWSBATCH_REPORT=out/run.html"]
    command += ["flow.py", "halves", "--ns", "[2, 3]"]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "FLYTE_AWSBATCH_HOME": str(tmp_path / "home"),
    }
    environment["HOME"] = str(tmp_path)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"Report: {tmp_path / 'out' / 'run.html'}" in done.stderr
    text = (tmp_path / "out" / "run.html").read_text(encoding="utf-8")
    assert "ValueError: 3 is odd" in text
    assert "1 failed" in text
