"""Roles: that of the jobs, which ECS assumes, and that of propeller, which passes it on and calls AWS Batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flytekitplugins.awsbatch.propeller.aws_array.job_definition import definition_name

from .aws_account import CallError
from .iam_evaluation import Context, iam_trusts, with_iam_trust
from .policies import (
    ECS_TASKS,
    Json,
    StoragePrefix,
    policy_limited_to_ecs,
    policy_queue_arns,
    policy_storage_prefixes,
    propeller_policy,
    storage_policy,
    trust_policy,
)
from .principals import (
    Principal,
    Request,
    principal_grant_command,
    principal_may_request,
    principal_of,
    principal_permission_fix,
)
from .settings_checks import account_settings_as_yaml
from .step_findings import Fix, StepFinding, aws_cli_command, right_finding, unknown_finding, wrong_finding
from .walk import AccountWalk

NO_ROLE = "no role was named; give --role, or set emulator.role"
# Stands for any object below a prefix.
SAMPLE = "flyte-awsbatch-doctor"
PASSED_TO_ECS: Context = {"iam:passedtoservice": ECS_TASKS}


def check_roles(walk: AccountWalk) -> Iterator[StepFinding]:
    for arn in walk.roles:
        if _is_of_another_account(walk, arn):
            yield unknown_finding(arn, "it is in another account")
        elif (role := _role_of_name(walk, arn)) is None:
            options = {"role_name": principal_of(arn).name, "assume_role_policy_document": trust_policy()}
            if path := arn.partition(":role/")[2].rpartition("/")[0]:
                options["path"] = f"/{path}/"
            fix = Fix((aws_cli_command("iam", "create-role", **options), *_storage_commands(walk, principal_of(arn))))
            yield wrong_finding(arn, "there is no such role", "a role", fix)
        elif (real := role["Arn"]) != arn:
            fix = _role_renaming_fix(walk, arn, real)
            yield wrong_finding(arn, f"the role of this name is {real}", "its ARN with its path", fix)
        else:
            yield right_finding(arn, "exists")
    if not walk.roles:
        yield unknown_finding("roles", NO_ROLE)
    if not walk.propeller:
        return
    if _is_of_another_account(walk, walk.propeller):
        yield unknown_finding(walk.propeller, "it is in another account")
    elif (role := _role_of_name(walk, walk.propeller)) is None:
        fix = Fix(words="Name the role of flytepropeller's service account: its annotation eks.amazonaws.com/role-arn.")
        yield wrong_finding(walk.propeller, "there is no such role", "propeller's role", fix)
    elif (real := role["Arn"]) != walk.propeller:
        fix = Fix(words=f"Give --propeller-role {real}.")
        yield wrong_finding(walk.propeller, f"the role of this name is {real}", "its ARN with its path", fix)


def check_role_trust(walk: AccountWalk) -> Iterator[StepFinding]:
    context: Context = {
        "aws:sourceaccount": walk.account_id,
        "aws:sourcearn": f"arn:{walk.account.partition}:ecs:{walk.account.region}:{walk.account_id}:*",
        # Only users and accounts have these.
        "sts:externalid": None,
        "aws:multifactorauthpresent": None,
        "aws:principalorgid": None,
    }
    for arn, role in _existing_roles(walk):
        document = role["AssumeRolePolicyDocument"]
        answer = iam_trusts(document, ECS_TASKS, context)
        if answer:
            yield right_finding(arn, f"its trust policy lets {ECS_TASKS} assume it")
        elif answer is None:
            yield unknown_finding(arn, "a condition of its trust policy depends on more than is known here")
        else:
            corrected = with_iam_trust(document, ECS_TASKS, context, trust_policy()["Statement"][0])
            options = {"role_name": role["RoleName"], "policy_document": corrected}
            fix = Fix((aws_cli_command("iam", "update-assume-role-policy", **options),))
            yield wrong_finding(
                arn, f"its trust policy does not let {ECS_TASKS} assume it", f"a trust in {ECS_TASKS}", fix
            )


def check_pass_role(walk: AccountWalk) -> Iterator[StepFinding]:
    for arn, _ in _existing_roles(walk):
        yield _propeller_finding(walk, "iam:PassRole", arn, PASSED_TO_ECS)
    if not walk.roles:
        yield unknown_finding("roles", NO_ROLE)


def check_role_batch_calls(walk: AccountWalk) -> Iterator[StepFinding]:
    """The calls of the aws_array handler."""
    for request in role_batch_requests(walk):
        yield _propeller_finding(walk, *request)


def role_batch_requests(walk: AccountWalk) -> list[Request]:
    """A definition has the name of its image; jobs are submitted to a revision of it."""
    definitions = f"{walk.batch_arn}:job-definition/"
    name = definition_name(walk.image) if walk.image else ""
    submitted = [f"{definitions}{name}:*" if name else f"{definitions}*"]
    submitted += policy_queue_arns(walk.settings, walk.batch_arn)
    return [
        ("batch:RegisterJobDefinition", f"{definitions}{name or '*'}", {}),
        *(("batch:SubmitJob", resource, {}) for resource in submitted),
        ("batch:DescribeJobs", "*", {}),
        ("batch:TerminateJob", f"{walk.batch_arn}:job/*", {}),
    ]


def _storage_requests(walk: AccountWalk) -> list[tuple[StoragePrefix, Request]]:
    """What a job does below each prefix of the storage, and with its bucket."""
    prefixes, partition = policy_storage_prefixes(walk.settings), walk.account.partition
    buckets = dict.fromkeys(one.bucket for one in prefixes)
    return [
        *(
            (one, (action, one.objects_arn(partition).removesuffix("*") + SAMPLE, {}))
            for one in prefixes
            for action in ("s3:GetObject", "s3:PutObject")
        ),
        *((StoragePrefix(bucket), ("s3:ListBucket", f"arn:{partition}:s3:::{bucket}", {})) for bucket in buckets),
    ]


def _requests_of(walk: AccountWalk, principal: Principal) -> list[Request]:
    """Everything that a principal has to be able to do, as propeller and as the role of jobs."""
    own = [arn for arn in walk.roles if not _is_of_another_account(walk, arn)]
    requests: list[Request] = []
    if principal == principal_of(walk.propeller or walk.walk_caller_arn):
        requests += [*(("iam:PassRole", arn, PASSED_TO_ECS) for arn in own), *role_batch_requests(walk)]
    if principal in map(principal_of, own):
        requests += [request for _, request in _storage_requests(walk)]
    return requests


def _propeller_finding(walk: AccountWalk, action: str, resource: str, context: Context) -> StepFinding:
    """Whether propeller, or the caller in its place, may do something."""
    principal = principal_of(walk.propeller or walk.walk_caller_arn)
    subject = f"{principal}: {action} {resource}".removesuffix(" *")
    if walk.propeller and _is_of_another_account(walk, walk.propeller):
        return unknown_finding(subject, "the role is in another account")
    queues = policy_queue_arns(walk.settings, walk.batch_arn)
    document = policy_limited_to_ecs(propeller_policy(walk.batch_arn, queues, list(walk.roles)))
    return _permission_finding(walk, principal, (action, resource, context), subject, "flyte-awsbatch", document)


def check_role_storage_access(walk: AccountWalk) -> Iterator[StepFinding]:
    prefixes = policy_storage_prefixes(walk.settings)
    if not prefixes:
        yield unknown_finding("bucket", "the settings name none: storage.container, propeller.rawoutput-prefix")
    for bucket in dict.fromkeys(one.bucket for one in prefixes):
        yield from _bucket_exists(walk, bucket)
    for arn, _ in _existing_roles(walk):
        principal = principal_of(arn)
        for prefix, request in _storage_requests(walk):
            subject = f"{principal}: {request[0]} {prefix}"
            yield _permission_finding(walk, principal, request, subject, "flyte-storage", _storage_document(walk))


def _permission_finding(
    walk: AccountWalk, principal: Principal, request: Request, subject: str, name: str, document: Json
) -> StepFinding:
    """Whether a principal may do something; `name` and `document` are of the policy that would let it."""
    verdict = principal_may_request(walk.account, principal, *request)
    if verdict.allowed:
        return right_finding(subject, "allowed")
    if verdict.allowed is None:
        return unknown_finding(subject, "a condition of its policies depends on more than is known here")
    fix = principal_permission_fix(principal, verdict, request[0], _requests_of(walk, principal), name, document)
    return wrong_finding(subject, "denied" if verdict.policy else "not allowed", "allowed", fix)


def _bucket_exists(walk: AccountWalk, bucket: str) -> Iterator[StepFinding]:
    try:
        walk.account.ask_aws("s3", "HeadBucket", Bucket=bucket)
        yield right_finding(bucket, "exists")
    except CallError as error:
        if not error.missing:
            yield unknown_finding(bucket, str(error))
            return
        fix = Fix((f"aws s3 mb s3://{bucket} --region {walk.account.region}",))
        yield wrong_finding(bucket, "there is no such bucket", "a bucket", fix)


def _storage_document(walk: AccountWalk) -> Json:
    container = walk.settings.handler.storage.container
    return storage_policy(policy_storage_prefixes(walk.settings), container, walk.account.partition)


def _storage_commands(walk: AccountWalk, principal: Principal) -> list[str]:
    """What lets a new role reach the storage."""
    if not policy_storage_prefixes(walk.settings):
        return []
    return [principal_grant_command(principal, "flyte-storage", _storage_document(walk))]


def _existing_roles(walk: AccountWalk) -> Iterator[tuple[str, dict[str, Any]]]:
    """(ARN, answer of GetRole) of the roles that exist in this account; the step `roles` reports the others."""
    for arn in walk.roles:
        role = None if _is_of_another_account(walk, arn) else _role_of_name(walk, arn)
        if role is not None and role["Arn"] == arn:
            yield arn, role


def _role_of_name(walk: AccountWalk, arn: str) -> dict[str, Any] | None:
    """GetRole's answer, which does not look at the path of the ARN."""
    try:
        role: dict[str, Any] = walk.account.ask_aws("iam", "GetRole", RoleName=principal_of(arn).name)["Role"]
    except CallError as error:
        if error.missing:
            return None
        raise
    return role


def _role_renaming_fix(walk: AccountWalk, arn: str, real: str) -> Fix:
    """The setting that names a role, with its real ARN."""
    admin = walk.settings.admin
    mended: Json = {}
    if admin.emulator.role == arn:
        mended["emulator"] = {"role": real}
    if admin.server.assumable_iam_role == arn:
        mended["flyteadmin"] = {"assumableIamRole": real}
    return Fix(yaml=account_settings_as_yaml(mended)) if mended else Fix(words=f"Give --role {real}.")


def _is_of_another_account(walk: AccountWalk, arn: str) -> bool:
    return principal_of(arn).account != walk.account_id
