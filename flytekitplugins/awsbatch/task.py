"""A task that runs as one job on AWS Batch: serialises as `aws-batch`. Maps over it are `map_task`'s business."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from flytekit.configuration import SerializationSettings
from flytekit.core.array_node_map_task import ArrayNodeMapTask
from flytekit.core.context_manager import ExecutionParameters, FlyteContext, FlyteContextManager
from flytekit.core.legacy_map_task import MapPythonTask
from flytekit.core.python_function_task import PythonFunctionTask
from flytekit.core.task import TaskPlugins
from flytekit.models.literals import LiteralMap
from flytekit.models.task import Container

from .sdk import (
    raw_scheme,  # noqa: F401 - jobs open their storage by it
    switch,
)
from .sdk.emulated_calls import EmulatedCalls, start_interpreter_if_expected
from .sdk.errors import AWSBatchTaskError, AWSBatchWarning
from .sdk.key_order import note_key_order
from .sdk.metadata import metadata_attempt_seconds
from .sdk.refusals import refuse_what_cannot_be_a_job
from .sdk.task_config import AWSBatchConfig
from .wire import PLATFORM_CAPABILITIES, SINGLE_TASK_TYPE, TIMEOUT_SCRIPT

__all__ = ["AWSBatchConfig", "AWSBatchFunctionTask"]

OUTPUT_PREFIX = "{{.outputPrefix}}"
SINGLE_OUTPUT_PREFIX = f"{OUTPUT_PREFIX}/0"


class AWSBatchFunctionTask(EmulatedCalls, PythonFunctionTask[AWSBatchConfig]):  # type: ignore[misc]
    """What `@task(task_config=AWSBatchConfig(...))` makes.

    :raises AWSBatchTaskError: for a function that no job can run: `@dynamic`, or with a pod template.
    """

    # The fast path of a map's children, which may not import `sdk`, takes it from here.
    note_key_order = staticmethod(note_key_order)

    def __init__(self, task_config: AWSBatchConfig | None, task_function: Callable[..., Any], **kwargs: Any) -> None:
        refuse_what_cannot_be_a_job(task_function, kwargs)
        super().__init__(
            task_config=task_config if task_config is not None else AWSBatchConfig(),
            task_function=task_function,
            task_type=SINGLE_TASK_TYPE,
            **kwargs,
        )

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        # Read here and not kept from the constructor: with_overrides(task_config=...) replaces it late.
        config: AWSBatchConfig = self.task_config
        return config.submit_job_fields()

    def get_config(self, settings: SerializationSettings) -> dict[str, str]:
        config: AWSBatchConfig = self.task_config
        return {**super().get_config(settings), PLATFORM_CAPABILITIES: config.platformCapabilities}

    def get_default_command(self, settings: SerializationSettings) -> list[str]:
        """flytekit's command, writing to `<output prefix>/0`: there the handler reads the outputs of a job that is no
        array (`ConstructOutputWriter` in Flyte's `array/catalog.go`), and ending in time if it has a timeout."""
        command: list[str] = super().get_default_command(settings)
        command = [SINGLE_OUTPUT_PREFIX if argument == OUTPUT_PREFIX else argument for argument in command]
        limit = metadata_attempt_seconds(self.metadata)
        if not limit:
            return command
        return [TIMEOUT_SCRIPT, "--timeout", str(limit), "--output-prefix", SINGLE_OUTPUT_PREFIX, "--", *command]

    def set_command_fn(self, get_command_fn: Callable[[SerializationSettings], list[str]] | None = None) -> None:
        mapping = getattr(get_command_fn, "__self__", None)
        if isinstance(mapping, ArrayNodeMapTask):
            raise AWSBatchTaskError(
                "AB002",
                f"{self.name} is an AWS Batch task mapped by flytekit's map_task. On a cluster every item fails with "
                "CorruptedPluginState: an array node hands the aws_array handler a state that it cannot read. Map it "
                "with flytekitplugins.awsbatch.map_task.",
            )
        if isinstance(mapping, MapPythonTask) and not isinstance(mapping, EmulatedCalls):
            from .lint.lint_warnings import lint_legacy_map

            lint_legacy_map(self, mapping)
        super().set_command_fn(get_command_fn)

    def get_container(self, settings: SerializationSettings) -> Container | None:
        container: Container | None = super().get_container(settings)
        if container is not None and not isinstance(getattr(self._get_command_fn, "__self__", None), MapPythonTask):
            from .lint.lint_warnings import lint_task

            lint_task(self, container, settings)
        return container

    def check_emulated_call(self) -> None:
        from .lint.lint_warnings import lint_single_call

        lint_single_call(self)

    def pre_execute(self, user_params: ExecutionParameters | None) -> ExecutionParameters | None:
        if switch.emulation_on():
            # No emulated call gets here, but wrappers such as NotebookTask ask the task that holds their config.
            warnings.warn(
                f"{self.name} holds the AWSBatchConfig of another kind of task, which is not emulated: it runs in this "
                "process. On a cluster it runs on AWS Batch.",
                AWSBatchWarning,
                stacklevel=2,
            )
        from .container.job_attempt import fit_attempt_to_single_job

        fit_attempt_to_single_job(user_params)
        return super().pre_execute(user_params)

    def dispatch_execute(self, ctx: FlyteContext, input_literal_map: LiteralMap) -> Any:
        # Not `super()`: the fast path of a map's children hands a stand-in over.
        outputs = PythonFunctionTask.dispatch_execute(self, ctx, input_literal_map)
        if isinstance(outputs, LiteralMap):
            note_key_order(outputs, ctx.file_access.raw_output_prefix)
        return outputs

    def execute(self, **kwargs: Any) -> Any:
        state = FlyteContextManager.current_context().execution_state
        if switch.emulation_on() and state is not None and state.is_local_execution():
            # An emulated call never gets here; what does is a map task of flytekit's that runs its items in process.
            raise AWSBatchTaskError(
                "AB002",
                f"{self.name} is an AWS Batch task mapped by flytekit's map_task, which would run its items in this "
                "process, not as jobs. Map it with flytekitplugins.awsbatch.map_task.",
            )
        return super().execute(**kwargs)


TaskPlugins.register_pythontask_plugin(AWSBatchConfig, AWSBatchFunctionTask)
# Before the tasks are declared: the module that asks for the config may have much to import yet.
start_interpreter_if_expected()
