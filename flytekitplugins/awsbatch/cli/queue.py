"""`flyte-awsbatch queue`: which job queue an execution gets and why, and the rules as a 1.16 server needs them."""

from __future__ import annotations

import sys
from pathlib import Path

import rich_click as click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flytekitplugins.awsbatch.admin import export_rules as exporting
from flytekitplugins.awsbatch.admin.admin_settings import DOCUMENTED, FLYTEADMIN, FLYTEADMIN_2019, MATCHINGS
from flytekitplugins.awsbatch.admin.attribute_files import dump_attribute_file
from flytekitplugins.awsbatch.admin.decision_data import decision_data, decision_data_by_matching
from flytekitplugins.awsbatch.admin.explanation import Explanation
from flytekitplugins.awsbatch.admin.launch_decision import Decision, decide_launch

from .common import (
    FOUND,
    command_console,
    config_option,
    execution_click_options,
    fail_command,
    json_option,
    print_json,
    settings_of_command,
    show_block,
)

TITLES = {
    DOCUMENTED: "as the setup document says",
    FLYTEADMIN: "as FlyteAdmin 1.16 does",
    FLYTEADMIN_2019: "as FlyteAdmin did in 2019",
}


@click.group("queue")
def queue_command() -> None:
    """Which job queue an execution gets."""


@queue_command.command("explain")
@click.argument("workflow")
@execution_click_options
@click.option("--matching", type=click.Choice(MATCHINGS), help="Default: emulator.queue_matching of the settings.")
@config_option
@json_option
def queue_explain_command(
    workflow: str,
    project: str | None,
    domain: str | None,
    execution: str,
    matching: str | None,
    files: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print the rules in order, why each did or did not match, and the queue.

    WORKFLOW is the full name, module and function; that of a task run on its own is .flytegen.TASK.
    Ends with status 1 when no queue is found.
    """
    settings = settings_of_command(files, as_json).admin
    if "." not in workflow:
        click.echo(f"{workflow} is taken for a full name. Those of workflows have a module: MODULE.FUNCTION.", err=True)
    who = settings.emulator.launched(workflow, project, domain, execution)
    if matching:
        settings = settings.matched(matching)
    decision = decide_launch(settings, who)
    others = decision_data_by_matching(settings, decision)
    if as_json:
        print_json(decision_data(decision, others))
    else:
        _show_explanation(command_console(), decision, others)
    sys.exit(0 if decision.queue else FOUND)


def _show_explanation(out: Console, decision: Decision, others: dict[str, Explanation]) -> None:
    explanation = decision.explanation
    who = explanation.execution
    out.print(Text.assemble(("Workflow ", ""), (who.workflow, "bold"), f" in {who.project}/{who.domain}"))
    out.print(Text(f"Rules in order, {TITLES[explanation.matching]}:", style="dim"))
    out.print(_rules_table(explanation))
    out.print(queue_answer_text(explanation))
    out.print()
    out.print(_matchings_table(explanation, others))
    if decision.no_queue_help:
        out.print()
        out.print(Text(decision.no_queue_help, style="yellow"))
    for warning in decision.warnings[:1] if explanation.queue and decision.warnings else ():
        out.print()
        out.print(Text.assemble(("Note ", "bold yellow"), warning))


def _rules_table(explanation: Explanation) -> Table:
    table = Table(box=box.ROUNDED, expand=False, show_lines=False, header_style="bold")
    table.add_column("", justify="center", no_wrap=True)
    table.add_column("Rule", ratio=5, overflow="fold")
    table.add_column("Finds", ratio=2, overflow="fold")
    table.add_column("Why", ratio=6, overflow="fold")
    for verdict in explanation.verdicts:
        style = "green" if verdict.decided else "" if verdict.matched else "dim"
        rule = Text(verdict.rule, style="bold" if verdict.decided else "")
        rule.append(f"\n{verdict.where}" if verdict.where.file else "", style="dim")
        sign = "✔" if verdict.decided else "·" if verdict.matched else "✗"
        table.add_row(sign, rule, "\n".join(dict.fromkeys(verdict.queues)) or "-", verdict.reason, style=style)
    if not explanation.verdicts:
        table.add_row("-", "no rules", "", "the settings hold neither rules nor attributes")
    return table


def queue_answer_text(explanation: Explanation) -> Text:
    if not explanation.queue:
        return Text.assemble("Queue: ", ("none", "bold red"))
    text = Text.assemble("Queue: ", (explanation.queue, "bold green"))
    several = sorted(set(explanation.candidates))
    if len(several) > 1:
        text.append(f" (of {', '.join(several)}; the execution's name decides)")
    return text


def _matchings_table(explanation: Explanation, others: dict[str, Explanation]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, one in others.items():
        found = " or ".join(sorted(set(one.candidates))) or "none"
        shown = Text(one.crash or found, style="yellow" if one.explained_queues != explanation.explained_queues else "")
        named = Text(name, style="bold" if name == explanation.matching else "")
        table.add_row(named, shown, Text(TITLES[name], style="dim"))
    return table


@queue_command.command("export")
@click.option("--attributes", "folder", metavar="DIR", required=True, help="Where to write the files; made if absent.")
@click.option(
    "--project", "projects", multiple=True, metavar="P", help="A further project of the deployment. Repeatable."
)
@click.option(
    "--workflow",
    "workflows",
    multiple=True,
    metavar="NAME",
    help="A workflow's full name, for rules that give the bare function. Repeatable.",
)
@config_option
@json_option
def queue_export_command(
    folder: str, projects: tuple[str, ...], workflows: tuple[str, ...], files: tuple[str, ...], as_json: bool
) -> None:
    """Write the documented rules as attribute files for flytectl.

    A FlyteAdmin of today reads a default and one rule per domain from its file, and everything about projects and
    workflows from attributes: flytectl update execution-queue-attribute --attrFile DIR/FILE.
    Ends with status 1 when some executions would still get another queue.
    """
    settings = settings_of_command(files, as_json).admin
    exported = exporting.export_rules(settings, projects, workflows)
    taken: set[str] = set()
    written = {exporting.exported_file_name(one, taken): dump_attribute_file(one) for one in exported.attributes}
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
    except OSError as error:
        fail_command(f"{folder}: cannot be written: {error.strerror or error}")
    block = exporting.exported_server_block(settings, exported.rules)
    paths = [str(Path(folder) / name) for name in written]
    if as_json:
        print_json({"files": paths, "server": block, "notes": exported.notes, "unmet": exported.unmet})
    else:
        _show_exported(command_console(), exported, paths, block)
    sys.exit(FOUND if exported.unmet else 0)


def _show_exported(out: Console, exported: exporting.Exported, paths: list[str], block: str) -> None:
    if paths:
        out.print(Text("Written; store each on the server:", style="bold"))
        for path in paths:
            out.print(Text(f"  flytectl update execution-queue-attribute --attrFile {path}"), soft_wrap=True)
    else:
        out.print("No attributes needed: no rule depends on a project or a workflow.")
    out.print()
    out.print(Text("Keep in the server's file:", style="bold"))
    show_block(out, Text(block.rstrip()))
    for note in exported.notes:
        out.print(Text.assemble(("\nNote ", "bold yellow"), note))
    if exported.unmet:
        out.print(Text("\nNot expressible on a 1.16 server, which follows one tag:", style="bold red"))
        for one in exported.unmet:
            out.print(Text(f"  {one}"))
        out.print("Give the queues of such a rule a tag of their own.")
