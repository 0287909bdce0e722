"""A user or a role of the account, and whether it may do something: AWS is asked to simulate it, and where that is not
possible the principal's policies are read. Reading misses what an organisation forbids."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .aws_account import AwsAccount, CallError
from .iam_evaluation import Context, IamPolicy, IamVerdict, evaluate_iam_request, iam_statements, without_iam_denials
from .step_findings import Fix, aws_cli_command

ALLOWED = "allowed"
EXPLICITLY_DENIED = "explicitDeny"
# In the ARN of a policy that belongs to AWS, which nobody else can change.
AWS_OWNED = ":iam::aws:policy/"
# An action, its resource, and what is known of the request.
Request = tuple[str, str, Context]


@dataclass(frozen=True)
class Principal:
    """
    :param kind: `role`, `user`, `root`, or another word of an ARN.
    :param name: without its path.
    """

    kind: str
    name: str
    account: str

    @property
    def request(self) -> dict[str, str]:
        """The parameter that names the principal in a call to IAM."""
        return {f"{self.kind.title()}Name": self.name}

    @property
    def options(self) -> dict[str, str]:
        """The option that names the principal in a line of the AWS CLI."""
        return {f"{self.kind}_name": self.name}

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def principal_of(arn: str) -> Principal:
    """The principal behind an ARN of IAM or STS; a session stands for the role that it assumed."""
    found = re.fullmatch(r"arn:aws[a-z-]*:(?:iam|sts)::(\d{12}):([a-z-]+)(?:/(.+))?", arn)
    if not found:
        return Principal("", arn, "")
    account, kind, path = found[1], found[2], found[3] or ""
    if kind == "assumed-role":
        return Principal("role", path.partition("/")[0], account)
    return Principal(kind, path.rpartition("/")[2], account)


def principal_may_request(
    account: AwsAccount, principal: Principal, action: str, resource: str, context: Context
) -> IamVerdict:
    """Whether a principal may do something. Raises CallError where nothing of it can be looked at."""
    if principal.kind not in ("role", "user"):
        return IamVerdict(True if principal.kind == "root" else None)
    decision, lacking = "", False
    try:
        decision, lacking = _simulate(account, principal, action, resource, context)
    except CallError as error:
        if error.missing:
            raise
    if decision == ALLOWED:
        return IamVerdict(True)
    try:
        read = evaluate_iam_request(_policies_of(account, principal), action, resource, context)
    except CallError:
        if not decision:
            raise
        return IamVerdict(None if lacking else False)
    if not decision:
        return read
    if (read.allowed is None and decision != EXPLICITLY_DENIED) or (read.allowed is not False and lacking):
        return IamVerdict(None)
    elsewhere = read.allowed is True or (decision == EXPLICITLY_DENIED and read.policy is None)
    return IamVerdict(False, read.policy, elsewhere)


def _simulate(
    account: AwsAccount, principal: Principal, action: str, resource: str, context: Context
) -> tuple[str, bool]:
    """AWS's own decision, SimulatePrincipalPolicy's EvalDecision, and whether it lacked a condition key for it."""
    entries = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in context.items()
    ]
    answer = account.ask_aws(
        *("iam", "SimulatePrincipalPolicy"),
        PolicySourceArn=_principal_arn(account, principal),
        ActionNames=[action],
        ResourceArns=[resource],
        ContextEntries=entries,
    )
    result = answer["EvaluationResults"][0]
    # AWS names the keys beside each resource when it was asked about some.
    results = [result, *result.get("ResourceSpecificResults", [])]
    return str(result["EvalDecision"]), any(one.get("MissingContextValues") for one in results)


def _principal_arn(account: AwsAccount, principal: Principal) -> str:
    """The principal's ARN with its path, which the ARN of a session lacks."""
    kind = principal.kind.title()
    return str(account.ask_aws("iam", f"Get{kind}", **principal.request)[kind]["Arn"])


