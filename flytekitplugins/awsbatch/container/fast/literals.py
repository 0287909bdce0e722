"""An item's values between protobuf and Python, by flytekit's own transformers, looked up once for all children.

The shortest way is for numbers, texts, truth values and times (`SimpleTransformer`); for all other types what
flytekit does (`TypeEngine`). None: let flytekit handle it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flyteidl.core.literals_pb2 import LiteralMap as LiteralMapMessage
from flytekit.core.base_task import PythonTask
from flytekit.core.context_manager import FlyteContext
from flytekit.core.python_function_task import PythonFunctionTask
from flytekit.core.type_engine import SimpleTransformer, TypeEngine
from flytekit.models.literals import Literal, LiteralMap
from flytekit.utils.asyn import run_sync

from ...task import AWSBatchFunctionTask

# What an ordinary task leaves to flytekit, or to our class, which does nothing before a job's task runs.
ORDINARY = ("dispatch_execute", "pre_execute", "post_execute", "_literal_map_to_python_input", "_output_to_literal_map")
ORDINARY_KINDS = (PythonTask, AWSBatchFunctionTask)


def has_ordinary_literals(task: Any) -> bool:
    """Whether executing the task is calling its function. Raises AttributeError where flytekit has changed."""
    kind = type(task)
    return (
        isinstance(task, PythonFunctionTask)
        and all(any(getattr(kind, name) is getattr(one, name) for one in ORDINARY_KINDS) for name in ORDINARY)
        and not task.enable_deck
        and task.execution_mode == PythonFunctionTask.ExecutionBehavior.DEFAULT
    )


class TaskLiterals:
    """The inputs and outputs of one task."""

    def __init__(self, task: Any) -> None:
        self.task = task
        self._types = task.python_interface.inputs
        self._simple_inputs = {name: _simple_literal_transformer(kind) for name, kind in self._types.items()}
        self._outputs = tuple(task.interface.outputs.items())
        self._simple_output: Any = None
        if len(self._outputs) == 1 and type(task).get_type_for_output_var is PythonTask.get_type_for_output_var:
            self._simple_output = _simple_literal_transformer(task.python_interface.outputs[self._outputs[0][0]])

    def to_python(self, context: FlyteContext, inputs: LiteralMapMessage) -> dict[str, Any] | None:
        """flytekit's `_literal_map_to_kwargs`."""
        given = {}
        try:
            for name in inputs.literals:
                literal = Literal.from_flyte_idl(inputs.literals[name])
                kind = self._types[name]
                transformer = self._simple_inputs[name]
                if transformer is None:
                    given[name] = TypeEngine.to_python_value(context, literal, kind)
                else:
                    given[name] = transformer.to_python_value(context, literal, kind)
        except Exception:
            return None
        return given

    def serialised_outputs(self, context: FlyteContext, native: Any) -> bytes | None:
        """The outputs of a task with one output or none (flytekit's `_output_to_literal_map`), serialised."""
        if not self._outputs:
            return b"" if native is None else None
        # What can be read only once would be empty for flytekit, had it been read here until an error came.
        if len(self._outputs) > 1 or isinstance(native, tuple | Iterator):
            return None
        name, variable = self._outputs[0]
        try:
            if context.output_metadata_tracker.output_metadata or isinstance(native, LiteralMap):
                return None
            if self._simple_output is not None:
                return self._primitive(context, name, native, variable)
            kind = self.task.get_type_for_output_var(name, native)
            literal = run_sync(TypeEngine.async_to_literal, context, native, kind, variable.type)
            outputs = LiteralMap({name: literal})
            AWSBatchFunctionTask.note_key_order(outputs, context.file_access.raw_output_prefix)
            return _serialised(outputs.to_flyte_idl())
        except Exception:
            return None

    def _primitive(self, context: FlyteContext, name: str, native: Any, variable: Any) -> bytes | None:
        transformer = self._simple_output
        literal = transformer.to_literal(context, native, transformer.python_type, variable.type)
        primitive = literal.scalar.primitive
        if primitive is None:
            return _serialised(LiteralMap({name: literal}).to_flyte_idl())
        message = LiteralMapMessage()
        message.literals[name].scalar.primitive.CopyFrom(primitive.to_flyte_idl())
        return _serialised(message)


def _simple_literal_transformer(kind: Any) -> SimpleTransformer[Any] | None:
    """The transformer of a type that is a class and has a transformer without tricks."""
    if not isinstance(kind, type):
        return None
    transformer = TypeEngine.get_transformer(kind)
    return transformer if type(transformer) is SimpleTransformer else None


def _serialised(message: LiteralMapMessage) -> bytes:
    data: bytes = message.SerializeToString()
    return data
