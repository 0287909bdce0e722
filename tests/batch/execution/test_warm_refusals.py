"""What cannot be forked safely is started as a process, with one line that says why."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from warm_harness import WAIT_SECONDS, Runner, plan_of, runner

from flytekitplugins.awsbatch.batch.emulator.execution.executors.protocol import Exited, JobProcess
from flytekitplugins.awsbatch.batch.emulator.execution.executors.warm_plan import Planner, WarmPlan
from flytekitplugins.awsbatch.local.deployment import preload

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere everything is a process")

MAIN = """
import os, sys
def main():
    print(os.environ.get("FLYTE_TASK"), os.environ.get("AWS_BATCH_JOB_ID"), os.getppid())
"""


def logs(made: Runner, module: Path, imports: str, *environments: dict[str, str], main: str = MAIN) -> list[str]:
    """The logs of one process for each environment, of a module that does this while it is imported."""
    (module / "warm_made.py").write_text(textwrap.dedent(imports) + main)
    found = []
    for environment in environments or ({}, {}):
        process = made.process(environment={"PYTHONPATH": str(module), **environment})
        ended = made.run(process)
        assert ended.code == 0, ended
        found.append(ended.log.decode())
    return found


@pytest.mark.parametrize(
    ("imports", "reason"),
    [
        ("import threading; threading.Timer(9, int).start()", "an import started threads: Thread-1"),
        ("import socket; s, t = socket.socketpair()", "an import left socket:["),
        ("f = open(__file__)", "an import left {module}/warm_made.py open"),
        ("import os; f = os.open('written.log', os.O_CREAT | os.O_WRONLY)", "an import left {cwd}/written.log open"),
        ("import os; os.environ.get('AWS_BATCH_JOB_ID')", "an import reads AWS_BATCH_JOB_ID, which differs"),
        ("import os, sys; print('x' * 2**21)", "an import wrote more than a megabyte"),
    ],
    ids=["thread", "socket", "file", "descriptor", "variable", "output"],
)
def test_an_import_with_consequences_is_refused(tmp_path: Path, imports: str, reason: str) -> None:
    with runner(tmp_path / "run", warm=True, module="warm_made") as made:
        found = logs(made, tmp_path, imports)
        assert len(found) == 2
        assert len(made.said) == 1
        assert reason.format(module=tmp_path, cwd=made.cwd) in made.said[0]
        assert made.said[0].startswith("warm-script is started anew for each attempt: ")


def test_attempts_import_themselves_what_must_not_be_imported_before_a_fork(tmp_path: Path) -> None:
    made: Runner

    def plan(process: JobProcess) -> WarmPlan | None:
        found = plan_of(made.script, "warm_made")(process)
        assert found is not None
        return dataclasses.replace(found, otherwise=dataclasses.replace(found, preload=("json",)))

    with runner(tmp_path / "run", warm=True, module="warm_made", planner=plan) as made:
        found = logs(made, tmp_path, "import threading; threading.Timer(0.1, int).start()")
        # Both are forked from one interpreter.
        assert len({line.split()[-1] for line in found}) == 1
        assert made.said == ["warm-script imports its libraries in each attempt: an import started threads: Thread-1"]


def test_no_line_is_written_while_other_attempts_wait(tmp_path: Path) -> None:
    """A terminal may be slow, or stopped."""
    others: list[bool] = []

    def plan(process: JobProcess) -> WarmPlan | None:
        found = plan_of(made.script, "warm_made")(process)
        assert found is not None
        return dataclasses.replace(found, otherwise=dataclasses.replace(found, preload=("json",)))

    with runner(tmp_path / "run", warm=True, module="warm_made", planner=plan) as made:
        warm: Any = made.executor

        def is_lock_free() -> bool:
            lock = warm._interpreters.lock
            free: bool = lock.acquire(timeout=5)
            if free:
                lock.release()
            return free

        def warn(line: str) -> None:
            with ThreadPoolExecutor(1) as pool:
                others.append(pool.submit(is_lock_free).result())

        warm._warn = warn
        logs(made, tmp_path, "import threading; threading.Timer(0.1, int).start()")
    assert others == [True]


def test_an_archive_on_the_import_path_is_no_reason(tmp_path: Path) -> None:
    """What looks through it for distributions leaves it open."""
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        archive.writestr("in_archive.py", "")
    looks = """
        import importlib.metadata, sys
        sys.path.insert(0, str(__import__("pathlib").Path(__file__).with_name("code.zip")))
        import in_archive
        importlib.metadata.entry_points(group="none")
    """
    with runner(tmp_path / "run", warm=True, module="warm_made") as made:
        first, second = logs(made, tmp_path, looks)
        # Both are forked from one interpreter.
        assert first.split()[-1] == second.split()[-1]
        assert made.said == []


def test_an_import_that_fails_is_refused_and_fails_in_every_attempt(tmp_path: Path) -> None:
    (tmp_path / "warm_made.py").write_text("import no_such_module\n")
    with runner(tmp_path / "run", warm=True, module="warm_made") as made:
        ends = [made.run(made.process(environment={"PYTHONPATH": str(tmp_path)})) for _ in range(2)]
        assert [end.code for end in ends] == [1, 1]
        assert all(b"No module named 'no_such_module'" in end.log for end in ends)
        assert [line.partition(": ")[2] for line in made.said] == [
            "importing warm_made failed: ModuleNotFoundError: No module named 'no_such_module'"
        ]


def test_an_import_that_kills_the_interpreter_is_refused(tmp_path: Path) -> None:
    with runner(tmp_path / "run", warm=True, module="warm_made") as made:
        (tmp_path / "warm_made.py").write_text("import os; os._exit(7)\n")
        assert made.run(made.process(environment={"PYTHONPATH": str(tmp_path)})).code == 7
        assert [line.partition(": ")[2] for line in made.said] == ["the interpreter ended while it imported, twice"]


def test_an_interpreter_that_is_killed_while_it_imports_is_started_once_more(tmp_path: Path) -> None:
    killed = """
        import os, pathlib, signal
        mark = pathlib.Path(__file__).with_name("killed")
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    with runner(tmp_path / "run", warm=True, module="warm_made") as made:
        first, second = logs(made, tmp_path, killed)
        # Both have the same parent, the second interpreter.
        assert first.split()[-1] == second.split()[-1]
        assert made.said == []


