"""Debian's Chromium, driven by playwright: headless, and silent towards the outside world.

Where there is none its tests are skipped with the reason; with AWSBATCH_BROWSER=required, as in CI, they fail.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REQUIRED = "AWSBATCH_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@contextlib.contextmanager
def unlimited_memory() -> Iterator[None]:
    """A browser reserves terabytes of addresses and uses little of them: what is started here has no limit."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed (pip install playwright)")
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        missing("there is no Chromium (apt-get install chromium)")
    with unlimited_memory():
        manager = sync_playwright()
        playwright = manager.__enter__()
        try:
            browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        except BaseException:
            manager.__exit__(None, None, None)
            raise
    try:
        yield browser
    finally:
        browser.close()
        manager.__exit__(None, None, None)


def missing(what: str) -> None:
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(f"{what}, and {REQUIRED}=required")
    pytest.skip(f"No browser: {what}")
