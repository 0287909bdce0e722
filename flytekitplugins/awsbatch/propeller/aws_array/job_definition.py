"""The second step: a job definition for the task's image, role and platform (`awsbatch/job_definition.go`)."""

from __future__ import annotations

import re

from ...wire import PLATFORM_CAPABILITIES
from .definition_cache import definition_key
from .handler_errors import BAD_TASK_SPECIFICATION, HandlerError
from .phases import Phase
from .plugin_state import State
from .services import HandlerServices
from .task_context import TaskContext

DEFAULT_PLATFORM = "EC2"
NAME_LENGTH = 128

# The last part of an image's path, up to a tag or a digest. What the pattern misses has no name.
_REPOSITORY = re.compile(r"^(?:([^/]+)/)?(?:([^/]+)/)*?([^@:/]+)(?:[@:][^/]+)?\Z", re.DOTALL)
_SAFE = re.compile("[^a-zA-Z0-9_-]")


def ensure_definition(state: State, context: TaskContext, services: HandlerServices) -> State:
    """PhasePreLaunch -> PhaseLaunch. Raises HandlerError (no image), BatchError."""
    image = context.template.container.image
    if not image:
        raise HandlerError(BAD_TASK_SPECIFICATION, "Tasktemplate does not contain a container image.")
    role = definition_role(context, services.settings.batch.role_annotation_key)
    platform = context.template.config.get(PLATFORM_CAPABILITIES) or DEFAULT_PLATFORM
    key = definition_key(image, role, platform)
    known = services.definitions.get(key)
    if known is not None:
        return state.to(Phase.LAUNCH, state.version + 1, "AWS job definition already exist.", definition_arn=known)
    answer = services.batch.register_job_definition(
        jobDefinitionName=definition_name(image),
        type="container",
        platformCapabilities=[platform],
        # Memory and vCPUs are overwritten by each job.
        containerProperties={"image": image, "jobRoleArn": role, "vcpus": 1, "memory": 100},
    )
    arn: str = answer["jobDefinitionArn"]
    services.definitions.put(key, arn)
    return state.to(Phase.LAUNCH, state.version + 1, "Created AWS job definition", definition_arn=arn)


def definition_role(context: TaskContext, annotation_key: str) -> str:
    """The security context's role, else the annotation under the plugin's key, else none."""
    if context.iam_role:
        return context.iam_role
    return context.annotations.get(annotation_key, "") if annotation_key else ""


def definition_name(image: str) -> str:
    """The image's repository without its path, other characters as dashes, at most 128 bytes; "" if it has none."""
    found = _REPOSITORY.match(image)
    return _SAFE.sub("-", found[3] if found else "")[:NAME_LENGTH]
