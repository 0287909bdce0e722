"""What a step of `flyte-awsbatch doctor` says: right, wrong and how to mend it, or why it cannot tell."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from enum import Enum
from typing import Any


class State(str, Enum):
    OK = "OK"
    WRONG = "wrong"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True)
class Fix:
    """How to mend what is wrong; each part may be empty.

    :param commands: lines for a shell.
    :param yaml: lines for a settings file.
    :param words: what a person has to do, where no command or setting does it.
    """

    commands: tuple[str, ...] = ()
    yaml: str = ""
    words: str = ""


@dataclass(frozen=True)
class StepFinding:
    """
    :param subject: the queue, role, setting or other thing that was looked at.
    :param found: what the account or the settings have; where that cannot be told, the reason.
    :param expected: what should be; empty unless it is wrong.
    """

    state: State
    subject: str
    found: str
    expected: str = ""
    fix: Fix = Fix()


def right_finding(subject: str, found: str) -> StepFinding:
    return StepFinding(State.OK, subject, found)


def wrong_finding(subject: str, found: str, expected: str, fix: Fix) -> StepFinding:
    return StepFinding(State.WRONG, subject, found, expected, fix)


def unknown_finding(subject: str, why: str) -> StepFinding:
    return StepFinding(State.UNKNOWN, subject, why)


def aws_cli_command(service: str, command: str, **options: Any) -> str:
    """A line of the AWS CLI; a value that is no text is written as JSON. `role_name=x` becomes `--role-name x`."""
    words = ["aws", service, command]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        words += [flag] if value is True else [flag, value if isinstance(value, str) else json.dumps(value)]
    return shlex.join(words)
