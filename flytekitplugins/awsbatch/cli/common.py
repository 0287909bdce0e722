"""What the commands share: reading settings, showing problems, printing JSON, exit statuses."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn, TypeVar

import rich_click as click
from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.account.policies import SetupPolicy
from flytekitplugins.awsbatch.local.all_settings import Settings, load_all_settings
from flytekitplugins.awsbatch.settings.problems import Problem, SettingsError

F = TypeVar("F", bound=Callable[..., Any])

FOUND = 1
# Where a command keeps its standard output, in its context.
OUTPUT = f"{__name__}.output"


def command_console() -> Console:
    """A console of the command's own, which fits the terminal or the file that output goes to."""
    return Console(highlight=False, soft_wrap=False)


config_option = click.option(
    "-c",
    "--config",
    "--settings",
    "files",
    multiple=True,
    metavar="FILE",
    help="A deployment's YAML, Helm values or a flytectl attribute file; a directory for all in it. Repeat it to "
    f"lay one over another. Default: ${wire.SWITCH_CONFIG}, else the built-in settings.",
)


def execution_click_options(function: F) -> F:
    which = "Its name decides among several queues that fit."
    function = click.option("--execution", metavar="NAME", default="", help=which)(function)
    function = click.option("-d", "--domain", metavar="D", help="Default: emulator.domain of the settings.")(function)
    return click.option("-p", "--project", metavar="P", help="Default: emulator.project of the settings.")(function)


def _keep_output(context: click.Context, _parameter: click.Parameter, as_json: bool) -> bool:
    """With `--json`, what else is printed, by Python code of the user's modules as they are imported or by flytekit's
    log, goes to standard error.
    """
    if as_json:
        context.meta[OUTPUT] = sys.stdout
        context.with_resource(contextlib.redirect_stdout(sys.stderr))
    return as_json


json_option = click.option("--json", "as_json", is_flag=True, callback=_keep_output, help="Print JSON instead.")


def files_of_command(files: Sequence[str]) -> list[str]:
    return list(files) or [part for part in os.environ.get(wire.SWITCH_CONFIG, "").split(os.pathsep) if part]


def settings_of_command(files: Sequence[str], as_json: bool) -> Settings:
    """The settings of the files. Problems in them end the command."""
    with ending_command_with_problems(as_json):
        return load_all_settings(files_of_command(files))


@contextlib.contextmanager
def ending_command_with_problems(as_json: bool) -> Iterator[None]:
    """Ends the command with the problems of settings that cannot be read."""
    try:
        yield
    except SettingsError as error:
        if as_json:
            print_json({"problems": error.problems})
        else:
            show_problems(command_console(), error.problems)
        sys.exit(FOUND)


def show_problems(out: Console, problems: Iterable[Problem], style: str = "red", sign: str = "✗") -> None:
    """One paragraph per problem: the place, then what is wrong."""
    for problem in problems:
        line = Text(f"{sign} ", style=style)
        line.append(problem.place, style="bold")
        if problem.key:
            line.append(f"  {problem.key}", style="cyan")
        out.print(line, overflow="fold")
        value = f"got {problem.value}, " if problem.value else ""
        show_indented(out, f"{value}{problem.expected}")


def counted_noun(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def show_indented(out: Console, paragraph: str, columns: int = 2) -> None:
    """Prints a paragraph, wrapped and indented, without blanks at the ends of its lines."""
    width = max(out.width - columns, 20)
    for line in textwrap.wrap(paragraph, width, break_long_words=False, break_on_hyphens=False):
        out.print(Text(" " * columns + line), soft_wrap=True)


def show_block(out: Console, block: Text) -> None:
    """Prints lines to copy, indented by two columns and never wrapped."""
    for line in block.split():
        out.print(Text("  ").append_text(line), soft_wrap=True)


def listening_url_of_command(host: str, port: int) -> str:
    """The URL of a server of this process that listens on an address."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def event_of_ending_signal() -> asyncio.Event:
    """Set when a signal asks this process to end."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    return asked


def show_iam_policies(out: Console, documents: Iterable[SetupPolicy]) -> None:
    """Prints policies to copy, each with the role or bucket that it belongs to."""
    for document in documents:
        out.print(Text.assemble((document.title, "bold"), f" of {document.attach_to}"))
        body = json.dumps(document.body, indent=2)
        show_block(out, Syntax(body, "json", background_color="default").highlight(body))
        out.print()


def print_json(value: Any) -> None:
    context: click.Context = click.get_current_context()  # type: ignore[assignment]
    text = json.dumps(value, indent=2, ensure_ascii=False, default=dataclasses.asdict)
    click.echo(text, file=context.meta[OUTPUT])


def fail_command(message: str) -> NoReturn:
    """Ends a command that found something wrong. Behind the first line of the message may be commands to copy."""
    words, _, commands = message.partition("\n")
    err = Console(stderr=True, highlight=False)
    err.print(Text(words, style="red"))
    if commands:
        err.print(Text(commands), soft_wrap=True)
    sys.exit(FOUND)
