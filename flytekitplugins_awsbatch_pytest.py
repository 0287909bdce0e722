"""The pytest plugin: every session of every project that has this distribution installed imports this module, so it
imports nothing until a fixture is used (flytekit alone costs a second)."""

import pytest

FIXTURES = {"awsbatch", "awsbatch_factory"}
# Options that leave out tests which were collected.
DESELECTING = ("keyword", "markexpr", "deselect", "lf", "stepwise")
MARKER = "awsbatch(settings=None, files=()): the settings of this test's emulated AWS Batch, as emulation() takes them"


def pytest_configure(config):  # type: ignore[no-untyped-def]
    config.addinivalue_line("markers", MARKER)


def pytest_itemcollected(item):  # type: ignore[no-untyped-def]
    option = item.config.option
    if not any(getattr(option, name, None) for name in DESELECTING):
        warm_up(option, [item])


def pytest_collection_finish(session):  # type: ignore[no-untyped-def]
    warm_up(session.config.option, session.items)


def warm_up(option, items):  # type: ignore[no-untyped-def]
    """Lets an interpreter for jobs import flytekit while the session goes on, if one of these tests will need it."""
    if option.collectonly or not any(FIXTURES.intersection(getattr(item, "fixturenames", ())) for item in items):
        return
    from flytekitplugins.awsbatch.local.deployment import warm_up

    warm_up.once()


@pytest.fixture(scope="session")
def awsbatch_factory(tmp_path_factory):  # type: ignore[no-untyped-def]
    """Opens emulated deployments, each in a temporary home: `with awsbatch_factory(settings=...) as batch`."""

    def open_emulation(settings=None, files=()):  # type: ignore[no-untyped-def]
        from flytekitplugins.awsbatch.testing import emulation

        return emulation(tmp_path_factory.mktemp("awsbatch"), settings=settings, files=files, quiet=True)

    return open_emulation


@pytest.fixture
def awsbatch(awsbatch_factory, request):  # type: ignore[no-untyped-def]
    """An emulated AWS Batch of this test's own, in a temporary home: `flytekitplugins.awsbatch.testing.Emulation`."""
    marker = request.node.get_closest_marker("awsbatch")
    with awsbatch_factory(*marker.args, **marker.kwargs) if marker else awsbatch_factory() as emulation:
        yield emulation
