"""Where `fidelity: safe` leaves Flyte's path: each name is an entry of tests/conformance/deviations.toml, from which
docs/explanation/fidelity.md is made. In strict mode none of them happens."""

from __future__ import annotations

# A job that AWS calls FAILED is final, however many attempts it had.
SHORT_FAILURE = "short-failure"
# A job that ended well and left nothing but an error.pb has failed for good.
SUCCESS_WITH_ERROR = "success-with-error"
# The job store asks for children until they have ended, even when their parent has.
PARENT_ENDED_FIRST = "parent-ended-first"
# A child that AWS no longer knows, once its parent has ended, has failed.
VANISHED_CHILD = "vanished-child"
# A task that is submitted as one job, but whose inputs make the handler wait for several children, is refused.
NOT_AN_ARRAY = "not-an-array"
# An array beyond the limits fails with the reason that Flyte has for it, and not with a crash.
SIZE_LIMIT = "size-limit"
# A task without retries in its metadata may fail without a crash.
NO_RETRIES = "no-retries"
# Attempts are counted whatever their number.
ATTEMPT_COUNTER = "attempt-counter"
