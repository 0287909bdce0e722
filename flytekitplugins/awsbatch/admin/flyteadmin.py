"""The matching of FlyteAdmin 1.16.8, to the letter: `pkg/manager/impl/executions/queues.go` and
`pkg/repositories/gormimpl/resource_repo.go`.

It knows one stored override and, in the file, the last rule of a domain and the last rule without one. It never reads
a rule's `project` or `workflowName`, and tags are alternatives in order, not conditions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .admin_settings import FLYTEADMIN, AdminSettings, ExecutionQueue, WorkflowConfig
from .documented import described
from .explanation import Execution, Explanation, Verdict
from .stored_attributes import Override

# Begins the words on keys that the server passes over.
UNREAD = "the server does not read"


def match(settings: AdminSettings, execution: Execution) -> Explanation:
    by_tag = tagged(settings.queues)
    verdicts: list[Verdict] = []
    override = stored(settings.overrides, execution)
    found = first_met(by_tag, override.tags) if override else ()
    for one in settings.overrides:
        chosen = one is override
        reason = overriding(one, execution, chosen, found)
        verdicts.append(
            Verdict(
                described(one.project, one.domain, one.workflow, one.tags),
                "override",
                one.where,
                reaches(one, execution),
                reason,
                found if chosen else first_met(by_tag, one.tags),
                decided=chosen and bool(found),
            )
        )
    verdicts.extend(file_rules(settings.rules, by_tag, execution, open_still=not found))
    candidates = next((verdict.queues for verdict in verdicts if verdict.decided), ())
    return Explanation(FLYTEADMIN, execution, candidates, tuple(verdicts))


def tagged(queues: Sequence[ExecutionQueue]) -> dict[str, tuple[str, ...]]:
    """The queues of each tag, in file order, as often as the tag stands there."""
    by_tag: dict[str, tuple[str, ...]] = {}
    for queue in queues:
        for tag in queue.attributes:
            by_tag[tag] = (*by_tag.get(tag, ()), queue.dynamic)
    return by_tag


def first_met(by_tag: dict[str, tuple[str, ...]], tags: Sequence[str]) -> tuple[str, ...]:
    """The queues of the first tag that any queue has."""
    return next((by_tag[tag] for tag in tags if tag in by_tag), ())


def stored(overrides: Sequence[Override], execution: Execution) -> Override | None:
    """The one override that the database answers with: the highest priority, then the one stored first."""
    if not execution.project and (execution.workflow or not execution.domain):
        # The repository refuses to look up a workflow without a project.
        return None
    reaching = [override for override in overrides if reaches(override, execution)]
    return max(reaching, key=lambda override: override.priority, default=None)


def reaches(override: Override, execution: Execution) -> bool:
    """Whether each of the override's parts is empty or the execution's."""
    return (
        override.project in ("", execution.project)
        and override.domain in ("", execution.domain)
        and override.workflow in ("", execution.workflow)
    )


def overriding(override: Override, execution: Execution, chosen: bool, found: Sequence[str]) -> str:
    if chosen and found:
        return "the most specific attribute stored for the execution"
    if chosen:
        return (
            "the most specific attribute stored for the execution, but no queue has one of its tags: the file decides"
        )
    if reaches(override, execution):
        return "a more specific attribute is stored, and the server looks at one only"
    return "stored for another project, domain or workflow"


def file_rules(
    rules: Sequence[WorkflowConfig], by_tag: dict[str, tuple[str, ...]], execution: Execution, open_still: bool
) -> list[Verdict]:
    """The file's rules: the last of the domain, else the last without a domain."""
    last_of_domain = last([rule.domain == execution.domain for rule in rules])
    last_default = last([not rule.domain and rule.domain != execution.domain for rule in rules])
    deciding = last_of_domain
    if deciding is None or not rules[deciding].tags:
        deciding = last_default
    verdicts = []
    for place, rule in enumerate(rules):
        queues = first_met(by_tag, rule.tags)
        in_domain, default = rule.domain == execution.domain, not rule.domain
        if place == deciding and open_still:
            reason = deciding_reason(rule, bool(queues))
        elif place == deciding:
            reason = "an attribute stored with flytectl has decided"
        elif not in_domain and not default:
            reason = f"the domain is {execution.domain or 'empty'}, not {rule.domain}"
        elif in_domain and place == last_of_domain:
            reason = "it has no tags, so the server looks for a rule without a domain"
        elif in_domain:
            reason = "a later rule for this domain replaces it"
        else:
            reason = "a rule for the domain, or a later one without a domain, replaces it"
        ignored = [key for key, value in (("project", rule.project), ("workflowName", rule.workflow_name)) if value]
        if ignored and (in_domain or default):
            reason += f"; {UNREAD} {' and '.join(ignored)}"
        verdict = Verdict(
            described(rule.project, rule.domain, rule.workflow_name, rule.tags),
            "rule",
            rule.where,
            in_domain or default,
            reason,
            queues,
        )
        verdicts.append(replace(verdict, decided=place == deciding and open_still and bool(queues)))
    return verdicts


def deciding_reason(rule: WorkflowConfig, found: bool) -> str:
    which = f"the last rule for the domain {rule.domain}" if rule.domain else "the last rule without a domain"
    return which if found else f"{which}, but no queue has one of its tags: no queue at all, the server does not go on"


def last(hits: Sequence[bool]) -> int | None:
    return max((place for place, hit in enumerate(hits) if hit), default=None)
