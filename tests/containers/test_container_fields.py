"""What a job definition asks of its container is what the container gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from batch_shell import Shell
from container_engines import BUSYBOX
from container_shell import NewService, shell_of

from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_request import (
    EngineFacts,
    Folder,
    container_request,
)
from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import JobProcess, RefusedError
from flytekitplugins.awsbatch.batch.emulator.job_spec import job_spec_of
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.settings import ContainerSettings


def output(shell: Shell, service: LocalBatch, script: str, **properties: object) -> list[str]:
    """The lines that a script prints in a container of these properties."""
    shell.define("fields", **{"image": BUSYBOX, "memory": 64, **properties})
    job_id = shell.submit(script, jobDefinition="fields")
    job = shell.ended(job_id)
    log = service.log_tail(job_id, lines=100)
    assert job["status"] == "SUCCEEDED", (job["attempts"], log)
    return log.splitlines()


def test_linux_parameters_user_and_limits(shell: Shell, service: LocalBatch) -> None:
    script = (
        "id -u; df -m /dev/shm | tail -1; mount | grep /scratch; ulimit -n;"
        " (echo x > /x) 2>/dev/null || echo read-only;"
        " cat /proc/1/cmdline | tr '\\0' ' '; echo; ls -l /dev/other; cat /sys/fs/cgroup/cpu/cpu.shares"
    )
    found = output(
        shell,
        service,
        script,
        user="nobody",
        vcpus=2,
        readonlyRootFilesystem=True,
        ulimits=[{"name": "nofile", "softLimit": 100, "hardLimit": 200}],
        linuxParameters={
            "initProcessEnabled": True,
            "sharedMemorySize": 32,
            "tmpfs": [{"containerPath": "/scratch", "size": 8, "mountOptions": ["noexec"]}],
            "devices": [{"hostPath": "/dev/null", "containerPath": "/dev/other", "permissions": ["READ"]}],
        },
    )

    assert found[0] == "65534"
    assert found[1].split()[1] == "32"
    assert "noexec" in found[2]
    assert "size=8192k" in found[2]
    assert found[3] == "100"
    assert found[4] == "read-only"
    assert "init" in found[5].split()[0]
    assert found[6].startswith("c")
    if Path("/sys/fs/cgroup/cpu").is_dir():
        assert found[7] == "2048"


def test_volumes_of_the_host_and_of_the_container_alone(shell: Shell, service: LocalBatch, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from the host\n")
    mounts = [
        {"sourceVolume": "host", "containerPath": "/data"},
        {"sourceVolume": "host", "containerPath": "/read", "readOnly": True},
        {"sourceVolume": "own", "containerPath": "/own"},
    ]
    volumes = [{"name": "host", "host": {"sourcePath": str(tmp_path)}}, {"name": "own"}]
    script = "cat /data/given; echo back > /data/made; touch /read/x 2>/dev/null || echo refused; touch /own/x; ls /own"

    assert output(shell, service, script, mountPoints=mounts, volumes=volumes) == ["from the host", "refused", "x"]
    assert (tmp_path / "made").read_text() == "back\n"


def test_privileged_is_privileged(shell: Shell, service: LocalBatch) -> None:
    script = "grep CapEff /proc/self/status"
    plain, privileged = (output(shell, service, script, privileged=value)[0] for value in (False, True))

    assert int(plain.split()[1], 16) < int(privileged.split()[1], 16)


def test_folders_of_the_host_are_seen_by_jobs_that_name_one_of_them_and_by_no_others(
    new_service: NewService, tmp_path: Path
) -> None:
    seen, closed = tmp_path / "seen", tmp_path / "closed"
    for folder in (seen, closed):
        folder.mkdir()
        (folder / "file").write_text("here\n")
    service = new_service(folders=(Folder(seen), Folder(closed, read_only=True)))
    shell = shell_of(service)

    # The name of the other is made in the container.
    named = output(
        shell,
        service,
        f"cd {seen}/../clos*; cat file; touch x 2>/dev/null || echo closed; cat {seen}/file; touch {seen}/x",
    )
    others = output(shell, service, f"ls {tmp_path} 2>/dev/null || echo nothing; ls -d {str(seen)[:-1]}? || true")

    assert named == ["here", "closed", "here"]
    assert (seen / "x").exists()
    assert others[0] == "nothing"


def test_a_job_with_a_gpu_gets_those_of_the_engine() -> None:
    process = job(resourceRequirements=[{"type": "GPU", "value": "2"}])

    got, notes = container_request(process, ContainerSettings(), EngineFacts(gpus=True), (), {})
    without, notes_without = container_request(process, ContainerSettings(), EngineFacts(), (), {})

    assert got["HostConfig"]["DeviceRequests"] == [{"Driver": "", "Count": 2, "Capabilities": [["gpu"]]}]
    assert notes == []
    assert "DeviceRequests" not in without["HostConfig"]
    assert notes_without == ["the container engine has no GPUs to hand on: job runs without"]


@pytest.mark.parametrize(
    ("parameters", "memory", "expected"),
    [
        ({}, 64, {"Memory": 64 << 20}),
        ({"swappiness": 10}, 64, {"Memory": 64 << 20}),
        ({"maxSwap": 0}, 64, {"Memory": 64 << 20, "MemorySwap": 64 << 20}),
        ({"maxSwap": 6, "swappiness": 10}, 64, {"Memory": 64 << 20, "MemorySwap": 70 << 20, "MemorySwappiness": 10}),
        ({"maxSwap": 6}, 0, {}),
    ],
)
def test_swap_is_what_docker_understands_by_it(
    parameters: dict[str, int], memory: int, expected: dict[str, int]
) -> None:
    got, _ = container_request(job(memory, linuxParameters=parameters), ContainerSettings(), EngineFacts(), (), {})

    assert {name: value for name, value in got["HostConfig"].items() if name.startswith("Memory")} == expected


def test_settings_give_runtime_network_and_limits_where_the_job_sets_none() -> None:
    settings = ContainerSettings(runtime="runc", network="bridge", ulimits={"nofile": 1, "nproc": 2})
    own = [{"name": "nofile", "softLimit": 3, "hardLimit": 4}]

    process = job(ulimits=own, ephemeralStorage={"sizeInGiB": 30})
    host = container_request(process, settings, EngineFacts(), (), {})[0]["HostConfig"]

    assert (host["Runtime"], host["NetworkMode"], host["StorageOpt"]) == ("runc", "bridge", {"size": "30G"})
    assert host["Ulimits"] == [
        {"Name": "nofile", "Soft": 3, "Hard": 4},
        {"Name": "nproc", "Soft": 2, "Hard": 2},
    ]


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"image": ""}, "the job names no image"),
        ({"mountPoints": [{"sourceVolume": "x", "containerPath": "/x"}]}, "there is no volume 'x'"),
        (
            {
                "mountPoints": [{"sourceVolume": "x", "containerPath": "/x"}],
                "volumes": [{"name": "x", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
            },
            "volume x lies on EFS",
        ),
    ],
)
def test_what_no_container_here_can_have_is_said(properties: dict[str, object], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        container_request(job(**properties), ContainerSettings(), EngineFacts(), (), {})


def test_storage_that_the_engine_cannot_bound_is_left_out_and_said_once(
    new_service: NewService, warnings: list[str]
) -> None:
    service = new_service()
    shell = shell_of(service, ephemeralStorage={"sizeInGiB": 30})

    for _ in range(2):
        assert shell.ended(shell.submit("true"))["status"] == "SUCCEEDED"

    assert len(warnings) <= 1
    assert all(each.startswith("ephemeralStorage is not enforced by this engine: ") for each in warnings)


def job(memory: int = 64, **properties: object) -> JobProcess:
    detail = {
        "jobName": "job",
        "jobQueue": "queue",
        "jobDefinition": "definition",
        "container": {"image": "image", "command": ["true"], "vcpus": 1, "memory": 64, **properties},
    }
    spec = job_spec_of(detail)
    return JobProcess("job#1#task", spec.command, {}, {}, Path("/"), Path("log"), memory, spec=spec)
