"""Warm interpreters are handed from one emulation to the next, and no task can tell: neither from what others did
before it, nor from how it is started.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import misbehaving_tasks
import pytest
from batch_shell import eventually

from flytekitplugins.awsbatch import emulation
from flytekitplugins.awsbatch.batch.emulator.execution.executors import interpreters
from flytekitplugins.awsbatch.batch.emulator.execution.process_tree import child_processes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere everything is a process")

FORK = {"isolation": "fork"}
NAMES = misbehaving_tasks.NAMES


def settings(**emulator: Any) -> dict[str, Any]:
    return {"emulator": {"vcpus": 4, **emulator}}


# Not the same in a process of its own: flytekit opens an event loop there as it is imported.
APART = ("descriptors",)


def seen(home: Path, name: str, **emulator: Any) -> tuple[dict[str, Any], str]:
    """What a task sees that then misbehaves, in an emulation of its own, and what must differ between any two."""
    with emulation(home, settings=settings(**emulator), quiet=True):
        found = json.loads(misbehaving_tasks.misbehave(name=name))
    return found, found.pop("random")


def running() -> list[str]:
    """The interpreters of this process."""
    return [each.name for each in interpreters.interpreters_of_this_process()._alive]


@pytest.fixture
def no_interpreters(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """None that another test has left, and enough memory."""
    monkeypatch.setattr(interpreters.free_memory, "is_memory_short", lambda: False)
    its = interpreters.interpreters_of_this_process()
    with its.lock:
        its.trim_interpreters(0)
    yield
    with its.lock:
        its.trim_interpreters(0)


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return seen(tmp_path_factory.mktemp("cold"), NAMES[0], isolation="process")[0]


@pytest.mark.usefixtures("no_interpreters")
@pytest.mark.parametrize(
    "emulator",
    [FORK, {"isolation": "worker"}, {"isolation": "fork", "preload": "everything"}],
    ids=["fork", "worker", "everything"],
)
def test_what_a_task_does_is_invisible_to_the_next_tests_in_both_orders(
    tmp_path: Path, cold: dict[str, Any], emulator: dict[str, Any]
) -> None:
    numbers: list[str] = []
    descriptors = set()
    for order in (NAMES, NAMES[::-1]):
        for name in order:
            found, number = seen(tmp_path / f"{len(numbers)}", name, **emulator)
            numbers.append(number)
            descriptors.add(found.pop("descriptors"))
            assert found == {name: value for name, value in cold.items() if name not in APART}, name
    assert len(descriptors) == 1
    assert len(set(numbers)) == len(numbers)
    assert len(running()) == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_processes_of_their_own_see_the_same(tmp_path: Path, cold: dict[str, Any]) -> None:
    for number, name in enumerate((*NAMES, *NAMES[::-1])):
        assert seen(tmp_path / f"{number}", name, isolation="process")[0] == cold, name


@pytest.mark.usefixtures("no_interpreters")
def test_a_variable_of_the_callers_is_seen_while_it_is_set_and_costs_no_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = seen(tmp_path / "0", "seed")[0]["environment"]
    kept = running()
    monkeypatch.setenv("SET_BY_A_TEST", "yes")
    during = seen(tmp_path / "1", "seed")[0]["environment"]
    monkeypatch.delenv("SET_BY_A_TEST")
    after = seen(tmp_path / "2", "seed")[0]["environment"]
    assert during == {**before, "SET_BY_A_TEST": "yes"}
    assert after == before
    assert running() == kept
    assert len(kept) == 1


@pytest.mark.usefixtures("no_interpreters")
@pytest.mark.parametrize("name", ["AIOHTTP_NO_EXTENSIONS", "MSGPACK_PUREPYTHON", "OPENSSL_CONF", "PYTHONHASHSEED"])
def test_a_variable_that_an_import_reads_or_might_gets_an_interpreter_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    seen(tmp_path / "0", "seed")
    monkeypatch.setenv(name, "0")
    assert seen(tmp_path / "1", "seed")[0]["environment"][name] == "0"
    assert len(running()) == 2


MODULE = """
    from flytekit import task
    from flytekitplugins.awsbatch import AWSBatchConfig
    from {helper} import answer


    @task(task_config=AWSBatchConfig())
    def ask() -> str:
        return answer()
