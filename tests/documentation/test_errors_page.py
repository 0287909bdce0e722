"""docs/reference/errors.md names the errors that there are, and no others."""

from __future__ import annotations

import builtins
import re

from backends import ROOT
from doc_pages import text_of

PAGE = text_of("docs/reference/errors.md")
PACKAGE = ROOT / "flytekitplugins" / "awsbatch"
# Where what users see is raised.
SOURCES = ("local", "sdk", "settings/problems.py", "batch/api.py", "batch/emulator/store/database.py")
# Caught before they reach a user, who sees what they become.
INNER = {"DamagedRecordError"}


def declared(*places: str) -> set[str]:
    files = [
        file
        for place in places
        for file in ([PACKAGE / place] if place.endswith(".py") else (PACKAGE / place).rglob("*.py"))
    ]
    return {name for file in files for name in re.findall(r"^class (\w+(?:Error|Warning))\b", file.read_text(), re.M)}


def test_every_error_that_users_meet_is_explained() -> None:
    assert sorted(name for name in declared(*SOURCES) - INNER if f"`{name}`" not in PAGE) == []


def test_every_error_that_is_explained_exists() -> None:
    named = set(re.findall(r"`(\w+(?:Error|Warning))`", PAGE))
    # Flyte's and AWS's names of reasons, and botocore's.
    others = {"OutOfMemoryError", "CannotPullContainerError", "CannotStartContainerError", "ClientError"}
    assert sorted(named - declared(".") - set(dir(builtins)) - others) == []