# Stands for an interpreter that forks, from its first word on.
BEGINNING = """#!{python}
import marshal, pathlib, socket, sys, time
link = socket.socket(fileno=int(sys.argv[-1]))
def said(*message):
    data = marshal.dumps(message)
    return len(data).to_bytes(4, "little") + data
cwd = pathlib.Path.cwd()
"""
DEAF = """
link.shutdown(socket.SHUT_RD)
"""
TALKATIVE = """
link.recv(1 << 16)
while not (cwd / "go").exists():
    time.sleep(0.01)
link.sendall(said("ready", (), (), (), True))
link.sendall(said("started", 10**6, "nobody's", 1, 0.0) * 100_000)
came = b""
while block := link.recv(1 << 20):
    came += block
    while len(came) >= 4 and len(came) >= 4 + (size := int.from_bytes(came[:4], "little")):
        message, came = marshal.loads(came[4 : 4 + size]), came[4 + size :]
        if message[0] == "lease":
            lease = message[1]
        if message[0] == "start":
            link.sendall(said("exited", lease, message[1], 0, 0.0, False))
        if message[0] == "release":
            link.sendall(said("released", lease))
"""


def planned(folder: Path, code: str) -> Planner:
    """Interpreters that do this."""
    interpreter = folder / "interpreter"
    interpreter.write_text(BEGINNING.format(python=sys.executable) + code)
    interpreter.chmod(0o755)

    def plan(process: JobProcess) -> WarmPlan | None:
        found = plan_of(folder / "run" / "bin" / "warm-script", "warm_program")(process)
        return dataclasses.replace(found, interpreter=str(interpreter)) if found is not None else None

    return plan


