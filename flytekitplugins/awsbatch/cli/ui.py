"""`flyte-awsbatch ui`: the page of the home's runs, while they go and afterwards."""

from __future__ import annotations

import asyncio
import gc
import os

import rich_click as click

from flytekitplugins.awsbatch.batch.emulator.http.guard import RequestGuard, is_loopback_host
from flytekitplugins.awsbatch.batch.emulator.http.server import listen_http_with
from flytekitplugins.awsbatch.local.history.page_address import page_address_noted
from flytekitplugins.awsbatch.local.home import Home
from flytekitplugins.awsbatch.ui.page_server import RunPages

from .common import event_of_ending_signal, fail_command, listening_url_of_command
from .home_access import ending_on_failure, home_of_command, home_run_named
from .serve import TOKEN

DEFAULT_PORT = 8045
OBJECTS_BETWEEN_COLLECTIONS = 100_000


@click.command("ui")
@click.argument("execution", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0 takes a free one."
)
@click.option(
    "--token",
    envvar=TOKEN,
    show_envvar=True,
    help="The token that a browser has to give. Needed off loopback, advisable where others use the machine.",
)
def ui_command(execution: str | None, host: str, port: int, token: str | None) -> None:
    """Serve a page of this home's runs, live while they go.

    With an EXECUTION it prints that one's address. The page only shows: it starts and stops nothing. Runs print its
    address while it is served. Ctrl-C ends it.
    """
    if token is None and not is_loopback_host(host):
        raise click.UsageError(
            f"{host} can be reached from other machines, and the page shows logs: give it a --token (or set {TOKEN}),"
            " or listen on 127.0.0.1"
        )
    home = home_of_command()
    with ending_on_failure():
        home.prepare()
        name = home_run_named(execution).name if execution else None
    # A large run is a hundred thousand small objects at once, which the collector would look through again and again.
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    asyncio.run(_serve(home, RunPages(home, RequestGuard(token), home.command), host, port, name))


async def _serve(home: Home, pages: RunPages, host: str, port: int, execution: str | None) -> None:
    asked = event_of_ending_signal()
    try:
        runner, bound = await listen_http_with(pages.respond, host, port)
    except OSError as error:
        # asyncio's own words repeat the address.
        why = os.strerror(error.errno) if error.errno else str(error)
        fail_command(f"Cannot listen on {host}, port {port}: {why}. With --port 0 a free port is taken.")
    url = listening_url_of_command(host, bound)
    click.echo(f"{url}/ui/{f'run/{execution}' if execution else ''}")
    click.echo(f"The runs in {home.path}. Ctrl-C ends it.", err=True)
    with page_address_noted(home, url):
        await asked.wait()
    await runner.cleanup()
    pages.close_pages()
