"""The recorded questions that FlyteAdmin and flytectl answer: queues, roles, container configs, attribute files.

One function a kind, from a case to an answer in the shape of the recording. A server's configuration file is read as
the server reads it: sections at the top of the file only, and 1.16 without the keys that it no longer knows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flyteidl.core.tasks_pb2 import TaskTemplate

from flytekitplugins.awsbatch.admin import attribute_files, flyteadmin, flyteadmin_2019
from flytekitplugins.awsbatch.admin.admin_settings import (
    DOMAINS,
    AdminSettings,
    Domain,
    ExecutionQueue,
    QueueSettings,
    ServerSettings,
)
from flytekitplugins.awsbatch.admin.explanation import LaunchedExecution
from flytekitplugins.awsbatch.admin.launch_decision import Decision, write_decided_queue
from flytekitplugins.awsbatch.admin.queue_rules import PLACES, Rule, StoredRule, why_rule_is_refused
from flytekitplugins.awsbatch.admin.role import LaunchPlan, LaunchRequest, Role, RunAs, resolve_role
from flytekitplugins.awsbatch.propeller.aws_array.job_config import job_config
from flytekitplugins.awsbatch.settings.document import parse_yaml
from flytekitplugins.awsbatch.settings.reader import Reader
from flytekitplugins.awsbatch.settings.section import setting

from .queue_cases import COMPARABLE, kind
from .strict_keys import unread_strictly

Case = dict[str, Any]
PANIC = "runtime error: index out of range [0] with length 0"


# What a recording holds as a list and means as a set.
SETS = ("queues", "possible")


def comparable(value: Any, key: str = "") -> Any:
    """An answer with its sets in order, and its errors and crashes reduced to whether there are any."""
    if key in ("panic", "error") or key.endswith("_error"):
        return value is not None
    if key == "override_errors":
        return [one is not None for one in value]
    if isinstance(value, dict):
        return {name: comparable(one, name) for name, one in value.items()}
    if isinstance(value, list):
        items = [comparable(one) for one in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if key in SETS else items
    return value


COMPARABLE.update(dict.fromkeys(("queue", "queue2019", "container_config", "role", "attr_file"), comparable))


@dataclass(frozen=True)
class Queue116:
    dynamic: str = setting("Dynamic", "")
    attributes: tuple[str, ...] = setting("Attributes", ())


@dataclass(frozen=True)
class Rule116:
    domain: str = setting("domain", "")
    tags: tuple[str, ...] = setting("tags", ())


@dataclass(frozen=True)
class Queues116:
    execution_queues: tuple[Queue116, ...] = setting("executionQueues", ())
    workflow_configs: tuple[Rule116, ...] = setting("workflowConfigs", ())


def server_of_2025(case: Case) -> tuple[AdminSettings, str | None]:
    """The configuration as 1.16 reads it, and why it would not start."""
    reader = Reader.from_text(("config.yaml", case["config"]), nested=False)
    queues = reader.flyte(Queues116, "queues")
    domains = tuple(domain.id for domain in reader.flyte_list(Domain, "domains")) or DOMAINS
    settings = AdminSettings(
        queues=tuple(ExecutionQueue(queue.dynamic, queue.attributes) for queue in queues.execution_queues),
        rules=tuple(Rule(domain=rule.domain, tags=rule.tags) for rule in queues.workflow_configs),
        domains=domains,
    )
    return settings, "; ".join(map(str, reader.problems)) or None


def server_of_2019(config: str) -> tuple[AdminSettings, str | None]:
    reader = Reader.from_text(("config.yaml", config), nested=False)
    queues = reader.flyte(QueueSettings, "queues")
    settings = AdminSettings(queues=queues.execution_queues, rules=queues.workflow_configs)
    return settings, "; ".join(map(str, reader.problems)) or None


def execution(case: Case) -> LaunchedExecution:
    return LaunchedExecution(case["project"], case["domain"], case["workflow"])


def refused(rule: StoredRule, domains: Sequence[str], projects: Sequence[str] | None) -> str | None:
    """Why the API would not store an attribute.

    :param projects: those that are registered; None for any.
    """
    if rule.project and projects is not None and rule.project not in projects:
        return "expected a registered project"
    return why_rule_is_refused(rule, domains) or None


def store(rules: Sequence[StoredRule], rule: StoredRule) -> list[StoredRule]:
    """The attributes stored after one more: what `CreateOrUpdate` does.

    The record to update is found by the parts that are not empty and the priority, so that one without a project
    falls on the first record of its domain. flytectl asks for a project; the API does not.
    """
    for place, known in enumerate(rules):
        same = known.priority == rule.priority and all(
            getattr(rule, name) in ("", getattr(known, name)) for name in PLACES
        )
        if same:
            return [*rules[:place], replace(known, tags=rule.tags, where=rule.where), *rules[place + 1 :]]
    return [*rules, rule]


def with_overrides(settings: AdminSettings, case: Case) -> tuple[AdminSettings, list[str | None]]:
    """The attributes stored one after another through the API, and what it answered to each."""
    rules: list[StoredRule] = []
    errors: list[str | None] = []
    for one in case.get("overrides") or ():
        rule = StoredRule(one["project"], one["domain"], one["workflow"], tuple(one["tags"] or ()))
        errors.append(refused(rule, settings.domains, case.get("projects")))
        if not errors[-1]:
            rules = store(rules, rule)
    return replace(settings, overrides=tuple(rules)), errors


@kind("queue")
def queue(case: Case) -> Any:
    settings, error = server_of_2025(case)
    if error:
        return {"config_error": error, "strict_error": error}
    settings, errors = with_overrides(settings, case)
    explanation = flyteadmin.match_as_flyteadmin(settings, execution(case))
    unread = [str(problem) for problem in unread_strictly(parse_yaml(case["config"], "config.yaml"))]
    return {
        "config_error": None,
        "strict_error": "; ".join(unread) or None,
        "override_errors": errors,
        "parsed": {
            "execution_queues": [{"attributes": [*one.attributes], "dynamic": one.dynamic} for one in settings.queues],
            "workflow_configs": [{"domain": one.domain, "tags": [*one.tags]} for one in settings.rules],
        },
        "queues": sorted(explanation.explained_queues),
    }


@kind("queue2019")
def queue_2019(case: Case) -> Any:
    before = [server_of_2019(text)[0] for text in case.get("before") or ()]
    settings, error = server_of_2019(case["config"])
    if error:
        return {"config_error": error}
    if any(not rule.tags for one in (*before, settings) for rule in one.rules):
        return {"panic": PANIC}
    pairs = flyteadmin_2019.candidates_2019(settings, execution(case))
    if (
        not pairs
        and flyteadmin_2019.found_key_2019(flyteadmin_2019.entries_by_key_2019(settings.rules), execution(case)) is None
    ):
        # A default that a reload drops stays in force.
        defaults = (one for one in reversed(before) if () in flyteadmin_2019.entries_by_key_2019(one.rules))
        pairs = next((flyteadmin_2019.candidates_2019(one, LaunchedExecution("", "", "")) for one in defaults), ())
    return {
        "config_error": None,
        "parsed": {
            "execution_queues": [
                {"attributes": [*one.attributes], "dynamic": one.dynamic, "primary": one.primary}
                for one in settings.queues
            ],
            "workflow_configs": [
                {
                    "domain": one.domain,
                    "project": one.project,
                    "tags": [*one.tags],
                    "workflow_name": one.workflow,
                }
                for one in settings.rules
            ],
        },
        "queues": [{"dynamic": pair.dynamic, "primary": pair.primary} for pair in pairs]
        or [{"dynamic": "", "primary": ""}],
    }


@kind("attr_file")
def attr_file(case: Case) -> Any:
    document = parse_yaml(case["text"], "attributes.yaml")
    problems = list(document.problems)
    read = list(attribute_files.read_attribute_file(document, problems.append))
    if not read:
        return {"error": "; ".join(map(str, problems))}
    override = read[0]
    given = document.root is not None and document.root.get("tags") is not None
    return {
        "error": None,
        "project": override.project,
        "domain": override.domain,
        "workflow": override.workflow,
        "tags": [*override.tags] if given else None,
    }


def run_as(value: Any) -> RunAs | None:
    if value is None:
        return None
    return RunAs(value.get("iam") or "", value.get("sa") or "", value.get("identity") or "")


@kind("role")
def role(case: Case) -> Any:
    reader = Reader.from_text(("config.yaml", case["config"]), nested=False)
    server = reader.flyte(ServerSettings, "flyteadmin")
    if reader.problems:
        return {"config_error": "; ".join(map(str, reader.problems))}
    request, plan = case["request"], case["launch_plan"]
    rules: list[StoredRule] = []
    says: dict[StoredRule, RunAs] = {}
    errors = []
    for one in case.get("overrides") or ():
        rule = StoredRule(one.get("project") or "", one.get("domain") or "", one.get("workflow") or "")
        errors.append(refused(rule, DOMAINS, case.get("projects")))
        if not errors[-1]:
            rules = store(rules, rule)
            says[rule] = run_as(one) or RunAs()
    workflow = (plan or {}).get("workflow") or ""
    asked = (LaunchedExecution(case["project"], case["domain"], workflow), LaunchedExecution(case["project"], "", ""))
    answers = [flyteadmin.flyteadmin_stored_rule(rules, who) for who in asked]
    chosen = resolve_role(
        server,
        LaunchRequest(
            run_as(request.get("security_context")),
            run_as(request.get("auth_role")),
            request.get("annotations") or {},
        ),
        None
        if plan is None
        else LaunchPlan(
            plan.get("workflow") or "",
            run_as(plan.get("security_context")),
            run_as(plan.get("auth_role")),
            run_as(plan.get("auth")),
            plan.get("role") or "",
            plan.get("annotations") or {},
        ),
        [says[rule] if rule is not None else None for rule in answers],
    )
    key = case["role_annotation_key"]
    return {
        "config_error": None,
        "override_errors": errors,
        "role_name_key": server.role_name_key or "",
        "iam_role": chosen.iam_role,
        "k8s_service_account": chosen.run_as.service_account,
        "execution_identity": chosen.run_as.execution_identity,
        "service_account_name": chosen.run_as.service_account,
        "annotations": dict(chosen.annotations),
        "batch_role": chosen.of_job(key),
        "batch_role_from_annotations": chosen.annotations.get(key, "") if key else "",
    }


def template(task: Case) -> TaskTemplate:
    made = TaskTemplate(type=task.get("type") or "")
    target = task["target"]
    if target == "container":
        made.container.SetInParent()
        for key, value in task.get("config") or ():
            made.container.config.add(key=key, value=value)
    elif target == "k8s_pod":
        made.k8s_pod.SetInParent()
    elif target == "sql":
        made.sql.SetInParent()
    return made


def inherit(parent: TaskTemplate, child: TaskTemplate) -> None:
    """Appends a dynamic task's container config to that of a task it yields; a pod passes nothing on."""
    if parent.HasField("container") and child.HasField("container"):
        child.container.config.extend(parent.container.config)


