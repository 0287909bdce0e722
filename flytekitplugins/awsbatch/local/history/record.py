"""What a run leaves on disk, so that it can be listed, looked into, run again and resumed after a crash.

    <run>/execution.json      the execution: its identity, when and how it was started
    <run>/nodes/<node>.json   a node: what it was asked to do (as digests), the handler's last snapshot, how it ended

Files are written beside and renamed, so a reader and a killed writer never leave half of one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flytekitplugins.awsbatch.propeller.replace_file import replace_file

if TYPE_CHECKING:
    from flytekitplugins.awsbatch.propeller.node.node_result import ChildFact

FORMAT = 1


class RecordError(Exception):
    """A run's record is missing, damaged, or of another version; the message says which file."""


def write_record_file(path: Path, value: Mapping[str, Any]) -> None:
    """Replaces the file, for its user only."""
    replace_file(str(path), json.dumps({"format": FORMAT, **value}).encode(), folder_mode=0o700)


def read_record_file(path: Path) -> dict[str, Any]:
    """The record in `path`. Raises RecordError."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(f"{path} does not exist.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise RecordError(f"{path} was written by another version of this package (format {_format(value)}).")
    return value


def _format(value: object) -> object:
    return value.get("format") if isinstance(value, dict) else None


@contextlib.contextmanager
def understanding_record(path: Path) -> Iterator[None]:
    """What is in the record is taken for what it should be. Raises RecordError where it is not."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, AssertionError) as error:
        raise RecordError(
            f"{path} is damaged, or from another version of this package ({type(error).__name__}: {error})."
        ) from error


def child_records(children: Iterable[ChildFact]) -> list[dict[str, Any]]:
    """Children as a node's record keeps them."""
    return [
        {
            "original": child.original,
            "child": child.child,
            "job_id": child.job_id,
            "phase": child.phase.name,
            "attempts": child.attempt_count,
            "message": child.message,
            "times": child.times,
        }
        for child in children
    ]


class RunRecord:
    """The record of one execution, in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def execution_file(self) -> Path:
        return self.folder / "execution.json"

    def exists(self) -> bool:
        """Whether there is an execution here, also one that this user may not look at."""
        try:
            self.execution_file.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True

    def node_file(self, node: str) -> Path:
        return self.folder / "nodes" / f"{node}.json"

    def write_execution(self, value: Mapping[str, Any]) -> None:
        write_record_file(self.execution_file, value)

    def update_execution(self, **changes: Any) -> None:
        write_record_file(self.execution_file, {**self.execution(), **changes})

    def execution(self) -> dict[str, Any]:
        return read_record_file(self.execution_file)

    def record_written_at(self) -> float:
        """When the last of these files was written. Raises OSError, FileNotFoundError when there is no execution."""
        moments = [self.execution_file.stat().st_mtime]
        with contextlib.suppress(FileNotFoundError):
            moments.append((self.folder / "nodes").stat().st_mtime)
        return max(moments)

    def write_node(self, node: str, value: Mapping[str, Any]) -> None:
        write_record_file(self.node_file(node), value)

    def node(self, node: str) -> dict[str, Any]:
        return read_record_file(self.node_file(node))

    def nodes(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(node id, record) of each node, in the order of their calls."""
        found = [(path.stem, read_record_file(path)) for path in (self.folder / "nodes").glob("[!.]*.json")]
        yield from sorted(found, key=lambda node: (node[1].get("call", 0), node[0]))
