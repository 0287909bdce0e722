"""Which role an execution runs as, and the annotation that carries it to the aws_array handler.

FlyteAdmin takes the first security context that says anything, whole and never field by field, and only then looks at
fields that are deprecated. Sources: flyteadmin `execution_manager.go` (getExecutionConfig, resolveAuthRole),
`util/shared.go` (MergeIntoExecConfig), `workflowengine/impl/prepare_execution.go`, flyteplugins `awsutils.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .admin_settings import ServerSettings


@dataclass(frozen=True)
class RunAs:
    """Whom a security context or one of its deprecated forerunners names; empty text for what it leaves open."""

    iam_role: str = ""
    service_account: str = ""
    execution_identity: str = ""

    def __bool__(self) -> bool:
        return bool(self.iam_role or self.service_account or self.execution_identity)


@dataclass(frozen=True)
class LaunchRequest:
    """What whoever launches says about the role. `auth_role` is deprecated; None means that it is absent."""

    security_context: RunAs | None = None
    auth_role: RunAs | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LaunchPlan:
    """What a launch plan says about the role. `auth_role`, `auth` and `role` are deprecated.

    :param parent: that of the execution which launches this one, if one does.
    """

    workflow: str = ""
    security_context: RunAs | None = None
    auth_role: RunAs | None = None
    auth: RunAs | None = None
    role: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    parent: LaunchPlan | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Role:
    """What a launch leaves in the workflow for the handler to find.

    :param annotations: those of the execution; the role stands there under `roleNameKey`.
    :param source: who gave the role, for people.
    """

    run_as: RunAs
    annotations: Mapping[str, str]
    source: str = ""

    @property
    def iam_role(self) -> str:
        return self.run_as.iam_role

    def of_job(self, annotation_key: str) -> str:
        """The role of the Batch job: the security context's, else the annotation under the handler's own key."""
        return self.iam_role or (self.annotations.get(annotation_key, "") if annotation_key else "")


def resolve_role(
    server: ServerSettings,
    request: LaunchRequest,
    plan: LaunchPlan | None = None,
    stored: Sequence[RunAs | None] = (),
) -> Role:
    """The role of one launch. One that another execution makes has that one's role and annotations in its request
    (`launchplan/admin.go`).

    :param stored: what the database has for the workflow, then for the project: workflow execution configs.
    """
    if plan is not None and plan.parent is not None:
        around = resolve_role(server, request, plan.parent, stored)
        request = LaunchRequest(around.run_as, annotations=around.annotations)
    said = ((run_as, source) for run_as, source in _role_candidates(server, request, plan, stored) if run_as)
    run_as, source = next(said, (RunAs(), ""))
    annotations = dict(request.annotations or (plan.annotations if plan else {}) or server.annotations)
    if run_as.iam_role:
        annotations.setdefault(server.role_name_key or "", run_as.iam_role)
    return Role(run_as, annotations, source)


def _role_candidates(
    server: ServerSettings, request: LaunchRequest, plan: LaunchPlan | None, stored: Sequence[RunAs | None]
) -> Iterable[tuple[RunAs | None, str]]:
    """Everybody who may name the role; the first who names one decides."""
    yield request.security_context, "the launch's security context"
    if plan is not None:
        yield plan.security_context, "the launch plan's security context"
    yield from ((run_as, "a stored attribute") for run_as in stored)
    yield _deprecated_role(request, plan), "a deprecated field of the launch"
    yield RunAs(server.assumable_iam_role, server.k8s_service_account), "flyteadmin.assumableIamRole"


def _deprecated_role(request: LaunchRequest, plan: LaunchPlan | None) -> RunAs | None:
    """The first of the deprecated fields that is present, even if it says nothing."""
    if request.auth_role is not None:
        return request.auth_role
    if plan is None:
        return None
    if plan.auth_role is not None:
        return plan.auth_role
    return plan.auth if plan.auth is not None else RunAs(plan.role)
