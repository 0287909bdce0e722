"""A map's child forked from a warm interpreter writes what one started from nothing writes, byte for byte."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flyteidl.core.errors_pb2 import ErrorDocument
from flyteidl.core.literals_pb2 import LiteralMap
from warm_harness import HERE, Runner, runner

from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import JobProcess
from flytekitplugins.awsbatch.local.deployment import preload

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere everything is a process")

# The frame that calls the task: the fast path's own, or flytekit's. Nothing else in a trace differs.
CALLER = re.compile(
    r'(File \\*")[^"]*/(?:fast/run_item|flytekit/core/base_task)\.py(\\*", line )\d+, in (?:run_item|dispatch_execute)'
    r"((?:\\n|\n)\s+)native(?:_outputs)? = [^\n^]*?execute\(\*\*\w+\)(?:(?:\\n|\n)[ ^]*)?(?=\\n|\n)"
)
SCRIPTS = sysconfig.get_path("scripts")
RESOLVER = "flytekit.core.python_auto_container.default_task_resolver"


@dataclass
class Result:
    """What is left of one child, with what has to differ made the same."""

    code: int
    log: str
    files: dict[str, bytes | str]


@dataclass
class Maps:
    made: Runner

    @property
    def root(self) -> Path:
        return self.made.root

    def command(self, task: str, prefix: Path, *, script: str = "pyflyte-awsbatch-map-execute") -> tuple[str, ...]:
        paths = ["--inputs", str(self.inputs()), "--output-prefix", str(prefix)]
        paths += ["--raw-output-data-prefix", str(self.root / "raw"), "--checkpoint-path", str(self.root / "checks")]
        loader = ["task-module", "warm_tasks", "task-name", task]
        if script == "pyflyte-execute":
            return (script, *paths, "--prev-checkpoint", '""', "--resolver", RESOLVER, "--", *loader)
        package = "flytekitplugins.awsbatch.maptask" if "awsbatch" in script else "flytekit.core.legacy_map_task"
        maps = ["--resolver", f"{package}.MapTaskResolver", "--", "vars", "", "resolver", RESOLVER]
        return (script, *paths, "--prev-checkpoint", '""', *maps, *loader)

    def inputs(self) -> Path:
        path = self.root / "inputs.pb"
        if not path.exists():
            message = LiteralMap()
            for value in range(3, 6):
                message.literals["x"].collection.literals.add().scalar.primitive.integer = value
            path.write_bytes(message.SerializeToString())
        return path

    def process(self, command: tuple[str, ...], index: int = 1, **fields: object) -> JobProcess:
        environment = {
            "PATH": f"{SCRIPTS}:/usr/bin:/bin",
            "PYTHONPATH": str(HERE),
            "HOME": str(self.root),
            "TMPDIR": str(self.root),
            "FLYTE_FAIL_ON_ERROR": "true",
            "FLYTE_INTERNAL_EXECUTION_ID": "f0",
            "FLYTE_INTERNAL_EXECUTION_PROJECT": "p",
            "FLYTE_INTERNAL_EXECUTION_DOMAIN": "d",
            "FLYTE_INTERNAL_TASK_NAME": command[-1],
            "FLYTE_INTERNAL_TASK_VERSION": "v1",
            "BATCH_JOB_ARRAY_INDEX_VAR_NAME": "AWS_BATCH_JOB_ARRAY_INDEX",
            "AWS_BATCH_JOB_ARRAY_INDEX": str(index),
        }
        return self.made.process(argv=command, environment=environment, **fields)

    def run(self, task: str, script: str = "pyflyte-awsbatch-map-execute") -> Result:
        prefix = self.root / "out" / task
        # Another command may have run the same task there.
        shutil.rmtree(prefix, ignore_errors=True)
        return self.result(self.process(self.command(task, prefix, script=script)), prefix)

    def result(self, process: JobProcess, prefix: Path) -> Result:
        ended = self.made.run(process)
        assert ended.event.exit_code is not None, ended.event  # type: ignore[union-attr]
        text = self.same(ended.log.decode())
        # flytekit's own messages begin with a time.
        text = re.sub(r"\d\d\d\d-\d\d-\d\d[T ][0-9:.,]+", "TIME", text)
        files = {path.relative_to(prefix).as_posix(): self.content(path) for path in sorted(prefix.rglob("*.pb"))}
        return Result(ended.code, text, files)

    def content(self, path: Path) -> bytes | str:
        if path.name != "error.pb":
            return self.same(path.read_bytes().decode("latin-1"))
        error = ErrorDocument.FromString(path.read_bytes())
        error.error.ClearField("timestamp")
        return self.same(str(error))

    def same(self, text: str) -> str:
        """Without this run's directory, random names and addresses."""
        text = re.sub(r"\b[0-9a-f]{32}\b", "RANDOM", text.replace(str(self.root), "ROOT"))
        # Whether a future was waited for or was there already.
        text = re.sub(r"(futures/_base\.py\W+line )\d+", r"\1N", text)
        return CALLER.sub(r"\1CALLER\2", re.sub(r"0x[0-9a-f]+", "0xN", text))


