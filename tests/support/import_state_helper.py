"""What a task's module imports from beside it."""

from __future__ import annotations

import os
import uuid

TOKEN = uuid.uuid4().hex
PID = os.getpid()
