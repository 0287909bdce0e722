"""How IAM reads policies: which statements apply to a request, and that a Deny beats every Allow. Pure.

An answer is True, False, or None where it hangs on something that only AWS knows at the time of the request, such as
the caller's address. Source: IAM user guide, "Policy evaluation logic" and "JSON policy elements".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
# What is known of a request: condition keys in lower case; None for a key that the request surely does not have.
Context = Mapping[str, str | None]


@dataclass(frozen=True)
class IamPolicy:
    """
    :param name: of an inline policy; the ARN of a managed one.
    :param group: the group that has it; empty when the principal has it itself.
    :param boundary: whether it is a permissions boundary, which allows nothing by itself.
    """

    name: str
    document: Json
    group: str = ""
    boundary: bool = False


@dataclass(frozen=True)
class IamVerdict:
    """
    :param allowed: None when it cannot be told.
    :param policy: the policy that denies.
    :param elsewhere: whether it is denied by what the principal's policies do not show, such as an organisation's.
    """

    allowed: bool | None
    policy: IamPolicy | None = None
    elsewhere: bool = False


def evaluate_iam_request(policies: Sequence[IamPolicy], action: str, resource: str, context: Context) -> IamVerdict:
    """Whether a principal with these policies may make a request."""

    def says(policy: IamPolicy, effect: str) -> bool | None:
        statements = iam_statements(policy.document, effect)
        return _any_of(_statement_applies(one, action, resource, context) for one in statements)

    denied = [says(policy, "Deny") for policy in policies]
    if True in denied:
        return IamVerdict(False, policies[denied.index(True)])
    answers = [_any_of(says(policy, "Allow") for policy in policies if not policy.boundary)]
    for policy in policies:
        if policy.boundary:
            answers.append(says(policy, "Allow"))
            if answers[-1] is False:
                return IamVerdict(False, policy)
    return IamVerdict(_all_of([*answers, None if None in denied else True]))


def iam_trusts(document: Json, service: str, context: Context) -> bool | None:
    """Whether a role's trust policy lets a service assume it."""
    denied = _any_of(_trust_statement_applies(one, service, context) for one in iam_statements(document, "Deny"))
    allowed = _any_of(_trust_statement_applies(one, service, context) for one in iam_statements(document, "Allow"))
    return _all_of([allowed, None if denied is None else not denied])


def without_iam_denials(document: Json, action: str, resource: str, context: Context) -> dict[str, Any]:
    """The policy without the statements that deny a request."""
    kept = _not_denying(document, lambda one: _statement_applies(one, action, resource, context))
    return {**document, "Statement": kept}


def with_iam_trust(document: Json, service: str, context: Context, statement: Json) -> dict[str, Any]:
    """The trust policy without what keeps a service out, and with a statement that lets it in unless one does."""
    kept = _not_denying(document, lambda one: _trust_statement_applies(one, service, context))
    changed = {"Version": "2012-10-17", **document, "Statement": kept}
    allowed = _any_of(_trust_statement_applies(one, service, context) for one in iam_statements(changed, "Allow"))
    return changed if allowed else {**changed, "Statement": [*kept, statement]}


def _not_denying(document: Json, applies: Callable[[Json], bool | None]) -> list[Json]:
    """The statements but for the denials that surely apply."""
    return [one for one in iam_statements(document) if one.get("Effect") != "Deny" or applies(one) is not True]


def iam_statements(document: Json, effect: str = "") -> list[Json]:
    found = [one for one in _as_list(document.get("Statement")) if isinstance(one, Mapping)]
    return [one for one in found if not effect or one.get("Effect") == effect]


def _statement_applies(statement: Json, action: str, resource: str, context: Context) -> bool | None:
    return _all_of(
        [
            _element_covers(statement, "Action", action.lower(), lower=True),
            _element_covers(statement, "Resource", resource),
            _conditions_hold(statement.get("Condition"), context),
        ]
    )


