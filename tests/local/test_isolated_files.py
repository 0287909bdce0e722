"""Files reach a job as they reach a container: as copies of its own, downloaded when it asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import file_tasks as tasks
import pytest
import yaml
from click.testing import CliRunner
from flytekit import task, workflow
from flytekit.exceptions.user import FlyteAssertion
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import emulation
from flytekitplugins.awsbatch.cli.main import main
from flytekitplugins.awsbatch.local.all_settings import DEFAULT
from flytekitplugins.awsbatch.testing import Emulation

BUNDLE = ["one 1", "part 1", "many 0", "many 1", "a.txt=a1", ""]


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    with emulation(tmp_path_factory.mktemp("home"), quiet=True) as opened:
        yield opened


@dataclass
class Mine:
    """Files and folders of the user's, and what is in them before anybody touches them."""

    root: Path

    def file(self, name: str) -> FlyteFile:
        path = self.root / name
        path.write_text(f"mine {name}")
        return FlyteFile(str(path))

    def folder(self, name: str) -> FlyteDirectory:
        (self.root / name / "deep").mkdir(parents=True)
        (self.root / name / "deep" / "x.txt").write_text(f"mine {name}")
        (self.root / name / "link.txt").symlink_to("deep/x.txt")
        return FlyteDirectory(str(self.root / name))

    def contents(self) -> dict[str, str]:
        return {str(one.relative_to(self.root)): one.read_text() for one in self.root.rglob("*") if one.is_file()}


@pytest.fixture
def mine(tmp_path: Path) -> Mine:
    return Mine(tmp_path)


