"""`flyte-awsbatch lint`: what would go wrong with these tasks on a real cluster."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click
from flytekit.configuration import ImageConfig
from flytekit.configuration.default_images import DefaultImages
from flytekit.tools import module_loader
from rich.text import Text

from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import NoEngineError
from flytekitplugins.awsbatch.lint.codes import CODES
from flytekitplugins.awsbatch.lint.findings import LintFinding, Severity
from flytekitplugins.awsbatch.lint.targets import TargetError
from flytekitplugins.awsbatch.lint.whole_program import lint_whole_program

from .common import (
    FOUND,
    command_console,
    config_option,
    counted_noun,
    json_option,
    print_json,
    settings_of_command,
    show_indented,
)
from .image_check import check_images

# As for any command that is used wrongly.
NOT_LOADED = 2
# A cached task that is not mapped.
SINGLE_CACHED = "AB001"
MAPPED_ELSEWHERE = (
    "a map over the task counts only in a file that is looked at. If there is one in another file, "
    "name the folder of both."
)
IMPORT_SYSTEM = ("<frozen importlib", str(Path(importlib.__file__).parent))
Command = TypeVar("Command", bound=Callable[..., Any])
STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def image_option(description: str) -> Callable[[Command], Command]:
    """`--image`, in the words and with the default of pyflyte; the command gets it as `images`."""
    return click.option(
        "-i",
        "--image",
        "images",
        multiple=True,
        type=click.UNPROCESSED,
        callback=ImageConfig.validate_image,
        default=[DefaultImages.default_image()],
        help=description,
    )


@click.command("lint")
@click.argument("targets", nargs=-1, required=True, metavar="FILE|MODULE...")
@image_option("The image that the tasks will be registered with, as for pyflyte register.")
@click.option("--run", is_flag=True, help="Start a container of each image, and see whether the tasks can run in it.")
@click.option("--ignore", "ignored", multiple=True, metavar="CODE", help="A code that is fine. Repeat it for several.")
@click.option("--strict", is_flag=True, help="End with status 1 for warnings too.")
@config_option
@json_option
def lint_command(
    targets: tuple[str, ...],
    images: ImageConfig,
    run: bool,
    ignored: tuple[str, ...],
    strict: bool,
    files: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what would go wrong with these tasks on a real cluster, with what happens and what to do.

    Imports FILE or MODULE, or all that is below a folder, and looks at every task for AWS Batch in it. Registers and
    builds nothing, and runs nothing but what --run asks for. Ends with status 1 when an error was found, 2 when
    something could not be loaded.
    """
    unknown = [code for code in ignored if code not in CODES]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}; codes are {CODES_SHOWN}", param_hint="--ignore")
    deployment = settings_of_command(files, as_json)
    settings = dataclasses.replace(deployment.lint_settings, ignore=deployment.lint.ignore | set(ignored))
    try:
        looked = lint_whole_program(targets, images, settings)
        in_images = check_images(looked.needs, deployment.batch.container) if run else []
    except TargetError as error:
        raise click.BadParameter(str(error), param_hint="FILE|MODULE") from error
    except NoEngineError as error:
        raise click.ClickException(str(error)) from error
    found = (*looked.findings, *(one for one in in_images if one.code not in settings.ignore))
    not_loaded = looked.not_loaded
    if as_json:
        print_json(
            {
                "findings": [{**dataclasses.asdict(one), "severity": one.severity.value} for one in found],
                "tasks": looked.tasks,
                "not_loaded": [{"name": one.name, "error": _error_text(one.error)} for one in not_loaded],
            }
        )
    else:
        _show_findings(found)
        if any(one.code == SINGLE_CACHED for one in found) and not all(Path(target).is_dir() for target in targets):
            show_indented(command_console(), f"{SINGLE_CACHED}: {MAPPED_ELSEWHERE}", 0)
        if not found and not not_loaded:
            tasks = f"Nothing found in {counted_noun(looked.tasks, 'task')}" if looked.tasks else "There is no task"
            click.echo(f"{tasks} for AWS Batch.")
    for one in not_loaded:
        say_error_of_users_code(f"{one.name} could not be loaded", one.error)
    refused = any(strict or one.severity is Severity.ERROR for one in found)
    sys.exit(NOT_LOADED if not_loaded else FOUND if refused else 0)


def say_error_of_users_code(what: str, error: BaseException) -> None:
    """Prints the user's frames of the error, then what it means and its text, to standard error."""
    click.echo(f"{''.join(_frames_of_users_code(error))}{what}: {_error_text(error)}", err=True)


def _error_text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _frames_of_users_code(error: BaseException) -> list[str]:
    """The traceback from where it enters the user's code, without the frames that load it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = (str(Path(__file__).parent.parent), str(Path(module_loader.__file__).parent), *IMPORT_SYSTEM)
    users = [frame for frame in frames if not frame.filename.startswith(own)]
    return traceback.format_list(users)


CODES_SHOWN = f"{min(CODES)} to {max(CODES)}, see docs/reference/lint.md"


def _show_findings(found: Sequence[LintFinding]) -> None:
    """Prints one paragraph per problem, errors first, with all the tasks that have it."""
    out = command_console()
    # A task and the maps over it may all have it, and are shown as the task.
    shown = {(one.severity, one.code, one.message, one.subject, one.file, one.line): one for one in found}.values()
    alike: dict[tuple[Severity, str, str], list[LintFinding]] = {}
    for one in shown:
        alike.setdefault((one.severity, one.code, one.message), []).append(one)
    for (severity, code, message), findings in sorted(alike.items(), key=lambda item: item[0]):
        for one in sorted(findings, key=lambda one: (one.file, one.line)):
            line = Text(code, style=STYLES[severity])
            line.append(f"  {one.subject}", style="bold")
            if one.file:
                line.append(f"  {one.shown_file}:{one.line}", style="dim")
            out.print(line, overflow="fold")
        show_indented(out, message)
    errors = sum(one.severity is Severity.ERROR for one in shown)
    if shown:
        out.print(f"{counted_noun(errors, 'error')}, {counted_noun(len(shown) - errors, 'warning')}")
