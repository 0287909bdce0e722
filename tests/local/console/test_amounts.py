"""How the command shows times."""

from __future__ import annotations

import pytest

from flytekitplugins.awsbatch.local.console.amounts import shown_time


@pytest.mark.parametrize("seconds", [1e20, -1e20, float("inf"), float("nan")])
def test_a_time_that_no_clock_shows_is_no_error(seconds: float) -> None:
    assert shown_time(seconds) == "?"