def test_an_interpreter_that_listens_to_nothing_is_refused(tmp_path: Path) -> None:
    with runner(tmp_path / "run", warm=True, planner=planned(tmp_path, DEAF)) as made:
        assert [made.run(made.process("zero")).code for _ in range(2)] == [0, 0]
        assert [line.partition(": ")[2] for line in made.said] == ["the interpreter ended while it imported, twice"]


def test_an_interpreter_that_wants_to_be_heard_first_gets_all_that_waits_for_it(tmp_path: Path) -> None:
    with runner(tmp_path / "run", warm=True, planner=planned(tmp_path, TALKATIVE)) as made:
        waiting = [made.process("zero", environment={"AWS_BATCH_LONG": "x" * 2000}) for _ in range(1000)]
        for process in waiting:
            made.executor.start(process)
        (made.cwd / "go").touch()
        ended = set()
        while len(ended) < len(waiting):
            event = made.inbox.get(timeout=WAIT_SECONDS)
            if isinstance(event, Exited):
                ended.add(event.key)
        assert ended == {process.key for process in waiting}


def test_an_interpreter_that_does_not_exist_is_named(tmp_path: Path) -> None:
    def plan(process: JobProcess) -> WarmPlan | None:
        found = plan_of(tmp_path / "run" / "bin" / "warm-script", "warm_program")(process)
        return dataclasses.replace(found, interpreter="/nowhere/python") if found is not None else None

    with runner(tmp_path / "run", warm=True, planner=plan) as made:
        assert [made.run(made.process("zero")).code for _ in range(2)] == [0, 0]
        assert [line.partition(": ")[2] for line in made.said] == ["/nowhere/python: No such file or directory"]


def test_threads_that_were_ended_again_are_fine(tmp_path: Path) -> None:
    with runner(tmp_path / "run", warm=True, module="warm_made") as made:
        logs(made, tmp_path, "import threading; t = threading.Thread(target=int); t.start(); t.join()")
        assert made.said == []


def test_attempts_share_an_interpreter_as_long_as_what_an_import_read_is_the_same(tmp_path: Path) -> None:
    with runner(tmp_path / "run", warm=True, module="warm_made") as made:
        reads = "import os; READ = os.environ.get('FLYTE_READ')"
        environments = [{"FLYTE_READ": read, "FLYTE_TASK": task} for read in "ab" for task in "12"]
        found = [line.split() for line in logs(made, tmp_path, reads, *environments)]
        assert [each[0] for each in found] == ["1", "2", "1", "2"]
        parents = [each[2] for each in found]
        assert (parents[0] == parents[1], parents[2] == parents[3], parents[0] == parents[2]) == (True, True, False)
        assert made.said == []


def test_what_a_harmless_module_reads_does_not_tell_attempts_apart(tmp_path: Path) -> None:
    made: Runner

    def plan(process: JobProcess) -> WarmPlan | None:
        found = plan_of(made.script, "warm_made")(process)
        return dataclasses.replace(found, harmless=("warm_copies",)) if found is not None else None

    with runner(tmp_path / "run", warm=True, module="warm_made", planner=plan) as made:
        (tmp_path / "warm_copies.py").write_text("import os; os.getenv('FLYTE_READ'); COPY = dict(os.environ)\n")
        environments = [{"FLYTE_READ": read, "FLYTE_TASK": read} for read in "ab"]
        found = [line.split() for line in logs(made, tmp_path, "import warm_copies", *environments)]
        assert [each[0] for each in found] == ["a", "b"]
        assert found[0][2] == found[1][2]


