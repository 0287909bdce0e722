"""The checks before anything is sent to an account: whose it is, and whether the queue can run the job.

The checks are those of `flyte-awsbatch doctor`. Only what is certainly wrong stops a run: an account that does not
allow looking is no error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from flytekitplugins.awsbatch.account import batch_checks, settings_checks, walk
from flytekitplugins.awsbatch.account.aws_account import AwsAccount
from flytekitplugins.awsbatch.account.step_findings import State, StepFinding
from flytekitplugins.awsbatch.account.steps import Step, run_account_step
from flytekitplugins.awsbatch.account.walk import AccountWalk, TaskNeed
from flytekitplugins.awsbatch.admin.admin_settings import ExecutionQueue

from ..all_settings import LOCAL_ROLE, Settings

Check = Callable[[AccountWalk], Iterable[StepFinding]]


class NotReadyError(Exception):
    """The account cannot run the job; the message says what is wrong and how to mend it. Nothing was sent."""


@dataclass
class AccountCheck:
    """
    :param endpoint_url: of a service of one's own instead of AWS's, which has no other part of an account.
    """

    settings: Settings
    endpoint_url: str | None = None
    _begun: AccountWalk | None = None
    _passed: frozenset[object] = frozenset()

    def check_queues(self, queues: Sequence[str]) -> None:
        """Whether the account is that of the settings and has the queues, ready for jobs. Raises NotReadyError."""
        if self.endpoint_url is None:
            self._require("account", *(self._findings(check, ()) for check in _OF_THE_CALLER))
        for queue in queues:
            self._require(queue, self._findings(batch_checks.check_queues, (queue,)), self._environments(queue))

    def check_task(self, need: TaskNeed, role: str) -> None:
        """Whether a machine can hold the job, and the role is one of an account. Raises NotReadyError."""
        if self.endpoint_url is not None:
            return
        if role == LOCAL_ROLE:
            raise NotReadyError(
                f"The settings name no role for jobs: {LOCAL_ROLE} is the emulation's own. Say emulator.role in the "
                f"file that FLYTE_AWSBATCH_CONFIG names, or give the launch plan a role."
            )
        checks = (batch_checks.check_compute_environment_room, batch_checks.check_queue_scheduling)
        self._require(need, *(self._findings(check, need.queues, need) for check in checks))

    def faults(self, queue: str) -> list[str]:
        """What keeps a queue's jobs from running now, a sentence each."""
        self._begun = None
        found = (*self._findings(batch_checks.check_queues, (queue,)), *self._environments(queue))
        return [_account_check_sentence(one) for one in found if one.state is State.WRONG]

    def _environments(self, queue: str) -> list[StepFinding]:
        return self._findings(batch_checks.check_compute_environments, (queue,))

    def _require(self, what: object, *found: Iterable[StepFinding]) -> None:
        """Raises NotReadyError if a finding is wrong. What has passed once is not looked at again."""
        if what in self._passed:
            return
        wrong = [one for some in found for one in some if one.state is State.WRONG]
        if wrong:
            raise NotReadyError("\n".join(["Nothing was sent to AWS Batch.", *_told(wrong)]))
        self._passed |= {what}

    def _findings(self, check: Check, queues: tuple[str, ...], need: TaskNeed | None = None) -> list[StepFinding]:
        walked = replace(self._walk(queues), needs=None if need is None else (need,))
        return run_account_step(Step("", "", check, asks_account=check not in _OF_THE_CALLER), walked)

    def _walk(self, queues: tuple[str, ...]) -> AccountWalk:
        """A walk through the account, in which these are the queues of the settings."""
        if self._begun is None:
            if self.endpoint_url is None:
                self._begun = walk.begin_walk(self.settings)
            else:
                account = AwsAccount(self.settings.handler.aws.region, {"batch": self.endpoint_url})
                caller = {"Account": self.settings.batch.account_id, "Arn": ""}
                self._begun = AccountWalk(self.settings, account, caller)
        admin = self.settings.admin
        named = replace(admin, queues=tuple(ExecutionQueue(queue) for queue in queues))
        return replace(self._begun, settings=replace(self.settings, admin=named))


_OF_THE_CALLER: tuple[Check, ...] = (
    settings_checks.check_settings_credentials,
    settings_checks.check_settings_account,
    settings_checks.check_settings_regions,
)


def _account_check_sentence(finding: StepFinding) -> str:
    expected = f"; expected {finding.expected}" if finding.expected else ""
    return f"{finding.subject}: {finding.found}{expected}"


def _told(wrong: Iterable[StepFinding]) -> Iterator[str]:
    for one in wrong:
        yield _account_check_sentence(one)
        yield from (part for part in (one.fix.words, *one.fix.commands, one.fix.yaml) if part)
