"""Which jobs are placed where: capacity, order, priority."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flytekitplugins.awsbatch.batch.emulator.scheduling.capacity import Capacity, capacity_of
from flytekitplugins.awsbatch.batch.emulator.scheduling.placement import Hold, Occupancy, Size, why_not_placeable
from flytekitplugins.awsbatch.batch.emulator.settings import BatchSettings

SIZES = st.builds(Size, st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0]), st.sampled_from([64, 256, 1024, 4096]), st.just(0))


def test_the_first_environment_with_room_is_taken() -> None:
    occupancy = Occupancy({"first": Size(2, 100), "second": Size(8, 100)})

    placed = [occupancy.place(Size(1, 10), ["first", "second"]) for _ in range(4)]

    assert placed == ["first", "first", "second", "second"]


def test_a_job_that_waits_holds_back_what_comes_after_it_where_it_could_run() -> None:
    occupancy = Occupancy({"small": Size(2, 100), "large": Size(4, 100)})
    occupancy.place(Size(3, 10), ["large"])

    assert occupancy.place(Size(4, 10), ["small", "large"]) is Hold.WAIT
    assert occupancy.place(Size(1, 10), ["large"]) is Hold.WAIT
    assert occupancy.place(Size(1, 10), ["small", "large"]) == "small"


def test_a_new_round_opens_all_again_and_room_that_is_given_back_can_be_had() -> None:
    total = {"only": Size(1, 100)}
    occupancy = Occupancy(total)
    occupancy.place(Size(1, 10), ["only"])
    assert occupancy.place(Size(1, 10), ["only"]) is Hold.WAIT

    occupancy.give_back("only", Size(1, 10))
    occupancy.new_placement_round(total)

    assert occupancy.place(Size(1, 10), ["only"]) == "only"


def test_what_can_never_fit_is_said_and_holds_nothing() -> None:
    occupancy = Occupancy({"only": Size(2, 100)})

    assert occupancy.place(Size(3, 10), ["only"]) is Hold.NEVER
    assert occupancy.place(Size(1, 10), ["only"]) == "only"


def test_the_reason_names_what_there_is_too_little_of() -> None:
    sizes = [Size(2, 100), Size(4, 50)]

    assert why_not_placeable(Size(5, 10), sizes).startswith("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE")
    assert why_not_placeable(Size(1, 101), sizes).startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")
    assert "GPUs" in why_not_placeable(Size(1, 10, 1), sizes)
    # Each would fit one of them, but no single one fits both.
    assert why_not_placeable(Size(4, 100), sizes).startswith("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT")


@given(total=SIZES, needs=st.lists(SIZES, max_size=40), ends=st.lists(st.integers(0, 100), max_size=40))
def test_no_environment_is_ever_used_beyond_its_size(total: Size, needs: list[Size], ends: list[int]) -> None:
    occupancy = Occupancy({"only": total})
    running: list[Size] = []
    for need in needs:
        occupancy.new_placement_round({"only": total})
        if occupancy.place(need, ["only"]) == "only":
            running.append(need)
        if ends and running and ends.pop() % 2:
            occupancy.give_back("only", running.pop(0))
        assert sum(each.vcpus for each in running) <= total.vcpus
        assert sum(each.memory for each in running) <= total.memory


def test_queues_come_in_the_order_of_their_priority_with_their_environments_in_order() -> None:
    settings = BatchSettings(vcpus=3, memory=500)
    environments = {
        "on": {"state": "ENABLED", "computeResources": {"maxvCpus": 8}},
        "off": {"state": "DISABLED", "computeResources": {"maxvCpus": 8}},
        "bare": {"state": "ENABLED"},
        "none": {"state": "ENABLED", "computeResources": {"maxvCpus": 0}},
    }
    order = [{"order": 2, "computeEnvironment": "on"}, {"order": 1, "computeEnvironment": "bare"}]
    queues = {
        "low": {"priority": 1, "computeEnvironmentOrder": order},
        "high": {"priority": 9, "computeEnvironmentOrder": order},
    }

    assert capacity_of(queues, environments, settings) == Capacity(
        sizes={"on": Size(8, 500), "bare": Size(3, 500), "none": Size(0, 500)},
        disabled={"off": Size(8, 500)},
        by_priority=["high", "low"],
        orders={"low": ["bare", "on"], "high": ["bare", "on"]},
    )
