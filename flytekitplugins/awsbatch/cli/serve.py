"""`flyte-awsbatch serve`: the local AWS Batch over HTTP, for boto3, the AWS CLI, or a real FlytePropeller."""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import rich_click as click

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import Executor, NoEngineError
from flytekitplugins.awsbatch.batch.emulator.execution.launch import (
    LaunchPolicy,
    launch_policy_in_clean_environment,
    launch_policy_in_image,
)
from flytekitplugins.awsbatch.batch.emulator.http.guard import RequestGuard, is_loopback_host
from flytekitplugins.awsbatch.batch.emulator.http.server import listen_http
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.store.database import UnusableHomeError
from flytekitplugins.awsbatch.local.all_settings import CONTAINER, Settings, load_all_settings
from flytekitplugins.awsbatch.local.deployment.backend import backend_container_executor
from flytekitplugins.awsbatch.local.deployment.code_folders import CodeFolders
from flytekitplugins.awsbatch.local.deployment.job_scripts import job_scripts_directories
from flytekitplugins.awsbatch.local.deployment.temporary_folder import temporary_folder_of_process
from flytekitplugins.awsbatch.local.history.page_address import page_address_noted
from flytekitplugins.awsbatch.local.home import Home, HomeError, home_from_environment
from flytekitplugins.awsbatch.settings.problems import SettingsError
from flytekitplugins.awsbatch.ui.page_server import RunPages

from .common import (
    config_option,
    event_of_ending_signal,
    files_of_command,
    listening_url_of_command,
)

DEFAULT_PORT = 8044
PROCESS = "process"
TOKEN = "FLYTE_AWSBATCH_TOKEN"  # noqa: S105 - the variable's name


def _parse_environment(_context: click.Context, _option: click.Parameter, pairs: Sequence[str]) -> dict[str, str]:
    """`K=V` options. A bare `K` takes the value that this command was started with."""
    environment = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or (not equals and name not in os.environ):
            raise click.BadParameter(f"{pair!r}: expected NAME=VALUE, or the NAME of a variable that is set")
        environment[name] = value if equals else os.environ[name]
    return environment


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="The port, 0 for any free one.",
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Where jobs and their logs are kept.  [default: ${wire.SWITCH_HOME} or ~/.flyte/awsbatch]",
)
@click.option(
    "--env",
    "environment",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_parse_environment,
    help="A variable that every job gets, such as an S3 endpoint or credentials. May be repeated.",
)
@click.option(
    "--isolation",
    type=click.Choice([PROCESS, CONTAINER]),
    help="Whether a job is a process of this machine, or a container of its own image.  [default: container where"
    " emulator.isolation says so, else process]",
)
@config_option
@click.option(
    "--token",
    envvar=TOKEN,
    show_envvar=True,
    help="What clients must sign with (as their AWS secret access key) or send as a bearer token. Needed off loopback.",
)
def serve_command(
    host: str,
    port: int,
    home: Path | None,
    environment: dict[str, str],
    isolation: str | None,
    files: Sequence[str],
    token: str | None,
) -> None:
    """Serve a local AWS Batch that starts jobs as processes of this machine, or as containers.

    Point boto3 or the AWS CLI here with AWS_ENDPOINT_URL_BATCH and AWS_ENDPOINT_URL_CLOUDWATCH_LOGS; any region and
    any credentials will do. Every queue of the settings is there from the start. Ctrl-C ends it; the next start on
    the same home continues the jobs that had not finished.
    """
    if token is None and not is_loopback_host(host):
        raise click.UsageError(
            f"{host} can be reached from other machines, and this service starts commands: give it a --token (or set"
            f" {TOKEN}), or listen on 127.0.0.1"
        )
    at = Home(home.expanduser().absolute()) if home is not None else home_from_environment(os.environ)
    try:
        settings = load_all_settings(files_of_command(files))
        executor: Executor | None = None
        launch: LaunchPolicy
        if (isolation or settings.local.isolation) == CONTAINER:
            launch = launch_policy_in_image(environment)
            executor = backend_container_executor(settings, at.prepare(), partial(click.echo, err=True))
        else:
            launch = CodeFolders(
                launch_policy_in_clean_environment(
                    environment,
                    None if "TMPDIR" in environment else temporary_folder_of_process(),
                    (sysconfig.get_path("scripts"), *job_scripts_directories()),
                ),
                at.code,
                settings.batch.retention_days,
            )
        service = LocalBatch(at.batch, settings.batch, launch=launch, executor=executor, adopt=True)
    except (SettingsError, HomeError, UnusableHomeError, NoEngineError) as error:
        raise click.ClickException(str(error)) from error
    guard = RequestGuard(token)
    pages = RunPages(at, guard, at.command, service)
    asyncio.run(_serve_until_signal(service, settings, guard, host, port, pages))


async def _serve_until_signal(
    service: LocalBatch, settings: Settings, guard: RequestGuard, host: str, port: int, pages: RunPages
) -> None:
    """Serves until a signal asks to end. No process is left behind; the next start continues unfinished jobs."""
    # A request must not wait long for the thread that starts jobs.
    sys.setswitchinterval(0.0005)
    asked = event_of_ending_signal()
    try:
        service.start()
        for queue in settings.admin.queues:
            service.ensure_queue(queue.dynamic)
        runner, bound = await listen_http(service, guard, host, port, pages)
    except UnusableHomeError as error:
        raise click.ClickException(str(error)) from error
    except BatchError as error:
        service.close(terminate=False)
        raise click.ClickException(f"a queue of the settings cannot be made: {error.message}") from error
    except OSError as error:
        service.close(terminate=False)
        raise click.ClickException(f"cannot listen on {host}, port {port}: {error.strerror}") from error
    url = listening_url_of_command(host, bound)
    click.echo(f"AWS Batch at {url} (region {service.region}, account {service.account_id})")
    click.echo(f"state and logs in {service.home}", err=True)
    click.echo(f"the runs of its home at {url}/ui/", err=True)
    with page_address_noted(pages.home, url):
        await asked.wait()
    await runner.cleanup()
    pages.close_pages()
    left = service.close(terminate=False)
    if left:
        click.echo(f"stopped with {len(left)} unfinished jobs; the next serve on this home continues them", err=True)
