"""How policies are read: IAM user guide, "Policy evaluation logic"."""

from __future__ import annotations

from typing import Any

import pytest

from flytekitplugins.awsbatch.account.iam_evaluation import (
    IamPolicy,
    IamVerdict,
    evaluate_iam_request,
    iam_trusts,
    with_iam_trust,
    without_iam_denials,
)

ROLE = "arn:aws:iam::111122223333:role/flyte-jobs"
ECS = "ecs-tasks.amazonaws.com"
CONTEXT = {
    "iam:passedtoservice": ECS,
    "aws:sourceaccount": "111122223333",
    "aws:sourcearn": "arn:aws:ecs:us-east-2:111122223333:*",
    "sts:externalid": None,
}


def allow(action: Any = "iam:PassRole", resource: Any = ROLE, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(**more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": "*", "Resource": "*", **more}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def answer(*statements: dict[str, Any]) -> bool | None:
    return evaluate_iam_request([IamPolicy("p", document(*statements))], "iam:PassRole", ROLE, CONTEXT).allowed


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], False),
        ([allow()], True),
        ([allow("IAM:passrole")], True),
        ([allow("iam:P?ssR*", "arn:aws:iam::*:role/*")], True),
        ([allow(["s3:*", "iam:*"], ["x", ROLE])], True),
        ([allow(resource="arn:aws:iam::111122223333:ROLE/*")], False),
        ([{"Effect": "Allow", "NotAction": "s3:*", "NotResource": "arn:aws:s3:::*"}], True),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], False),
        ([allow(), deny()], False),
        ([deny(), allow()], False),
        ([allow(), deny(Action="s3:*")], True),
        ([allow(resource="arn:aws:iam::111122223333:role/${aws:username}")], None),
    ],
)
def test_a_deny_beats_every_allow_and_nothing_is_allowed_by_itself(
    statements: list[dict[str, Any]], expected: bool | None
) -> None:
    assert answer(*statements) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"StringEquals": {"iam:PassedToService": ECS}}, True),
        ({"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com", ECS]}}, True),
        ({"StringLike": {"IAM:passedtoservice": "ecs-*"}}, True),
        ({"StringEquals": {"iam:PassedToService": "ecs-*"}}, False),
        ({"StringNotEquals": {"iam:PassedToService": ["ec2.amazonaws.com", ECS]}}, False),
        ({"StringEqualsIgnoreCase": {"iam:PassedToService": ECS.upper()}}, True),
        ({"StringEqualsIfExists": {"sts:ExternalId": "x"}}, True),
        ({"StringEquals": {"sts:ExternalId": "x"}}, False),
        ({"StringNotEquals": {"sts:ExternalId": "x"}}, True),
        # No operators of IAM: what they would mean is not known.
        ({"NotStringEquals": {"iam:PassedToService": [ECS]}}, None),
        ({"BoolNot": {"iam:PassedToService": "true"}}, None),
        ({"Null": {"sts:ExternalId": "true"}}, True),
        ({"Null": {"iam:PassedToService": "true"}}, False),
        ({"Null": {"iam:PassedToService": False}}, True),
        ({"Null": {"sts:ExternalId": False}}, False),
        ({"Null": {"sts:ExternalId": True}}, True),
        ({"ForAnyValue:StringLike": {"iam:PassedToService": "ecs*"}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:ecs:*:111122223333:*"}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:ecs:eu-west-1:111122223333:*"}}, False),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:ecs:us-east-2:111122223333:cluster/mine"}}, None),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, None),
        ({"StringEquals": {"iam:PassedToService": ECS, "aws:SourceAccount": "999999999999"}}, False),
    ],
)
def test_every_condition_of_a_statement_has_to_hold(condition: dict[str, Any], expected: bool | None) -> None:
    assert answer(allow(Condition=condition)) is expected


def test_a_denial_that_cannot_be_told_leaves_the_answer_open() -> None:
    assert answer(allow(), deny(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})) is None


