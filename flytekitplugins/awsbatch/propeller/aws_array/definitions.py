"""Job definitions that this process registered: one image is registered once (`definition/job_def_cache.go`)."""

from __future__ import annotations


def definition_key(image: str, role: str, platform: str) -> str:
    """The cache key. Its parts are only joined, so that different ones can collide: Flyte's own."""
    return f"{image}-{role}-{platform}"


class DefinitionCache:
    """Key -> ARN, for the life of the process."""

    def __init__(self) -> None:
        self._arns: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self._arns.get(key)

    def put(self, key: str, arn: str) -> None:
        self._arns[key] = arn