def _trust_statement_applies(statement: Json, service: str, context: Context) -> bool | None:
    negated = "NotPrincipal" in statement
    principal = statement.get("NotPrincipal" if negated else "Principal")
    if isinstance(principal, Mapping):
        # Everybody may be written as AWS's principals too.
        services = [*_as_list(principal.get("Service")), *(one for one in _as_list(principal.get("AWS")) if one == "*")]
    else:
        services = _as_list(principal)
    named = any(_matches_iam_pattern(str(one), service) for one in services)
    return _all_of(
        [
            named is not negated,
            _element_covers(statement, "Action", "sts:assumerole", lower=True),
            _conditions_hold(statement.get("Condition"), context),
        ]
    )


def _element_covers(statement: Json, name: str, asked: str, lower: bool = False) -> bool | None:
    """Whether an element such as Action, or its negation, covers what is asked for."""
    negated = f"Not{name}" in statement
    patterns = [str(one) for one in _as_list(statement.get(f"Not{name}" if negated else name))]
    covered = _any_of(_matches_iam_pattern(one.lower() if lower else one, asked) for one in patterns)
    return covered if not negated or covered is None else not covered


def _matches_iam_pattern(pattern: str, asked: str) -> bool | None:
    """Whether a text is one that IAM's pattern (`*`, `?`) stands for. None: a policy variable, or the text stands for
    several itself (`job-definition/*`) and only some of them are meant."""
    regex = "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)
    if re.fullmatch(regex, asked, flags=re.DOTALL):
        return True
    several = asked.endswith("*") and pattern.startswith(asked[:-1])
    return None if several or "${" in pattern else False


def _conditions_hold(condition: Any, context: Context) -> bool | None:
    if not condition:
        return True
    return _all_of(
        _condition_holds(str(operator), str(key).lower(), [str(value) for value in _as_list(values)], context)
        for operator, keys in condition.items()
        for key, values in keys.items()
    )


def _condition_holds(operator: str, key: str, values: list[str], context: Context) -> bool | None:
    """One condition: several values are alternatives, for a negated operator exclusions."""
    name = operator.rpartition(":")[2].lower()
    if name == "null":
        present = None if key not in context else context[key] is not None
        return None if present is None else present is (values[0].lower() == "false")
    name, optional = name.removesuffix("ifexists"), name.endswith("ifexists")
    compared = NEGATED.sub(r"\1", name)
    negated, compare = compared != name, COMPARISONS.get(compared)
    if key not in context or compare is None:
        return None
    actual = context[key]
    if actual is None:
        return optional or negated or operator.lower().startswith("forallvalues:")
    found = _any_of(compare(value, actual) for value in values)
    return found if not negated or found is None else not found


def _same_value(value: str, actual: str) -> bool | None:
    return True if value == actual else None if actual.endswith("*") else False


def _same_value_in_any_case(value: str, actual: str) -> bool | None:
    return _same_value(value.lower(), actual.lower())


def _arn_like(pattern: str, actual: str) -> bool | None:
    """Field by field; the last one may hold colons. An actual field `*` stands for any that AWS will send."""
    patterns, actuals = pattern.split(":", 5), actual.split(":", 5)
    if len(patterns) != len(actuals):
        return _matches_iam_pattern(pattern, actual)
    return _all_of(_matches_iam_pattern(*pair) for pair in zip(patterns, actuals, strict=True))


# Operators of texts and of ARNs have negated ones: `StringNotLike`, `ArnNotEquals`.
NEGATED = re.compile("^(string|arn)not")
COMPARISONS = {
    "stringequals": _same_value,
    "stringequalsignorecase": _same_value_in_any_case,
    "stringlike": _arn_like,
    "arnequals": _arn_like,
    "arnlike": _arn_like,
    "bool": _same_value_in_any_case,
}


def _any_of(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    return True if True in found else None if None in found else False


def _all_of(answers: Iterable[bool | None]) -> bool | None:
    found = list(answers)
    return False if False in found else None if None in found else True


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]
