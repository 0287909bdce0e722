"""S3 for all tests of a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aws_world import s3_or_skip


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    yield from s3_or_skip()
