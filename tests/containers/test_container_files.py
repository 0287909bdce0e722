"""Files that containers write into folders of this machine."""

from __future__ import annotations

import os
from pathlib import Path

from container_engines import BUSYBOX, TestEngine
from container_shell import NewService, shell_of

from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_files import Ownership
from flytekitplugins.awsbatch.batch.emulator.execution.executors.container_request import Folder

NOBODY = 65534


def test_what_the_root_of_a_container_wrote_becomes_the_users(
    container_engine: TestEngine, new_service: NewService, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    (runs / "mine").mkdir(parents=True)
    (runs / "others").mkdir()
    for folder in (runs, runs / "mine"):
        os.chown(folder, NOBODY, NOBODY)
    raw = f"{runs}/mine/raw/deep"
    command = ["sh", "-c", f"umask 077; mkdir -p {raw}; echo x > {raw}/file; ln -s {runs}/others {raw}/link"]
    shell = shell_of(new_service(folders=(Folder(runs),)))
    assert shell.ended(shell.submit(command))["status"] == "SUCCEEDED"
    assert (runs / "mine/raw").stat().st_uid == 0
    mounts = [{"Type": "bind", "Source": str(runs), "Target": str(runs), "ReadOnly": False}]
    body = {
        "Image": BUSYBOX,
        "Labels": {},
        "HostConfig": {
            "Mounts": mounts,
            "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 1024}, {"Name": "nproc", "Soft": 1000, "Hard": 1000}],
        },
    }
    said: list[str] = []

    Ownership(container_engine.client(), said.append, NOBODY, NOBODY).give_to_user(body, [f"--prefix=awsbatch://{raw}"])

    assert said == []
    assert {path.name: path.lstat().st_uid for path in (runs / "mine").rglob("*")} == dict.fromkeys(
        ("raw", "deep", "file", "link"), NOBODY
    )
    assert (runs / "others").stat().st_uid == 0


def test_an_image_without_chown_is_said(container_engine: TestEngine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    mounts = [{"Type": "bind", "Source": str(tmp_path), "Target": str(tmp_path), "ReadOnly": False}]
    said: list[str] = []

    Ownership(container_engine.client(), said.append, NOBODY, NOBODY).give_to_user(
        {"Image": "localhost/nobody/has:this", "Labels": {}, "HostConfig": {"Mounts": mounts}}, [f"{tmp_path}/file"]
    )

    assert len(said) == 1
    assert said[0].startswith("files that localhost/nobody/has:this wrote belong to another user")
