"""What a walk through the setup has to go on: the settings, the account, and what the user named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flytekitplugins.awsbatch.admin.checks import ROLE_ARN
from flytekitplugins.awsbatch.local.all_settings import Settings

from .aws_account import AwsAccount, CallError
from .policies import policy_named_roles, policy_queue_arns, policy_region

# The largest answer of DescribeJobQueues and DescribeComputeEnvironments to names.
CHUNK = 100


@dataclass(frozen=True)
class TaskNeed:
    """What one task asks of a compute environment.

    :param memory: in MiB.
    :param platform: `EC2` or `FARGATE`.
    :param queues: the queues that its executions may get, as the settings name them.
    """

    task: str
    vcpus: int
    memory: int
    platform: str
    share_identifier: str
    queues: tuple[str, ...]


@dataclass(frozen=True)
class AccountWalk:
    """
    :param account: in the region where the queues are, even if the settings name another.
    :param caller: the answer of GetCallerIdentity, or why there is none.
    :param roles: ARNs of the jobs' roles.
    :param propeller: the ARN of propeller's role; empty: the caller is taken for it.
    :param image: empty: none was named.
    :param needs: None: no module was named.
    """

    settings: Settings
    account: AwsAccount
    caller: dict[str, Any] | CallError
    roles: tuple[str, ...] = ()
    propeller: str = ""
    image: str = ""
    needs: tuple[TaskNeed, ...] | None = None
    named_accounts: dict[str, str] = field(default_factory=dict)

    @property
    def queues(self) -> list[str]:
        """The job queues of the settings, by name or ARN."""
        return list(dict.fromkeys(one.dynamic for one in self.settings.admin.queues if one.dynamic))

    @property
    def account_id(self) -> str:
        return "" if isinstance(self.caller, CallError) else str(self.caller["Account"])

    @property
    def walk_caller_arn(self) -> str:
        return "" if isinstance(self.caller, CallError) else str(self.caller["Arn"])

    @property
    def walk_blocked(self) -> str:
        """Why the account cannot be checked; empty when it can."""
        if isinstance(self.caller, CallError):
            return "looking takes credentials"
        if self.named_accounts and self.account_id not in self.named_accounts.values():
            return "the credentials are those of another account"
        return ""

    @property
    def batch_arn(self) -> str:
        return f"arn:{self.account.partition}:batch:{self.account.region}:{self.account_id}"

    def job_queues(self) -> dict[str, dict[str, Any]]:
        """The job queues of the settings that exist, by the name that the settings use."""
        found = _job_queues(self.account, self.queues)
        return {name: one for name in self.queues for one in found if name in (one["jobQueueName"], one["jobQueueArn"])}

    def environments(self, queue: dict[str, Any]) -> list[dict[str, Any]]:
        """DescribeComputeEnvironments' answers for a queue's environments, in its order. AWS deletes none that a queue
        has."""
        order = sorted(queue["computeEnvironmentOrder"], key=lambda one: int(one["order"]))
        names = [one["computeEnvironment"] for one in order]
        found = self.account.ask_aws("batch", "DescribeComputeEnvironments", computeEnvironments=names)
        keys = ("computeEnvironmentArn", "computeEnvironmentName")
        known = {one[key]: one for one in found["computeEnvironments"] for key in keys}
        return [known[name] for name in names if name in known]


def _job_queues(account: AwsAccount, names: list[str]) -> list[dict[str, Any]]:
    """:param names: names or ARNs; without any, nothing is asked, since AWS would answer with all queues."""
    found = []
    for start in range(0, len(names), CHUNK):
        found += account.ask_aws("batch", "DescribeJobQueues", jobQueues=names[start : start + CHUNK])["jobQueues"]
    return found


def begin_walk(
    settings: Settings,
    *,
    roles: tuple[str, ...] = (),
    propeller: str = "",
    image: str = "",
    needs: tuple[TaskNeed, ...] | None = None,
) -> AccountWalk:
    """Asks who is calling, and in which region the queues are."""
    account = AwsAccount(policy_region(settings))
    all_roles = tuple(dict.fromkeys((*policy_named_roles(settings), *roles)))
    caller: dict[str, Any] | CallError
    try:
        caller = account.ask_aws("sts", "GetCallerIdentity")
        account = _where_the_queues_are(account, [one.dynamic for one in settings.admin.queues if one.dynamic])
    except CallError as error:
        caller = error
    return AccountWalk(
        settings, account, caller, all_roles, propeller, image, needs, _accounts_named(settings, all_roles)
    )


def _where_the_queues_are(account: AwsAccount, queues: list[str]) -> AwsAccount:
    """The account in the settings' region, or in the credentials' own when the queues are found only there."""
    other = account.default_region
    if not other or other == account.region:
        return account
    elsewhere = AwsAccount(other)
    try:
        return account if _job_queues(account, queues) or not _job_queues(elsewhere, queues) else elsewhere
    except CallError:
        return account


def _accounts_named(settings: Settings, roles: tuple[str, ...]) -> dict[str, str]:
    """The account ids in the settings, by what has them."""
    named = {"plugins.aws.accountId": settings.handler.aws.account_id}
    named |= {role: match[1] for role in roles if (match := ROLE_ARN.fullmatch(role))}
    named |= {arn: arn.split(":")[4] for arn in policy_queue_arns(settings, "") if arn.startswith("arn:")}
    return {what: account for what, account in named.items() if account}
