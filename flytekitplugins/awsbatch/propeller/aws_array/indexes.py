"""The two numbers a subtask has, as different types: mixing them up is the handler's easiest mistake."""

from __future__ import annotations

from typing import NewType

# Its place in the user's list.
OriginalIndex = NewType("OriginalIndex", int)
# Its place in the array job, where cached items are left out.
ChildIndex = NewType("ChildIndex", int)
