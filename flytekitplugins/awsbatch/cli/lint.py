"""`flyte-awsbatch lint`: what would go wrong with these tasks on a real cluster."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

import rich_click as click
from flytekit.configuration import ImageConfig
from flytekit.configuration.default_images import DefaultImages
from flytekit.tools import module_loader
from rich.padding import Padding
from rich.text import Text

from flytekitplugins.awsbatch.lint.codes import CODES, Finding, Severity
from flytekitplugins.awsbatch.lint.settings import LintSettings
from flytekitplugins.awsbatch.lint.whole_program import TargetError, look_at

from .show import FOUND, config_option, console, fail, json_option, plain, print_json, settings_of

IMPORT_SYSTEM = ("<frozen importlib", str(Path(importlib.__file__).parent))
STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="FILE|MODULE...")
@click.option(
    "-i",
    "--image",
    "images",
    multiple=True,
    type=click.UNPROCESSED,
    callback=ImageConfig.validate_image,
    default=[DefaultImages.default_image()],
    help="The image that the tasks will be registered with, as for pyflyte register.",
)
@click.option("--ignore", "ignored", multiple=True, metavar="CODE", help="A code that is fine. Repeat it for several.")
@config_option
@json_option
def lint(
    targets: tuple[str, ...], images: ImageConfig, ignored: tuple[str, ...], files: tuple[str, ...], as_json: bool
) -> None:
    """Say what would go wrong with these tasks on a real cluster, with what happens and what to do.

    Imports FILE or MODULE, or all modules of a folder, and looks at every task for AWS Batch in it. Registers, runs and
    builds nothing. Ends with status 1 when something was found.
    """
    unknown = [code for code in ignored if code not in CODES]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}; codes are {CODES_SHOWN}", param_hint="--ignore")
    deployment = settings_of(files, as_json)
    settings = LintSettings(
        frozenset(ignored) | deployment.lint.ignore, deployment.handler.aws.batch.max_array_job_size
    )
    try:
        found = look_at(targets, images, settings)
    except TargetError as error:
        raise click.BadParameter(str(error), param_hint="FILE|MODULE") from error
    except Exception as error:
        fail(f"{''.join(users_frames(error))}{', '.join(targets)} could not be loaded: {type(error).__name__}: {error}")
    if as_json:
        print_json({"findings": [{**plain(one), "severity": one.severity.value} for one in found]})
    else:
        show(found)
    if found:
        sys.exit(FOUND)


def users_frames(error: Exception) -> list[str]:
    """The traceback from where it enters the user's code; that of loading it helps nobody."""
    frames = traceback.extract_tb(error.__traceback__)
    own = (str(Path(__file__).parent.parent), str(Path(module_loader.__file__).parent), *IMPORT_SYSTEM)
    users = [frame for frame in frames if not frame.filename.startswith(own)]
    return traceback.format_list(users)


CODES_SHOWN = f"{min(CODES)} to {max(CODES)}, see docs/lint.md"


def show(found: list[Finding]) -> None:
    """One paragraph a problem, errors first, with all the tasks that have it."""
    out = console()
    alike: dict[tuple[Severity, str, str], list[Finding]] = {}
    for one in found:
        alike.setdefault((one.severity, one.code, one.message), []).append(one)
    for (severity, code, message), findings in sorted(alike.items(), key=lambda item: item[0]):
        for one in findings:
            line = Text(code, style=STYLES[severity])
            line.append(f"  {one.entity}", style="bold")
            if one.file:
                line.append(f"  {Path(one.file).name}:{one.line}", style="dim")
            out.print(line, overflow="fold")
        out.print(Padding(Text(message), (0, 0, 0, 2)))
    errors = sum(one.severity is Severity.ERROR for one in found)
    out.print(f"{errors} errors, {len(found) - errors} warnings" if found else "Nothing found.")
