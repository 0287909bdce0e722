"""What a deployment's files tell FlyteAdmin about queues and roles, and what this package's own section adds.

Frozen data only; deciding is elsewhere in this package. The keys `project`, `workflowName` and `primary` are those of
2019 that the setup document still shows and FlyteAdmin 1.16 no longer reads. Sources: flyteadmin
`pkg/runtime/interfaces/{queue,application}_configuration.go`, propeller `pkg/controller/nodes/task/config/config.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flytekitplugins.awsbatch.settings.problems import Problem
from flytekitplugins.awsbatch.settings.reader import Reader
from flytekitplugins.awsbatch.settings.section import section_mark, setting
from flytekitplugins.awsbatch.settings.yaml_nodes import Mark

from .attribute_files import read_attribute_file as read_attributes
from .explanation import LaunchedExecution
from .queue_rules import Rule, StoredRule, why_rule_is_refused

DOCUMENTED = "documented"
FLYTEADMIN = "flyteadmin"
FLYTEADMIN_2019 = "flyteadmin-2019"
MATCHINGS = (DOCUMENTED, FLYTEADMIN, FLYTEADMIN_2019)
# Of an execution for which nothing else is said, as of `pyflyte run`.
PROJECT, DOMAIN = "flytesnacks", "development"
DOMAINS = ("development", "staging", "production")


@dataclass(frozen=True)
class ExecutionQueue:
    """One item of `queues.executionQueues`: a Batch job queue and the tags that find it.

    :param dynamic: the name of a job queue on AWS Batch.
    :param attributes: the tags by which rules find the queue.
    :param primary: the queue of 2019's control jobs; read and ignored.
    """

    dynamic: str = setting("Dynamic", "")
    attributes: tuple[str, ...] = setting("Attributes", ())
    primary: str = setting("primary", "")
    where: Mark = section_mark()


@dataclass(frozen=True)
class QueueSettings:
    """`queues`.

    :param execution_queues: the job queues that executions may get.
    :param workflow_configs: which executions get a queue with which tags.
    """

    execution_queues: tuple[ExecutionQueue, ...] = setting("executionQueues", ())
    workflow_configs: tuple[Rule, ...] = setting("workflowConfigs", ())


@dataclass(frozen=True)
class ServerSettings:
    """`flyteadmin`: the part of it that concerns roles and what it adds to tasks. None: not set in the files.

    :param role_name_key: the annotation in which FlyteAdmin leaves an execution's role.
    :param assumable_iam_role: the role of executions that name none.
    :param k8s_service_account: the Kubernetes service account of executions that name none; AWS Batch cannot use it.
    :param annotations: annotations of every execution.
    :param offloaded_closure: whether propeller reads workflows as they were registered, and so without the queue that
        FlyteAdmin finds at launch: no AWS Batch task runs then.
    """

    role_name_key: str | None = setting("roleNameKey", None)
    assumable_iam_role: str = setting("assumableIamRole", "")
    k8s_service_account: str = setting("k8sServiceAccount", "")
    annotations: Mapping[str, str] = setting("annotations", factory=dict)
    offloaded_closure: bool = setting("useOffloadedWorkflowClosure", False)
    where: Mark = section_mark("roleNameKey")


@dataclass(frozen=True)
class HandlerRoleSettings:
    """`plugins.aws.batch`: the key under which the handler looks for the role. None: not set in the files.

    :param role_annotation_key: the annotation in which the handler looks for the role; the same as
        `flyteadmin.roleNameKey`.
    """

    role_annotation_key: str | None = setting("roleAnnotationKey", None)
    where: Mark = section_mark("roleAnnotationKey")


@dataclass(frozen=True)
class TaskPlugins:
    """`tasks.task-plugins`: which of propeller's plugins run, and which takes a task type.

    :param enabled: the plugins that run in propeller; all of them, if absent.
    :param default_for: the plugin that takes a task type.
    """

    enabled: tuple[str, ...] = setting("enabled-plugins", ())
    default_for: Mapping[str, str] = setting("default-for-task-types", factory=dict)
    where: Mark = section_mark()


@dataclass(frozen=True)
class TaskSettings:
    """`tasks`. None: the files do not say, and the emulation takes what is its own.

    :param task_plugins: which plugins run, and what they take.
    """

    task_plugins: TaskPlugins | None = setting("task-plugins", None)


@dataclass(frozen=True)
class ResourceSet:
    """Kubernetes' quantities; empty text: not said.

    :param cpu: CPUs, as Kubernetes writes a quantity (`500m`, `2`).
    :param memory: memory, as Kubernetes writes a quantity (`200Mi`, `1Gi`).
    :param gpu: GPUs.
    :param ephemeral_storage: disk, as Kubernetes writes a quantity.
    """

    cpu: str = setting("cpu", "")
    memory: str = setting("memory", "")
    gpu: str = setting("gpu", "")
    ephemeral_storage: str = setting("ephemeralStorage", "")


@dataclass(frozen=True)
class DefaultResources(ResourceSet):
    """`task_resources.defaults`, over those that FlyteAdmin has built in.

    :param cpu: CPUs, as Kubernetes writes a quantity (`500m`, `2`).
    :param memory: memory, as Kubernetes writes a quantity (`200Mi`, `1Gi`).
    """

    cpu: str = setting("cpu", "2")
    memory: str = setting("memory", "200Mi")


@dataclass(frozen=True)
class LimitResources(ResourceSet):
    """`task_resources.limits`, likewise.

    :param cpu: CPUs, as Kubernetes writes a quantity (`500m`, `2`).
    :param memory: memory, as Kubernetes writes a quantity (`200Mi`, `1Gi`).
    :param gpu: GPUs.
    """

    cpu: str = setting("cpu", "2")
    memory: str = setting("memory", "1Gi")
    gpu: str = setting("gpu", "1")


@dataclass(frozen=True)
class TaskResources:
    """`task_resources`: what a task gets that asks for nothing, and the most that any may have.

    :param defaults: what a task gets that asks for nothing.
    :param limits: the most that a task may have.
    """

    defaults: DefaultResources = setting("defaults", factory=DefaultResources)
    limits: LimitResources = setting("limits", factory=LimitResources)


@dataclass(frozen=True)
class Domain:
    """One item of `domains`.

    :param id: the name of a domain.
    """

    id: str = setting("id", "")


@dataclass(frozen=True)
class AdminEmulator:
    """The keys of `emulator` that stand for what a launch would say to FlyteAdmin. None: left to `pyflyte run`.

    :param project: the project of executions; `pyflyte run -p` overrides it, and without either it is `flytesnacks`.
    :param domain: the domain of executions; `pyflyte run -d` overrides it, and without either it is `development`.
    :param role: the IAM role that you would name at launch.
    :param queue_matching: how the rules of `queues.workflowConfigs` are followed: as documented, as FlyteAdmin 1.16
        does, or as it did in 2019.
    """

    project: str | None = setting("project", None)
    domain: str | None = setting("domain", None)
    role: str = setting("role", "")
    queue_matching: str = setting("queue_matching", DOCUMENTED, choices=MATCHINGS)
    where: Mark = section_mark()

    def launched(
        self, workflow: str, project: str | None = None, domain: str | None = None, name: str = ""
    ) -> LaunchedExecution:
        """An execution of the workflow, in the given project and domain or else in those of the settings."""
        project, domain = project or self.project or PROJECT, domain or self.domain or DOMAIN
        return LaunchedExecution(project, domain, workflow, name)


@dataclass(frozen=True)
class AdminSettings:
    """Everything that a decision about a launch needs.

    :param task_resources: None: the files do not say, and the emulation adds and cuts nothing.
    """

    queues: tuple[ExecutionQueue, ...] = ()
    rules: tuple[Rule, ...] = ()
    domains: tuple[str, ...] = DOMAINS
    overrides: tuple[StoredRule, ...] = ()
    server: ServerSettings = field(default_factory=ServerSettings)
    handler: HandlerRoleSettings = field(default_factory=HandlerRoleSettings)
    task_plugins: TaskPlugins | None = None
    task_resources: TaskResources | None = None
    emulator: AdminEmulator = field(default_factory=AdminEmulator)

    def matched(self, queue_matching: str) -> AdminSettings:
        """The same with another way of matching."""
        return replace(self, emulator=replace(self.emulator, queue_matching=queue_matching))


def read_admin_settings(reader: Reader, emulator: AdminEmulator) -> AdminSettings:
    """FlyteAdmin's view of the files; what is wrong in them is left with the reader.

    :param emulator: from the section that several owners share.
    """
    queues = reader.flyte(QueueSettings, "queues")
    domains = tuple(one.id for one in reader.flyte_list(Domain, "domains") if one.id) or DOMAINS
    overrides = [
        override for document in reader.others for override in read_attributes(document, reader.problems.append)
    ]
    for override in overrides:
        refusal = (
            why_rule_is_refused(override, domains) if override.project else "expected a project: flytectl asks for one"
        )
        if refusal:
            reader.problems.append(Problem.at(override.where, override.scope, refusal))
    return AdminSettings(
        queues=queues.execution_queues,
        rules=queues.workflow_configs,
        domains=domains,
        overrides=tuple(overrides),
        server=reader.flyte(ServerSettings, "flyteadmin"),
        handler=reader.flyte(HandlerRoleSettings, "plugins", "aws", "batch"),
        task_plugins=reader.flyte(TaskSettings, "tasks").task_plugins,
        task_resources=reader.flyte(TaskResources, "task_resources") if reader.node_at("task_resources")[1] else None,
        emulator=emulator,
    )
