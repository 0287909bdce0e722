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
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from flytekit.bin.entrypoint import _dispatch_execute as dispatch_execute
from flytekit.bin.entrypoint import normalize_inputs, setup_execution
from flytekit.core.context_manager import FlyteContextManager
from flytekit.loggers import logger

from flytekitplugins_awsbatch_timeout import watched

from .container.array_index import (
    ChildError,
    child_index_in_container,
    item_inputs_in_container,
    original_index_in_container,
)
from .container.command_line import Child, command_line_at_index
from .container.input_files import read_index_lookup_file, read_inputs_file, write_item_inputs
from .container.job_attempt import is_retried_attempt, left_by_an_earlier_attempt
from .sdk import switch
from .wire import MAP_EXECUTE_SCRIPT

if TYPE_CHECKING:
    from .container.fast.array_context import ArrayContext

# What was found out about an array before its children were forked, by their command line; of the latest ones.
_prepared: dict[tuple[str, ...], ArrayContext] = {}
MOST_PREPARED = 64


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
    child = _child_of(**options)
    if test:
        click.echo(f"Would run {child}")
        return
    _run_as_job(child)


def _child_of(
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


def _run_as_job(child: Child, array: ArrayContext | None = None) -> None:
    try:
        # This process is the job, also when it was forked from one in which the emulation is on.
        with switch.emulation_overridden(False):
            # A second attempt may have a checkpoint to go on from, which is flytekit's to find.
            if array is None or is_retried_attempt() or not _run_fast(array):
                _run_child(child)
    except ChildError as error:
        raise click.ClickException(str(error)) from error


def _run_fast(array: ArrayContext) -> bool:
    """Whether the item was run. If not, `_run_child` runs it, or says what is wrong."""
    from .container.fast.run_item import run_item

    return run_item(array, child_index_in_container(os.environ))


def _run_child(child: Child) -> None:
    """Flytekit's own way. Raises ChildError before the item is known; later errors go to the item's error.pb, as
    flytekit writes it.
    """
    context = FlyteContextManager.current_context()
    index = original_index_in_container(
        child_index_in_container(os.environ), read_index_lookup_file(context, child.inputs)
    )
    output_prefix = child.item_prefix(index)
    bound = child.bound
    checkpoint = command_line_at_index(child.checkpoint_path, index)
    with (
        setup_execution(
            child.raw_output_data_prefix,
            output_prefix,
            checkpoint,
            left_by_an_earlier_attempt(context, checkpoint) or command_line_at_index(child.prev_checkpoint, index),
            child.dynamic_addl_distro,
            child.dynamic_dest_dir,
        ) as context,
        watched(child.timeout, output_prefix) if child.timeout else nullcontext(),
    ):
        _importable_from_working_directory()
        try:
            inputs = item_inputs_in_container(read_inputs_file(context, child.inputs, bound), index, bound)
        except Exception as error:
            dispatch_execute(context, _failing_load(error), "", output_prefix)
            return
        if inputs is None:
            logger.info("The mapped lists are empty: nothing to do.")
            return
        dispatch_execute(context, child.load_task, write_item_inputs(context, inputs), output_prefix)


def _failing_load(error: Exception) -> Callable[[], Any]:
    """Stands for loading the task, so that flytekit reports the error as one of the item's own."""

    def load() -> Any:
        raise error

    return load


def _importable_from_working_directory() -> None:
    """As flytekit does it: a container's user code often lies in its working directory only."""
    here = Path.cwd()
    if str(here) not in sys.path and all(Path(entry).resolve() != here for entry in sys.path):
        sys.path.append(str(here))


def prepare_map_children(*arguments: str) -> None:
    """Called in an interpreter before it forks the children of this command line: finds out what they have in common.

    Does nothing where a part of flytekit that the fast path uses is missing or different: children then run flytekit's
    own way.
    """
    options = execute.make_context(MAP_EXECUTE_SCRIPT, list(arguments)).params
    if options["test"]:
        return
    _importable_from_working_directory()
    try:
        from .container.fast.array_context import find_array_context
        from .container.fast.rehearsal import rehearse

        array = find_array_context(_child_of(**options))
        if array is not None and not _prepared:
            with switch.emulation_overridden(False):
                rehearse(array)
    except Exception as error:
        logger.debug(f"Children run flytekit's own way: {error!r}")
        return
    if array is not None:
        if len(_prepared) >= MOST_PREPARED:
            del _prepared[next(iter(_prepared))]
        _prepared[arguments] = array


def prepare_map_children_with_task(*arguments: str) -> None:
    """Like `prepare_map_children`, and imports the task too."""
    prepare_map_children(*arguments)
    if array := _prepared.get(arguments):
        # A child tries again, and reports what is wrong as its own error.
        with suppress(Exception):
            _ = array.task_literals


def main() -> None:
    faulthandler.register(signal.SIGUSR1)
    array = _prepared.get(tuple(sys.argv[1:]))
    if array is None or not array.is_context_valid():
        execute()
        return
    try:
        _run_as_job(array.child, array)
    except (Exception, KeyboardInterrupt) as error:
        _end_as_click_does(error)


def _end_as_click_does(error: BaseException) -> None:
    """A command line that was parsed before the fork ends like one that is parsed now."""

    def fail() -> None:
        raise error

    click.Command(MAP_EXECUTE_SCRIPT, callback=fail).main([])
