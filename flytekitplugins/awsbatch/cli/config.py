"""`flyte-awsbatch config`: check a deployment's files, and write a file to start from."""

from __future__ import annotations

import sys
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.text import Text

from flytekitplugins.awsbatch.account.policies import (
    ACCOUNT,
    policy_account_id,
    policy_job_roles,
    policy_region,
    setup_policies,
)
from flytekitplugins.awsbatch.admin import checks
from flytekitplugins.awsbatch.admin.unknown_keys import keys_not_followed, misspelt_keys, unread_queue_keys
from flytekitplugins.awsbatch.local.all_settings import Settings, aws_faults_of_all_settings, read_all_settings
from flytekitplugins.awsbatch.settings.problems import Problem
from flytekitplugins.awsbatch.settings.reader import Reader

from .common import (
    FOUND,
    command_console,
    config_option,
    counted_noun,
    ending_command_with_problems,
    fail_command,
    files_of_command,
    json_option,
    print_json,
    show_iam_policies,
    show_indented,
    show_problems,
)

STARTER_FILE = Path(__file__).with_name("starter_file.yaml").read_text(encoding="utf-8")


@click.group("config")
def config_command() -> None:
    """Check the settings, or write a file to start from."""


@config_command.command("check")
@click.argument("named", nargs=-1, metavar="[FILE]...")
@click.option("--policies", is_flag=True, help="Print the policies of the account too, to copy.")
@config_option
@json_option
def config_check_command(named: tuple[str, ...], files: tuple[str, ...], policies: bool, as_json: bool) -> None:
    """Print everything wrong in the files, and what an AWS account needs besides.

    FILEs are laid one over another, as with -c of the other commands. Ends with status 1 when something is wrong.
    """
    with ending_command_with_problems(as_json):
        settings, reader = read_all_settings(files_of_command((*files, *named)))
    problems = [*reader.ordered_problems(), *_hidden_by_none(reader, settings)]
    others = [*unread_queue_keys(reader), *checks.admin_deployment_advice(settings.admin), *_account_advice(settings)]
    advice = _first_of_each([*misspelt_keys(reader), *keys_not_followed(reader), *([] if reader.problems else others)])
    papers = setup_policies(settings)
    if as_json:
        print_json(
            {
                "files": settings.files,
                "problems": problems,
                "advice": advice,
                "region": policy_region(settings),
                "account": policy_account_id(settings),
                "roles": policy_job_roles(settings),
                "documents": papers,
            }
        )
    else:
        _show_check(command_console(), settings, problems, advice, policies)
    sys.exit(FOUND if problems else 0)


def _hidden_by_none(reader: Reader, settings: Settings) -> list[Problem]:
    """The faults of the sections that could be read, whatever is wrong with the others."""
    if any(document.root is None and document.problems for document in reader.documents):
        return []
    unread = {_section_of_key(problem.key) for problem in reader.problems}
    faults = (*checks.admin_deployment_faults(settings.admin), *aws_faults_of_all_settings(reader, settings.handler))
    return [fault for fault in faults if _section_of_key(fault.key) not in unread]


def _section_of_key(key: str) -> str:
    return key.partition(".")[0]


def _first_of_each(problems: list[Problem]) -> list[Problem]:
    """The first fault of each place and key: a misspelt key is also one that is not read."""
    return list({(problem.file, problem.line, problem.key): problem for problem in reversed(problems)}.values())[::-1]


def _account_advice(settings: Settings) -> list[Problem]:
    if policy_account_id(settings) != ACCOUNT:
        return []
    expected = f"is not set, nor does a role name the account: the policies say {ACCOUNT} for it"
    return [Problem("", 0, "plugins.aws.accountId", "", expected)]


def _show_check(
    out: Console, settings: Settings, problems: list[Problem], advice: list[Problem], policies: bool
) -> None:
    """Prints the long parts first, so that the verdict stays in sight."""
    papers = setup_policies(settings)
    show_iam_policies(out, papers if policies else ())
    if advice:
        out.print(Text("To know", style="bold yellow"))
        show_problems(out, advice, style="yellow", sign="·")
        out.print()
    names = ", ".join(settings.files) or "the built-in settings"
    if problems:
        out.print(Text.assemble((counted_noun(len(problems), "problem"), "bold red"), f" in {names}"))
        show_problems(out, problems)
        return
    admin = settings.admin
    parts = ((admin.queues, "queue"), (admin.rules, "rule"), (admin.overrides, "attribute"))
    said = ", ".join(counted_noun(len(items), noun) for items, noun in parts)
    if not policies:
        needed = " and ".join(f"a {paper.title.lower()} for {paper.attach_to}" for paper in papers)
        show_indented(out, f"An account needs {needed}: --policies prints them, filled in.", 0)
    out.print(Text.assemble(("Right", "bold green"), f": {names} ({said})"))


@config_command.command("init")
@click.argument("path", default="awsbatch.yaml", metavar="[FILE]")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@json_option
def config_init_command(path: str, force: bool, as_json: bool) -> None:
    """Write a commented file to start from; - prints it.

    Then: export FLYTE_AWSBATCH_CONFIG=awsbatch.yaml
    """
    if path == "-":
        print_json({"file": None, "text": STARTER_FILE}) if as_json else click.echo(STARTER_FILE, nl=False)
        return
    try:
        with Path(path).open("w" if force else "x", encoding="utf-8") as file:
            file.write(STARTER_FILE)
    except FileExistsError:
        fail_command(f"{path} is there already; name another file, or replace it with --force")
    except OSError as error:
        fail_command(f"{path}: cannot be written: {error.strerror or error}")
    if as_json:
        print_json({"file": path, "text": STARTER_FILE})
        return
    out = command_console()
    out.print(Text.assemble("Written: ", (path, "bold")))
    out.print(Text(f"  export FLYTE_AWSBATCH_CONFIG={path}"))
    out.print(Text(f"  flyte-awsbatch config check {path}"))
