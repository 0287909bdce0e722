"""Which of propeller's plugins takes a task type, from the switches in `tasks.task-plugins`.

Only the plugins that compete for this package's task types are known here. Sources: flytepropeller
`pkg/controller/nodes/task/handler.go` (Setup, ResolvePlugin), `plugin_config.go`, `config/config.go`.
"""

from __future__ import annotations

from dataclasses import dataclass

from flytekitplugins.awsbatch import wire

from .admin_settings import TaskPlugins

AWS_ARRAY = "aws_array"
K8S_ARRAY = "k8s-array"
CONTAINER = "container"
REGISTERED: dict[str, frozenset[str]] = {
    AWS_ARRAY: frozenset({wire.ARRAY_TASK_TYPE, wire.SINGLE_TASK_TYPE}),
    K8S_ARRAY: frozenset({wire.ARRAY_TASK_TYPE}),
    CONTAINER: frozenset({"container", "python-task", "raw-container"}),
}


@dataclass(frozen=True)
class Handler:
    """Who takes a task type.

    :param plugin: its id; empty when nobody does.
    :param error: propeller's own sentence when the task cannot run on Batch; empty when aws_array takes it.
    :param help: what to do about the error, with the line to add.
    :param note: what deserves a word although the task runs.
    """

    plugin: str
    error: str = ""
    help: str = ""
    note: str = ""


def enabled_plugin_of(task_type: str, switches: TaskPlugins | None) -> Handler:
    """Who takes tasks of a type.

    :param switches: None when the files have none; the emulation then takes what is its own.
    """
    if switches is None:
        return Handler(AWS_ARRAY if task_type in REGISTERED[AWS_ARRAY] else CONTAINER)
    enabled = {_clean_plugin_name(name) for name in switches.enabled}
    defaults = {_clean_plugin_name(kind): _clean_plugin_name(plugin) for kind, plugin in switches.default_for.items()}
    stray = sorted({plugin for plugin in defaults.values() if enabled and plugin not in enabled})
    if stray:
        kinds = sorted(kind for kind, plugin in defaults.items() if plugin == stray[0])
        error = (
            f"cannot set default plugin [{stray[0]}] for task types [[{' '.join(kinds)}]] when it is not "
            "configured to be an enabled plugin"
        )
        return Handler("", error, f"propeller does not start; {_add_plugin(switches, stray[0])}")
    running = [plugin for plugin in REGISTERED if not enabled or plugin in enabled]
    able = [plugin for plugin in running if task_type in REGISTERED[plugin]]
    default = defaults.get(task_type, "")
    if not able:
        return _unhandled_type(CONTAINER in running, task_type, switches)
    if default not in able and len(able) > 1:
        return _undecided_handler(able, task_type, switches)
    return _chosen_handler(default, able, task_type, switches)


def _clean_plugin_name(name: str) -> str:
    return name.strip(" ").lower()


def _undecided_handler(able: list[str], task_type: str, switches: TaskPlugins) -> Handler:
    ids = " ".join(f"{plugin}:{plugin}" for plugin in sorted(able))
    error = (
        f"Multiple plugins registered to handle task type: {task_type}. ([map[{ids}]]). "
        "Use default-for-task-type config option to choose the desired plugin."
    )
    return Handler("", error, f"propeller does not start; {_add_default(task_type, switches)}")


def _unhandled_type(container: bool, task_type: str, switches: TaskPlugins) -> Handler:
    if container:
        error = f"No plugin found for Handler-type [{task_type}], defaulting to [{CONTAINER}]"
        return Handler(CONTAINER, error, f"it would run as a pod, not on AWS Batch; {_add_plugin(switches)}")
    error = f"no plugin defined for Handler type [{task_type}] and no defaultPlugin configured"
    return Handler("", error, _add_plugin(switches))


def _chosen_handler(default: str, able: list[str], task_type: str, switches: TaskPlugins) -> Handler:
    """The default, or the only plugin registered for a type, which takes it whatever the defaults say or leave out."""
    plugin = default if default in able else able[0]
    if plugin != AWS_ARRAY:
        remedy = _add_default(task_type, switches) if plugin == default else _add_plugin(switches)
        error = f"Plugin [{plugin}] resolved for Handler type [{task_type}]"
        return Handler(plugin, error, f"it would not run on AWS Batch; {remedy}")
    if plugin == default:
        return Handler(plugin)
    said = f"the default is {default}, which is not made for it" if default else "there is no default"
    note = (
        f"{said} for {task_type} tasks, and {AWS_ARRAY} takes them as the only plugin registered for the type; "
        f"to follow the setup document, {_add_default(task_type, switches)}"
    )
    return Handler(plugin, note=note)


def _add_default(task_type: str, switches: TaskPlugins) -> str:
    return (
        f"{_place_of_switches(switches)}, add to tasks.task-plugins.default-for-task-types: `{task_type}: {AWS_ARRAY}`"
    )


def _add_plugin(switches: TaskPlugins, plugin: str = AWS_ARRAY) -> str:
    return f"{_place_of_switches(switches)}, add to tasks.task-plugins.enabled-plugins: `- {plugin}`"


def _place_of_switches(switches: TaskPlugins) -> str:
    return f"in {switches.where}" if switches.where.file else "in the settings"
