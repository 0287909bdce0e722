"""What all tests share: hypothesis looks for new cases on a developer's machine and repeats known ones in CI, where a
submission should not fail for what it did not touch."""

import os

from hypothesis import settings

settings.register_profile("developer", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")
