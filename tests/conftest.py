"""What makes a test run safe and repeatable: a limit of memory, known examples, signals as a terminal gives them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Address space of a worker and of each process that its tests start; reading a Parquet file reserves 1.7 GB of it.
MEMORY_LIMIT = 6 << 30

# `make soak` asks for fresh examples: `--hypothesis-profile fresh --hypothesis-seed N`.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("fresh", deadline=None, print_blob=True)
settings.load_profile("repeatable")


CONTAINER = "container"
TEMPORARY = "tests-"
# As many as pytest keeps of its own folders (`tmp_path_retention_count`).
KEPT_AFTER_FAILURES = 3
EXIT_STATUS = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--isolation",
        choices=["process", CONTAINER],
        default="process",
        help="What the jobs of shared fixtures run in; `make containers` runs whole suites with container.",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--isolation") == CONTAINER:
        for item in items:
            for mark in item.iter_markers("processes_only"):
                item.add_marker(pytest.mark.skip(reason=f"in containers: {mark.args[0]}"))


def pytest_configure(config: pytest.Config) -> None:
    # A run that a test starts uses that of the run around it.
    if not hasattr(config, "workerinput") and not Path(os.environ.get("TMPDIR", "")).name.startswith(TEMPORARY):
        _use_temporary_folder_of_this_run(config)
    if sys.platform == "linux":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_AS)
        limit = MEMORY_LIMIT if most == resource.RLIM_INFINITY else min(MEMORY_LIMIT, most)
        # A browser reserves far more than it uses: whoever starts one lifts the limit for it.
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))


def _use_temporary_folder_of_this_run(config: pytest.Config) -> None:
    """Gives this run, its workers and all that they start a TMPDIR of their own: each process that imports flytekit
    leaves two folders there. It goes when the run ends; after a failure pytest's folders of the tests stay, as those of
    the last runs that failed before.
    """
    before = os.environ.get("TMPDIR")
    folder = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{os.getpid()}-"))
    for path in _folders_of_ended_runs(folder.parent)[:-KEPT_AFTER_FAILURES]:
        shutil.rmtree(path, ignore_errors=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)

    def end() -> None:
        tempfile.tempdir = before
        os.environ.pop("TMPDIR") if before is None else os.environ.update(TMPDIR=before)
        failed = config.stash.get(EXIT_STATUS, None) not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        for path in folder.iterdir():
            if not (failed and path.name.startswith("pytest-of-")):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        with contextlib.suppress(OSError):
            folder.rmdir()

    config.add_cleanup(end)


def _folders_of_ended_runs(folder: Path) -> list[Path]:
    """The oldest first. Another run may be about to remove some of them."""
    found = []
    for path in folder.glob(f"{TEMPORARY}*"):
        name = re.fullmatch(rf"{TEMPORARY}(\d+)-\w{{8}}", path.name)
        with contextlib.suppress(OSError):
            stat = path.stat()
            if name is not None and stat.st_uid == os.getuid():
                try:
                    os.kill(int(name[1]), 0)
                except ProcessLookupError:
                    found.append((stat.st_mtime, path))
    return [path for _, path in sorted(found)]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[EXIT_STATUS] = exitstatus


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that does not exist yet."""
    return tmp_path / "home"


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """Where children leave marks of having started."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


@pytest.fixture
def signals_of_a_terminal() -> Iterator[None]:
    """SIGINT and SIGHUP end what a test starts, also where the caller ignores them (`nohup make test`)."""
    own = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def container_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A container engine of this run's own (`container_engines.TestEngine`); skips where there is none."""
    import container_engines

    if reason := container_engines.missing():
        if os.environ.get(container_engines.NEEDED):
            pytest.fail(f"{container_engines.NEEDED} is set, and {reason}")
        pytest.skip(reason)
    # Tests that know nothing of containers have their jobs leave marks there.
    in_containers = request.config.getoption("--isolation") == CONTAINER
    shared = tmp_path_factory.getbasetemp() if in_containers else None
    # A socket's path is at most 107 characters long.
    with container_engines.running(Path(tempfile.mkdtemp(prefix="engine-")), shared) as engine:
        yield engine


@pytest.fixture(scope="session")
def isolated(request: pytest.FixtureRequest) -> Callable[[Path], dict[str, Any]]:
    """What LocalBatch is given for the isolation that is asked for, by a folder that all jobs see."""
    if request.config.getoption("--isolation") != CONTAINER:
        return lambda _folder: {}
    from container_shell import in_any_image

    engine = request.getfixturevalue("container_engine")
    return lambda folder: in_any_image(engine, folder)


@pytest.fixture(scope="session")
def isolation_keys(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Keys of `emulator` for the isolation that is asked for."""
    if request.config.getoption("--isolation") != CONTAINER:
        yield {}
        return
    from container_engines import PYTHON

    engine = request.getfixturevalue("container_engine")
    with pytest.MonkeyPatch.context() as patch:
        # What flytekit takes for its default image.
        patch.setenv("FLYTE_INTERNAL_IMAGE", PYTHON)
        yield engine.emulator()
