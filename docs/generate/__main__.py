"""Writes what is made from the code: `python -m docs.generate`."""

from __future__ import annotations

import sys
from pathlib import Path

from . import artefacts

ROOT = Path(__file__).parents[2]

for name, text in artefacts().items():
    file = ROOT / name
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")
