"""Records how a queue was chosen: every rule in order, and why it matched or did not."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from flytekitplugins.awsbatch.settings.yaml_nodes import Mark


@dataclass(frozen=True)
class LaunchedExecution:
    """Who runs: the workflow's identity, and the execution's own name."""

    project: str
    domain: str
    workflow: str
    name: str = ""


@dataclass(frozen=True)
class RuleVerdict:
    """What became of one rule.

    :param rule: the rule in the words of its file.
    :param kind: `rule` of the deployment's file, or `override` stored with flytectl.
    :param matched: whether the execution is one that the rule is for.
    :param reason: why it matched or not, and why it decided or gave way, as a sentence without a full stop.
    :param queues: what its tags find; a queue may stand twice.
    :param decided: whether this rule made the choice.
    """

    rule: str
    kind: str
    where: Mark
    matched: bool
    reason: str
    queues: tuple[str, ...] = ()
    decided: bool = False


@dataclass(frozen=True)
class Explanation:
    """A choice and the way to it.

    :param matching: which of the three ways was followed.
    :param candidates: the queues that could have been chosen, in the file's order and with repeats; empty for none.
    :param verdicts: every rule, in the order in which it was considered.
    :param crash: what would stop a real server here, if anything.
    """

    matching: str
    execution: LaunchedExecution
    candidates: tuple[str, ...]
    verdicts: tuple[RuleVerdict, ...]
    crash: str = ""

    @property
    def queue(self) -> str:
        """One of the candidates, by the execution's name: always the same for one name, evenly spread over many; empty
        for none. FlyteAdmin picks at random (`queues.go`), which no run could repeat.
        """
        if not self.candidates:
            return ""
        digest = hashlib.sha256(self.execution.name.encode("utf-8", "surrogatepass")).digest()
        return self.candidates[int.from_bytes(digest[:8], "big") % len(self.candidates)]

    @property
    def explained_queues(self) -> frozenset[str]:
        """The queues as a set; that of no queue is the empty text."""
        return frozenset(self.candidates) or frozenset({""})
