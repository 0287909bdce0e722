"""Tasks whose module asks which image it runs in."""

from __future__ import annotations

from flytekit import ImageSpec, task

from flytekitplugins.awsbatch import AWSBatchConfig

MINE = ImageSpec(name="mine", registry="registry.example", packages=["numpy"])
OTHER = ImageSpec(name="other", registry="registry.example", packages=["pandas"])
AT_IMPORT = [MINE.is_container(), OTHER.is_container()]


@task(task_config=AWSBatchConfig(), container_image=MINE)
def where(n: int) -> list[bool]:
    """For each image whether this is it, as the module saw it and now."""
    return [*AT_IMPORT, MINE.is_container(), OTHER.is_container()]


@task(task_config=AWSBatchConfig())
def without_image(n: int) -> list[bool]:
    return [MINE.is_container(), OTHER.is_container()]
