"""FilterLogEvents' patterns: terms, phrases in quotes, optional and excluded terms.

Source: the CloudWatch Logs user guide, "Filter pattern syntax": "Filter patterns are case sensitive. Enclose exact
phrases and terms that include non-alphanumeric characters in double quotation marks".
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ...api import BatchError

TERM = re.compile(r'\s*([?-]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))(?=\s|$)')


def invalid_filter(message: str) -> BatchError:
    return BatchError("InvalidParameterException", message, 400)


def filter_matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a message matches. Raises BatchError for a pattern that CloudWatch or this service does not take."""
    if pattern.strip()[:1] in ("{", "[", "%"):
        raise invalid_filter(
            f"filterPattern {pattern!r}: JSON, space-delimited and regex patterns are not supported here"
        )
    required: list[str] = []
    optional: list[str] = []
    excluded: list[str] = []
    terms = {"": required, "?": optional, "-": excluded}
    place = 0
    while pattern[place:].strip():
        match = TERM.match(pattern, place)
        if match is None:
            raise invalid_filter(f"Invalid filter pattern: {pattern[place:]!r}")
        kind, phrase, word = match.groups()
        if word is not None and not word.replace("_", "").isalnum():
            raise invalid_filter(f"Invalid character(s) in term {word!r}: put it in double quotation marks")
        terms[kind].append(re.sub(r"\\(.)", r"\1", phrase) if word is None else word)
        place = match.end()

    def matches(message: str) -> bool:
        if any(term in message for term in excluded) or not all(term in message for term in required):
            return False
        # Beside other terms the optional ones count for nothing.
        return not optional or bool(required or excluded) or any(term in message for term in optional)

    return matches