"""


@pytest.mark.usefixtures("no_interpreters")
@pytest.mark.parametrize("preload", ["installed", "everything"])
@pytest.mark.parametrize("isolation", ["fork", "worker"])
def test_an_edited_file_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolation: str, preload: str) -> None:
    name = f"edited_{isolation}_{preload}"
    helper = tmp_path / f"{name}_helper.py"
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(MODULE).format(helper=helper.stem))
    helper.write_text("def answer(): return 'first'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__(name)
    answers = []
    firsts = ["first", "second, which is longer"]
    for number, said in enumerate(firsts):
        helper.write_text(f"def answer(): return {said!r}\n")
        with emulation(tmp_path / f"{number}", settings=settings(isolation=isolation, preload=preload), quiet=True):
            answers += [module.ask(), module.ask()]
            helper.write_text(f"def answer(): return {said.upper() + '!'!r}\n")
            answers.append(module.ask())
    assert answers == [each for said in firsts for each in (said, said, said.upper() + "!")]


@pytest.mark.usefixtures("no_interpreters")
def test_a_module_of_the_users_that_is_called_like_one_that_is_imported_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen(tmp_path / "0", "seed")
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "marshmallow.py").write_text("from decimal import Decimal as mine\nraise ImportError(mine)\n")
    with monkeypatch.context() as shadowed:
        shadowed.syspath_prepend(str(tmp_path / "user"))
        with pytest.raises(Exception, match="Decimal"):
            seen(tmp_path / "1", "seed")
    seen(tmp_path / "2", "seed")
    assert len(running()) == 1


@pytest.mark.usefixtures("no_interpreters")
def test_no_more_than_some_are_kept_and_the_least_recently_used_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, folder in enumerate("abcab"):
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        seen(tmp_path / f"home{number}", "seed", keep_interpreters=2)
    its = interpreters.interpreters_of_this_process()
    assert [str(each.cwd)[-1] for each in its._alive] == ["a", "b"]
    seen(tmp_path / "last", "seed", keep_interpreters=0)
    assert running() == []
    supervisor = its.supervision._supervised
    assert supervisor is not None
    eventually(lambda: child_processes(supervisor.process.pid) == [])


@pytest.mark.usefixtures("no_interpreters")
@pytest.mark.parametrize("reason", ["idle", "memory"])
def test_idle_ones_end_after_a_while_and_when_memory_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    seen(tmp_path / "0", "seed")
    its = interpreters.interpreters_of_this_process()
    (only,) = its._alive
    if reason == "idle":
        monkeypatch.setattr(interpreters, "IDLE", 0.0)
    else:
        monkeypatch.setattr(interpreters.free_memory, "is_memory_short", lambda: True)
    its.supervision.channel_reader.wake()
    assert only.ended.wait(30)
    assert running() == []
    # The next one starts a new one.
    seen(tmp_path / "1", "seed")


def test_emulations_at_once_share_interpreters_and_nothing_else(tmp_path: Path) -> None:
    with emulation(tmp_path / "a", settings=settings(), quiet=True) as first:
        misbehaving_tasks.misbehave(name="change_globals")
        with emulation(tmp_path / "b", settings=settings(), quiet=True) as second:
            misbehaving_tasks.misbehave_each(name=["seed", "change_path"])
        misbehaving_tasks.misbehave(name="seed")
        assert [len(first.jobs), len(second.requests)] == [2, 1]
    assert list((tmp_path / "a" / "batch" / "instances").iterdir()) == []
