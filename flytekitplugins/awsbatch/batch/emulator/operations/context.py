"""What every operation works on, and how references to resources are resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..arns import DEFINITION, ENVIRONMENT, QUEUE, Arns, name_in_arn, split_arn_revision
from ..clock import Clock
from ..scheduling.capacity import ENABLED
from ..scheduling.engine import Engine
from ..scheduling.job_table import JobTable
from ..settings import BatchSettings
from ..store.job_rows import JobRows
from ..store.resources import ACTIVE, INACTIVE, Body, Resources
from .batch_errors import client_error
from .paging import page_position, page_size, page_token

Request = Mapping[str, Any]
Answer = dict[str, Any]
Operation = Callable[[Request], Answer]

WORDS = {QUEUE: "JobQueue", ENVIRONMENT: "ComputeEnvironment"}
DISABLED = "DISABLED"
# Ids, names or ARNs in one request.
MAX_IDS = 100


@dataclass(frozen=True)
class Context:
    arns: Arns
    settings: BatchSettings
    resources: Resources
    rows: JobRows
    table: JobTable
    engine: Engine
    clock: Clock

    def _find_named(self, kind: str, reference: str) -> tuple[str, Body] | None:
        """(name, body) of a job queue or compute environment by its name or ARN."""
        name = name_in_arn(kind, reference)
        body = self.resources.named(kind).get(name) if name is not None else None
        return (name, body) if name is not None and body is not None else None

    def named(self, kind: str, reference: str, missing: str = "") -> tuple[str, Body]:
        """The same; raises BatchError when there is none.

        :param missing: an operation's own words for that. Programs look for those of the others, which name the ARN.
        """
        found = self._find_named(kind, reference)
        if found is None:
            arn = reference if reference.startswith("arn:") else self.arns.of(kind, reference)
            raise client_error(missing or f"{arn} does not exist")
        return found

    def name_to_delete(self, kind: str, reference: str) -> str | None:
        """The name of a job queue or compute environment that may be deleted: it must be DISABLED. None for one that
        does not exist, which is as good as deleted (AWS answers 200).
        """
        found = self._find_named(kind, reference)
        if found is not None and found[1]["state"] == ENABLED:
            raise client_error(
                f"{WORDS[kind]} {found[0]} cannot be deleted while it is {ENABLED}: set its state to {DISABLED} first"
            )
        return found[0] if found is not None else None

    def describe_named(self, kind: str, member: str, request: Request) -> Answer:
        """The bodies that were asked for by name or ARN, or a page of all.

        :param member: has the names in the request, and the bodies in the answer.
        """
        bodies = self.resources.named(kind)
        size = page_size(request, 100, largest=100)
        references = request.get(member)
        if references:
            if len(references) > MAX_IDS:
                raise client_error(f"{len(references)} names: at most {MAX_IDS}")
            return {member: [found[1] for each in references if (found := self._find_named(kind, each)) is not None]}
        after = page_position(request.get("nextToken"), "", "")
        names = [name for name in sorted(bodies) if name > after]
        more = {"nextToken": page_token(names[size - 1])} if len(names) > size else {}
        return {member: [bodies[name] for name in names[:size]], **more}

    def definition(self, reference: str) -> tuple[str, bool, Body]:
        """(ARN, whether it is active, body) of a job definition by name (the newest active one), name and revision,
        or ARN.
        """
        name, revision = split_arn_revision(name_in_arn(DEFINITION, reference) or "")
        found = self.resources.definition(name, revision) if name else None
        if found is None:
            raise client_error(f"JobDefinition {reference} does not exist")
        return self.arns.definition(name, found[0]), found[1], found[2]

    def definition_body(self, name: str, revision: int, active: bool, body: Body) -> Body:
        """A job definition as DescribeJobDefinitions shows it."""
        return {
            "jobDefinitionName": name,
            "jobDefinitionArn": self.arns.definition(name, revision),
            "revision": revision,
            "status": ACTIVE if active else INACTIVE,
            **body,
        }
