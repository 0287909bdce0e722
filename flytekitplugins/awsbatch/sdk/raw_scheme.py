"""Makes fsspec know the storage of raw files (`container/raw_files.py`), in every process that has a task class of
ours, the interpreters that fork jobs among them.

The distribution's entry point says the same, for processes that import none of ours before they open their storage. An
editable installation whose metadata is older than its code has no such entry point.
"""

from __future__ import annotations

import fsspec

from ..wire import RAW_SCHEME

fsspec.register_implementation(RAW_SCHEME, "flytekitplugins.awsbatch.container.raw_files.RawFileSystem", clobber=True)
