"""What is made of the kernel's counts."""

from __future__ import annotations

import pytest

from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_cgroup import ContainerUsage, cgroup_usage

V1 = {
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    "memory.max_usage_in_bytes": "1000\n",
    "cpuacct.usage": "2500000000\n",
}
V2 = {
    "memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n",
    "memory.peak": "1000\n",
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
}


@pytest.mark.parametrize("texts", [V1, V2], ids=["v1", "v2"])
def test_both_versions_of_cgroups_tell_the_same(texts: dict[str, str]) -> None:
    assert cgroup_usage(texts) == ContainerUsage(out_of_memory=True, peak_memory=1000, cpu_seconds=2.5)


def test_what_a_kernel_does_not_tell_is_nothing() -> None:
    assert cgroup_usage({"memory.events": "oom_kill 0\n"}) == ContainerUsage()
    assert cgroup_usage({}) == ContainerUsage()
