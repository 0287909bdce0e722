"""playwright's `expect`; without playwright something that is never called, since the browser's fixture skips first."""

from __future__ import annotations

from typing import Any

try:
    from playwright.sync_api import expect
except ImportError:
    expect: Any = None  # type: ignore[no-redef]

__all__ = ["expect"]
