"""Tasks that a map runs both ways, forked and started from nothing."""

from __future__ import annotations

import datetime
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import flytekit
from flytekit import task
from flytekit.core.base_task import IgnoreOutputs
from flytekit.exceptions.user import FlyteRecoverableException
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import AWSBatchConfig

batch = AWSBatchConfig()


@dataclass
class Point:
    x: int
    labels: dict[str, str]


@task(task_config=batch)
def square(x: int) -> int:
    print("squaring", x)
    return x * x


@task
def plain(x: int) -> list[str]:
    return [str(x)] * x


@task(task_config=batch)
def point(x: int) -> Point:
    return Point(x, {"a": "b"})


@task(task_config=batch)
def moment(x: int) -> datetime.datetime:
    return datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(days=x)


@task(task_config=batch)
def nothing(x: int) -> None:
    print("nothing", x)


@task(task_config=batch)
def maybe(x: int) -> int | None:
    return None if x == 4 else x


@task(task_config=batch)
def file(x: int) -> FlyteFile:
    path = Path(flytekit.current_context().working_directory) / "made.txt"
    path.write_text(f"file {x}")
    return FlyteFile(str(path))


@task(task_config=batch)
def context(x: int) -> str:
    found = flytekit.current_context()
    checkpoint = found.checkpoint
    before = checkpoint.read()
    checkpoint.write(b"point")
    access = flytekit.FlyteContextManager.current_context().file_access
    return repr(
        [
            [found.execution_id.project, found.execution_id.domain, found.execution_id.name],
            [found.task_id.name, found.task_id.version],
            found.raw_output_prefix,
            found.output_metadata_prefix,
            access.raw_output_prefix,
            Path(str(access.local_sandbox_dir)).name,
            Path(str(access.local_sandbox_dir)).is_dir(),
            Path(found.working_directory).is_dir(),
            found.execution_date.tzinfo,
            before,
            found.decks,
            os.environ["AWS_BATCH_JOB_ARRAY_INDEX"],
            sys.argv[1:],
        ]
    )


@task(task_config=batch)
def fail(x: int) -> int:
    if x:
        raise ValueError(f"{x} is refused")
    return x


@task(task_config=batch)
def fail_for_now(x: int) -> int:
    if x:
        raise FlyteRecoverableException("try again")
    return x


@task(task_config=batch)
def wrong_type(x: int) -> int:
    return str(x)  # type: ignore[return-value]


@task(task_config=batch)
def leave(x: int) -> int:
    if x:
        sys.exit(3)
    return x


@task(task_config=batch)
def leave_at_once(x: int) -> int:
    if x:
        os._exit(4)
    return x


@task(task_config=batch)
def interrupt(x: int) -> int:
    if x:
        raise KeyboardInterrupt
    return x


@task(task_config=batch)
def ignore(x: int) -> int:
    if x:
        raise IgnoreOutputs("not me")
    return x


@task(task_config=batch, enable_deck=True)
def deck(x: int) -> int:
    return x
