"""`flyte-awsbatch`: the group of commands, each imported when it is asked for.

Exit status of every command: 0 right, 1 found something wrong, 2 used wrongly; of `rerun`, the child's.
"""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import rich_click as click

from .standard_output import OutputError, name_standard_output_in_errors

# Command -> the module of this package that holds it.
COMMANDS = {
    "account": "account",
    "cache": "runs",
    "config": "config",
    "doctor": "doctor",
    "jobs": "jobs",
    "kill": "runs",
    "lint": "lint",
    "logs": "logs",
    "plan": "plan",
    "queue": "queue",
    "report": "report",
    "rerun": "runs",
    "runs": "runs",
    "serve": "serve",
    "top": "top",
    "ui": "ui",
    "wheel": "wheel",
}


class Commands(click.RichGroup):
    """A group whose commands are imported late, since most of them bring flytekit along."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(
            importlib.import_module(f"{__package__}.{COMMANDS[cmd_name]}"), f"{cmd_name}_command"
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        close = difflib.get_close_matches(args[0], COMMANDS, 1) if args[0] not in COMMANDS else []
        if close:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {close[0]!r}?")
        return super().resolve_command(ctx, args)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        name_standard_output_in_errors()
        try:
            return super().__call__(*args, **kwargs)
        except OutputError as error:
            from .common import fail_command

            fail_command(str(error))


@click.group("flyte-awsbatch", cls=Commands)
@click.version_option(package_name="flytekitplugins-awsbatch")
def main() -> None:
    """AWS Batch for Flyte, on this machine.

    Which queue and role an execution gets, what its jobs did, an AWS Batch service to run them on, and checks of an AWS
    account. Commands that only look (config, doctor, jobs, lint, logs, plan, queue, runs) take --json.
    """


if __name__ == "__main__":
    main()
