"""All rules over one task."""

from __future__ import annotations

from . import call_rules, container_rules, task_rules
from .codes import Finding, located
from .subject import Subject

RULES = (*task_rules.RULES, *container_rules.RULES, *call_rules.RULES)


def findings(subject: Subject) -> list[Finding]:
    """What is found and nobody said is fine, errors first.

    Nothing for a task that is only mapped: the map is looked at, and may say otherwise what the task says. Nothing
    either for one whose container another kind of task borrows.
    """
    if subject.is_only_mapped or subject.is_borrowed:
        return []
    found = [located(one, subject.inner) for rule in RULES for one in rule(subject) if one.code not in subject.ignored]
    return sorted(found, key=lambda one: one.severity.value)
