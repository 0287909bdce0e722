"""JSON as the service stores and answers it: without blanks, which for large arrays are many."""

from __future__ import annotations

import json

compact = json.JSONEncoder(separators=(",", ":")).encode