OPTIONS = {
    "default": preload.PreloadOptions(),
    "everything preloaded": preload.PreloadOptions(everything=True),
    "no fast path": preload.PreloadOptions(fast_path=False),
}


@pytest.fixture(scope="module", params=OPTIONS)
def warm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maps]:
    with runner(
        tmp_path_factory.mktemp("aaaa"), warm=True, planner=preload.preload_planner(OPTIONS[request.param])
    ) as made:
        yield Maps(made)


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maps]:
    with runner(tmp_path_factory.mktemp("bbbb"), warm=False) as made:
        yield Maps(made)


FEW = ["square", "fail", "context"]
MORE = ["plain", "point", "moment", "nothing", "maybe", "file", "fail_for_now", "wrong_type", "leave", "leave_at_once"]
MORE += ["interrupt", "ignore", "deck"]
CODES = {"fail": 1, "fail_for_now": 1, "wrong_type": 1, "leave": 3, "leave_at_once": 4, "interrupt": 1}


@pytest.mark.parametrize("task", [*FEW, *(pytest.param(task, marks=pytest.mark.slow) for task in MORE)])
def test_a_child_leaves_the_same(warm: Maps, cold: Maps, task: str) -> None:
    forked = warm.run(task)
    assert forked.code == CODES.get(task, 0), forked
    assert forked == cold.run(task)
    assert warm.made.said == []


@pytest.mark.slow
@pytest.mark.parametrize("script", ["pyflyte-map-execute", "pyflyte-execute"])
@pytest.mark.parametrize("task", ["square", "fail"])
def test_flytekits_own_commands_leave_the_same(warm: Maps, cold: Maps, task: str, script: str) -> None:
    results = []
    for each in (warm, cold):
        shutil.rmtree(each.root / "out" / task, ignore_errors=True)
        results.append(each.run(task, script))
    assert results[0] == results[1]
    assert results[0].files
    assert warm.made.said == []


def distribution(root: Path) -> Path:
    """A code distribution with a module of its own and a file beside it."""
    code = root / "code"
    code.mkdir()
    (code / "distributed.py").write_text(
        "from pathlib import Path\nimport flytekit\n\n\n@flytekit.task\ndef read(x: int) -> str:\n"
        "    return Path('beside.txt').read_text() + str(x)\n"
    )
    (code / "beside.txt").write_text("beside ")
    archive = root / "code.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path in code.iterdir():
            tar.add(path, arcname=path.name)
    return archive


@pytest.mark.slow
@pytest.mark.parametrize("absolute", [False, True], ids=["into the working directory", "into a given directory"])
def test_distributed_code_is_brought_once_and_gives_the_same(
    warm: Maps, cold: Maps, tmp_path: Path, absolute: bool
) -> None:
    archive = distribution(tmp_path)
    results = []
    for each in (warm, cold):
        prefix = each.root / "out" / f"fast-{absolute}"
        shutil.rmtree(prefix, ignore_errors=True)
        destination = str(each.root / "destination") if absolute else "."
        inner = [word.replace("warm_tasks", "distributed") for word in each.command("read", prefix)]
        command = ("pyflyte-fast-execute", "--additional-distribution", str(archive), "--dest-dir", destination)
        scratch = each.root / "destination" if absolute else each.root / "scratch"
        for index in (0, 2):
            own = scratch if absolute else scratch / str(index)
            process = each.process((*command, "--", *inner), index, cwd=own, scratch=own)
            results.append(each.result(process, prefix))
    assert [result.code for result in results] == [0, 0, 0, 0], results
    assert results[:2] == results[2:]
    assert warm.made.said == []
