"""Threads for work that must not keep its caller waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def begin_thread(name: str, call: Callable[..., None], *arguments: Any) -> threading.Thread | None:
    """Calls a function on a thread of its own. None where Python begins no more of them, since the main one has ended
    (3.12 and newer) or the machine has too many: then the caller has to do the work, for which others may wait."""
    thread = threading.Thread(target=call, args=arguments, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread
