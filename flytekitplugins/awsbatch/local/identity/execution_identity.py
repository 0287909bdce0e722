"""The execution that a local task call stands for: its project, domain and workflow, as FlyteAdmin would know them.

flytekit's local execution keeps no such record, so the answer is read from what is running: the command line of
`pyflyte run`, and the entities whose calls lead to this task. Where a real cluster starts a new execution (a launch
plan, each call in an `@eager` function), one is taken to start here too. Nothing is decided from it in this module.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from flytekitplugins.awsbatch.admin.admin_settings import DOMAIN, PROJECT, AdminEmulator
from flytekitplugins.awsbatch.admin.documented import SINGLE_TASK_PREFIX
from flytekitplugins.awsbatch.admin.role import LaunchPlan, LaunchRequest, RunAs

if TYPE_CHECKING:
    from flytekit.configuration import ImageConfig
    from flytekit.core.context_manager import FlyteContext
    from flytekit.core.resources import ResourceSpec

# How flytekit names the thread that runs coroutines for another one (`flytekit/utils/asyn.py`).
LOOP_RUNNER = " : loop-runner"
LOOP_FILE = "flytekit/utils/asyn.py"
PYFLYTE_RUN = "flytekit.clis.sdk_in_container.run"
# An attribute of flytekit's state of each call: what it calls in branches that are not taken, counted by name.
SKIPPED = "_awsbatch_skipped"


@dataclass(frozen=True)
class EntityCall:
    """A call of a Flyte entity that is under way.

    :param frame: identifies the call: the same object means the same call.
    :param made_in: flytekit's context where it was made. :param opens: the one for what is called inside it.
    :param in_branch: made in a branch of a conditional of the workflow around it.
    :param skipped: how many calls of the entity came before in branches that were not taken.
    :param on_failure: made because the workflow around it failed.
    """

    entity: Any
    frame: FrameType
    made_in: Any = field(default=None, repr=False)
    opens: Any = field(default=None, repr=False)
    in_branch: bool = False
    skipped: int = 0
    on_failure: bool = False


@dataclass(frozen=True)
class CodeOptions:
    """The options of `pyflyte run` about the code that it sends along.

    :param copy: `auto` or `all`; None where it was not given.
    :param destination: the folder in the job's container. :param source_root: the project's; None where none is known.
    :param show_files: whether the files are listed.
    """

    copy: str | None = None
    destination: str = "."
    source_root: str | None = None
    show_files: bool = False


@dataclass(frozen=True)
class Identity:
    """
    :param workflow: its full name; a task run on its own has the one that FlyteAdmin makes up, `.flytegen.<task>`.
    :param source: where project and domain, and where the workflow came from, in words.
    :param plan: what the launch plan says about the role, if one was called.
    :param calls: that lead from the one that launched the execution to the task's own, where they are known.
    :param launch: what the options of `pyflyte run` say about the role.
    :param default_resources: what it was told to ask for where a task asks for nothing.
    :param image_config: the images that `pyflyte run` was given, if any.
    :param execution_env: the variables that `pyflyte run --env` was given.
    :param code: its options about the code.
    :param raw_output_prefix: the storage that it was told to keep raw outputs in; "" for the deployment's own.
    :param eager: whether an `@eager` function launched the execution.
    """

    project: str
    domain: str
    workflow: str
    source: str
    plan: LaunchPlan | None = field(default=None, compare=False)
    calls: tuple[EntityCall, ...] = field(default=(), compare=False, repr=False)
    launch: LaunchRequest = field(default_factory=LaunchRequest, compare=False, repr=False)
    default_resources: ResourceSpec | None = field(default=None, compare=False, repr=False)
    image_config: ImageConfig | None = field(default=None, compare=False, repr=False)
    execution_env: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    code: CodeOptions = field(default_factory=CodeOptions, compare=False, repr=False)
    raw_output_prefix: str = field(default="", compare=False, repr=False)
    eager: bool = field(default=False, compare=False, repr=False)

    @property
    def root(self) -> FrameType | None:
        """Identifies the call that launched the execution: the same object means the same execution."""
        return self.calls[0].frame if self.calls else None


def identity_of_call(emulator: AdminEmulator, task_name: str) -> Identity:
    """The identity of the execution to which a task call belongs. Call it on the thread that makes the call.

    :param emulator: has project and domain where `pyflyte run` gives none.
    :param task_name: of the task that is called.
    """
    frames = list(_calling_frames(threading.current_thread()))
    workflow, plan, calls = _launched(frames, task_name)
    context, params = _pyflyte_run(frames)
    project, from_project = _chosen(context, params, "project", emulator.project, PROJECT)
    domain, from_domain = _chosen(context, params, "domain", emulator.domain, DOMAIN)
    where = from_project if from_project == from_domain else f"project: {from_project}, domain: {from_domain}"
    eager = eager_contexts_of_thread() is not None or not _eager_codes().isdisjoint(frame.f_code for frame in frames)
    what = "a task run on its own" if workflow.startswith(SINGLE_TASK_PREFIX) else "the workflow that is running"
    return Identity(
        project,
        domain,
        workflow,
        f"{where}; {what}",
        plan,
        calls,
        LaunchRequest() if eager else _launch_of_command(params),
        _default_resources_of_command(params),
        _images_of_execution(params),
        getattr(params, "envvars", None) or {},
        _code_options(context, params),
        _raw_output_prefix_of_command(params),
        eager,
    )


def is_called_by_a_task(task: Any) -> bool:
    """Whether a call comes out of another task's own function, however deep, which those of a @dynamic task and of an
    @eager function are not. Within a workflow flytekit's context does not tell. Call it on the thread that makes the
    call.

    :param task: that is called.
    """
    from flytekit.core.base_task import PythonTask
    from flytekit.core.promise import flyte_entity_call_handler
    from flytekit.core.python_function_task import PythonFunctionTask

    handler = flyte_entity_call_handler.__code__
    eager = _eager_codes()
    dynamic = PythonFunctionTask.ExecutionBehavior.DYNAMIC
    for frame in _calling_frames(threading.current_thread()):
        if frame.f_code in eager:
            return False
        entity = frame.f_locals["entity"] if frame.f_code is handler else None
        if isinstance(entity, PythonTask) and entity is not task and getattr(entity, "execution_mode", "") != dynamic:
            return True
    return False


def bound_inputs_of_workflows() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The inputs of the workflows around a call that another workflow or a @dynamic task calls, which flytekit compiles
    to bindings: as they were written, and the literals that flytekit has made of them. Outermost first. Call it on the
    thread that makes the call."""
    from flytekit.core.context_manager import ExecutionState
    from flytekit.core.workflow import WorkflowBase

    around = ExecutionState.Mode.LOCAL_WORKFLOW_EXECUTION, ExecutionState.Mode.LOCAL_DYNAMIC_TASK_EXECUTION
    execute = WorkflowBase.local_execute.__code__
    found = []
    for frame in _calling_frames(threading.current_thread()):
        if frame.f_code is execute and frame.f_back and frame.f_back.f_locals.get("original_mode") in around:
            found.append((frame.f_locals["kwargs"], frame.f_locals["literal_map"]))
    return found[::-1]


