"""What every operation works on, and how references to resources are resolved."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from flytekitplugins.awsbatch.batch.emulator.arns import DEFINITION, ENVIRONMENT, QUEUE, Arns, name_of, split_revision
from flytekitplugins.awsbatch.batch.emulator.clock import Clock
from flytekitplugins.awsbatch.batch.emulator.emulator_settings import BatchSettings
from flytekitplugins.awsbatch.batch.emulator.operations.errors import refused
from flytekitplugins.awsbatch.batch.emulator.scheduling.engine import Engine
from flytekitplugins.awsbatch.batch.emulator.scheduling.job_table import Board
from flytekitplugins.awsbatch.batch.emulator.store.job_rows import Jobs
from flytekitplugins.awsbatch.batch.emulator.store.resources import ACTIVE, INACTIVE, Catalog

Request = Mapping[str, Any]
Answer = dict[str, Any]
Operation = Callable[[Request], Answer]
# JSON: a number, a text, a list of such, or numbers by name.
Position = TypeVar("Position")


@dataclass(frozen=True)
class Core:
    arns: Arns
    settings: BatchSettings
    catalog: Catalog
    stored: Jobs
    board: Board
    engine: Engine
    clock: Clock

    def queue(self, reference: str) -> tuple[str, dict[str, Any]]:
        """(name, body) of a queue by its name or ARN."""
        name = name_of(QUEUE, reference)
        body = self.catalog.queues.get(name) if name is not None else None
        if name is None or body is None:
            raise refused(f"JobQueue {reference} does not exist")
        return name, body

    def environment(self, reference: str) -> tuple[str, dict[str, Any]]:
        name = name_of(ENVIRONMENT, reference)
        body = self.catalog.environments.get(name) if name is not None else None
        if name is None or body is None:
            raise refused(f"ComputeEnvironment {reference} does not exist")
        return name, body

    def definition(self, reference: str) -> tuple[str, bool, Mapping[str, Any]]:
        """(ARN, whether it is active, body) of a job definition by name (the newest active one), name and revision,
        or ARN.
        """
        short = name_of(DEFINITION, reference)
        name, revision = split_revision(short or "")
        found = self.catalog.definition(name, revision) if name else None
        if found is None:
            raise refused(f"JobDefinition {reference} does not exist")
        return self.arns.definition(name, found[0]), found[1], found[2]

    def definition_body(self, name: str, revision: int, active: bool, body: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "jobDefinitionName": name,
            "jobDefinitionArn": self.arns.definition(name, revision),
            "revision": revision,
            "status": ACTIVE if active else INACTIVE,
            **body,
        }


def token_for(position: Any) -> str:
    """An opaque `nextToken`."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def position_of(token: str | None, like: Position, start: Position) -> Position:
    """The position in a token, `start` without one.

    :param like: a position of the same question, to tell a token that is not its own.
    """
    if not token:
        return start
    try:
        position = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, RecursionError):
        position = None
    if not _alike(position, like):
        raise refused("nextToken is invalid: use the one that the previous answer gave")
    return cast(Position, position)


def _alike(position: Any, like: Any) -> bool:
    if isinstance(like, dict):
        return isinstance(position, dict) and all(_alike(each, 0) for each in position.values())
    if isinstance(like, list):
        return isinstance(position, list) and len(position) == len(like) and all(map(_alike, position, like))
    return type(position) is type(like) and (isinstance(position, str) or 0 <= position < 1 << 63)


def page_size(request: Request, most: int) -> int:
    asked = request.get("maxResults")
    if asked is None:
        return most
    if asked < 1:
        raise refused(f"maxResults is {asked}: at least 1")
    return min(int(asked), most)
