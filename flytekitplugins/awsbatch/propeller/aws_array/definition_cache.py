"""Job definitions that this process registered: one image is registered once (`definition/job_def_cache.go`)."""

from __future__ import annotations

# freecache's, in bytes but for the segments. An entry with its header takes up to a quarter of a segment.
_SMALLEST_CACHE = 512 * 1024
_SEGMENTS = 256
_HEADER = 24


def definition_key(image: str, role: str, platform: str) -> str:
    """The cache key. Its parts are only joined, so that different ones can collide: Flyte's own."""
    return f"{image}-{role}-{platform}"


class DefinitionCache:
    """Key -> ARN, for the life of the process.

    :param size: Flyte's `defCacheSize`, in bytes, whatever its description says. An entry that is too long for it (488
        bytes by default) is registered again by each execution.
    """

    def __init__(self, size: int = 10000) -> None:
        self._longest = max(size, _SMALLEST_CACHE) // _SEGMENTS // 4 - _HEADER
        self._arns: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self._arns.get(key)

    def put(self, key: str, arn: str) -> None:
        if len(key.encode("utf-8")) + len(arn.encode("utf-8")) <= self._longest:
            self._arns[key] = arn
