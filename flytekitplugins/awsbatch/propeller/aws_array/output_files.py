"""A task's or a subtask's output files as propeller reads and writes them
(`ioutils/remote_file_output_{reader,writer}.go`, `array/catalog.go`: ConstructOutputReader)."""

from __future__ import annotations

from dataclasses import dataclass

from flyteidl.core import errors_pb2, execution_pb2, literals_pb2

from ...wire import ERROR_FILE, OUTPUTS_FILE
from ..storage import DataStore, NotFoundError, StorageError, UnreadableError, read_stored_message, write_stored_message
from .indexes import OriginalIndex


@dataclass(frozen=True)
class OutputFiles:
    """outputs.pb and error.pb below a prefix."""

    store: DataStore
    prefix: str

    @classmethod
    def of_subtask(cls, store: DataStore, output_prefix: str, index: OriginalIndex) -> OutputFiles:
        return cls(store, store.join(output_prefix, str(index)))

    @property
    def outputs_path(self) -> str:
        return self.store.join(self.prefix, OUTPUTS_FILE)

    @property
    def error_path(self) -> str:
        return self.store.join(self.prefix, ERROR_FILE)

    def exists(self) -> bool:
        return self.store.exists(self.outputs_path)

    def is_error(self) -> bool:
        return self.store.exists(self.error_path)

    def read_outputs(self) -> literals_pb2.LiteralMap | None:
        """The outputs; None when the file holds none ("No outputs produced"). Raises StorageError."""
        outputs = literals_pb2.LiteralMap()
        path = self.outputs_path
        try:
            read_stored_message(self.store, path, outputs)
        except StorageError as error:
            raise UnreadableError(path, f"failed to read data from dataDir [{path}]. Error: {error}", error) from error
        return outputs if outputs.literals else None

    def read_error(self) -> execution_pb2.ExecutionError:
        """What error.pb says, in the form in which propeller reports it. Raises StorageError."""
        document = errors_pb2.ErrorDocument()
        path = self.error_path
        try:
            read_stored_message(self.store, path, document)
        except NotFoundError as error:
            return _system_error("ErrorFileNotFound", str(error))
        except StorageError as error:
            raise UnreadableError(path, f"failed to read error data from task @[{path}]: {error}", error) from error
        if not document.HasField("error"):
            return _system_error("ErrorFileBadFormat", f"error not formatted correctly, nil error @path [{path}]")
        found = document.error
        return execution_pb2.ExecutionError(
            code=found.code,
            message=found.message,
            kind=found.origin,
            timestamp=found.timestamp if found.HasField("timestamp") else None,
            worker=found.worker,
        )

    def write_outputs(self, outputs: literals_pb2.LiteralMap) -> None:
        write_stored_message(self.store, self.outputs_path, outputs)

    def write_error(self, message: str) -> None:
        """An error that is not recoverable, without a code."""
        document = errors_pb2.ErrorDocument(
            error=errors_pb2.ContainerError(message=message, kind=errors_pb2.ContainerError.NON_RECOVERABLE)
        )
        write_stored_message(self.store, self.error_path, document)


def error_message_in_output_files(store: DataStore, output_prefix: str, original: int) -> str:
    """The message of a child's error.pb; "" when there is none that can be read."""
    document = errors_pb2.ErrorDocument()
    try:
        read_stored_message(store, f"{output_prefix}/{original}/{ERROR_FILE}", document)
    except StorageError:
        return ""
    return str(document.error.message)


def _system_error(code: str, message: str) -> execution_pb2.ExecutionError:
    return execution_pb2.ExecutionError(code=code, message=message, kind=execution_pb2.ExecutionError.SYSTEM)