@pytest.mark.parametrize("library", ["dask.config", "numba.core.config", "tqdm.utils"])
def test_a_library_that_looks_for_variables_of_its_own_does_not_tell_executions_apart(
    tmp_path: Path, library: str
) -> None:
    made: Runner

    def plan(process: JobProcess) -> WarmPlan | None:
        found = plan_of(made.script, "warm_made")(process)
        assert found is not None
        known = {"harmless": preload.HARMLESS, "always_read": preload.ALWAYS_READ}
        return dataclasses.replace(found, never_native=preload.NEVER_NATIVE, **known)

    file = tmp_path / f"{library.replace('.', '/')}.py"
    file.parent.mkdir(parents=True)
    prefix = f"{library.partition('.')[0].upper()}_"
    file.write_text(f"import os; OWN = {{n: v for n, v in os.environ.items() if n.startswith({prefix!r})}}\n")
    with runner(tmp_path / "run", warm=True, module="warm_made", planner=plan) as made:
        environments = [{"FLYTE_TASK": "1"}, {"FLYTE_TASK": "2"}, {"FLYTE_TASK": "3", f"{prefix}X": "y"}]
        found = [line.split() for line in logs(made, tmp_path, f"import {library}", *environments)]
        assert [each[0] for each in found] == ["1", "2", "3"]
        parents = [each[2] for each in found]
        assert (parents[0] == parents[1], parents[0] == parents[2]) == (True, False)


def test_a_preparation_that_fails_sends_its_attempts_to_the_fallback(tmp_path: Path) -> None:
    made: Runner

    def plan(process: JobProcess) -> WarmPlan | None:
        found = plan_of(made.script, "warm_made")(process)
        assert found is not None
        return WarmPlan(
            found.interpreter,
            found.script,
            found.arguments,
            preload=found.preload,
            prepare=(("warm_made:prepare", process.argv[1:]),),
        )

    with runner(tmp_path / "run", warm=True, module="warm_made", planner=plan) as made:
        (tmp_path / "warm_made.py").write_text("def prepare(word): assert word != 'bad'\n" + MAIN)
        environment = {"PYTHONPATH": str(tmp_path)}
        ends = [made.run(made.process(word, environment=environment)).code for word in ("good", "bad", "good")]
        assert ends == [0, 0, 0]
        assert [line.partition(": ")[2] for line in made.said] == ["preparing failed: AssertionError: "]


@pytest.fixture
def with_numpy() -> None:
    pytest.importorskip("numpy")


@pytest.mark.usefixtures("with_numpy")
@pytest.mark.parametrize(
    ("imports", "differ", "refused"),
    [
        ("import numpy; draw = numpy.random.random", True, False),
        ("import numpy; numpy.random.seed(3); draw = numpy.random.random", False, False),
        ("import numpy; draw = numpy.random.default_rng().random", True, False),
        ("import numpy\ndef draw(generator=numpy.random.RandomState()): return generator.random()", True, False),
        ("import numpy; draw = numpy.random.default_rng([3]).random", False, False),
        ("import numpy; draw = numpy.random.RandomState(3).random", False, False),
        ("import numpy; draw = numpy.random.default_rng().random; draw()", True, True),
    ],
    ids=["global", "seeded", "own", "default", "own seeded", "old seeded", "drawn from"],
)
@pytest.mark.parametrize("isolation", ["fork", "worker"])
def test_numpys_numbers_are_what_processes_of_their_own_would_draw(
    tmp_path: Path, imports: str, differ: bool, refused: bool, isolation: str
) -> None:
    with runner(tmp_path / "run", warm=True, module="warm_made", isolation=isolation) as made:
        (tmp_path / "warm_made.py").write_text(f"{imports}\ndef main(): print(draw())\n")
        drawn = {made.run(made.process(environment={"PYTHONPATH": str(tmp_path)})).log for _ in range(3)}
        assert (len(drawn) == 3, bool(made.said)) == (differ, refused)


# Raises as soon as it is asked for its class, as a module of flytekit's does that is not installed.
LAZY = """
import numpy.random, types
class Lazy(types.ModuleType):
    def __getattribute__(self, name):
        raise ImportError("not installed")
lazy = Lazy("lazy")
"""