@pytest.mark.parametrize(
    ("flow", "given", "expected"),
    [
        (tasks.file_twice, {"n": 1}, ("file 1", "file 1", "file 1")),
        (tasks.folder_twice, {"n": 1}, (["a.txt=a1", "deep/b.txt=b1"], ["a.txt=a1", "deep/b.txt=b1"])),
        (tasks.bundle_twice, {"n": 1}, (BUNDLE, BUNDLE)),
        (tasks.mapped_twice, {"ns": [1, 2]}, (["file 1", "file 2"], ["file 1", "file 2"])),
    ],
    ids=["file", "folder", "dataclass", "map"],
)
def test_a_second_consumer_reads_what_the_producer_made(
    batch: Emulation, flow: Any, given: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert tuple(flow(**given)) == expected


def test_a_second_attempt_does_not_see_what_the_first_one_left(batch: Emulation) -> None:
    assert tasks.second_attempt(n=1) == ["file 1", "a.txt=a1", "deep/b.txt=b1"]


def test_a_file_that_is_passed_on_is_the_same_file_for_everybody(batch: Emulation, mine: Mine) -> None:
    assert tuple(tasks.passed_on(x=mine.file("a.txt"))) == ("mine a.txt", "mine a.txt")
    assert mine.contents() == {"a.txt": "mine a.txt"}


def test_what_a_cached_result_refers_to_stays_as_it_was(batch: Emulation, mine: Mine) -> None:
    first = tasks.cached(ns=[1, 2])
    jobs = len(batch.jobs)
    assert tasks.cached(ns=[1, 2]) == first == (["cached 1", "cached 2"], [["a.txt=a1"], ["a.txt=a2"]])
    assert len(batch.jobs) - jobs == 2

    # The user's own file, uploaded again, is the same file, until it has changed.
    given = [mine.file("a.txt"), mine.file("b.txt")]
    assert tasks.cached_pass(xs=given) == ["mine a.txt", "mine b.txt"]
    jobs = len(batch.jobs)
    assert tasks.cached_pass(xs=given) == ["mine a.txt", "mine b.txt"]
    assert len(batch.jobs) - jobs == 1
    (mine.root / "a.txt").write_text("changed")
    assert tasks.cached_pass(xs=given) == ["changed", "mine b.txt"]


def test_the_users_own_files_stay_wherever_they_are_nested(batch: Emulation, mine: Mine) -> None:
    bundle = tasks.Bundle(
        one=mine.file("one"),
        folder=mine.folder("folder"),
        inner=tasks.Inner({"p": mine.file("part")}),
        many=[mine.file("m0"), mine.file("m1")],
        maybe=mine.file("maybe"),
        path=str(mine.root / "one"),
    )
    listed = [mine.file("l0"), mine.file("l1")]
    before = mine.contents()
    inside = ["deep/x.txt=mine folder", "link.txt=mine folder"]
    names = ["one", "part", "m0", "m1", "maybe"]
    # The text that names a path is no file, and arrives as it was.
    assert tasks.spoil_bundle(x=bundle) == [*(f"mine {name}" for name in names), *inside, str(mine.root / "one")]
    assert tasks.spoil_file(x=bundle.one) == "mine one"
    assert tasks.spoil_folder(x=bundle.folder) == inside
    assert tasks.spoil_either(x=bundle.one) == "mine one"
    assert tasks.spoil_list(x=listed) == ["mine l0", "mine l1"]
    assert tasks.spoil_dict(x={"a": listed[0], "b": listed[1]}) == ["mine l0", "mine l1"]
    assert tasks.map_task(tasks.spoil_file)(x=listed) == ["mine l0", "mine l1"]
    assert mine.contents() == before


def test_a_file_of_the_users_that_does_not_exist_is_named(batch: Emulation, tmp_path: Path) -> None:
    with pytest.raises(FlyteAssertion, match=f"File {tmp_path}/none does not exist"):
        tasks.spoil_file(x=FlyteFile(str(tmp_path / "none")))


def test_nothing_is_there_before_it_is_downloaded_and_nothing_names_a_place_here(batch: Emulation) -> None:
    assert tuple(tasks.before_download(n=1)) == ([False, False], [])


def test_a_checkpoint_survives_its_attempt(batch: Emulation) -> None:
    assert tasks.count_with_checkpoint(n=2) == 4


def test_a_result_can_be_opened_and_changed_without_changing_the_run(batch: Emulation) -> None:
    (made,) = tasks.map_task(tasks.make_cached_file)(n=[7])
    with open(made, "a") as file:  # noqa: PTH123
        file.write("!")
    (again,) = tasks.map_task(tasks.make_cached_file)(n=[7])
    assert Path(again.download()).read_text() == "cached 7"


def test_running_a_child_again_does_not_change_the_run(batch: Emulation) -> None:
    assert tuple(tasks.mapped_twice(ns=[1, 2])) == (["file 1", "file 2"], ["file 1", "file 2"])
    execution = sorted((batch.home / "runs").iterdir(), key=lambda one: one.stat().st_mtime)[-1]
    raw = {one: one.read_bytes() for one in (execution / "raw").rglob("*") if one.is_file()}
    for _ in range(2):
        answer = CliRunner().invoke(
            main, ["rerun", execution.name, "n1", "0"], env={"FLYTE_AWSBATCH_HOME": str(batch.home)}
        )
        assert answer.exit_code == 0, answer.output
    assert {one: one.read_bytes() for one in (execution / "raw").rglob("*") if one.is_file()} == raw


@task
def make_plainly(folder: str) -> FlyteFile:
    path = Path(folder, "plain.txt")
    path.write_text("plain")
    return FlyteFile(str(path))


@workflow
def from_a_plain_task(folder: str) -> str:
    return tasks.spoil_file(x=make_plainly(folder=folder))


def test_what_a_plain_task_made_is_uploaded(batch: Emulation, tmp_path: Path) -> None:
    assert from_a_plain_task(folder=str(tmp_path)) == "plain"
    assert (tmp_path / "plain.txt").read_text() == "plain"


@pytest.mark.parametrize("isolation", ["fork", "process"])
def test_each_attempt_has_a_temporary_folder_that_goes_with_it(tmp_path: Path, isolation: str) -> None:
    settings: dict[str, Any] = yaml.safe_load(DEFAULT)
    settings["emulator"] |= {"isolation": isolation, "vcpus": 1}
    with emulation(tmp_path, settings=settings, quiet=True) as batch:
        single = tasks.leave_something(n=0)
        mapped = tasks.map_task(tasks.leave_something)(n=[0, 1, 2])
        folders = [Path(folder) for (folder,) in (single, *mapped)]
        assert batch.jobs
    assert not any(folder.exists() for folder in folders)
    assert len({folder.parent for folder in folders}) == 1
    assert folders[0].parent != folders[0]
