"""A home that cannot be written, as another user's is: what it holds can be looked at."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from batch_shell import SETTINGS, Shell, eventually, new_shell
from click.testing import CliRunner, Result
from small_disk import mounted_read_only
from ui_home import WrittenHome

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.batch.emulator.store import database
from flytekitplugins.awsbatch.batch.emulator.store.database import UnusableHomeError
from flytekitplugins.awsbatch.cli.main import main


def written(path: Path, in_use: bool) -> WrittenHome:
    """:param in_use: whether a process has its database open."""
    home = WrittenHome(path, 1)
    home.started(0, 1)
    home.log(0, "said\n")
    home.commit(home.ended(0, 2, 1))
    home.write("failed")
    if not in_use:
        home.close()
    return home


def ask(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, list(words), env={"FLYTE_AWSBATCH_HOME": str(home)})


@pytest.mark.parametrize("in_use", [False, True])
def test_runs_jobs_and_logs_are_shown(tmp_path: Path, in_use: bool) -> None:
    home = written(tmp_path / "home", in_use)
    with mounted_read_only(tmp_path / "there", home.home.path) as there:
        assert [run["name"] for run in json.loads(ask(there, "runs", "--json").stdout)] == [home.name]
        (job,) = json.loads(ask(there, "jobs", "--json").stdout)["jobs"]
        assert (job["job"], job["status"]) == (home.job_id, "FAILED")
        assert ask(there, "logs", "n1").stdout == "said\n"
        assert ask(there, "logs", "--failed").stdout.splitlines()[1:] == ["said"]
        assert "1 failed" in ask(there, "top", "--once").stdout
    home.close()


def test_who_reads_for_long_sees_what_others_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    with LocalBatch(home, SETTINGS) as service:
        new_shell(service).ended(Shell(service).submit("true"))
    monkeypatch.setattr(database, "_is_writable", lambda path: False)
    with contextlib.closing(LocalBatch(home, reading=True)) as reader, LocalBatch(home, SETTINGS) as service:
        version = reader.version()
        for _ in range(50):
            later = Shell(service).submit("true", tags={"long": "v" * 200})
        Shell(service).ended(later)
        eventually(lambda: Shell(reader).describe(later)["status"] == "SUCCEEDED")
        assert reader.version() != version


def test_nothing_is_removed_and_no_service_begins_there(tmp_path: Path) -> None:
    home = written(tmp_path / "home", in_use=False)
    with mounted_read_only(tmp_path / "there", home.home.path) as there:
        pruned = ask(there, "runs", "--prune", "--older-than", "0")
        assert pruned.exit_code == 1
        assert "cannot be used as the Batch service's database" in " ".join(pruned.stderr.split())
        with pytest.raises(UnusableHomeError):
            LocalBatch(there / "batch")
