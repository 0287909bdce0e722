"""Where a node's files lie (`v1alpha1/node_status.go`, `ioutils/{paths,raw_output_path,data_sharder}.go`).

`join` is the storage's own way of joining, so that every function works for URLs and for plain local paths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from string import ascii_lowercase, digits

from ..golang.hashes import fnv1a
from .node_request import ExecutionId, ParentNode

Join = Callable[..., str]

_SHARD_LETTERS = ascii_lowercase + digits


def node_path_of_execution(join: Join, metadata_prefix: str, execution: ExecutionId) -> str:
    return join(metadata_prefix, f"{execution.project}-{execution.domain}-{execution.name}")


def node_paths(join: Join, workflow: str, parents: Sequence[ParentNode], node_id: str, attempt: int) -> tuple[str, str]:
    """(the node's folder, the attempt's for outputs). A top-level node has its attempts under `<node>/data`; a child of
    one lies right in its parent's attempt."""
    chain = [*parents, ParentNode(node_id, attempt)]
    folder = join(workflow, chain[0].node_id, "data")
    for parent, child in pairwise(chain):
        folder = join(join(folder, str(parent.attempt)), child.node_id)
    return folder, join(folder, str(attempt))


def node_path_shard(unique_id: str) -> str:
    """One of 1296 two-letter folders, by the name's hash."""
    high, low = divmod(fnv1a(unique_id.encode("utf-8")) % len(_SHARD_LETTERS) ** 2, len(_SHARD_LETTERS))
    return _SHARD_LETTERS[high] + _SHARD_LETTERS[low]


def node_raw_output_prefix(join: Join, base: str, unique_id: str) -> str:
    """`NewShardedRawOutputPath`: what propeller uses."""
    return join(base, node_path_shard(unique_id), unique_id)