def test_a_torch_that_is_to_be_imported_later_is_left_alone(tmp_path: Path) -> None:
    imports = f"{LAZY}\nimport sys; sys.modules['torch'] = lazy\n".replace("import numpy.random, types", "import types")
    with runner(tmp_path / "run", warm=True, module="warm_made") as made:
        found = logs(made, tmp_path, imports)
        assert (len({line.split()[-1] for line in found}), made.said) == (1, [])


@pytest.mark.usefixtures("with_numpy")
def test_a_module_that_is_not_to_be_looked_at_is_left_alone(tmp_path: Path) -> None:
    with runner(tmp_path / "run", warm=True, module="warm_made") as made:
        found = logs(made, tmp_path, LAZY)
        assert (len({line.split()[-1] for line in found}), made.said) == (1, [])


# Stands for torch's own generator, whose seed from the system has 64 bits.
TORCH = """
import _random, random
class Numbers(random.Random):
    # Not known as one of Python's own.
    def seed(self, *given):
        _random.Random.seed(self, *given)
class Generator:
    def manual_seed(self, seed):
        self.chosen, self.draw = seed, Numbers(seed).random
    def seed(self):
        self.manual_seed(random.SystemRandom().getrandbits(63) | 1 << 63)
    def initial_seed(self):
        return self.chosen
    def get_state(self):
        return self.draw.__self__.getstate()
    def set_state(self, state):
        self.draw.__self__.setstate(state)
default_generator = Generator()
default_generator.seed()
"""


@pytest.mark.parametrize("isolation", ["fork", "worker"])
@pytest.mark.parametrize(("seed", "differ"), [("", True), ("; generator.manual_seed(3)", False)])
def test_torchs_numbers_are_what_processes_of_their_own_would_draw(
    tmp_path: Path, seed: str, differ: bool, isolation: str
) -> None:
    (tmp_path / "torch.py").write_text(TORCH)
    imports = f"from torch import default_generator as generator{seed}\n"
    with runner(tmp_path / "run", warm=True, module="warm_made", isolation=isolation) as made:
        drawn = set(logs(made, tmp_path, imports, {}, {}, {}, main="def main(): print(generator.draw())\n"))
        assert (len(drawn) == 3, made.said) == (differ, [])


JEMALLOC = """
import _thread, ctypes
ready, forever = _thread.allocate_lock(), _thread.allocate_lock()
ready.acquire(), forever.acquire()
def run():
    ctypes.CDLL(None).prctl(15, {name!r}.encode())
    ready.release()
    forever.acquire()
_thread.start_new_thread(run, ())
ready.acquire()
"""


@pytest.mark.parametrize(("name", "refused"), [("jemalloc_bg_thd", False), ("another", True)])
def test_a_thread_outside_of_python_is_refused_unless_its_library_survives_forks(
    tmp_path: Path, name: str, refused: bool
) -> None:
    with runner(tmp_path / "run", warm=True, module="warm_made") as made:
        logs(made, tmp_path, JEMALLOC.format(name=name))
        reason = "warm-script is started anew for each attempt: an import started threads outside of Python: another"
        assert made.said == ([reason] if refused else [])


def test_a_module_with_pandas_and_pyarrow_is_forked_and_its_children_work(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    imports = """
        import numpy, pandas, pyarrow
        table = pyarrow.table({"group": ["a", "b"] * 5000, "value": range(10000)})
        squares = numpy.ones((200, 200)) @ numpy.ones((200, 200))
    """
    main = MAIN.replace("main():", "main():\n    work()") + textwrap.dedent(
        """
        def work():
            found = table.group_by("group", use_threads=True).aggregate([("value", "sum")]).to_pandas(use_threads=True)
            assert list(found["value_sum"]) == [24995000, 25000000]
            assert (numpy.ones((200, 200)) @ squares).sum() == 200**4
        """
    )
    with runner(tmp_path / "run", warm=True, module="warm_made") as made:
        found = logs(made, tmp_path, imports, main=main)
        assert (len({line.split()[-1] for line in found}), made.said) == (1, [])
