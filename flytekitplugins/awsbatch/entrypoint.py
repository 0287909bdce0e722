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
from pathlib import Path
from typing import Any, TypeVar

import click
from flyteidl.core.literals_pb2 import Literal, LiteralCollection, LiteralMap
from flytekit.bin.entrypoint import _dispatch_execute as dispatch_execute
from flytekit.bin.entrypoint import normalize_inputs, setup_execution
from flytekit.core.context_manager import FlyteContext, FlyteContextManager
from flytekit.exceptions.user import FlyteDataNotFoundException
from flytekit.loggers import logger
from google.protobuf.message import DecodeError

from flytekitplugins_awsbatch_timeout import watched

from .container.array_index import ChildError, child_index, item_inputs, original_index
from .container.command_line import Child, at_index
from .container.fast import run_item
from .container.fast.array_context import Siblings, find_out, importable_from_working_directory, known, remember
from .container.fast.run_item import written
from .container.job_attempt import is_tried_again, left_by_an_earlier_attempt
from .sdk import switch
from .wire import INDEX_LOOKUP_FILE, MAP_EXECUTE_SCRIPT

Message = TypeVar("Message", LiteralMap, LiteralCollection, Literal)


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
def execute(test: bool, **options: Any) -> None:
    """Runs one item of a map task, as a child of an array job on AWS Batch."""
    child = child_of(**options)
    if test:
        click.echo(f"Would run {child}")
        return
    run_as_job(child)


def child_of(
    raw_output_data_prefix: str | None,
    checkpoint_path: str | None,
    prev_checkpoint: str | None,
    max_concurrency: int | None = None,
    test: bool = False,
    **options: Any,
) -> Child:
    raw_output_data_prefix, checkpoint_path, prev_checkpoint = normalize_inputs(
        raw_output_data_prefix, checkpoint_path, prev_checkpoint
    )
    return Child(
        raw_output_data_prefix=raw_output_data_prefix,
        checkpoint_path=checkpoint_path,
        prev_checkpoint=prev_checkpoint,
        **options,
    )


def run_as_job(child: Child, siblings: Siblings | None = None) -> None:
    try:
        # This process is the job, also when it was forked from one in which the emulation is on.
        with switch.overridden(False):
            run_child(child, siblings)
    except ChildError as error:
        raise click.ClickException(str(error)) from error


def run_child(child: Child, siblings: Siblings | None = None) -> None:
    """Raises ChildError before the item is known; later errors go to the item's error.pb, as flytekit writes it.

    :param siblings: what has been found out already about all children of the array.
    """
    siblings = siblings or find_out(child)
    if siblings is not None and run_quickly(siblings):
        return
    context = FlyteContextManager.current_context()
    index = original_index(child_index(os.environ), read_index_lookup(context, child.inputs))
    output_prefix = child.item_prefix(index)
    bound = child.bound
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
        dispatch_execute(context, child.load_task, written(context, inputs), output_prefix)


def run_quickly(siblings: Siblings) -> bool:
    """Whether it could be done so. A second attempt may have a checkpoint to go on from, and takes the long way."""
    if is_tried_again():
        return False
    index = original_index(child_index(os.environ), siblings.lookup)
    try:
        inputs = siblings.inputs.item(index)
    except (ChildError, DecodeError):
        return False
    return inputs is not None and run_item.run(siblings, index, inputs)


def in_time(limit: int, output_prefix: str) -> AbstractContextManager[None]:
    return watched(limit, output_prefix) if limit else nullcontext()


def failing(error: Exception) -> Callable[[], Any]:
    """Stands for loading the task, so that flytekit reports the error as one of the item's own."""

    def load() -> Any:
        raise error

    return load


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
    """Fills a message from a file, local or remote. Raises ChildError for bytes that are no such message."""
    local = local_path(path)
    if local is None:
        local = Path(context.file_access.get_random_local_path())
        context.file_access.get_data(path, str(local))
    try:
        message.ParseFromString(local.read_bytes())
    except DecodeError as error:
        raise ChildError(f"{path} is not a {message.DESCRIPTOR.full_name}: {error}") from None
    return message


def local_path(path: str) -> Path | None:
    """A path on this machine; None for what only flytekit's file access can reach."""
    path = path.removeprefix("file://")
    return None if "://" in path else Path(path)


def prepare(*arguments: str) -> None:
    """Before an interpreter forks the children of this command line: finds out what they have in common."""
    options = execute.make_context(MAP_EXECUTE_SCRIPT, list(arguments)).params
    siblings = None if options["test"] else find_out(child_of(**options))
    if siblings is not None:
        remember(arguments, siblings)


def main() -> None:
    faulthandler.register(signal.SIGUSR1)
    siblings = known(sys.argv[1:])
    if siblings is None:
        execute()
        return
    try:
        run_as_job(siblings.child, siblings)
    except (Exception, KeyboardInterrupt) as error:
        end_as_click_does(error)


def end_as_click_does(error: BaseException) -> None:
    """A command line that was parsed before the fork ends like one that is parsed now."""

    def fail() -> None:
        raise error

    click.Command(MAP_EXECUTE_SCRIPT, callback=fail).main([])
