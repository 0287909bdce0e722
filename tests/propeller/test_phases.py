"""The table of phases and its two deciders, over all inputs."""

from __future__ import annotations

import itertools

import pytest

from flytekitplugins.awsbatch.propeller.aws_array.phases import (
    ALLOWED,
    ForbiddenTransitionError,
    Phase,
    TaskPhase,
    check_phase_transition,
    summary_to_phase,
    task_phase,
)
from flytekitplugins.awsbatch.propeller.aws_array.plugin_state import State

ENDS = {Phase.SUCCESS, Phase.RETRYABLE_FAILURE, Phase.PERMANENT_FAILURE}
# Phases that the decider tells apart; all others count as running.
TOLD_APART = [
    TaskPhase.SUCCESS,
    TaskPhase.PERMANENT_FAILURE,
    TaskPhase.RETRYABLE_FAILURE,
    TaskPhase.WAITING_FOR_RESOURCES,
    TaskPhase.RUNNING,
]


def test_the_names_and_numbers_are_flytes() -> None:
    assert [(phase.value, phase.flyte_name) for phase in Phase] == [
        (0, "PhaseStart"),
        (1, "PhasePreLaunch"),
        (2, "PhaseLaunch"),
        (3, "PhaseWaitingForResources"),
        (4, "PhaseCheckingSubTaskExecutions"),
        (5, "PhaseAssembleFinalOutput"),
        (6, "PhaseWriteToDiscovery"),
        (7, "PhaseWriteToDiscoveryThenFail"),
        (8, "PhaseSuccess"),
        (9, "PhaseAssembleFinalError"),
        (10, "PhaseRetryableFailure"),
        (11, "PhasePermanentFailure"),
        (12, "PhaseAbortSubTasks"),
    ]
    assert [(phase.value, phase.flyte_name) for phase in TaskPhase] == [
        (0, "PhaseUndefined"),
        (1, "PhaseNotReady"),
        (2, "PhaseWaitingForResources"),
        (3, "PhaseQueued"),
        (4, "PhaseInitializing"),
        (5, "PhaseRunning"),
        (6, "PhaseSuccess"),
        (7, "PhaseRetryableFailure"),
        (8, "PhasePermanentFailure"),
        (9, "PhaseWaitingForCache"),
        (10, "PhaseAborted"),
    ]


def test_every_phase_but_the_ends_leads_to_an_end() -> None:
    assert {phase for phase in Phase if phase.terminal} == ENDS
    leads = set(ENDS)
    while more := {phase for phase in Phase if ALLOWED[phase] & leads} - leads:
        leads |= more
    assert leads == set(Phase)


def test_the_phases_that_flyte_never_enters_here_are_known() -> None:
    reached = {Phase.START}
    while more := {after for phase in reached for after in ALLOWED[phase]} - reached:
        reached |= more
    assert set(Phase) - reached == {Phase.WRITE_TO_DISCOVERY_THEN_FAIL}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(Phase, Phase)))
def test_a_state_goes_only_where_the_table_says(before: Phase, after: Phase) -> None:
    state = State(phase=before)
    if after in ALLOWED[before]:
        check_phase_transition(before, after)
        assert state.to(after, 7, "why") == State(phase=after, version=7, reason="why")
    else:
        with pytest.raises(ForbiddenTransitionError, match=f"{before.flyte_name} to {after.flyte_name}"):
            state.to(after, 7)


@pytest.mark.parametrize("phase", Phase)
def test_the_task_is_told_a_phase_for_each_of_the_handlers(phase: Phase) -> None:
    told = task_phase(phase)
    assert told.terminal == phase.terminal
    assert (told is TaskPhase.SUCCESS) == (phase is Phase.SUCCESS)
    assert told.failure == (phase in (Phase.RETRYABLE_FAILURE, Phase.PERMANENT_FAILURE))


def expected(minimum: int, children: tuple[TaskPhase, ...]) -> Phase:
    """The decider's rules for a list of children, in words."""
    may_succeed = [child for child in children if child is not TaskPhase.PERMANENT_FAILURE]
    if len(may_succeed) < minimum:
        return Phase.ABORT_SUBTASKS
    if TaskPhase.WAITING_FOR_RESOURCES in children:
        return Phase.WAITING_FOR_RESOURCES
    enough = children.count(TaskPhase.SUCCESS) >= minimum
    over = all(child in (TaskPhase.SUCCESS, TaskPhase.PERMANENT_FAILURE) for child in children)
    return Phase.WRITE_TO_DISCOVERY if enough and over else Phase.CHECKING_SUBTASKS


@pytest.mark.parametrize("minimum", range(-2, 7))
def test_the_summary_decides_the_phase_whatever_the_counts(minimum: int) -> None:
    for size in range(6):
        for children in itertools.combinations_with_replacement(TOLD_APART, size):
            summary = {phase: children.count(phase) for phase in set(children)}
            decided = summary_to_phase(minimum, summary)
            assert decided is expected(minimum, children), (minimum, children)
            # It decides for an array that is being watched.
            check_phase_transition(Phase.CHECKING_SUBTASKS, decided)


@pytest.mark.parametrize("phase", TaskPhase)
def test_a_single_child_decides_by_its_phase(phase: TaskPhase) -> None:
    decided = summary_to_phase(1, {phase: 1})
    assert decided is {
        TaskPhase.SUCCESS: Phase.WRITE_TO_DISCOVERY,
        TaskPhase.PERMANENT_FAILURE: Phase.ABORT_SUBTASKS,
        TaskPhase.WAITING_FOR_RESOURCES: Phase.WAITING_FOR_RESOURCES,
    }.get(phase, Phase.CHECKING_SUBTASKS)


def test_an_empty_array_is_over_at_once_unless_it_must_succeed() -> None:
    assert summary_to_phase(0, {}) is Phase.WRITE_TO_DISCOVERY
    assert summary_to_phase(1, {}) is Phase.ABORT_SUBTASKS
