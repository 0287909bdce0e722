"""Attributes in FlyteAdmin's database: for whom they hold, how specific they are, how one is stored over another.

Sources: flyteadmin `pkg/repositories/gormimpl/resource_repo.go`, `models/resource.go`,
`pkg/manager/impl/validation/attributes_validator.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flytekitplugins.awsbatch.settings.yaml_nodes import Mark

PLACES = ("project", "domain", "workflow")
PRIORITY_WORKFLOW, PRIORITY_PROJECT_DOMAIN, PRIORITY_PROJECT = 500, 100, 50


@dataclass(frozen=True)
class Override:
    """Tags stored for a project, a project's domain, or one workflow there. Empty text: not limited by it."""

    project: str
    domain: str = ""
    workflow: str = ""
    tags: tuple[str, ...] = ()
    where: Mark = field(default=Mark(), compare=False)

    @property
    def priority(self) -> int:
        """How specific it is, in the numbers of flyteadmin's `models/resource.go`."""
        if self.workflow:
            return PRIORITY_WORKFLOW
        return PRIORITY_PROJECT_DOMAIN if self.domain else PRIORITY_PROJECT

    def __str__(self) -> str:
        return "/".join(part for part in (self.project or "*", self.domain, self.workflow) if part)


def store(overrides: Sequence[Override], override: Override) -> list[Override]:
    """The attributes stored after one more: what `CreateOrUpdate` does.

    The record to update is found by the parts that are not empty and the priority, so that one without a project
    falls on the first record of its domain. flytectl asks for a project; the API does not.
    """
    for place, known in enumerate(overrides):
        same = known.priority == override.priority and all(
            getattr(override, name) in ("", getattr(known, name)) for name in PLACES
        )
        if same:
            return [
                *overrides[:place],
                replace(known, tags=override.tags, where=override.where),
                *overrides[place + 1 :],
            ]
    return [*overrides, override]


def refused_by_api(override: Override, domains: Sequence[str], projects: Sequence[str] | None = None) -> str:
    """Why FlyteAdmin would not store an attribute, or nothing.

    :param projects: those that are registered; None for any.
    """
    if override.workflow and not override.domain:
        return "expected a domain: an attribute of a workflow belongs to a project and a domain"
    if override.domain and override.domain not in domains:
        return f"expected a domain that the server knows: {', '.join(domains)}"
    if override.project and projects is not None and override.project not in projects:
        return f"expected a registered project: {', '.join(projects)}"
    if not override.project and (override.workflow or not override.domain):
        return "expected a project"
    return ""