def eager_contexts_of_thread() -> list[FlyteContext] | None:
    """The contexts of the eager function that started this thread, as `asyncio.to_thread` does; None on other threads.

    Such threads share the very list of flytekit's contexts, so that each has what the others put onto it, and takes off
    what they still need. On a cluster nothing is put there.
    """
    from flytekit.core.context_manager import ExecutionState, flyte_context_Var

    thread = threading.current_thread()
    if thread is threading.main_thread() or thread.name.endswith(LOOP_RUNNER):
        return None
    contexts: list[FlyteContext] = list(flyte_context_Var.get())
    mode = ExecutionState.Mode.EAGER_LOCAL_EXECUTION
    while contexts and (contexts[-1].execution_state is None or contexts[-1].execution_state.mode != mode):
        contexts.pop()
    return contexts or None


def take_own_contexts() -> None:
    """Gives a thread that an eager function started contexts of its own, unless flytekit has put some there for a
    workflow that runs on it. Call it before flytekit looks at them."""
    contexts = eager_contexts_of_thread()
    if contexts is None:
        return
    from flytekit.core.context_manager import flyte_context_Var

    frames = _calling_frames(threading.current_thread())
    if not any(frame.f_globals.get("__name__", "").startswith("flytekit.") for frame in frames):
        flyte_context_Var.set(contexts)


def note_skipped_call(name: str) -> None:
    """Remembers a call in a branch that is not taken, which flytekit answers without the task. Call it before flytekit
    does so, on the thread that makes the call."""
    from flytekit.core.context_manager import BranchEvalMode, FlyteContextManager
    from flytekit.core.promise import flyte_entity_call_handler

    state = FlyteContextManager.current_context().execution_state
    if state is None or state.branch_eval_mode != BranchEvalMode.BRANCH_SKIPPED:
        return
    handler = flyte_entity_call_handler.__code__
    frames = _calling_frames(threading.current_thread())
    opened = next((frame.f_locals.get("child_ctx") for frame in frames if frame.f_code is handler), None)
    if opened is not None:
        vars(opened.execution_state).setdefault(SKIPPED, Counter())[name] += 1


