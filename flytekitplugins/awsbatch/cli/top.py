"""`flyte-awsbatch top`: an execution while it goes, in a terminal; lines in a pipe."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator

import rich_click as click
from rich.console import Console, RenderableType

from flytekitplugins.awsbatch.batch.emulator.execution.log_files import log_tail
from flytekitplugins.awsbatch.local.history.run_reader import RunReader
from flytekitplugins.awsbatch.local.history.run_view import DONE, FAILED, ChildView, ExecutionView, NodeView
from flytekitplugins.awsbatch.ui.grouped_errors import page_error_of_child

from .home_access import ending_on_failure, home_of_command, home_run_named
from .top_view import Throughput, top_children, top_log_screen, top_screen, top_summary

# Seconds between two looks, and between two lines where there is no terminal.
LOOK_EVERY = 0.5
LINE_EVERY = 5.0
ESCAPE = "\x1b"
KEYS = {"\x1b[A": "up", "\x1bOA": "up", "k": "up", "\x1b[B": "down", "\x1bOB": "down", "j": "down"}
KEYS |= {"\r": "enter", "\n": "enter", "q": "back", ESCAPE: "back", "\x1b[5~": "page up", "\x1b[6~": "page down"}
# One key in what a terminal has sent for several.
KEY = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
STEPS = {"up": -1, "down": 1, "page up": -10, "page down": 10}


@click.command("top")
@click.argument("execution", required=False)
@click.option("--once", is_flag=True, help="Print the state of the execution once, and exit.")
def top_command(execution: str | None, once: bool) -> None:
    """Watch an execution (the newest, unless one is named): counts, throughput, failures and the slowest children.

    In a terminal, the arrow keys choose a child, Enter shows its log as it grows, and q leaves. Elsewhere it prints a
    line whenever something has changed, until the execution ends.
    """
    with ending_on_failure(), RunReader(home_of_command()) as reader:
        name = home_run_named(execution).name
        if once or not (sys.stdin.isatty() and sys.stdout.isatty()):
            _lines(reader, name, once)
        else:
            with contextlib.suppress(KeyboardInterrupt):
                _Watch(reader, name).run()


def _lines(reader: RunReader, name: str, once: bool) -> None:
    rate, said, printed = Throughput(), "", 0.0
    while True:
        execution = reader.execution(name)
        rate.add(_now(), _done(execution))
        running = execution.info.status == "running"
        counts = " ".join(f"{node.info.node} {node.counts}" for node in execution.nodes)
        if counts != said and (time.monotonic() - printed >= LINE_EVERY or not running or once):
            said, printed = counts, time.monotonic()
            for node in execution.nodes:
                words = ", ".join(f"{count} {state}" for state, count in node.counts.items())
                click.echo(f"{node.info.node} {node.info.function}  {node.info.status}  {words}")
            click.echo(f"{name}  {execution.info.status}  {top_summary(execution, rate).plain}")
        if not running or once:
            for node, child in top_children(execution, _now()):
                if child.state == FAILED:
                    error = page_error_of_child(reader, node, child)
                    click.echo(f"{node.info.node}:{child.index}  {child.state}  {error.headline}")
            return
        time.sleep(LOOK_EVERY)


class _Watch:
    """The screen. The chosen child stays chosen while the children around it change places."""

    def __init__(self, reader: RunReader, name: str) -> None:
        self._reader = reader
        self._name = name
        self._console = Console(highlight=False)
        self._rate = Throughput()
        self._chosen: tuple[str, int] | None = None
        self._in_log = False
        self._said: dict[tuple[str, int, int], str] = {}

    def run(self) -> None:
        from rich.live import Live

        stamp: object = None
        execution = self._reader.execution(self._name)
        with _keys() as pressed, Live(console=self._console, screen=True, auto_refresh=False) as live:
            while True:
                now = self._reader.run_stamp(self._name)
                if now != stamp or execution.info.status == "running":
                    stamp, execution = now, self._reader.execution(self._name)
                self._rate.add(_now(), _done(execution))
                children = top_children(execution, _now())
                live.update(self._shown(execution, children), refresh=True)
                key = pressed(LOOK_EVERY)
                if key == "back" and not self._in_log:
                    return
                self._act(key, children)

    def _act(self, key: str, children: list[tuple[NodeView, ChildView]]) -> None:
        place = self._place(children)
        if key == "back":
            self._in_log = False
        elif key == "enter" and children:
            self._in_log = True
            self._choose(children[place])
        elif key in STEPS and children and not self._in_log:
            self._choose(children[max(0, min(len(children) - 1, place + STEPS[key]))])

    def _choose(self, one: tuple[NodeView, ChildView]) -> None:
        self._chosen = (one[0].info.node, one[1].index)

    def _place(self, children: list[tuple[NodeView, ChildView]]) -> int:
        places = (at for at, (node, child) in enumerate(children) if (node.info.node, child.index) == self._chosen)
        return next(places, 0)

    def _shown(self, execution: ExecutionView, children: list[tuple[NodeView, ChildView]]) -> RenderableType:
        height = self._console.height
        if self._in_log and children:
            node, child = children[self._place(children)]
            streams = self._reader.streams(node, child)
            lines = log_tail(streams[-1].path, height).splitlines() if streams else []
            return top_log_screen(child, node, lines, height)
        return top_screen(execution, children, self._place(children), _now(), self._rate, self._say, height)

    def _say(self, node: NodeView, child: ChildView) -> str:
        key = (node.info.node, child.index, child.tries)
        if key not in self._said:
            self._said[key] = page_error_of_child(self._reader, node, child).headline
        return self._said[key]


def _now() -> int:
    return int(time.time() * 1000)


def _done(execution: ExecutionView) -> int:
    return sum(count for state, count in execution.counts.items() if state in DONE)


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A function that waits some seconds for a key and returns what the key means, "" for nothing."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)

    waiting: list[str] = []

    def pressed(seconds: float) -> str:
        if not waiting and select.select([terminal], [], [], seconds)[0]:
            waiting.extend(KEY.findall(os.read(terminal, 64).decode("utf-8", "replace")))
        return KEYS.get(waiting.pop(0), "") if waiting else ""

    try:
        yield pressed
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
