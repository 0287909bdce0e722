"""Every fault that the local AWS Batch knows, alone and in random combinations, with deaths of the service between."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from shell_node import Node, World

from flytekitplugins.awsbatch.batch.emulator.faults import ATTEMPT_KINDS, CALL_KINDS, STAY_RUNNABLE, Fault
from flytekitplugins.awsbatch.propeller.aws_array.phases import TaskPhase

OPERATIONS = ("RegisterJobDefinition", "SubmitJob", "DescribeJobs", "TerminateJob", "ListJobs", "")
# Three faults of at most three uses each stay below the ten failed rounds after which propeller gives a node up.
MOST_FAULTS = 3

faults = st.one_of(
    st.builds(
        Fault,
        kind=st.sampled_from(CALL_KINDS),
        operation=st.sampled_from(OPERATIONS),
        every=st.integers(1, 3),
        seconds=st.sampled_from([0.0, 0.02]),
        times=st.integers(1, 3),
    ),
    st.builds(
        Fault,
        kind=st.sampled_from(ATTEMPT_KINDS),
        child=st.integers(-1, 2),
        attempt=st.integers(0, 2),
        seconds=st.sampled_from([0.0, 0.01]),
        times=st.integers(1, 3),
    ),
)


def judge(node: Node) -> None:
    """Its end is the right one: its outputs, or children whose attempts were taken from them."""
    result = node.run()
    if result.succeeded:
        assert result.outputs == node.expected
        return
    failed = [child for child in result.children if child.phase is TaskPhase.PERMANENT_FAILURE]
    assert failed, result.error
    assert {child.message.split()[0] for child in failed} <= {"Host", "Task"}, failed


class Faults(RuleBasedStateMachine):
    """Nodes are begun and stepped while faults are set and the service dies; in the end every node ends right."""

    @initialize()
    def begin_world(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name) / "home")
        self.nodes: list[Node] = []
        self.set = 0

    @rule(fault=faults)
    def set_fault(self, fault: Fault) -> None:
        if self.set < MOST_FAULTS:
            self.set += 1
            self.world.set_fault(fault)

    @rule(size=st.integers(1, 3), script=st.sampled_from(["", "sleep 0.05"]))
    def begin(self, size: int, script: str) -> None:
        if len(self.nodes) < 3:
            self.nodes.append(Node(self.world, f"execution{len(self.nodes)}", size, script))

    @rule(rounds=st.integers(1, 5))
    def step(self, rounds: int) -> None:
        for _ in range(rounds):
            for node in self.nodes:
                node.step()

    @rule()
    def die(self) -> None:
        left = self.world.batch.faults.active_faults()
        self.world.close()
        self.world.open()
        for node in self.nodes:
            node.take_up()
        for fault in left:
            self.world.set_fault(fault)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            # A job that stays RUNNABLE does so for ever, on AWS as here.
            stuck = [fault for fault in self.world.batch.faults.active_faults() if fault.kind != STAY_RUNNABLE]
            self.world.batch.faults.clear()
            for fault in stuck:
                self.world.set_fault(fault)
            for node in self.nodes:
                judge(node)
            # An attempt of a node has one job; a node whose children failed is tried again.
            names = self.world.job_names()
            assert len(set(names)) == len(names)
            assert {f"execution{number}-n0-0" for number in range(len(self.nodes))} <= set(names)
        finally:
            self.world.close()
            self.folder.cleanup()


def run_machine(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Faults,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_runs_end_right_under_random_faults_and_deaths() -> None:
    run_machine(examples=12, steps=10)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_runs_end_right_under_many_random_faults_and_deaths() -> None:
    run_machine(examples=300, steps=30)


@pytest.mark.parametrize("operation", ["SubmitJob", "RegisterJobDefinition", "DescribeJobs", "TerminateJob"])
@pytest.mark.parametrize("kind", CALL_KINDS)
def test_each_fault_of_a_call_alone_changes_nothing_in_the_end(tmp_path: Path, kind: str, operation: str) -> None:
    world = World(tmp_path / "home")
    world.set_fault(Fault(kind, operation=operation, seconds=0.02, times=2))
    node = Node(world, "execution", 3, "")
    assert node.run().outputs == node.expected
    assert world.job_names() == ["execution-n0-0"]
    world.close()


@pytest.mark.parametrize(
    ("kind", "words"), [("throttle", "TooManyRequestsException"), ("server_error", "internal error")]
)
@pytest.mark.parametrize("operation", ["SubmitJob", "RegisterJobDefinition"])
def test_a_service_that_never_answers_is_given_up_with_its_words(
    tmp_path: Path, kind: str, operation: str, words: str
) -> None:
    world = World(tmp_path / "home")
    world.set_fault(Fault(kind, operation=operation))
    node = Node(world, "execution", 2, "")
    for _ in range(20):
        node.step()
    result = node.execution.result
    assert result is not None and result.error is not None
    assert "max number of system retry attempts [11/10] exhausted" in result.error.message
    assert words in result.error.message
    assert world.job_names() == []
    world.close()
