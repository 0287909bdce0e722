"""Queue rules, from the deployment's file and from FlyteAdmin's database: for whom each holds and how specific it is.

Sources: flyteadmin `pkg/repositories/gormimpl/resource_repo.go`, `models/resource.go`,
`pkg/manager/impl/validation/attributes_validator.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from flytekitplugins.awsbatch.settings.section import section_mark, setting
from flytekitplugins.awsbatch.settings.yaml_nodes import Mark

from .explanation import RuleVerdict

PLACES = ("project", "domain", "workflow")
PRIORITY_WORKFLOW, PRIORITY_PROJECT_DOMAIN, PRIORITY_PROJECT = 500, 100, 50


@dataclass(frozen=True)
class Rule:
    """One item of `queues.workflowConfigs`: which executions, and the tags of the queue they should get.

    Empty text: not limited by it. FlyteAdmin 1.16 reads `domain` and `tags` only.

    :param project: the project that the rule is for; any, if absent. FlyteAdmin 1.16 does not read it.
    :param domain: the domain that the rule is for; any, if absent.
    :param workflow: the workflow that the rule is for, with or without its module; any, if absent. FlyteAdmin 1.16 does
        not read it.
    :param tags: the tags of the queue that these executions get.
    """

    kind: ClassVar[str] = "rule"

    project: str = setting("project", "")
    domain: str = setting("domain", "")
    workflow: str = setting("workflowName", "")
    tags: tuple[str, ...] = setting("tags", ())
    where: Mark = section_mark()

    def __str__(self) -> str:
        """The rule in one line, in the keys of the file."""
        given = (("project", self.project), ("domain", self.domain), ("workflowName", self.workflow))
        parts = [f"{key}: {value}" for key, value in given if value]
        return ", ".join([*parts, f"tags: [{', '.join(self.tags)}]"])

    def verdict(self, matched: bool, reason: str, queues: tuple[str, ...], decided: bool = False) -> RuleVerdict:
        return RuleVerdict(str(self), self.kind, self.where, matched, reason, queues, decided)


class StoredRule(Rule):
    """Tags stored with flytectl for a project, a project's domain, or one workflow there."""

    kind = "override"

    @property
    def priority(self) -> int:
        """How specific it is, in the numbers of flyteadmin's `models/resource.go`."""
        if self.workflow:
            return PRIORITY_WORKFLOW
        return PRIORITY_PROJECT_DOMAIN if self.domain else PRIORITY_PROJECT

    @property
    def scope(self) -> str:
        return "/".join(part for part in (self.project or "*", self.domain, self.workflow) if part)


def why_rule_is_refused(stored: StoredRule, domains: Sequence[str]) -> str:
    """Why FlyteAdmin would not store an attribute; empty when it would."""
    if stored.workflow and not stored.domain:
        return "expected a domain: an attribute of a workflow belongs to a project and a domain"
    if stored.domain and stored.domain not in domains:
        return f"expected a domain that the server knows: {', '.join(domains)}"
    if not stored.project and (stored.workflow or not stored.domain):
        return "expected a project"
    return ""
