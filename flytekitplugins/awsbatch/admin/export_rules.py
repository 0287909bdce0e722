"""The documented rules in the form that FlyteAdmin 1.16 can follow: a short list of rules, and attributes for flytectl.

A 1.16 server keeps apart what the setup document writes in one list: the file has a default and one rule a domain;
everything about projects and workflows is an attribute in its database. This module translates and checks itself by
matching both ways; it writes no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import yaml

from . import documented, flyteadmin
from .admin_settings import AdminSettings
from .explanation import LaunchedExecution
from .queue_rules import Rule, StoredRule

# Stands for every project, domain or workflow that no rule names; no name on a server can hold a space.
ANY = "any other"


@dataclass(frozen=True)
class Exported:
    """
    :param attributes: for `flytectl update execution-queue-attribute`, most general first.
    :param rules: what `queues.workflowConfigs` of the server should hold instead of the documented rules.
    :param notes: what a person has to complete or to know.
    :param unmet: executions that would still get another queue, each in words; empty when the translation is whole.
    """

    attributes: tuple[StoredRule, ...]
    rules: tuple[Rule, ...]
    notes: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scope:
    """The names that the translation has to tell apart."""

    projects: tuple[str, ...]
    domains: tuple[str, ...]
    workflows: tuple[str, ...]


def export_rules(settings: AdminSettings, projects: Sequence[str] = (), workflows: Sequence[str] = ()) -> Exported:
    """Translates the documented rules.

    :param projects: further projects, for rules that name a workflow but no project.
    :param workflows: full names as registered (`module.function`), for rules that give the bare name.
    """
    scope = _scope_of(settings, projects, workflows)
    rules = tuple(_file_rules(settings, scope))
    attributes = tuple(_attributes_for(settings, scope))
    served = replace(settings, rules=rules, overrides=attributes)
    unmet = tuple(_differing_executions(settings, served, scope))
    return Exported(attributes, rules, tuple(_export_notes(settings, workflows)), unmet)


def _scope_of(settings: AdminSettings, projects: Sequence[str], workflows: Sequence[str]) -> Scope:
    rules = documented.documented_rules_in_order(settings)
    named = {rule.project for rule in rules if rule.project} | set(projects)
    full: set[str] = set()
    for rule in rules:
        if rule.workflow:
            full |= {one for one in workflows if documented.is_documented_workflow(rule.workflow, one)} or {
                rule.workflow
            }
    return Scope(tuple(sorted(named)), settings.domains, tuple(sorted(full)))


def _documented_queues(settings: AdminSettings, project: str, domain: str, workflow: str) -> frozenset[str]:
    """The queues that the documented rules find."""
    return frozenset(documented.match_as_documented(settings, LaunchedExecution(project, domain, workflow)).candidates)


def _file_rules(settings: AdminSettings, scope: Scope) -> Iterator[Rule]:
    """The default, and a rule for each domain that differs from it."""
    default = _documented_queues(settings, ANY, ANY, ANY)
    for domain in scope.domains:
        queues = _documented_queues(settings, ANY, domain, ANY)
        if queues != default:
            yield Rule(domain=domain, tags=_tags_for(settings, queues))
    if default:
        yield Rule(tags=_tags_for(settings, default))


def _attributes_for(settings: AdminSettings, scope: Scope) -> Iterator[StoredRule]:
    for project in scope.projects:
        of_domain = {domain: _documented_queues(settings, project, domain, ANY) for domain in scope.domains}
        elsewhere = {domain: _documented_queues(settings, ANY, domain, ANY) for domain in scope.domains}
        if of_domain != elsewhere and len(set(of_domain.values())) == 1:
            yield StoredRule(project, tags=_tags_for(settings, next(iter(of_domain.values()))))
        else:
            for domain in scope.domains:
                if of_domain[domain] != elsewhere[domain]:
                    yield StoredRule(project, domain, tags=_tags_for(settings, of_domain[domain]))
        for domain, workflow in product(scope.domains, scope.workflows):
            queues = _documented_queues(settings, project, domain, workflow)
            if queues != of_domain[domain]:
                yield StoredRule(project, domain, workflow, _tags_for(settings, queues))


def _tags_for(settings: AdminSettings, queues: frozenset[str]) -> tuple[str, ...]:
    """A tag that finds just these queues, since a 1.16 server follows one tag; if there is none, those all share."""
    by_tag = flyteadmin.flyteadmin_queues_by_tag(settings.queues)
    exact = [tag for tag, found in by_tag.items() if frozenset(found) == queues]
    shared = [tag for tag, found in by_tag.items() if queues and queues <= frozenset(found)]
    return tuple((exact or sorted(shared, key=lambda tag: len(by_tag[tag])))[:1])


def _differing_executions(settings: AdminSettings, served: AdminSettings, scope: Scope) -> Iterator[str]:
    """The executions that the translation does not serve as documented."""
    places = product((*scope.projects, ANY), scope.domains, (*scope.workflows, ANY))
    for project, domain, workflow in places:
        wanted = _documented_queues(settings, project, domain, workflow) or frozenset({""})
        real = flyteadmin.match_as_flyteadmin(served, LaunchedExecution(project, domain, workflow)).explained_queues
        if real != wanted:
            yield (
                f"workflow {workflow} in {project}/{domain}: documented {_listed_queues(wanted)}, "
                f"a 1.16 server {_listed_queues(real)}"
            )


def _listed_queues(queues: frozenset[str]) -> str:
    return " or ".join(sorted(queue or "no queue" for queue in queues))


def _export_notes(settings: AdminSettings, workflows: Sequence[str]) -> Iterator[str]:
    names = sorted({rule.workflow for rule in documented.documented_rules_in_order(settings) if rule.workflow})
    bare = [
        name
        for name in names
        if "." not in name and not any(documented.is_documented_workflow(name, full) for full in workflows)
    ]
    if bare:
        yield (
            f"FlyteAdmin compares whole names (module.function): give those of {', '.join(bare)} with --workflow, or "
            "correct them in the files"
        )
    orphans = sorted({rule.workflow for rule in settings.rules if rule.workflow and not rule.project})
    if orphans:
        yield (
            f"an attribute belongs to a project, and the rule for {', '.join(orphans)} names none: it is written for "
            "the projects known here; name further ones with --project"
        )


def exported_file_name(override: StoredRule, taken: set[str]) -> str:
    """A name for an attribute's file, unlike those taken whatever the case, and the same on every run."""
    parts = (override.project, override.domain, override.workflow)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", "-".join(part for part in parts if part)).lstrip(".") or "attribute"
    stem = stem[:100]
    name = next(
        candidate
        for number in range(len(taken) + 1)
        if (candidate := f"{stem}{f'-{number + 1}' if number else ''}.yaml").lower() not in taken
    )
    taken.add(name.lower())
    return name


def exported_rule(rule: Rule) -> dict[str, Any]:
    """What a 1.16 server reads of a rule, as an item of `queues.workflowConfigs`."""
    return {**({"domain": rule.domain} if rule.domain else {}), "tags": list(rule.tags)}


def exported_server_block(settings: AdminSettings, rules: Sequence[Rule]) -> str:
    """The `queues` section for the server, as YAML."""
    queues = [{"dynamic": queue.dynamic, "attributes": list(queue.attributes)} for queue in settings.queues]
    block = {"queues": {"executionQueues": queues, "workflowConfigs": list(map(exported_rule, rules))}}
    return yaml.safe_dump(block, sort_keys=False, allow_unicode=True, default_flow_style=False)
