"""Never run: mypy reads it, as it reads the code of a user who checks strictly."""

from __future__ import annotations

import functools

from flytekit import TaskMetadata, task

from flytekitplugins.awsbatch import AWSBatchConfig, AWSBatchMapTask, map_task

config: AWSBatchConfig = AWSBatchConfig(
    parameters={"a": "b"}, schedulingPriority=1, propagateTags=True, tags={"c": "d"}, extra={"shareIdentifier": "e"}
)
positional: AWSBatchConfig = AWSBatchConfig({"a": "b"}, 1, "EC2", True, {"c": "d"})
fields: dict[str, object] = config.submit_job_fields()


@task(task_config=config)
def work(x: int, y: int) -> int:
    return x + y


mapped: AWSBatchMapTask = map_task(work, concurrency=3, min_success_ratio=0.5, metadata=TaskMetadata(retries=1))
bound: AWSBatchMapTask = map_task(functools.partial(work, y=1))

AWSBatchConfig(tags=["a"])  # type: ignore[arg-type]
AWSBatchConfig(platformCapabilities=None)  # type: ignore[arg-type]
AWSBatchConfig(jobQueue="q")  # type: ignore[call-arg]
map_task(work, concurrency="3")  # type: ignore[arg-type]