def _calling_frames(thread: threading.Thread) -> Iterator[FrameType]:
    """The frames that lead to here, innermost first, on through the thread that waits for a loop runner."""
    seen: set[int] = set()
    frame: FrameType | None = sys._getframe(1)
    while True:
        while frame is not None:
            yield frame
            frame = frame.f_back
        seen.add(thread.ident or 0)
        if not thread.name.endswith(LOOP_RUNNER):
            return
        parents = [one for one in threading.enumerate() if f"{one.name}{LOOP_RUNNER}" == thread.name]
        if len(parents) != 1 or parents[0].ident is None or parents[0].ident in seen:
            return
        thread = parents[0]
        frame = sys._current_frames().get(parents[0].ident)  # which waits, so that nothing moves in its stack


def _eager_codes() -> set[CodeType]:
    """What runs the function of an `@eager` task."""
    from flytekit.core.python_function_task import EagerAsyncPythonFunctionTask as Eager

    return {Eager.execute.__code__, Eager.async_execute.__code__}


def identified_call_has_ended(frame: FrameType) -> bool:
    """Whether a call is over. Asks the frame itself: to walk the frames of threads that run on, as
    `sys._current_frames` invites to, can crash CPython 3.11 when the garbage collector runs meanwhile."""
    try:
        frame.clear()
    except RuntimeError:
        return False
    return True


def _launched(frames: list[FrameType], task_name: str) -> tuple[str, LaunchPlan | None, tuple[EntityCall, ...]]:
    """The name of the workflow whose launch leads to the task, its launch plan, if any, and the calls in between.

    The outermost entity counts, up to the point where a cluster would start an execution of its own.
    """
    from flytekit.core.launch_plan import LaunchPlan as Plan
    from flytekit.core.promise import flyte_entity_call_handler
    from flytekit.core.workflow import WorkflowBase

    handler = flyte_entity_call_handler.__code__
    workflow_call = WorkflowBase.__call__.__code__
    plan_call = Plan.__call__.__code__
    eager = _eager_codes()
    calls: list[EntityCall] = []  # innermost first
    plan: LaunchPlan | None = None
    for at, frame in enumerate(frames):
        if frame.f_code is handler:
            known = frame.f_locals
            call = EntityCall(known["entity"], frame, known.get("ctx"), known.get("child_ctx"))
            if calls:
                skipped = getattr(getattr(call.opens, "execution_state", None), SKIPPED, {})
                calls[-1] = replace(
                    calls[-1],
                    in_branch=_is_call_in_branch(calls[-1], call),
                    skipped=skipped.get(calls[-1].entity.name, 0),
                )
            calls.append(call)
        elif frame.f_code is workflow_call and calls:
            # This frame outlives the handler's: what a workflow calls after it failed is called from here.
            if calls[-1].frame.f_back is frame and calls[-1].entity is frame.f_locals["self"]:
                calls[-1] = replace(calls[-1], frame=frame)
            else:
                calls[-1] = replace(calls[-1], on_failure=True)
                calls.append(EntityCall(frame.f_locals["self"], frame))
        elif frame.f_code is plan_call and calls and isinstance(calls[-1].entity, WorkflowBase):
            around = next((one.f_code for one in frames[at:] if one.f_code is handler or one.f_code in eager), None)
            # An eager function launches the workflow itself (`LaunchPlan.__call__`, where nothing is compiled).
            if around not in eager and (around is handler or eager_contexts_of_thread() is None):
                plan = role_of_launched(frame.f_locals["self"])
                _, outer, around_it = _launched(frames[at + 1 :], task_name)
                plan = replace(plan, parent=outer or LaunchPlan() if around_it else None)
            break
        elif frame.f_code in eager and calls:
            break
    outermost = calls[-1].entity if calls else None
    found = tuple(reversed(calls))
    if isinstance(outermost, WorkflowBase):
        return outermost.name, plan or role_of_launched(outermost), found
    return f"{SINGLE_TASK_PREFIX}{outermost.name if outermost is not None else task_name}", plan, found


def _is_call_in_branch(call: EntityCall, around: EntityCall) -> bool:
    """Whether a call comes out of a conditional, which puts a context of its own around its branches."""
    if call.made_in is None or around.opens is None or call.made_in is around.opens:
        return False
    return bool(call.made_in.in_a_condition)


def inputs_that_the_plan_fixes(who: Identity) -> tuple[str, list[str]]:
    """The name of the launch plan whose call launched the execution, and those of its fixed inputs for which the call
    has other values: flytekit hands these on in a local run, FlyteAdmin the plan's."""
    from flytekit.core.launch_plan import LaunchPlan as Plan

    call = who.root.f_back if who.root is not None else None
    if call is None or call.f_code is not Plan.__call__.__code__:
        return "", []
    plan, given = call.f_locals["self"], call.f_locals["kwargs"]
    # The first flytekits of 1.16 keep them as literals only.
    fixed = {name: value for name, value in getattr(plan, "raw_fixed_inputs", {}).items() if name in given}
    return plan.name, sorted(name for name, value in fixed.items() if not _is_same_input(given[name], value))


