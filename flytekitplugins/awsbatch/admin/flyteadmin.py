"""The matching of FlyteAdmin 1.16.8, to the letter: `pkg/manager/impl/executions/queues.go` and
`pkg/repositories/gormimpl/resource_repo.go`.

It knows one stored override and, in the file, the last rule of a domain and the last rule without one. It never reads
a rule's `project` or `workflowName`, and tags are alternatives in order, not conditions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .admin_settings import FLYTEADMIN, AdminSettings, ExecutionQueue
from .explanation import Explanation, LaunchedExecution, RuleVerdict
from .queue_rules import PLACES, Rule, StoredRule

# Begins the words on keys that the server passes over.
UNREAD = "the server does not read"


def match_as_flyteadmin(settings: AdminSettings, execution: LaunchedExecution) -> Explanation:
    by_tag = flyteadmin_queues_by_tag(settings.queues)
    chosen = flyteadmin_stored_rule(settings.overrides, execution)
    found = _queues_of_first_tag(by_tag, chosen.tags) if chosen else ()
    verdicts = [
        one.verdict(
            _rule_reaches(one, execution),
            _stored_reason(one, execution, one is chosen, bool(found)),
            _queues_of_first_tag(by_tag, one.tags),
            decided=one is chosen and bool(found),
        )
        for one in settings.overrides
    ]
    verdicts += _file_rules(settings.rules, by_tag, execution, undecided=not found)
    candidates = next((verdict.queues for verdict in verdicts if verdict.decided), ())
    return Explanation(FLYTEADMIN, execution, candidates, tuple(verdicts))


def flyteadmin_queues_by_tag(queues: Sequence[ExecutionQueue]) -> dict[str, tuple[str, ...]]:
    """The queues of each tag in file order; a queue that repeats a tag is listed that often."""
    by_tag: dict[str, tuple[str, ...]] = {}
    for queue in queues:
        for tag in queue.attributes:
            by_tag[tag] = (*by_tag.get(tag, ()), queue.dynamic)
    return by_tag


def _queues_of_first_tag(by_tag: dict[str, tuple[str, ...]], tags: Sequence[str]) -> tuple[str, ...]:
    """The queues of the first tag that any queue has."""
    return next((by_tag[tag] for tag in tags if tag in by_tag), ())


def flyteadmin_stored_rule(overrides: Sequence[StoredRule], execution: LaunchedExecution) -> StoredRule | None:
    """The one stored rule that the database answers with: the highest priority, then the one stored first."""
    if not execution.project and (execution.workflow or not execution.domain):
        # The repository refuses to look up a workflow without a project.
        return None
    reaching = [rule for rule in overrides if _rule_reaches(rule, execution)]
    return max(reaching, key=lambda rule: rule.priority, default=None)


def _rule_reaches(rule: StoredRule, execution: LaunchedExecution) -> bool:
    """Whether each of the rule's parts is empty or the execution's."""
    return all(getattr(rule, place) in ("", getattr(execution, place)) for place in PLACES)


def _stored_reason(rule: StoredRule, execution: LaunchedExecution, chosen: bool, found: bool) -> str:
    if chosen:
        said = "the most specific attribute stored for the execution"
        return said if found else f"{said}, but no queue has one of its tags: the file decides"
    if _rule_reaches(rule, execution):
        return "a more specific attribute is stored, and the server looks at one only"
    return "stored for another project, domain or workflow"


def _file_rules(
    rules: Sequence[Rule], by_tag: dict[str, tuple[str, ...]], execution: LaunchedExecution, undecided: bool
) -> Iterator[RuleVerdict]:
    """The file's rules: the last of the domain, else the last without a domain.

    :param undecided: whether no stored rule has decided.
    """
    last_of_domain = _last_index([rule.domain == execution.domain for rule in rules])
    last_default = _last_index([not rule.domain and rule.domain != execution.domain for rule in rules])
    deciding = last_of_domain
    if deciding is None or not rules[deciding].tags:
        deciding = last_default
    for place, rule in enumerate(rules):
        queues = _queues_of_first_tag(by_tag, rule.tags)
        in_domain, default = rule.domain == execution.domain, not rule.domain
        if place == deciding and undecided:
            reason = _deciding_reason(rule, bool(queues))
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
        ignored = [key for key, value in (("project", rule.project), ("workflowName", rule.workflow)) if value]
        if ignored and (in_domain or default):
            reason += f"; {UNREAD} {' and '.join(ignored)}"
        decided = place == deciding and undecided and bool(queues)
        yield rule.verdict(in_domain or default, reason, queues, decided)


def _deciding_reason(rule: Rule, found: bool) -> str:
    which = f"the last rule for the domain {rule.domain}" if rule.domain else "the last rule without a domain"
    return which if found else f"{which}, but no queue has one of its tags: no queue at all, the server does not go on"


def _last_index(hits: Sequence[bool]) -> int | None:
    return max((place for place, hit in enumerate(hits) if hit), default=None)
