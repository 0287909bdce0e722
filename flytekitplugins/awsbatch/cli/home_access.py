"""What the commands about past runs have in common: the home, its local AWS Batch, and how they fail."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.store.database import UnusableHomeError
from flytekitplugins.awsbatch.local import home as homes
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.history.record import RecordError

from .common import fail

# As many as one DescribeJobs call takes.
MOST_IDS = 100


def the_home() -> homes.Home:
    return homes.from_environment(os.environ)


@contextlib.contextmanager
def failing() -> Iterator[None]:
    """What can be wrong with a home, an execution or a job ends the command with a sentence."""
    try:
        yield
    except (past_runs.UnknownRunError, homes.HomeError, RecordError, UnusableHomeError) as error:
        fail(str(error))
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        fail(f"{error.filename or the_home().path}: {error.strerror}")


@contextlib.contextmanager
def batch_of_home() -> Iterator[LocalBatch | None]:
    """The home's local AWS Batch, to be read; None when no job was ever submitted to it."""
    home = the_home()
    if not home.database.exists():
        yield None
        return
    batch = LocalBatch(home.batch)
    try:
        yield batch
    finally:
        batch.close()
