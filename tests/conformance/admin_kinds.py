"""The recorded questions that FlyteAdmin and flytectl answer: queues, roles, container configs, attribute files.

One function a kind, from a case to an answer in the shape of the recording. A server's configuration file is read as
the server reads it: sections at the top of the file only, and 1.16 without the keys that it no longer knows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from flyteidl.core.tasks_pb2 import TaskTemplate

from flytekitplugins.awsbatch.admin import attribute_files, flyteadmin, flyteadmin_2019, stored_attributes, strict_keys
from flytekitplugins.awsbatch.admin.admin_settings import (
    DOMAINS,
    AdminSettings,
    Domain,
    ExecutionQueue,
    QueueSettings,
    ServerSettings,
    WorkflowConfig,
)
from flytekitplugins.awsbatch.admin.explanation import Execution
from flytekitplugins.awsbatch.admin.launch_decision import Decision, apply, inherit
from flytekitplugins.awsbatch.admin.role import LaunchPlan, LaunchRequest, Role, RunAs, StoredRole, resolve
from flytekitplugins.awsbatch.propeller.aws_array.queue_choice import job_config
from flytekitplugins.awsbatch.settings.document import parse
from flytekitplugins.awsbatch.settings.reader import Reader
from flytekitplugins.awsbatch.settings.section import setting

from .queue_cases import COMPARABLE, kind

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
        rules=tuple(WorkflowConfig(rule.tags, domain=rule.domain) for rule in queues.workflow_configs),
        domains=domains,
    )
    return settings, "; ".join(map(str, reader.problems)) or None


def server_of_2019(config: str) -> tuple[AdminSettings, str | None]:
    reader = Reader.from_text(("config.yaml", config), nested=False)
    queues = reader.flyte(QueueSettings, "queues")
    settings = AdminSettings(queues=queues.execution_queues, rules=queues.workflow_configs)
    return settings, "; ".join(map(str, reader.problems)) or None


def execution(case: Case) -> Execution:
    return Execution(case["project"], case["domain"], case["workflow"])


def with_overrides(settings: AdminSettings, case: Case) -> tuple[AdminSettings, list[str | None]]:
    """The attributes stored one after another through the API, and what it answered to each."""
    projects = case.get("projects")
    stored: list[stored_attributes.Override] = []
    errors: list[str | None] = []
    for one in case.get("overrides") or ():
        override = stored_attributes.Override(one["project"], one["domain"], one["workflow"], tuple(one["tags"] or ()))
        error = stored_attributes.refused_by_api(override, settings.domains, projects)
        errors.append(error or None)
        if not error:
            stored = stored_attributes.store(stored, override)
    return replace(settings, overrides=tuple(stored)), errors


@kind("queue")
def queue(case: Case) -> Any:
    settings, error = server_of_2025(case)
    if error:
        return {"config_error": error, "strict_error": error}
    settings, errors = with_overrides(settings, case)
    explanation = flyteadmin.match(settings, execution(case))
    unread = [str(problem) for problem in strict_keys.unread(parse(case["config"], "config.yaml").root)]
    return {
        "config_error": None,
        "strict_error": "; ".join(unread) or None,
        "override_errors": errors,
        "parsed": {
            "execution_queues": [{"attributes": [*one.attributes], "dynamic": one.dynamic} for one in settings.queues],
            "workflow_configs": [{"domain": one.domain, "tags": [*one.tags]} for one in settings.rules],
        },
        "queues": sorted(explanation.possible),
    }


@kind("queue2019")
def queue_2019(case: Case) -> Any:
    before = [server_of_2019(text)[0] for text in case.get("before") or ()]
    settings, error = server_of_2019(case["config"])
    if error:
        return {"config_error": error}
    if any(not rule.tags for one in (*before, settings) for rule in one.rules):
        return {"panic": PANIC}
    pairs = flyteadmin_2019.candidates(settings, execution(case), before)
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
                    "workflow_name": one.workflow_name,
                }
                for one in settings.rules
            ],
        },
        "queues": [{"dynamic": pair.dynamic, "primary": pair.primary} for pair in pairs]
        or [{"dynamic": "", "primary": ""}],
    }


@kind("attr_file")
def attr_file(case: Case) -> Any:
    document = parse(case["text"], "attributes.yaml")
    problems = list(document.problems)
    read = list(attribute_files.read(document, problems.append))
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
    stored: list[stored_attributes.Override] = []
    says: dict[stored_attributes.Override, RunAs] = {}
    errors = []
    for one in case.get("overrides") or ():
        scope = stored_attributes.Override(one.get("project") or "", one.get("domain") or "", one.get("workflow") or "")
        error = stored_attributes.refused_by_api(scope, DOMAINS, case.get("projects"))
        errors.append(error or None)
        if not error:
            stored = stored_attributes.store(stored, scope)
            says[scope] = run_as(one) or RunAs()
    chosen = resolve(
        server,
        Execution(case["project"], case["domain"], ""),
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
        [StoredRole(scope, says[scope]) for scope in stored],
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
    explanation = flyteadmin.match(settings, execution(case))
    possible: list[Any] = []
    for name in sorted(explanation.possible):
        decision = Decision(name, Role(RunAs(), {}), explanation)
        tasks = {task["id"]: template(task) for task in case["tasks"]}
        for task in tasks.values():
            apply(task, decision)
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
