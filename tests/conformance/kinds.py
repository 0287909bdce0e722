"""All kinds of queue cases that are answered: importing their modules registers them."""

from __future__ import annotations

import importlib
import importlib.util

from . import node_kinds  # noqa: F401 - imported for what it registers
from .queue_cases import KINDS, run_case

__all__ = ["KINDS", "run_case"]

# FlyteAdmin's part.
if importlib.util.find_spec(".admin_kinds", __package__) is not None:
    importlib.import_module(".admin_kinds", __package__)
