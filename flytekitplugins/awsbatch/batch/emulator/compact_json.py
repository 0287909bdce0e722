"""JSON as the service stores and answers it: without blanks, which for large arrays are many."""

from __future__ import annotations

import json

encode_compactly = json.JSONEncoder(separators=(",", ":")).encode
