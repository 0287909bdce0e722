"""The pytest plugin: every session of every project that has this distribution installed imports this module, so it
imports nothing until a fixture is used (flytekit alone costs a second)."""

import ast
import contextlib
import functools
import itertools
import signal
import threading

import pytest

FIXTURES = {"awsbatch", "awsbatch_factory"}
# Calls that may leave out a whole file while it is imported.
SKIPPING = (b"importorskip", b"allow_module_level")
# Options that leave out tests which were collected.
DESELECTING = ("keyword", "markexpr", "deselect", "lf", "stepwise")
MARKER = "awsbatch(settings=None, files=()): the settings of this test's emulated AWS Batch, as emulation() takes them"


def pytest_configure(config):  # type: ignore[no-untyped-def]
    config.addinivalue_line("markers", MARKER)


def pytest_collectstart(collector):  # type: ignore[no-untyped-def]
    """Before a file is imported, which takes as long as what the interpreter imports: both go on at once."""
    config = collector.config
    # Before pytest 7 a collector has none.
    path = getattr(collector, "path", None)
    if path is None or not isinstance(collector, pytest.Module) or is_warm():
        return
    names_tests = any("::" in str(each) for each in config.args)
    if takes_all(config) and not names_tests and asks_for_fixture(path):
        warm_up()


def pytest_itemcollected(item):  # type: ignore[no-untyped-def]
    if takes_all(item.config) and uses_fixture(item):
        warm_up()


def pytest_collection_finish(session):  # type: ignore[no-untyped-def]
    if not session.config.option.collectonly and any(map(uses_fixture, session.items)):
        warm_up()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):  # type: ignore[no-untyped-def]
    """An error of this package's says what has happened; the calls between the test and the job say nothing."""
    error = call.excinfo
    if error is None or item.config.getoption("fulltrace", False) or not uses_fixture(item):
        return
    if not type(error.value).__module__.startswith("flytekitplugins.awsbatch."):
        return
    # pytest makes its own list anew from the interpreter's.
    each = error.value.__traceback__
    while each is not None:
        while each.tb_next is not None and is_between(each.tb_next):
            each.tb_next = each.tb_next.tb_next
        each = each.tb_next


def is_between(entry):  # type: ignore[no-untyped-def]
    return str(entry.tb_frame.f_globals.get("__name__")).startswith(("flytekit.", "flytekitplugins.awsbatch."))


def takes_all(config):  # type: ignore[no-untyped-def]
    """Whether every test that is collected will run."""
    option = config.option
    return not (option.collectonly or any(getattr(option, name, None) for name in DESELECTING))


def uses_fixture(item):  # type: ignore[no-untyped-def]
    return not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def asks_for_fixture(path):  # type: ignore[no-untyped-def]
    """Whether a file that is not imported yet has a test with one of the fixtures among its parameters."""
    try:
        text = path.read_bytes()
        if b"awsbatch" not in text or any(call in text for call in SKIPPING):
            return False
        body = ast.parse(text).body
    except (OSError, SyntaxError, ValueError):
        # pytest tells what is wrong with it.
        return False
    functions = body + [each for node in body if isinstance(node, ast.ClassDef) for each in node.body]
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test")
        and not FIXTURES.isdisjoint(each.arg for each in node.args.args)
        for node in functions
    )


@functools.cache
def warm_up():  # type: ignore[no-untyped-def]
    """Lets an interpreter for jobs import flytekit while the session goes on."""
    from flytekitplugins.awsbatch.local.deployment import warm_up

    warm_up.warm_up_once()


def is_warm():  # type: ignore[no-untyped-def]
    return warm_up.cache_info().currsize > 0


@pytest.fixture(scope="session")
def awsbatch_factory(tmp_path_factory):  # type: ignore[no-untyped-def]
    """Opens emulated deployments, each in a temporary home: `with awsbatch_factory(settings=...) as batch`."""
    numbers = itertools.count()

    @contextlib.contextmanager
    def open_emulation(settings=None, files=()):  # type: ignore[no-untyped-def]
        from flytekitplugins.awsbatch.testing import emulation

        # pytest would look through the folders of all tests so far for the next number.
        home = tmp_path_factory.mktemp(f"awsbatch-home{next(numbers)}", numbered=False)
        with emulation(home, settings=settings, files=files, quiet=True) as opened, ctrl_c_ends_the_session():
            yield opened

    return open_emulation


@pytest.fixture
def awsbatch(awsbatch_factory, request):  # type: ignore[no-untyped-def]
    """An emulated AWS Batch of this test's own, in a temporary home: `flytekitplugins.awsbatch.testing.Emulation`."""
    marker = request.node.get_closest_marker("awsbatch")
    with awsbatch_factory(*marker.args, **marker.kwargs) if marker else awsbatch_factory() as emulation:
        yield emulation


@contextlib.contextmanager
def ctrl_c_ends_the_session():  # type: ignore[no-untyped-def]
    """flytekit's own handler raises SystemExit, which pytest takes for the failure of one test."""
    handler = signal.getsignal(signal.SIGINT)
    is_flytekits = getattr(handler, "__module__", None) == "flytekit.core.context_manager"
    if not is_flytekits or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
