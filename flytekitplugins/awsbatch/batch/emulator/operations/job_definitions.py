"""Job definitions: RegisterJobDefinition, DeregisterJobDefinition, DescribeJobDefinitions."""

from __future__ import annotations

from typing import Any

from flytekitplugins.awsbatch.batch.emulator.arns import DEFINITION, name_of, split_revision
from flytekitplugins.awsbatch.batch.emulator.operations import rules
from flytekitplugins.awsbatch.batch.emulator.operations.core import (
    Answer,
    Core,
    Request,
    page_size,
    position_of,
    token_for,
)
from flytekitplugins.awsbatch.batch.emulator.operations.errors import refused
from flytekitplugins.awsbatch.batch.emulator.operations.submission import EMPTY_LISTS, normal_strategy
from flytekitplugins.awsbatch.batch.emulator.store.resources import ACTIVE

KEPT = ("type", "parameters", "schedulingPriority", "retryStrategy", "propagateTags", "timeout", "platformCapabilities")
SHOWN_EMPTY = ("command", *(each for each in EMPTY_LISTS if each != "networkInterfaces"))


class Definitions:
    def __init__(self, core: Core) -> None:
        self._core = core

    def register(self, request: Request) -> Answer:
        rules.definition(request, self._core.settings.fargate_rules)
        name = request["jobDefinitionName"]
        container = {**{each: [] for each in SHOWN_EMPTY}, **request["containerProperties"]}
        body: dict[str, Any] = {"type": "container", "parameters": {}, "tags": rules.tags(request.get("tags"))}
        body |= {key: request[key] for key in KEPT if request.get(key) is not None}
        if "retryStrategy" in body:
            body["retryStrategy"] = normal_strategy(body["retryStrategy"])
        body["containerProperties"] = container
        body["containerOrchestrationType"] = "ECS"
        revision = self._core.catalog.add_definition(name, body)
        return {
            "jobDefinitionName": name,
            "jobDefinitionArn": self._core.arns.definition(name, revision),
            "revision": revision,
        }

    def deregister(self, request: Request) -> Answer:
        """Needs a revision; a definition that is not there or not active any more is left as it is (AWS answers
        200).
        """
        reference = request["jobDefinition"]
        name, revision = split_revision(name_of(DEFINITION, reference) or "")
        if not name or revision is None:
            raise refused(f"JobDefinition {reference!r}: expected name:revision or the ARN of a revision")
        found = self._core.catalog.definition(name, revision)
        if found is not None:
            self._core.catalog.change_definition(name, revision, active=False, body=found[2])
        return {}

    def describe(self, request: Request) -> Answer:
        wanted = request.get("jobDefinitions")
        if wanted:
            return {"jobDefinitions": self._named(wanted)}
        status = request.get("status")
        active = None if status is None else status == ACTIVE
        name = request.get("jobDefinitionName")
        if name is not None:
            name = split_revision(name_of(DEFINITION, name) or name)[0]
        after = position_of(request.get("nextToken"), ["", 0], ["", 0])
        size = page_size(request, 100)
        rows = self._core.catalog.definitions(name, active, after, size + 1)
        answer: Answer = {"jobDefinitions": [self._core.definition_body(*row) for row in rows[:size]]}
        if len(rows) > size:
            answer["nextToken"] = token_for(rows[size - 1][:2])
        return answer

    def _named(self, references: list[str]) -> list[dict[str, Any]]:
        if len(references) > rules.MAX_IDS:
            raise refused(f"jobDefinitions names {len(references)}: at most {rules.MAX_IDS}")
        found = []
        for reference in references:
            name, revision = split_revision(name_of(DEFINITION, reference) or "")
            if revision is not None:
                row = self._core.catalog.definition(name, revision)
                found.extend([self._core.definition_body(name, *row)] if row else [])
            elif name:
                rows = self._core.catalog.definitions(name, None, None, rules.MAX_IDS)
                found.extend(self._core.definition_body(*row) for row in rows)
        return found
