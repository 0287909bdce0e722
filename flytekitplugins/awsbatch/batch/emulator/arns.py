"""AWS's names for the service's resources, and what a caller may write instead of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):batch:(?P<region>[^:]*):(?P<account>[^:]*):(?P<kind>[a-z-]+)/(?P<name>.+)"
)

JOB = "job"
DEFINITION = "job-definition"
QUEUE = "job-queue"
ENVIRONMENT = "compute-environment"


@dataclass(frozen=True)
class Arns:
    region: str
    account_id: str

    def of(self, kind: str, name: str) -> str:
        return f"arn:aws:batch:{self.region}:{self.account_id}:{kind}/{name}"

    def ecs_arn(self, kind: str, name: str) -> str:
        return f"arn:aws:ecs:{self.region}:{self.account_id}:{kind}/{name}"

    def definition(self, name: str, revision: int) -> str:
        return self.of(DEFINITION, f"{name}:{revision}")


def name_in_arn(kind: str, reference: str) -> str | None:
    """The name in an ARN of that kind, or the reference itself when it is a plain name; None for an ARN of another
    kind.
    """
    if not reference.startswith("arn:"):
        return reference
    match = ARN.fullmatch(reference)
    return match["name"] if match is not None and match["kind"] == kind else None


def split_arn(arn: str) -> tuple[str, str] | None:
    """(kind, name) of an ARN of this service."""
    match = ARN.fullmatch(arn)
    return (match["kind"], match["name"]) if match else None


def split_arn_revision(name: str) -> tuple[str, int | None]:
    """`name:revision` or a bare name. What no revision can be is a part of the name."""
    match = re.fullmatch("(.*):([0-9]{1,9})", name, re.DOTALL)
    return (match[1], int(match[2])) if match else (name, None)
