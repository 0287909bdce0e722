"""The code of fast-registered jobs: one folder for each distribution, whatever absolute destination they name."""

from __future__ import annotations

import os
import stat
import sys
import sysconfig
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from batch_shell import SETTINGS, Shell, new_shell
from serving import serving

from flytekitplugins.awsbatch.batch.emulator.execution.launch import Launch, launch_policy_in_clean_environment
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local.deployment import preload
from flytekitplugins.awsbatch.local.deployment.code_folders import CodeFolders, shared_code_folder

# Nobody can write there, as little as a user other than root can in /root.
NOWHERE = "/proc/no-such-folder"
READ = "import os, code_of_job as code; print(code.VERSION, os.path.dirname(code.__file__), os.getcwd())"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "code"


@pytest.fixture
def shell(home: Path, root: Path) -> Iterator[Shell]:
    with LocalBatch(
        home, SETTINGS, launch=CodeFolders(launch_policy_in_clean_environment(), root, keep_days=7)
    ) as service:
        shell = new_shell(service)
        # flytekit downloads the code.
        shell.define(memory=2048)
        yield shell


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def distribution(folder: Path, version: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "code_of_job.py").write_text(f"VERSION = {version!r}\n")
    archive = folder / f"script_mode_{version}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "code_of_job.py", "code_of_job.py")
    return archive


def log(shell: Shell, job_id: str) -> list[str]:
    """The last three words that a job wrote, after it has succeeded."""
    status = shell.ended(job_id)["status"]
    text = shell.service.log_streams(job_id, None)[-1].path.read_text()
    assert status == "SUCCEEDED", text
    return text.split()[-3:]


def fast(archive: Path, destination: str = NOWHERE) -> list[str]:
    options = ["--additional-distribution", str(archive), "--dest-dir", destination]
    return ["pyflyte-fast-execute", *options, "--", sys.executable, "-c", READ]


def test_attempts_side_by_side_share_one_folder_and_versions_do_not_mix(
    shell: Shell, tmp_path: Path, root: Path
) -> None:
    archives = {version: distribution(tmp_path / version, version) for version in ("one", "two")}
    jobs = {version: [shell.submit(fast(archive)) for _ in range(4)] for version, archive in archives.items()}
    said = {version: [log(shell, job) for job in ids] for version, ids in jobs.items()}

    folders = {path.name for path in root.iterdir() if path.is_dir()}
    for version, lines in said.items():
        assert {line[0] for line in lines} == {version}
        assert len({line[1] for line in lines}) == 1
        assert Path(lines[0][1]).name in folders
        assert all(Path(line[2]) not in (Path(line[1]), Path(NOWHERE)) for line in lines)
    assert len(folders) == 2


def test_nobody_may_write_into_the_shared_folder(shell: Shell, tmp_path: Path, root: Path) -> None:
    log(shell, shell.submit(fast(distribution(tmp_path / "one", "one"))))
    (folder,) = (path for path in root.iterdir() if path.is_dir())
    modes = [path.stat().st_mode for path in (folder, folder / "code_of_job.py")]
    assert [mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) for mode in modes] == [0, 0]


def test_a_distribution_that_cannot_be_unpacked_leaves_nothing_and_is_tried_again(
    shell: Shell, tmp_path: Path, root: Path
) -> None:
    archive = distribution(tmp_path / "one", "one")
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert shell.ended(shell.submit(fast(archive)))["status"] == "FAILED"
    assert [path for path in root.iterdir() if path.is_dir()] == []
    archive.write_bytes(whole)
    assert shell.ended(shell.submit(fast(archive)))["status"] == "SUCCEEDED"


def test_a_relative_destination_stays_the_jobs_own_folder(shell: Shell, tmp_path: Path, root: Path) -> None:
    _, code, cwd = log(shell, shell.submit(fast(distribution(tmp_path / "one", "one"), ".")))
    assert (Path(code), root.exists()) == (Path(cwd), False)


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-c", "pass"],
        ["pyflyte-execute", "--dest-dir", "/root"],
        ["pyflyte-fast-execute", "--additional-distribution", "s3://b/x.tar.gz", "--dest-dir", "/root"],
        ["pyflyte-fast-execute", "--additional-distribution", "s3://b/x.tar.gz", "--dest-dir", ".", "--", "x"],
        ["pyflyte-fast-execute", "--additional-distribution", "s3://b/pkl.gz", "--dest-dir", "/root", "--", "x"],
        ["pyflyte-fast-execute", "--dest-dir", "/root", "--", "x"],
        [],
    ],
)
def test_other_commands_are_started_as_they_are(root: Path, command: list[str]) -> None:
    assert shared_code_folder(tuple(command), root) == ()


def test_a_service_started_by_the_command_shares_the_code_too(home: Path, tmp_path: Path) -> None:
    def body(command: list[str]) -> dict[str, Any]:
        needs = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
        return {"image": "i", "command": command, "resourceRequirements": needs}

    with serving(home) as (url, _):
        ask = botocore.session.Session().create_client(
            "batch",
            region_name="us-east-2",
            endpoint_url=url,
            aws_access_key_id="anything",
            aws_secret_access_key="anything",
        )
        command = fast(distribution(tmp_path / "one", "one"))
        ask.register_job_definition(jobDefinitionName="d", type="container", containerProperties=body(command))
        job = ask.submit_job(jobName="j", jobQueue="default", jobDefinition="d")["jobId"]
        while (seen := ask.describe_jobs(jobs=[job])["jobs"][0])["status"] not in ("SUCCEEDED", "FAILED"):
            time.sleep(0.05)
    assert seen["status"] == "SUCCEEDED", seen


def test_a_dynamic_task_hands_the_destination_on_as_it_was(root: Path) -> None:
    given = ["--additional-distribution", "s3://b/x.tar.gz", "--dest-dir", "/root", "--", "run", "--resolver", "r"]
    command = shared_code_folder(("pyflyte-fast-execute", *given), root)
    assert command[5:] == (
        *("run", "--dynamic-addl-distro", "s3://b/x.tar.gz", "--dynamic-dest-dir", "/root", "--resolver", "r"),
    )


def test_a_warm_interpreter_brings_the_code_to_the_same_folder(root: Path) -> None:
    inner = ["pyflyte-execute", "--inputs", "i", "--resolver", "a.b", "--", "task-module", "m", "task-name", "t"]
    options = ["--additional-distribution", "s3://b/x.tar.gz", "--dest-dir", "/root"]
    command = shared_code_folder(("pyflyte-fast-execute", *options, "--", *inner), root)
    plan = preload.preload_plan(command, sysconfig.get_path("scripts"), preload.PreloadOptions(everything=True))
    assert plan is not None and plan.install is not None
    assert (plan.install[1], plan.python_path) == (("s3://b/x.tar.gz", command[4]), (command[4],))
    assert (Path(plan.script).name, plan.preload[-1]) == ("pyflyte-execute", "m")


def test_folders_that_no_job_asked_for_are_removed_after_a_while(shell: Shell, tmp_path: Path, root: Path) -> None:
    shell.ended(shell.submit(fast(distribution(tmp_path / "one", "one"))))
    (folder,) = (path for path in root.iterdir() if path.is_dir())

    CodeFolders(lambda _: Launch(), root, keep_days=0)
    assert folder.is_dir()
    long_ago = time.time() - 8 * 86_400
    os.utime(folder, (long_ago, long_ago))
    CodeFolders(lambda _: Launch(), root, keep_days=7)
    assert not folder.exists()