def handler_reads(task: TaskTemplate) -> Any:
    """The queues that the handler makes of a task."""
    config = job_config([(pair.key, pair.value) for pair in task.container.config], {})
    missing = "[BadTaskSpecification] config[dynamic_queue] is missing"
    return {"dynamic": config.dynamic, "primary": config.primary, "error": None if config.dynamic else missing}


@kind("container_config")
def container_config(case: Case) -> Any:
    settings, error = server_of_2025(case)
    if error:
        return {"config_error": error}
    settings, errors = with_overrides(settings, case)
    explanation = flyteadmin.match_as_flyteadmin(settings, execution(case))
    possible: list[Any] = []
    for name in sorted(explanation.explained_queues):
        decision = Decision(name, Role(RunAs(), {}), explanation)
        tasks = {task["id"]: template(task) for task in case["tasks"]}
        for task in tasks.values():
            write_decided_queue(task, decision)
        for task in case.get("dynamic_tasks") or ():
            child = template(task)
            inherit(tasks[case["dynamic_parent"]], child)
            tasks[f"dynamic:{task['id']}"] = child
        outcome = {name: seen(task) for name, task in tasks.items()}
        if outcome not in possible:
            possible.append(outcome)
    return {"config_error": None, "override_errors": errors, "possible": possible}


def seen(task: TaskTemplate) -> Any:
    if not task.HasField("container"):
        return {"config": None, "handler": None}
    pairs = [[pair.key, pair.value] for pair in task.container.config]
    return {"config": pairs, "handler": handler_reads(task)}
