"""Sends a task's local calls through the emulated AWS Batch when that is on, and else leaves them to flytekit.

flytekit calls `sandbox_execute` for a task in a local run. How the emulation works is `local`'s business.
"""

from __future__ import annotations

import dataclasses
from types import FunctionType, MethodType
from typing import Any

from flytekit.core.base_task import TaskMetadata
from flytekit.core.context_manager import ExecutionState, FlyteContext, FlyteContextManager
from flytekit.models.literals import LiteralMap

from . import switch

# The steps of a call in flytekit (`PythonTask`), which a job takes as well.
STEPS = ("execute", "dispatch_execute", "pre_execute", "post_execute")
PACKAGE = __name__.rpartition(".sdk.")[0]


class EmulatedCalls:
    """Mixed in before a flytekit task class: its local calls are emulated when the switch is on."""

    _declared_steps: list[Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # As they are now: other ones later show that they have been patched.
        cls._declared_steps = _steps_of_class(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        start_interpreter_if_expected()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        _rich_traceback_omit = __tracebackhide__ = True
        if switch.emulation_on():
            from ..local.identity.execution_identity import note_skipped_call, take_own_contexts

            take_own_contexts()
            note_skipped_call(self.name)  # type: ignore[attr-defined]
        parent: Any = super()
        return parent.__call__(*args, **kwargs)

    def local_execute(self, ctx: FlyteContext, **kwargs: Any) -> Any:
        """As flytekit's, with promises resolved by propeller's rules, and without flytekit's local cache around an
        emulated call.

        The handler has a cache of its own, by item; flytekit's would keep the nulls of tolerated failures for ever.
        """
        # Neither rich's tracebacks nor pytest's show this frame.
        _rich_traceback_omit = __tracebackhide__ = True
        parent: Any = super()
        if switch.emulation_on() and not _inside_a_task(self, ctx):
            from ..local.run import composer

            try:
                resolved, unresolvable = composer.resolve_call_arguments(self, kwargs)
            except Exception as error:
                if not _says_all(error):
                    raise
                told = error
            else:
                written = resolved if _bound_by_a_workflow(ctx) else {}
                return parent.local_execute.__func__(EmulatedTask(self, unresolvable, written), ctx, **resolved)
            # A node beside this one, whose outputs are read here first, has failed.
            raise told.with_traceback(None)
        return parent.local_execute(ctx, **kwargs)

    def sandbox_execute(self, ctx: FlyteContext, input_literal_map: LiteralMap, unresolvable: Any = None) -> LiteralMap:
        """Runs one call whose inputs are literals already (flytekit's `Task.sandbox_execute`).

        :param unresolvable: why they are not whole.
        """
        _rich_traceback_omit = __tracebackhide__ = True
        parent: Any = super()
        if not switch.emulation_on():
            return parent.sandbox_execute(ctx, input_literal_map)
        from ..local.run import composer

        is_inside, replaced = _inside_a_task(self, ctx), _replaced_task(self)
        if not is_inside and replaced is None:
            try:
                return composer.compose_and_run_call(self, input_literal_map, unresolvable)
            except Exception as error:
                if not _says_all(error):
                    raise
                told = error
            # Without the way on which this package came to it: the message says what to do.
            raise told.with_traceback(None)
        if unresolvable is not None:
            raise unresolvable
        if is_inside:
            composer.say_task_is_inside_another(parent.name)
        elif replaced is not None:
            composer.say_task_is_replaced(replaced.name)
        with switch.emulation_kept_off():
            return parent.sandbox_execute(ctx, input_literal_map)

    def check_emulated_call(self) -> None:
        """Raises for a call that is wrong in a way that the template alone does not show. `local` calls it, under the
        deployment's lint settings."""


class EmulatedTask:
    """A task as flytekit's `local_execute` sees it for one emulated call: the same, but not cached.

    A view and not a changed task, since other threads may be calling the same task.

    :param written: the arguments, where a workflow binds them.
    """

    def __init__(self, task: Any, unresolvable: Any, written: dict[str, Any]) -> None:
        self._task = task
        self._unresolvable = unresolvable
        self._written = written

    def sandbox_execute(self, ctx: FlyteContext, input_literal_map: LiteralMap) -> Any:
        _rich_traceback_omit = __tracebackhide__ = True
        from ..local.run.promises import drop_hashes_of_constants

        for name, value in self._written.items():
            drop_hashes_of_constants(value, input_literal_map.literals[name])
        # A test's own `sandbox_execute` has flytekit's parameters.
        reason = () if self._unresolvable is None else (self._unresolvable,)
        return self._task.sandbox_execute(ctx, input_literal_map, *reason)

    @property
    def metadata(self) -> TaskMetadata:
        return dataclasses.replace(self._task.metadata, cache=False, cache_serialize=False, cache_ignore_input_vars=())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


def start_interpreter_if_expected() -> None:
    """Starts an interpreter for jobs, once, where tasks will be called in this process."""
    if switch.emulation_expected():
        from ..local.deployment import warm_up

        warm_up.warm_up_once()


def _bound_by_a_workflow(ctx: FlyteContext) -> bool:
    """Whether the call is one of a workflow's or of a @dynamic task's, which flytekit compiles to bindings."""
    mode = ctx.execution_state.mode if ctx.execution_state is not None else None
    return mode in (ExecutionState.Mode.LOCAL_WORKFLOW_EXECUTION, ExecutionState.Mode.LOCAL_DYNAMIC_TASK_EXECUTION)


def _says_all(error: Exception) -> bool:
    """Whether this package made an error for people: any other is a mistake whose traceback counts."""
    return type(error).__module__.startswith(f"{PACKAGE}.")


def _replaced_task(task: Any) -> Any:
    """The task, or the one that it maps, where a test has replaced its function or a step of its call, on the task
    or on its class, as `flytekit.testing.task_mock` and `unittest.mock.patch.object` do. None where nothing is
    replaced. A job would import the module and run the original.
    """
    mapped = getattr(task, "run_task", None)
    for one in (task,) if mapped is None else (task, mapped):
        steps = _steps_of_class(type(one))
        found = [getattr(type(one), step) for step in STEPS]
        are_methods = all(isinstance(step, FunctionType) for step in found)
        if not are_methods or steps != getattr(one, "_declared_steps", steps):
            return one
        attributes = vars(one)
        # When a test ends, task_mock leaves the task's own method as an attribute.
        execute = attributes.get("execute")
        is_own = execute is None or (isinstance(execute, MethodType) and execute.__func__ is found[0])
        if not (is_own and attributes.keys().isdisjoint(STEPS[1:])):
            return one
        # `@task` leaves the function on the task as well (`functools.update_wrapper`).
        function = attributes.get("_task_function")
        if attributes.get("__wrapped__", function) is not function:
            return one
    return None


def _steps_of_class(kind: type) -> list[Any]:
    """A class's own steps and those of the classes that it inherits from: a step may call the one that it overrides."""
    return [vars(base).get(step) for base in kind.__mro__ for step in STEPS]


def _inside_a_task(task: Any, ctx: FlyteContext) -> bool:
    """Whether the call comes out of a running task's own code, which a real cluster runs in that task's container.

    flytekit hands the caller's context to `local_execute` for a call within a local run (`flyte_entity_call_handler`),
    and a new one, which is then the current one, for the call that starts a local run. Within a workflow a task has
    the workflow's.
    """
    state = ctx.execution_state
    if state is None or ctx is FlyteContextManager.current_context():
        return False
    from ..local.identity.execution_identity import eager_contexts_of_thread, is_called_by_a_task

    # On a thread of an eager function the context may be another thread's.
    if state.mode == ExecutionState.Mode.LOCAL_TASK_EXECUTION and eager_contexts_of_thread() is None:
        return True
    return is_called_by_a_task(task)