def _is_same_input(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # of values that have no equality, such as promises and frames
        return False


def role_of_launched(entity: Any) -> LaunchPlan:
    """The role that a launch plan names. The default one of a workflow takes the annotations of the workflow's
    `default_options`, and no role; FlyteAdmin makes that of a task on its own."""
    from flytekit.core.launch_plan import LaunchPlan as Plan
    from flytekit.core.workflow import WorkflowBase

    if not isinstance(entity, Plan):
        options = entity.default_options if isinstance(entity, WorkflowBase) else None
        return LaunchPlan(workflow=entity.name, annotations=_annotations_of(options))
    identity = entity.security_context.run_as if entity.security_context is not None else None
    return LaunchPlan(
        workflow=entity.workflow.name,
        security_context=RunAs(identity.iam_role or "", identity.k8s_service_account or "") if identity else None,
        annotations=_annotations_of(entity),
    )


def _annotations_of(options: Any) -> dict[str, str]:
    return dict(options.annotations.values) if options is not None and options.annotations is not None else {}


def _pyflyte_run(frames: list[FrameType]) -> tuple[click.Context | None, Any]:
    """The context and the parameters of the `pyflyte run` that leads to here, if any.

    click keeps its context for one thread only; seen from another, flytekit's own frame has it.
    """
    runner = sys.modules.get(PYFLYTE_RUN)
    if runner is None:
        return None, None
    context = click.get_current_context(silent=True)
    if context is None:
        context = next((one for frame in frames if (one := _context_of(frame)) is not None), None)
    return context, context.find_object(runner.RunLevelParams) if context is not None else None


def _images_of_execution(params: Any) -> ImageConfig | None:
    """The images of a `pyflyte run` and of the configuration file that it reads, as it would register them."""
    if params is None:
        return None
    from flytekit.clis.sdk_in_container.helpers import patch_image_config

    found: ImageConfig = patch_image_config(params.config_file, params.image_config)
    return found


def _launch_of_command(params: Any) -> LaunchRequest:
    """The role that the options of a `pyflyte run` name."""
    if params is None:
        return LaunchRequest()
    account = RunAs(service_account=params.service_account) if params.service_account else None
    return LaunchRequest(account, annotations=params.annotations or {})


def _default_resources_of_command(params: Any) -> ResourceSpec | None:
    """What a `pyflyte run` would have tasks ask for that ask for nothing; the first flytekits of 1.16 cannot."""
    requests, limits = (getattr(params, name, None) for name in ("resource_requests", "resource_limits"))
    if not requests and not limits:
        return None
    from flytekit.core.resources import Resources, ResourceSpec

    return ResourceSpec(requests or Resources(), limits or Resources())


def _raw_output_prefix_of_command(params: Any) -> str:
    """The raw output prefix of a `pyflyte run`; "" for one on this machine, which flytekit deals with itself."""
    given = str(getattr(params, "raw_output_data_prefix", None) or "")
    return given if "://" in given and not given.startswith("file://") else ""


def _code_options(context: click.Context | None, params: Any) -> CodeOptions:
    """The options of a `pyflyte run` about the code that it sends along."""
    if context is None or params is None:
        return CodeOptions()
    style = "all" if params.copy_all else {1: "auto", 2: "all"}.get(getattr(params.copy, "value", 0))
    return CodeOptions(
        copy=style if params.copy_all or _is_typed_option(context, "copy") else None,
        destination=params.destination_dir,
        source_root=params.computed_params.project_root,
        show_files=params.verbose > 0,
    )


def _context_of(frame: FrameType) -> click.Context | None:
    """The click context that flytekit's runner of an entity works with (`run_command` in `sdk_in_container/run.py`)."""
    if frame.f_code.co_name != "_run" or frame.f_globals.get("__name__") != PYFLYTE_RUN:
        return None
    context = frame.f_locals.get("ctx")
    return context if isinstance(context, click.Context) else None


def _is_typed_option(context: click.Context | None, name: str) -> bool:
    """Whether an option stands on the command line, of this command or of one around it."""
    while context is not None:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            return True
        context = context.parent
    return False


def _chosen(
    context: click.Context | None, params: Any, name: str, setting: str | None, default: str
) -> tuple[str, str]:
    """A value and where it comes from: the command line, else the settings, else pyflyte's default, else this
    package's."""
    given = getattr(params, name, "")
    if params is not None and _is_typed_option(context, name):
        return given, "pyflyte run"
    if setting:
        return setting, "the settings"
    return (given, "pyflyte run") if given else (default, "the default")
