"""The executions of a home, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from ..local.console.amounts import shown_time
from ..local.history.past_runs import RunInfo
from .frame import PagePlace, frame_state_sign
from .html import Markup, html_joined, tag

# The executions on one page; `flyte-awsbatch runs` lists the rest.
SHOWN = 200


def runs_list_part(runs: Sequence[RunInfo], place: PagePlace) -> Markup:
    """The table, as it is replaced when something changes."""
    if not runs:
        return tag(
            "div",
            tag("p", "No runs in this home yet. Start one:"),
            tag("pre", "pyflyte run --env FLYTE_AWSBATCH=local workflow.py my_workflow"),
            id="runs",
            class_="card empty",
        )
    rows = [
        tag(
            "tr",
            tag("td", frame_state_sign(run.status)),
            tag("td", tag("a", _function(run.workflow), href=place.link_to(run.name)), " ", _module(run.workflow)),
            tag("td", shown_time(run.started), class_="when"),
            tag("td", len(run.nodes), class_="number"),
            tag("td", f"{run.project} / {run.domain}", class_="quiet wide"),
            tag("td", tag("code", run.name), class_="wide"),
            data_find=f"{run.status} {run.workflow} {run.name} {run.project} {run.domain}".lower(),
        )
        for run in runs[:SHOWN]
    ]
    head = tag(
        "tr",
        *(tag("th", word, scope="col") for word in ("Status", "Workflow", "Started")),
        tag("th", "Nodes", scope="col", class_="number"),
        *(tag("th", word, scope="col", class_="wide") for word in ("Project", "Execution")),
    )
    left = len(runs) - SHOWN
    more = tag("p", f"{left} older ones: flyte-awsbatch runs", class_="quiet") if left > 0 else None
    table = tag("table", tag("thead", head), tag("tbody", html_joined(rows)), class_="runs")
    return tag("div", table, more, id="runs", class_="card")


def list_body(runs: Sequence[RunInfo], place: PagePlace) -> Markup:
    search = tag("input", type="search", id="find", placeholder="Find a workflow, a name, a status", aria_label="Find")
    head = tag("div", tag("h1", "Executions"), search, class_="row")
    return html_joined([head, runs_list_part(runs, place)])


def _function(workflow: str) -> str:
    return workflow.rpartition(".")[2] or workflow


def _module(workflow: str) -> Markup:
    return tag("span", workflow.rpartition(".")[0], class_="quiet")
