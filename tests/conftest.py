"""What makes a test run safe and repeatable: a limit of memory, known examples, signals as a terminal gives them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Address space of a worker and of each process that its tests start; reading a Parquet file reserves 1.7 GB of it.
MEMORY_LIMIT = 6 << 30

# `make soak` asks for fresh examples: `--hypothesis-profile fresh --hypothesis-seed N`.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("fresh", deadline=None, print_blob=True)
settings.load_profile("repeatable")


def pytest_configure() -> None:
    if sys.platform == "linux":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        limit = MEMORY_LIMIT if most == resource.RLIM_INFINITY else min(MEMORY_LIMIT, most)
        # A browser reserves far more than it uses: whoever starts one lifts the limit for it.
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))


@pytest.fixture
def signals_of_a_terminal() -> Iterator[None]:
    """SIGINT and SIGHUP end what a test starts, also where the caller ignores them (`nohup make test`)."""
    own = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
