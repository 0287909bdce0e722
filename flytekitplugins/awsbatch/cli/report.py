"""`flyte-awsbatch report`: an execution as one HTML file to keep or to send."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from flytekitplugins.awsbatch.ui.report_file import report_file_text as report_text
from flytekitplugins.awsbatch.ui.report_file import write_report

from .common import fail_command
from .home_access import ending_on_failure, home_of_command, home_run_named


@click.command("report")
@click.argument("execution", required=False)
@click.option("-o", "--output", metavar="FILE", help="Where to write it; - prints it.  [default: EXECUTION.html]")
def report_command(execution: str | None, output: str | None) -> None:
    """Write an execution (the newest, unless one is named) as one HTML file that needs nothing else.

    It has what `ui` shows, with the logs of the failed and the slowest children.
    """
    with ending_on_failure():
        name = home_run_named(execution).name
        if output == "-":
            click.echo(report_text(home_of_command(), [name]))
            return
        path = Path(output or f"{name}.html")
        try:
            write_report(home_of_command(), [name], path)
        except OSError as error:
            fail_command(f"{path}: cannot be written: {error.strerror or error}")
    click.echo(f"{path}")
