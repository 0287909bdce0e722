"""The command of a map task's child: finds its item, runs the task on it, writes outputs.pb or error.pb for that item.

What flytekit's `pyflyte-map-execute` does for its own map tasks, except that it reads the index lookup, converts only
its own item to Python, and keeps checkpoints apart. A module of its own, imported by the console script, never run with
`python -m`: that would import it twice and register the task class twice.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from flyteidl.core.literals_pb2 import Literal, LiteralCollection, LiteralMap
from flytekit.bin.entrypoint import _dispatch_execute as dispatch_execute
from flytekit.bin.entrypoint import normalize_inputs, setup_execution
from flytekit.core.context_manager import FlyteContext, FlyteContextManager
from flytekit.exceptions.user import FlyteDataNotFoundException
from flytekit.loggers import logger
from flytekit.tools.module_loader import load_object_from_module

from flytekitplugins_awsbatch_timeout import watched

from . import switch
from .child import ChildError, OriginalIndex, child_index, item_inputs, original_index
from .map_task import bound_names
from .wire import AWS_JOB_ATTEMPT, INDEX_LOOKUP_FILE, INPUTS_FILE

Message = TypeVar("Message", LiteralMap, LiteralCollection, Literal)


@dataclass(frozen=True)
class Child:
    """A child's command line: the options of `pyflyte-map-execute`, prefixes still without the index.

    :param timeout: the time limit that AWS Batch was given for the attempt, in seconds; 0 for none known.
    """

    inputs: str
    output_prefix: str
    raw_output_data_prefix: str | None
    checkpoint_path: str | None
    prev_checkpoint: str | None
    resolver: str
    resolver_args: tuple[str, ...]
    dynamic_addl_distro: str | None = None
    dynamic_dest_dir: str | None = None
    timeout: int = 0


@click.command("pyflyte-awsbatch-map-execute")
@click.option("--inputs", required=True)
@click.option("--output-prefix", required=True)
@click.option("--raw-output-data-prefix", required=False)
@click.option("--max-concurrency", type=int, required=False)
@click.option("--test", is_flag=True)
@click.option("--dynamic-addl-distro", required=False)
@click.option("--dynamic-dest-dir", required=False)
@click.option("--resolver", required=True)
@click.option("--checkpoint-path", required=False)
@click.option("--prev-checkpoint", required=False)
@click.option("--timeout", type=click.IntRange(min=0), default=0)
@click.argument("resolver-args", type=click.UNPROCESSED, nargs=-1, required=True)
def execute(
    raw_output_data_prefix: str | None,
    checkpoint_path: str | None,
    prev_checkpoint: str | None,
    max_concurrency: int | None,
    test: bool,
    **options: Any,
) -> None:
    """Runs one item of a map task, as a child of an array job on AWS Batch."""
    raw_output_data_prefix, checkpoint_path, prev_checkpoint = normalize_inputs(
        raw_output_data_prefix, checkpoint_path, prev_checkpoint
    )
    child = Child(
        raw_output_data_prefix=raw_output_data_prefix,
        checkpoint_path=checkpoint_path,
        prev_checkpoint=prev_checkpoint,
        **options,
    )
    if test:
        click.echo(f"Would run {child}")
        return
    try:
        # This process is the job, also when it was forked from one in which the emulation is on.
        with switch.overridden(False):
            run_child(child)
    except ChildError as error:
        raise click.ClickException(str(error)) from error


def run_child(child: Child) -> None:
    """Raises ChildError before the item is known; later errors go to the item's error.pb, as flytekit writes it."""
    context = FlyteContextManager.current_context()
    index = original_index(child_index(os.environ), read_index_lookup(context, child.inputs))
    output_prefix = f"{child.output_prefix}/{index}"
    bound = bound_names(list(child.resolver_args))
    checkpoint = at_index(child.checkpoint_path, index)
    with (
        setup_execution(
            child.raw_output_data_prefix,
            output_prefix,
            checkpoint,
            left_by_an_earlier_attempt(context, checkpoint) or at_index(child.prev_checkpoint, index),
            child.dynamic_addl_distro,
            child.dynamic_dest_dir,
        ) as context,
        in_time(child.timeout, output_prefix),
    ):
        importable_from_working_directory()
        try:
            inputs = item_inputs(read_inputs(context, child.inputs, bound), index, bound)
        except Exception as error:
            dispatch_execute(context, failing(error), "", output_prefix)
            return
        if inputs is None:
            logger.info("The mapped lists are empty: nothing to do.")
            return
        dispatch_execute(context, lambda: load_inner_task(child), written(context, inputs), output_prefix)


def in_time(limit: int, output_prefix: str) -> AbstractContextManager[None]:
    return watched(limit, output_prefix) if limit else nullcontext()


def load_inner_task(child: Child) -> Any:
    resolver = load_object_from_module(child.resolver)()
    return resolver.load_inner(list(child.resolver_args))


def failing(error: Exception) -> Callable[[], Any]:
    """Stands for loading the task, so that flytekit reports the error as one of the item's own."""

    def load() -> Any:
        raise error

    return load


def at_index(path: str | None, index: OriginalIndex) -> str | None:
    """All children are given one checkpoint path; each needs its own, and the same one after a retry."""
    return f"{path}/{index}" if path else None


def left_by_an_earlier_attempt(context: FlyteContext, checkpoint: str | None) -> str | None:
    """The checkpoint to go on from when AWS Batch tries a job again: Flyte gives all its attempts the same paths, and
    the previous one it names is that of the node's attempt before."""
    again = os.environ.get(AWS_JOB_ATTEMPT, "1") != "1"
    return checkpoint if checkpoint and again and context.file_access.exists(checkpoint) else None


def read_inputs(context: FlyteContext, path: str, bound: set[str]) -> LiteralMap:
    """All the inputs of the array, with mapped lists that were offloaded for their size in place again."""
    inputs = read(context, path, LiteralMap())
    for name in inputs.literals:
        literal = inputs.literals[name]
        if name not in bound and literal.HasField("offloaded_metadata"):
            literal.CopyFrom(read(context, literal.offloaded_metadata.uri, Literal()))
    return inputs


def read_index_lookup(context: FlyteContext, inputs: str) -> LiteralCollection | None:
    """indexlookup.pb from beside the inputs, or None where there is none.

    Asked for without looking first: the extra request costs more than the error does.
    """
    try:
        return read(context, f"{inputs.rpartition('/')[0]}/{INDEX_LOOKUP_FILE}", LiteralCollection())
    except (FileNotFoundError, FlyteDataNotFoundException):
        return None


def read(context: FlyteContext, path: str, message: Message) -> Message:
    """Fills a message from a file, local or remote."""
    local = local_path(path)
    if local is None:
        local = Path(context.file_access.get_random_local_path())
        context.file_access.get_data(path, str(local))
    message.ParseFromString(local.read_bytes())
    return message


def local_path(path: str) -> Path | None:
    """A path on this machine; None for what only flytekit's file access can reach."""
    path = path.removeprefix("file://")
    return None if "://" in path else Path(path)


def written(context: FlyteContext, inputs: LiteralMap) -> str:
    """The item's inputs as the file that flytekit's dispatch reads."""
    path = Path(context.execution_state.working_dir) / "item" / INPUTS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(inputs.SerializeToString())
    return str(path)


def importable_from_working_directory() -> None:
    """As flytekit does it: a container's user code often lies in its working directory only."""
    here = Path.cwd()
    if str(here) not in sys.path and all(Path(entry).resolve() != here for entry in sys.path):
        sys.path.append(str(here))


def main() -> None:
    faulthandler.register(signal.SIGUSR1)
    execute()
