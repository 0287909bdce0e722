"""Tags: TagResource, UntagResource, ListTagsForResource, for jobs, job definitions, queues and compute environments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..arns import DEFINITION, ENVIRONMENT, JOB, QUEUE, split_arn, split_arn_revision
from ..job_spec import job_spec_of
from . import request_rules
from .batch_errors import client_error
from .context import Answer, Context, Request

Tags = dict[str, str]
WriteTags = Callable[[Tags], None]


class Tagging:
    def __init__(self, context: Context) -> None:
        self._context = context

    def tag(self, request: Request) -> Answer:
        """Adds tags to a job, a job definition, a queue or a compute environment; at most 50 in all."""
        tags, write_tags = self._resource(request["resourceArn"])
        write_tags(request_rules.checked_request_tags(request["tags"], tags))
        return {}

    def remove_tags(self, request: Request) -> Answer:
        """Removes tags."""
        tags, write_tags = self._resource(request["resourceArn"])
        write_tags({key: value for key, value in tags.items() if key not in set(request["tagKeys"])})
        return {}

    def list(self, request: Request) -> Answer:
        """Lists the tags of a resource."""
        return {"tags": self._resource(request["resourceArn"])[0]}

    def _resource(self, arn: str) -> tuple[Tags, WriteTags]:
        """The tags of a resource, and how to write others."""
        kind, name = split_arn(arn) or ("", "")
        if kind == JOB:
            return self._job(name, arn)
        if kind == DEFINITION:
            return self._definition(name, arn)
        if kind in (QUEUE, ENVIRONMENT):
            return self._named(kind, name, arn)
        raise client_error(f"resourceArn {arn!r} names no job, job definition, job queue or compute environment")

    def _job(self, name: str, arn: str) -> tuple[Tags, WriteTags]:
        if ":" in name:
            raise client_error(f"resourceArn {arn}: children of array jobs have no tags of their own")
        job = self._context.table.find(name)
        if job is None:
            raise client_error(f"resource {arn} does not exist")

        def write_tags(tags: Tags) -> None:
            detail: dict[str, Any] = {**job.spec.detail, "tags": tags}
            job.spec = job_spec_of(detail)
            self._context.rows.retag_job_row(job.sequence, detail)

        return dict(job.spec.detail["tags"]), write_tags

    def _definition(self, name: str, arn: str) -> tuple[Tags, WriteTags]:
        short, revision = split_arn_revision(name)
        found = self._context.resources.definition(short, revision)
        if found is None:
            raise client_error(f"resource {arn} does not exist")
        number, active, body = found
        return dict(body["tags"]), lambda tags: self._context.resources.change_definition(
            short, number, active, {**body, "tags": tags}
        )

    def _named(self, kind: str, name: str, arn: str) -> tuple[Tags, WriteTags]:
        _, body = self._context.named(kind, arn)
        return dict(body["tags"]), lambda tags: self._context.resources.put(kind, name, {**body, "tags": tags})
