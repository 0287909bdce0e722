"""`runs`, `kill`, `rerun` and `cache`: what people do after a run."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import rich_click as click

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.local.all_settings import RETENTION_DAYS, load_settings_of_environment
from flytekitplugins.awsbatch.local.console.amounts import shown_time
from flytekitplugins.awsbatch.local.deployment.account_client import account_client_of, terminate_account_jobs
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.run.rerun import only_index_to_rerun, prepare_rerun_of_child, rerun_child
from flytekitplugins.awsbatch.propeller.catalog import DiskCatalog
from flytekitplugins.awsbatch.settings.problems import SettingsError

from .common import counted_noun, fail_command, json_option, print_json
from .home_access import ending_on_failure, home_of_command, home_run_named, is_of_workflow, workflow_option
from .tables import print_table

POLL_SECONDS = 0.3
# Longer than jobs have to end by themselves.
KILL_TIMEOUT = 60.0


@click.command("runs")
@click.option("--prune", is_flag=True, help="Remove the runs that were last written to longer ago than --older-than.")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help=f"For --prune: how long ago, in days; {RETENTION_DAYS:g} unless given.",
)
@workflow_option
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(past_runs.STATUSES, case_sensitive=False),
    help="Only executions with this status. Repeat it for several.",
)
@json_option
def runs_command(
    prune: bool, older_than: float | None, workflow: str | None, statuses: tuple[str, ...], as_json: bool
) -> None:
    """The executions that this home remembers, newest first.

    Those that nobody has touched for 30 days go by themselves when a new run starts (emulator.keep_runs_days), also
    interrupted ones.
    """
    if older_than is not None and not prune:
        raise click.UsageError("--older-than says what --prune removes; to list runs, leave it out.")
    home = home_of_command()
    with ending_on_failure():
        if prune:
            gone = past_runs.prune_past_runs(home, RETENTION_DAYS if older_than is None else older_than)
            if as_json:
                print_json({"removed": gone})
            else:
                click.echo(f"Removed {counted_noun(len(gone), 'run')}.")
            return
        every = past_runs.past_runs_of(home, lambda error: click.echo(f"Left out: {error}", err=True))
    found = [run for run in every if is_of_workflow(run, workflow) and (not statuses or run.status in statuses)]
    if as_json:
        print_json([_run_json(run) for run in found])
        return
    if not found:
        click.echo(f"No runs in {home.path} yet." if not every else "No run matches.")
        return
    print_table(
        ("EXECUTION", "STATUS", "STARTED", "NODES", "WORKFLOW"),
        [(run.name, run.status, shown_time(run.started), str(len(run.nodes)), run.workflow) for run in found],
    )


def _run_json(run: past_runs.RunInfo) -> dict[str, Any]:
    nodes = [{name: value for name, value in vars(node).items() if name != "record"} for node in run.nodes]
    return vars(run) | {"nodes": nodes}


@click.command("kill")
@click.argument("execution")
def kill_command(execution: str) -> None:
    """End a running execution.

    Its process asks the jobs to end, kills those that do not, and exits. You can resume the execution, as after Ctrl-C.
    Jobs in an account are terminated, whether their process still runs or not.
    """
    with ending_on_failure():
        run = home_run_named(execution)
        execution = run.name
        if run.endpoint is not None:
            _kill_elsewhere(run)
            return
        if run.process is None:
            fail_command(f"Execution {execution} does not run (it is {run.status}).")
        _end_process(run, run.process, "and all its jobs ")
        click.echo(f"It has ended. To resume it, run its command again with {wire.SWITCH_RESUME}={execution}.")


def _end_process(run: past_runs.RunInfo, process: int, with_it: str) -> None:
    try:
        os.kill(process, signal.SIGTERM)
    except PermissionError:
        fail_command(f"Process {process}, which runs execution {run.name}, belongs to another user.")
    click.echo(f"Asked process {process} to end execution {run.name}.")
    until = time.monotonic() + KILL_TIMEOUT
    while past_runs.past_run(home_of_command(), run.name).process is not None:
        if time.monotonic() > until:
            fail_command(f"It has not ended yet; `kill -9 {process}` ends it {with_it}at once.")
        time.sleep(POLL_SECONDS)


def _kill_elsewhere(run: past_runs.RunInfo) -> None:
    """Ends the process first, which would submit more jobs, and then the jobs that it has left."""
    if run.process is not None:
        _end_process(run, run.process, "")
        run = past_runs.past_run(home_of_command(), run.name)
    client = account_client_of(run)
    assert client is not None
    ended = terminate_account_jobs(home_of_command(), run, client)
    if not ended:
        click.echo(f"Execution {run.name} has no jobs that run (it is {run.status}).")
    for node in ended:
        click.echo(f"Terminated job {node.job_id} of node {node.node}.")
    if run.status != "succeeded":
        click.echo(f"To resume it, run its command again with {wire.SWITCH_RESUME}={run.name}.")


@click.command("rerun")
@click.argument("execution")
@click.argument("node")
@click.argument("index", type=click.IntRange(min=0), required=False)
@click.option("--raw", is_flag=True, help="Show flytekit's JSON log lines as they are.")
def rerun_command(execution: str, node: str, index: int | None, raw: bool) -> None:
    """Run one child again in the foreground.

    It has its own inputs, environment and command, and a debugger works (`breakpoint()`, `pdb`). INDEX is the place in
    the mapped list, and may be left out where there is one item; outputs go to a folder of their own. Variables that
    the job inherited are this shell's. Ends with the child's exit status.
    """
    with ending_on_failure():
        run = home_run_named(execution)
        found = past_runs.past_node(run, node)
        node = found.node
        index = only_index_to_rerun(home_of_command(), run, found) if index is None else index
        child = prepare_rerun_of_child(home_of_command(), run, found, index)
        status = rerun_child(child, raw)
    click.echo(f"Child {index} of {node} ended with exit status {status}. It wrote to {child.output}", err=True)
    sys.exit(status)


@click.group("cache")
def cache_command() -> None:
    """The cache of emulated tasks, per item."""


@cache_command.command("clear")
def clear_cache_command() -> None:
    """Forget every item that is cached on this machine. A cache that others share (emulator.cache) is left as it is."""
    home = home_of_command()
    try:
        shared = load_settings_of_environment(os.environ).local.cache
    except SettingsError as error:
        fail_command(str(error))
    with ending_on_failure():
        DiskCatalog(home.catalog).clear()
        past_runs.remove_past_files_kept_for_cache(home)
    click.echo("The cache is empty.")
    if shared:
        click.echo(f"Others use the cache in {shared} too: remove the files below it to forget them.")
