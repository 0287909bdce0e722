from __future__ import annotations

import threading

import pytest

from flytekitplugins.awsbatch.sdk import switch

NAMES = ("FLYTE_AWSBATCH", "FLYTE_AWSBATCH_CONFIG", "AWS_BATCH_JOB_ID", "FLYTE_INTERNAL_EXECUTION_ID")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "on"),
    [
        ({}, False),
        ({"FLYTE_AWSBATCH": ""}, False),
        ({"FLYTE_AWSBATCH": "local"}, True),
        ({"FLYTE_AWSBATCH": "http://127.0.0.1:4000"}, True),
        ({"FLYTE_AWSBATCH": "off"}, False),
        ({"FLYTE_AWSBATCH": "OFF"}, False),
        ({"FLYTE_AWSBATCH_CONFIG": "deployment.yaml"}, True),
        ({"FLYTE_AWSBATCH": "", "FLYTE_AWSBATCH_CONFIG": "deployment.yaml"}, True),
        ({"FLYTE_AWSBATCH": "off", "FLYTE_AWSBATCH_CONFIG": "deployment.yaml"}, False),
        ({"FLYTE_AWSBATCH": "local", "AWS_BATCH_JOB_ID": "0a1b:3"}, False),
        ({"FLYTE_AWSBATCH": "local", "FLYTE_INTERNAL_EXECUTION_ID": "f00"}, False),
        ({"FLYTE_AWSBATCH_CONFIG": "deployment.yaml", "FLYTE_INTERNAL_EXECUTION_ID": "f00"}, False),
    ],
)
def test_the_environment_switches_emulation(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], on: bool
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert switch.emulation_on() is on


def test_an_override_counts_over_the_environment_and_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_AWSBATCH", "off")
    seen = []
    with switch.emulation_overridden(True):
        seen.append(switch.emulation_on())
        with switch.emulation_overridden(False):
            seen.append(switch.emulation_on())
        seen.append(switch.emulation_on())
    seen.append(switch.emulation_on())
    assert seen == [True, False, True, False]


@pytest.mark.parametrize("name", ["AWS_BATCH_JOB_ID", "FLYTE_INTERNAL_EXECUTION_ID", "FLYTE_AWSBATCH_WARMING"])
def test_nothing_is_emulated_in_a_job_whatever_is_overridden(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "0a1b")
    with switch.emulation_overridden(True):
        assert (switch.emulation_on(), bool(switch.variable_of_job())) == (False, True)


@pytest.mark.parametrize(("switched", "told"), [("local", True), ("off", False), ("", False)])
def test_a_switch_that_is_ignored_in_a_job_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], switched: str, told: bool
) -> None:
    switch._report_ignored_switch.cache_clear()
    monkeypatch.setenv("AWS_BATCH_JOB_ID", "0a1b")
    monkeypatch.setenv("FLYTE_AWSBATCH", switched)

    assert (switch.emulation_on(), switch.emulation_on()) == (False, False)
    words = "FLYTE_AWSBATCH is ignored: AWS_BATCH_JOB_ID is set, so this process is itself a job"
    assert capsys.readouterr().err.count(words) == told


def test_an_override_holds_in_threads_that_the_user_starts() -> None:
    seen = []
    with switch.emulation_overridden(True):
        thread = threading.Thread(target=lambda: seen.append(switch.emulation_on()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_what_runs_in_process_is_not_emulated_even_under_an_override() -> None:
    with switch.emulation_overridden(True):
        with switch.emulation_kept_off():
            inside = switch.emulation_on()
        assert (inside, switch.emulation_on()) == (False, True)
