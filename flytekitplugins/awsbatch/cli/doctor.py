"""`flyte-awsbatch doctor`: the setup document's steps, looked at in the account."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence

import rich_click as click
from rich.text import Text

from flytekitplugins.awsbatch.account.step_findings import Fix, State, StepFinding
from flytekitplugins.awsbatch.account.steps import Step, findings_of_steps
from flytekitplugins.awsbatch.account.walk import TaskNeed, begin_walk
from flytekitplugins.awsbatch.admin import checks
from flytekitplugins.awsbatch.local.all_settings import Settings, read_all_settings
from flytekitplugins.awsbatch.settings.problems import SettingsError

from .common import (
    FOUND,
    command_console,
    config_option,
    counted_noun,
    ending_command_with_problems,
    files_of_command,
    json_option,
    print_json,
    show_block,
    show_indented,
)

SIGNS = {State.OK: ("✓", "green"), State.WRONG: ("✗", "red"), State.UNKNOWN: ("?", "yellow")}


@click.command("doctor")
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@click.option("--role", "roles", multiple=True, metavar="ARN", help="A role of jobs, besides those of the settings.")
@click.option("--propeller-role", "propeller", metavar="ARN", help="flytepropeller's role. Default: the caller.")
@click.option("--image", metavar="IMAGE", help="The image that jobs start from.")
@click.option("--fix-commands", is_flag=True, help="Print only the commands that mend what is wrong.")
@config_option
@json_option
def doctor_command(
    modules: tuple[str, ...],
    roles: tuple[str, ...],
    propeller: str | None,
    image: str | None,
    fix_commands: bool,
    files: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check an AWS account against the settings, step by step.

    Each step of Flyte's setup for AWS Batch is OK, wrong (with what to do), or cannot be told. MODULE is a file, folder
    or module whose tasks have to find room. Nothing is changed. Ends with status 1 when something is wrong.
    """
    for arn in (*roles, *([propeller] if propeller else [])):
        if not checks.ROLE_ARN.fullmatch(arn):
            raise click.BadParameter(f"{arn} is no role's ARN: arn:aws:iam::<account>:role/<name>")
    settings = _readable_settings(files, as_json)
    needs = _needs_of(modules, settings) if modules else None
    walk = begin_walk(settings, roles=roles, propeller=propeller or "", image=image or "", needs=needs)
    wrong: list[StepFinding] = []
    steps = []
    for step, found in findings_of_steps(walk):
        wrong += [one for one in found if one.state is State.WRONG]
        if as_json:
            steps.append({"step": step.name, "title": step.title, "findings": found})
        elif not fix_commands:
            _show_step(step, found)
    commands = list(dict.fromkeys(command for one in wrong for command in one.fix.commands))
    if as_json:
        print_json({"commands": commands} if fix_commands else {"steps": steps, "wrong": len(wrong)})
    elif fix_commands:
        click.echo("".join(f"{command}\n" for command in commands), nl=False)
    else:
        verdict = Text(counted_noun(len(wrong), "thing") + " wrong", "bold red") if wrong else Text("OK", "bold green")
        command_console().print(verdict)
    sys.exit(FOUND if wrong else 0)


def _readable_settings(files: tuple[str, ...], as_json: bool) -> Settings:
    """The settings. Role keys that differ do not end the command, since a step reports them."""
    settings, reader = read_all_settings(files_of_command(files))
    told = set(checks.admin_role_key_faults(settings.admin))
    problems = [one for one in reader.ordered_problems() if one not in told]
    with ending_command_with_problems(as_json):
        if problems:
            raise SettingsError(problems)
    return settings


def _needs_of(modules: tuple[str, ...], settings: Settings) -> tuple[TaskNeed, ...]:
    """The needs of the tasks. flytekit is imported here, since a walk without modules does not need it."""
    from flytekitplugins.awsbatch.account.task_needs import task_needs

    try:
        return task_needs(modules, settings)
    except (Exception, SystemExit) as error:
        raise click.BadParameter(f"{type(error).__name__}: {error}", param_hint="MODULE") from error


def _show_step(step: Step, found: Sequence[StepFinding]) -> None:
    """Prints the step's title, and a line for each thing that was looked at.

    A fix of several findings in a row is printed once, after the last of them.
    """
    out = command_console()
    out.print(Text(step.title, style="bold"))
    for one, following in itertools.zip_longest(found, found[1:]):
        sign, style = SIGNS[one.state]
        line = Text.assemble((f"  {sign} ", style), (one.subject, "cyan"))
        if one.state is State.UNKNOWN:
            line.append("  cannot tell", style="yellow")
        out.print(line, soft_wrap=True)
        show_indented(out, f"{one.found}; expected {one.expected}" if one.expected else one.found, 4)
        if following is None or following.fix != one.fix:
            _show_fix(one.fix)


def _show_fix(fix: Fix) -> None:
    out = command_console()
    if fix.words:
        show_indented(out, fix.words, 4)
    for line in (*fix.commands, *fix.yaml.splitlines()):
        show_block(out, Text(f"    {line}"))