def test_a_boundary_allows_nothing_and_limits_everything() -> None:
    own, limit = IamPolicy("own", document(allow())), IamPolicy("limit", document(allow("s3:*", "*")), boundary=True)
    wide = IamPolicy("wide", document(allow("*", "*")), boundary=True)
    assert evaluate_iam_request([own, limit], "iam:PassRole", ROLE, CONTEXT) == IamVerdict(False, limit)
    assert evaluate_iam_request([own, wide], "iam:PassRole", ROLE, CONTEXT) == IamVerdict(True)
    assert evaluate_iam_request([wide], "iam:PassRole", ROLE, CONTEXT) == IamVerdict(False)


def test_a_part_of_what_is_asked_for_is_open() -> None:
    """The name of a job definition is not known before its image is."""
    policies = [IamPolicy("p", document(allow("batch:*", "arn:aws:batch:us-east-2:1:job-definition/flyte-*")))]
    asked = "arn:aws:batch:us-east-2:1:job-definition/*"
    assert evaluate_iam_request(policies, "batch:SubmitJob", asked, {}).allowed is None


def trusting(principal: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": principal, "Action": "sts:AssumeRole", **more}


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([trusting({"Service": ECS})], True),
        ([trusting({"Service": ["ec2.amazonaws.com", ECS]}, Action=["sts:TagSession", "sts:*"])], True),
        ([trusting({"Service": "*"})], True),
        ([trusting("*")], True),
        ([trusting({"AWS": "*"})], True),
        ([trusting({"Service": "ec2.amazonaws.com"})], False),
        ([trusting({"AWS": "arn:aws:iam::111122223333:root"})], False),
        ([trusting({"Service": ECS}, Action="sts:AssumeRoleWithWebIdentity")], False),
        ([trusting({"Service": ECS}), trusting({"Service": "ecs*"}, "Deny")], False),
        ([trusting({"Service": "ec2.amazonaws.com"}, "Deny"), trusting({"Service": ECS})], True),
        ([trusting({"Service": ECS}), {"Effect": "Deny", "NotPrincipal": {"Service": ECS}, "Action": "*"}], True),
        ([trusting({"Service": ECS}, Condition={"StringEquals": {"aws:SourceAccount": "111122223333"}})], True),
        ([trusting({"Service": ECS}, Condition={"StringEquals": {"sts:ExternalId": "x"}})], False),
        ([trusting({"Service": ECS}, Condition={"StringEquals": {"aws:SourceVpc": "x"}})], None),
    ],
)
def test_a_trust_policy_is_read_whatever_its_form(statements: list[dict[str, Any]], expected: bool | None) -> None:
    assert iam_trusts(document(*statements), ECS, CONTEXT) is expected


def test_a_single_statement_needs_no_list() -> None:
    assert iam_trusts({"Statement": trusting({"Service": ECS})}, ECS, CONTEXT) is True


def test_a_corrected_trust_policy_keeps_what_was_not_in_the_way() -> None:
    ec2, denying, right = trusting({"Service": "ec2.amazonaws.com"}), trusting("*", "Deny"), trusting({"Service": ECS})
    assert with_iam_trust(document(ec2, denying), ECS, CONTEXT, right) == document(ec2, right)
    assert with_iam_trust(document(denying, right), ECS, CONTEXT, right) == document(right)


def test_a_corrected_policy_keeps_what_was_not_in_the_way() -> None:
    other = deny(Action="s3:*")
    corrected = without_iam_denials(document(allow(), deny(), other), "iam:PassRole", ROLE, CONTEXT)
    assert corrected == document(allow(), other)


def test_a_correction_keeps_a_denial_of_which_it_cannot_be_told_whether_it_applies() -> None:
    open_denial = deny(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    corrected = without_iam_denials(document(allow(), deny(), open_denial), "iam:PassRole", ROLE, CONTEXT)
    assert corrected == document(allow(), open_denial)
    right = trusting({"Service": ECS})
    open_denial = trusting("*", "Deny", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    broken = document(trusting("*", "Deny"), open_denial, right)
    assert with_iam_trust(broken, ECS, CONTEXT, right) == document(open_denial, right)