def _policies_of(account: AwsAccount, principal: Principal) -> list[IamPolicy]:
    """All policies that decide what a principal may do: its own, its groups', and its boundary."""
    kind = principal.kind.title()
    boundary = account.ask_aws("iam", f"Get{kind}", **principal.request)[kind].get("PermissionsBoundary")
    found = _own_policies(account, kind, principal.request)
    if principal.kind == "user":
        for group in account.ask_aws("iam", "ListGroupsForUser", **principal.request)["Groups"]:
            found += _own_policies(account, "Group", {"GroupName": group["GroupName"]}, group["GroupName"])
    if boundary:
        arn = boundary["PermissionsBoundaryArn"]
        found.append(IamPolicy(arn, _managed_policy(account, arn), boundary=True))
    return found


def _own_policies(account: AwsAccount, kind: str, request: dict[str, str], group: str = "") -> list[IamPolicy]:
    found = []
    for name in account.ask_aws("iam", f"List{kind}Policies", **request)["PolicyNames"]:
        answer = account.ask_aws("iam", f"Get{kind}Policy", PolicyName=name, **request)
        found.append(IamPolicy(name, answer["PolicyDocument"], group))
    for one in account.ask_aws("iam", f"ListAttached{kind}Policies", **request)["AttachedPolicies"]:
        found.append(IamPolicy(one["PolicyArn"], _managed_policy(account, one["PolicyArn"]), group))
    return found


def _managed_policy(account: AwsAccount, arn: str) -> Any:
    version = account.ask_aws("iam", "GetPolicy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
    answer = account.ask_aws("iam", "GetPolicyVersion", PolicyArn=arn, VersionId=version)
    return answer["PolicyVersion"]["Document"]


def principal_permission_fix(
    principal: Principal, verdict: IamVerdict, action: str, requests: Sequence[Request], name: str, document: Any
) -> Fix:
    """How to let a principal do something: without what denies it, else with a policy that allows it.

    :param requests: everything that the principal has to be able to do. The fix of each takes out what denies any of
        them: a command replaces the whole policy, and would put back what another one has taken out.
    :param name: what the name of the inline policy that would allow it begins with.
    :param document: that policy.
    """
    if verdict.elsewhere:
        return Fix(words=f"A policy of the organization denies {action}; its administrator can change that.")
    denying = verdict.policy
    if denying is None:
        return Fix((principal_grant_command(principal, name, document),))
    if denying.boundary:
        return Fix(words=f"The permissions boundary {denying.name} does not allow {action}; widen it.")
    corrected: Any = denying.document
    for request in requests:
        corrected = without_iam_denials(corrected, *request)
    holder = Principal("group", denying.group, principal.account) if denying.group else principal
    managed_policy = denying.name.startswith("arn:")
    if managed_policy and (AWS_OWNED in denying.name or not iam_statements(corrected)):
        command = aws_cli_command("iam", f"detach-{holder.kind}-policy", **holder.options, policy_arn=denying.name)
        return Fix((command,), words=f"{action} is denied by {denying.name}; detach it, unless the Deny is meant.")
    if managed_policy:
        options = {"policy_arn": denying.name, "policy_document": corrected, "set_as_default": True}
        command = aws_cli_command("iam", "create-policy-version", **options)
    elif iam_statements(corrected):
        command = _put_policy_command(holder, denying.name, corrected)
    else:
        command = aws_cli_command("iam", f"delete-{holder.kind}-policy", **holder.options, policy_name=denying.name)
    return Fix((command,), words=f"{action} is denied by {denying.name}; take the Deny out of it, unless it is meant.")


def principal_grant_command(principal: Principal, name: str, document: Any) -> str:
    """Adds an inline policy. Its name is that of this very document, so that it replaces no other deployment's."""
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:8]
    return _put_policy_command(principal, f"{name}-{digest}", document)


def _put_policy_command(principal: Principal, name: str, document: Any) -> str:
    options = {**principal.options, "policy_name": name, "policy_document": document}
    return aws_cli_command("iam", f"put-{principal.kind}-policy", **options)
