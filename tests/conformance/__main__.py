"""`python -m tests.conformance handler|queues --cases FILE --expected FILE`: one line a mismatch, then the sums; exit
status 1 when a case failed."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from . import handler_cases, kinds
from .fidelity import DOCUMENT, covering, markdown
from .report import Report, guarded, read_lines


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("handler", "queues"):
        command = commands.add_parser(name)
        command.add_argument("--cases", type=Path, required=True, help="the cases, one JSON object a line")
        command.add_argument("--expected", type=Path, required=True, help="what Flyte did, line by line")
        if name == "handler":
            command.add_argument("--fidelity", choices=("strict", "safe"), default="strict")
    document = commands.add_parser("fidelity", help="docs/explanation/fidelity.md, as deviations.toml makes it")
    document.add_argument("--write", action="store_true", help="write the file instead of printing it")
    options = parser.parse_args(arguments)
    if options.command == "fidelity":
        if options.write:
            DOCUMENT.write_text(markdown(), encoding="utf-8")
        else:
            print(markdown(), end="")
        return 0
    report = Report()
    for case, expected in zip(read_lines(options.cases), read_lines(options.expected), strict=True):
        if options.command == "handler":
            name, run = case["name"], partial(handler_cases.run_case, case, expected, fidelity=options.fidelity)
        else:
            name, run = f"{case['id']} {case['kind']}", partial(kinds.run_case, case, expected)
        outcome = guarded(run)
        report.add(name, outcome.mismatches, deviation=covering(outcome.deviations, outcome.mismatches))
    report.write(sys.stdout)
    return report.exit_status


if __name__ == "__main__":
    sys.exit(main())
