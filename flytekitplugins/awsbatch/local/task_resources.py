"""FlyteAdmin's `task_resources`: which tasks it would not register, and what it writes into the others at launch.

Here and not in `admin`, because it takes that package's settings and propeller's quantities. Sources: flyteadmin
`validation/task_validator.go`, `execution_manager.go` (setCompiledTaskDefaults), flyteplugins
`flytek8s/container_helper.go` (AdjustOrDefaultResource), propeller `task/taskexec_context.go`.
"""

from __future__ import annotations

from collections.abc import Iterable

from flyteidl.core import tasks_pb2

from flytekitplugins.awsbatch.admin.admin_settings import ResourceSet, TaskResources
from flytekitplugins.awsbatch.propeller.aws_array.requirements import RESOURCE_NAMES, ResourceRequirements
from flytekitplugins.awsbatch.propeller.golang.quantity import Quantity, QuantityError, parse_quantity

NAMES = tasks_pb2.Resources
# The resources that every task gets; the others only if a task or the settings name them.
ALWAYS = (NAMES.CPU, NAMES.MEMORY)
CHECKED = (NAMES.CPU, NAMES.MEMORY, NAMES.EPHEMERAL_STORAGE)


class RefusedError(Exception):
    """FlyteAdmin would not register the task."""


def check_task_resources(template: tasks_pb2.TaskTemplate, platform: TaskResources) -> None:
    """A request may not be above the task's own limit, and neither of them above the platform's. A limit without a
    request is not checked: it is cut at launch.

    :raises RefusedError: with what FlyteAdmin objects to.
    """
    requests, limits = _texts(template.container.resources.requests), _texts(template.container.resources.limits)
    bounds = _by_name(platform.limits)
    for name, request in requests.items():
        limit, bound = limits.get(name, ""), bounds[name]
        if name not in CHECKED:
            continue
        if limit and _whole(limit) < _whole(request):
            raise _refused(template, name, f"a request of {request} is more than the task's own limit of {limit}")
        for asked, what in ((limit, "a limit"), (request, "a request")):
            if asked and not _quantity(bound).zero and _whole(asked) > _whole(bound):
                raise _refused(template, name, f"{what} of {asked} is more than task_resources.limits allows, {bound}")


def settle_task_resources(resources: tasks_pb2.Resources, platform: TaskResources) -> None:
    """Fills in a task's requests and limits and cuts them at the platform's, in place.

    From here on every task has a limit, which a node's own request (`with_overrides`) does not lift.
    """
    requests, limits = _texts(resources.requests), _texts(resources.limits)
    defaults, bounds = _by_name(platform.defaults), _by_name(platform.limits)
    del resources.requests[:], resources.limits[:]
    for name, default in defaults.items():
        given = [requests.get(name, ""), limits.get(name, ""), default]
        if name not in ALWAYS and all(_quantity(text).zero for text in given):
            continue
        request = next((text for text in given if not _quantity(text).zero), "0")
        limit = given[1] if not _quantity(given[1]).zero else request
        limit = _cut(limit, bounds[name])
        resources.limits.add(name=name, value=limit)
        resources.requests.add(name=name, value=_cut(_cut(request, bounds[name]), limit))


def handler_resource_requirements(platform: TaskResources) -> ResourceRequirements:
    """The platform's defaults and limits as the handler reads them: zero where none is given."""
    return ResourceRequirements(_for_handler(platform.defaults), _for_handler(platform.limits))


def _for_handler(named: ResourceSet) -> dict[str, str]:
    return {RESOURCE_NAMES[name]: text or "0" for name, text in _by_name(named).items()}


def _by_name(named: ResourceSet) -> dict[int, str]:
    return {
        NAMES.CPU: named.cpu,
        NAMES.MEMORY: named.memory,
        NAMES.EPHEMERAL_STORAGE: named.ephemeral_storage,
        NAMES.GPU: named.gpu,
    }


def _texts(entries: Iterable[tasks_pb2.Resources.ResourceEntry]) -> dict[int, str]:
    known = (*CHECKED, NAMES.GPU)
    return {entry.name: entry.value for entry in entries if entry.name in known}


def _cut(text: str, bound: str) -> str:
    asked, most = _quantity(text), _quantity(bound)
    return bound if not most.zero and asked > most else text


def _quantity(text: str) -> Quantity:
    """A text that Kubernetes would not parse counts as nothing, as it does at launch."""
    try:
        return parse_quantity(text)
    except QuantityError:
        return Quantity()


def _whole(text: str) -> int:
    """Compared in whole units, rounded up: 3 vCPUs and 2500m are the same to this check."""
    return _quantity(text).scaled(0)


def _refused(template: tasks_pb2.TaskTemplate, name: int, what: str) -> RefusedError:
    resource = NAMES.ResourceName.Name(name)
    return RefusedError(f"FlyteAdmin would not register {template.id.name}: for {resource}, {what}.")
