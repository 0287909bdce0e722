"""A node whole: its children to look through, its attempts, the request, and how its queue was found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..local.console.amounts import shown_duration, shown_memory
from ..local.history.run_view import NodeView, worst_children_first
from .frame import frame_anchor, frame_facts, frame_state_sign
from .html import NOTHING, Markup, html_data_block, html_joined, tag
from .rows import node_rows

if TYPE_CHECKING:
    from .run_page import RunPage

# Children of a table for browsers that run no script.
PLAIN_CHILDREN = 50


def node_part(page: RunPage, node: NodeView, child: Markup = NOTHING) -> Markup:
    """:param child: the part of the child that is shown in it."""
    info, name = node.info, node.info.node
    mark = frame_anchor(page.name, name)
    block = f"data-{mark}"
    title = tag("h2", tag("span", node.name, class_="quiet"), f" {info.function}", node_part_attempt(node))
    children = tag(
        "div",
        html_data_block(node_rows(node, page.now, page.headlines(node)), block),
        tag("noscript", _plain_children(page, node)),
        class_="children",
        data_block=block,
        data_name=info.function,
        data_run=page.name,
        data_prefix=page.place.link_to(page.name, name),
    )
    facts = [
        ("Task", info.task),
        ("Batch job", tag("code", info.job_id or "none yet")),
        ("Queue", node.queue or "none"),
        ("A child may use", " and ".join(filter(None, (_vcpus(node), _memory(node))))),
    ]
    return tag(
        "section",
        tag("div", title, node_part_status(page, node), class_="row"),
        _attempt_links(page, node),
        frame_facts(facts),
        children,
        tag("div", child, id=f"child-{mark}", class_="child-place", aria_live="polite"),
        _queue(info.record),
        _request(info.record),
        class_="card node",
        id=mark,
        data_node=name,
    )


def node_part_status_id(page: RunPage, node: NodeView) -> str:
    return f"status-{frame_anchor(page.name, node.info.node)}"


def node_part_status(page: RunPage, node: NodeView) -> Markup:
    return tag("span", frame_state_sign(node.info.status), id=node_part_status_id(page, node))


def node_part_attempt(node: NodeView) -> str:
    """Which attempt it is, of a node that has several."""
    return f", node attempt {node.number}" if node.of > 1 else ""


def _attempt_links(page: RunPage, node: NodeView) -> Markup:
    """To the other attempts of the node."""
    others = [one for one in page.execution.attempts if one.name == node.name and one is not node]
    if not others:
        return NOTHING
    links = []
    for one in others:
        where = page.place.link_to(page.name, one.info.node)
        links += [tag("a", f"node attempt {one.number}", href=where), " ", frame_state_sign(one.info.status), " "]
    return tag("p", "See also ", *links)


def _plain_children(page: RunPage, node: NodeView) -> Markup:
    """The children that matter most, where no script runs."""
    rows = html_joined(
        tag(
            "tr",
            tag("td", tag("a", child.index, href=page.place.link_to(page.name, node.info.node, child.index))),
            tag("td", frame_state_sign(child.state)),
            tag("td", child.tries),
            tag("td", shown_duration(child.ran(page.now))),
            tag("td", child.reason),
        )
        for child in worst_children_first(node.children, page.now)[:PLAIN_CHILDREN]
    )
    heads = html_joined(tag("th", word, scope="col") for word in ("Child", "State", "Attempts", "Ran", "Reason"))
    return tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows))


def _queue(record: Mapping[str, Any]) -> Markup:
    decision = record.get("queue")
    if not isinstance(decision, dict) or not decision.get("rules"):
        return NOTHING
    rules = html_joined(
        tag(
            "tr",
            tag("td", "✓" if rule["decided"] else "·" if rule["matched"] else "✕", class_="number"),
            tag("td", tag("code", rule["rule"]), tag("div", _where(rule["where"]), class_="quiet")),
            tag("td", ", ".join(dict.fromkeys(rule["queues"])) or "-"),
            tag("td", rule["reason"]),
            class_="decided" if rule["decided"] else None,
        )
        for rule in decision["rules"]
    )
    heads = html_joined(
        tag("th", word, scope="col") for word in (tag("span", "Decides", class_="unseen"), "Rule", "Finds", "Why")
    )
    role = decision.get("role") or {}
    said = tag(
        "p",
        "Queue ",
        tag("strong", decision.get("queue") or "none"),
        f", matched as {decision.get('matching')}; role ",
        tag("code", role.get("iam_role") or "none"),
        f" from {role.get('source')}" if role.get("source") else "",
    )
    warnings = [tag("p", warning, class_="warning") for warning in decision.get("warnings", ())]
    table = tag("table", tag("thead", tag("tr", heads)), tag("tbody", rules), class_="rules")
    return tag("details", tag("summary", "Why this queue"), said, table, *warnings)


def _request(record: Mapping[str, Any]) -> Markup:
    request = record.get("request")
    if not request:
        return NOTHING
    text = json.dumps(request, indent=2, ensure_ascii=False)
    link = record.get("link")
    note = tag("p", "Flyte's console would link to ", tag("code", link), class_="quiet") if link else None
    return tag("details", tag("summary", "The request as it was submitted"), tag("pre", text), note)


def _where(mark: Mapping[str, Any]) -> str:
    return f"{mark.get('file')}, line {mark.get('line')}" if mark.get("file") else ""


def _memory(node: NodeView) -> str:
    return shown_memory(node.memory * (1 << 20)) if node.memory else ""


def _vcpus(node: NodeView) -> str:
    return f"{node.vcpus:g} vCPU" if node.vcpus else ""
