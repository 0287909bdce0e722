"""Job definitions: RegisterJobDefinition, DeregisterJobDefinition, DescribeJobDefinitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..arns import DEFINITION, name_in_arn, split_arn_revision
from ..store.resources import ACTIVE
from . import request_rules
from .batch_errors import client_error
from .context import MAX_IDS, Answer, Context, Request
from .job_submission import EMPTY_LISTS, retry_strategy_of_submission
from .paging import page_position, page_size, page_token

KEPT = ("type", "parameters", "schedulingPriority", "retryStrategy", "propagateTags", "timeout", "platformCapabilities")
FILTERS = ("jobDefinitionName", "status", "maxResults", "nextToken")
BEHIND_ALL_NAMES: list[Any] = ["~", 0]
SHOWN_EMPTY = ("command", *(each for each in EMPTY_LISTS if each != "networkInterfaces"))


class JobDefinitions:
    def __init__(self, context: Context) -> None:
        self._context = context

    def register(self, request: Request) -> Answer:
        """Makes a revision of a definition for container jobs. Definitions for Fargate are held to AWS's rules, unless
        `emulator.fargate_rules` is `ignore`."""
        request_rules.check_definition_request(request, self._context.settings.fargate_rules)
        name = request["jobDefinitionName"]
        body: dict[str, Any] = {"parameters": {}}
        body |= {key: request[key] for key in KEPT if request.get(key) not in (None, [])}
        if "retryStrategy" in body:
            body["retryStrategy"] = retry_strategy_of_submission(body["retryStrategy"])
        body["tags"] = request_rules.checked_request_tags(request.get("tags"))
        body["containerProperties"] = _shown_container(request["containerProperties"])
        body["containerOrchestrationType"] = "ECS"
        revision = self._context.resources.add_definition(name, body)
        return {
            "jobDefinitionName": name,
            "jobDefinitionArn": self._context.arns.definition(name, revision),
            "revision": revision,
        }

    def deregister(self, request: Request) -> Answer:
        """Makes a revision INACTIVE; the request has to name one. A definition that does not exist or is not active any
        more is left as it is (AWS answers 200)."""
        reference = request["jobDefinition"]
        name, revision = split_arn_revision(name_in_arn(DEFINITION, reference) or "")
        if not name or revision is None:
            raise client_error(f"JobDefinition {reference!r}: expected name:revision or the ARN of a revision")
        found = self._context.resources.definition(name, revision)
        if found is not None:
            self._context.resources.change_definition(name, revision, active=False, body=found[2])
        return {}

    def describe(self, request: Request) -> Answer:
        """Describes definitions by name, ARN or status, the newest revision of a name first, a page at a time."""
        wanted = request.get("jobDefinitions")
        if wanted:
            if any(request.get(other) is not None for other in FILTERS):
                raise client_error("jobDefinitions can't be used with other parameters")
            return {"jobDefinitions": self._revisions(wanted)}
        status = request.get("status")
        active = None if status is None else status == ACTIVE
        name = request.get("jobDefinitionName")
        if name is not None:
            name = split_arn_revision(name_in_arn(DEFINITION, name) or name)[0]
        below = page_position(request.get("nextToken"), ["", 0], BEHIND_ALL_NAMES)
        size = page_size(request, 100, largest=100)
        rows = self._context.resources.definitions(name, active, below, size + 1)
        answer: Answer = {"jobDefinitions": [self._context.definition_body(*row) for row in rows[:size]]}
        if len(rows) > size:
            answer["nextToken"] = page_token(rows[size - 1][:2])
        return answer

    def _revisions(self, references: list[str]) -> list[dict[str, Any]]:
        """Those of the definitions that exist. A name without a revision names none."""
        if len(references) > MAX_IDS:
            raise client_error(f"jobDefinitions names {len(references)}: at most {MAX_IDS}")
        found = []
        for reference in references:
            name, revision = split_arn_revision(name_in_arn(DEFINITION, reference) or "")
            row = self._context.resources.definition(name, revision) if revision is not None else None
            if row is not None:
                found.append(self._context.definition_body(name, *row))
        return found


def _shown_container(properties: Mapping[str, Any]) -> dict[str, Any]:
    """With the lists and maps that AWS shows empty where a definition leaves them out.

    Source: hashicorp/terraform-provider-aws, which has to see past them (`EquivalentContainerPropertiesJSON`).
    """
    shown = {**{each: [] for each in SHOWN_EMPTY}, **properties}
    logging, linux = properties.get("logConfiguration"), properties.get("linuxParameters")
    if logging is not None:
        shown["logConfiguration"] = {"options": {}, "secretOptions": [], **logging}
    if linux is not None:
        devices = [{"permissions": [], **each} for each in linux.get("devices") or ()]
        tmpfs = [{"mountOptions": [], **each} for each in linux.get("tmpfs") or ()]
        shown["linuxParameters"] = {**linux, "devices": devices, "tmpfs": tmpfs}
    return shown
