"""Messages and records that others wrote: older and newer flytekits, and damage. Each is read, or named as wrong.

The old forms are built from field numbers, since today's classes would write today's.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import reliability_tasks as tasks
from click.testing import CliRunner
from flyteidl.core import errors_pb2, identifier_pb2, interface_pb2, literals_pb2, tasks_pb2
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from in_memory import MemoryCatalog

from flytekitplugins.awsbatch.cli.main import main
from flytekitplugins.awsbatch.container.array_index import ChildError, OriginalIndex, item_inputs_in_container
from flytekitplugins.awsbatch.container.fast.input_index import InputIndex, UnexpectedBytesError
from flytekitplugins.awsbatch.local.deployment.emulation import emulation
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.history.record import RecordError, RunRecord
from flytekitplugins.awsbatch.local.history.resume import resume_digest
from flytekitplugins.awsbatch.local.home import Home
from flytekitplugins.awsbatch.propeller.aws_array.output_files import OutputFiles
from flytekitplugins.awsbatch.propeller.catalog import CatalogError, CatalogKey, DiskCatalog
from flytekitplugins.awsbatch.propeller.storage import LocalStore, StorageError
from flytekitplugins.awsbatch.wire import ERROR_FILE, INDEX_LOOKUP_FILE, INPUTS_FILE, OUTPUTS_FILE

FUZZ = settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))


def varint(number: int) -> bytes:
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def field(number: int, content: bytes | str | int) -> bytes:
    """A field as it stands in a message: a number as a varint, anything else with its length before it."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    data = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(data)) + data


# Field numbers in flyteidl's `core/literals.proto`: Literal{scalar 1, collection 2, map 3, hash 4, metadata 5,
# offloaded_metadata 8}, Scalar{primitive 1, blob 2, binary 3, schema 4, none_type 5, error 6, generic 7, union 9}.
def integer(number: int) -> bytes:
    return field(1, field(1, field(1, number)))


def collection(*items: bytes) -> bytes:
    return field(2, b"".join(field(1, item) for item in items))


def literal_map(**literals: bytes) -> bytes:
    return b"".join(field(1, field(1, name) + field(2, literal)) for name, literal in literals.items())


NEWER = field(900, "what a later flyteidl adds")
# Literals as flytekits of these times wrote them, and will.
LITERALS = {
    "a number, as ever": integer(7),
    "a dataclass before 1.14: a Struct": field(1, field(7, field(1, field(1, "x") + field(2, field(3, "y"))))),
    "a dataclass since 1.14: msgpack": field(1, field(3, field(1, b"\x81\xa1x\x01") + field(2, "msgpack"))),
    "a dataframe before structured datasets: a Schema": field(1, field(4, field(1, "s3://b/k") + field(3, b""))),
    "a hash, since 1.1": integer(7) + field(4, "abc"),
    "metadata, since 1.10": integer(7) + field(5, field(1, "k") + field(2, "v")),
    "an offloaded literal, since 1.14": field(8, field(1, "file:///nowhere/literal.pb") + field(2, 5)),
    "a union": field(1, field(9, field(1, integer(7)) + field(2, field(1, 1)))),
    "nothing": field(1, field(5, b"")),
    "a field of a later flyteidl": integer(7) + NEWER,
    "a scalar of a later flyteidl": field(1, NEWER),
    "a kind of a later flyteidl": NEWER,
}
ANY = st.sampled_from(sorted(LITERALS))


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes that begin as a message and went wrong: cut, changed, or with something put in."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        how = draw(st.sampled_from(["cut", "change", "insert", "drop"]))
        if how == "cut":
            del data[place:]
        elif how == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=4))
        elif data and how == "change":
            data[place] = draw(st.integers(0, 255))
        elif data:
            del data[place]
    return bytes(data)


def anything(whole: bytes) -> st.SearchStrategy[bytes]:
    return st.one_of(damaged(whole), st.binary(max_size=40))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("messages")


# The child.


@pytest.mark.parametrize("kind", LITERALS)
def test_a_child_finds_its_item_whatever_flytekit_wrote_the_inputs(kind: str) -> None:
    data = literal_map(x=collection(integer(1), LITERALS[kind]), bound=LITERALS[kind])
    whole = literals_pb2.LiteralMap.FromString(data)
    item = item_inputs_in_container(whole, OriginalIndex(1), {"bound"})
    assert item is not None
    assert item.literals["x"] == item.literals["bound"] == literals_pb2.Literal.FromString(LITERALS[kind])
    assert InputIndex(data, {"bound"}).item(OriginalIndex(1)) == item
    # What a later flyteidl added goes along.
    assert (b"later flyteidl" in data) is (b"later flyteidl" in item.SerializeToString())


@FUZZ
@given(data=anything(literal_map(x=collection(integer(1), integer(2)), bound=integer(3))), index=st.integers(0, 3))
@example(data=b"", index=0)
def test_a_child_and_its_short_cut_agree_on_damaged_inputs(data: bytes, index: int) -> None:
    try:
        expected = item_inputs_in_container(literals_pb2.LiteralMap.FromString(data), OriginalIndex(index), {"bound"})
    except (ChildError, DecodeError):
        expected = None
    with contextlib.suppress(ChildError, UnexpectedBytesError, UnicodeDecodeError, DecodeError):
        found = InputIndex(data, {"bound"}).item(OriginalIndex(index))
        assert expected is None or found is None or found == expected


CHILD = """
import sys
from flytekitplugins.awsbatch.entrypoint import main
sys.argv = ["pyflyte-awsbatch-map-execute", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    ("inputs", "lookup", "words"),
    [
        (b"\xff\xfe", None, f"{INPUTS_FILE} is not a flyteidl.core.LiteralMap"),
        (literal_map(n=collection(integer(1))), b"\xff\xfe", f"{INDEX_LOOKUP_FILE} is not a flyteidl.core.LiteralColl"),
        (literal_map(n=collection(integer(1))), b"", "child 0 is not in the index lookup, which has 0 entries"),
        (literal_map(n=integer(1)), None, "input n is mapped and should be a list, but holds scalar"),
    ],
    ids=["inputs", "lookup", "empty lookup", "no list"],
)
def test_a_child_names_the_file_that_it_cannot_read(
    tmp_path: Path, inputs: bytes, lookup: bytes | None, words: str
) -> None:
    (tmp_path / INPUTS_FILE).write_bytes(inputs)
    if lookup is not None:
        (tmp_path / INDEX_LOOKUP_FILE).write_bytes(lookup)
    argv = ["--inputs", str(tmp_path / INPUTS_FILE), "--output-prefix", str(tmp_path / "out")]
    argv += ["--raw-output-data-prefix", str(tmp_path / "raw")]
    argv += ["--resolver", "flytekitplugins.awsbatch.maptask.MapTaskResolver", "--", "vars", "", "resolver"]
    argv += ["flytekit.core.python_auto_container.default_task_resolver"]
    argv += ["task-module", "reliability_tasks", "task-name", "cached"]
    environment = {
        "BATCH_JOB_ARRAY_INDEX_VAR_NAME": "AWS_BATCH_JOB_ARRAY_INDEX",
        "AWS_BATCH_JOB_ARRAY_INDEX": "0",
        "FLYTE_FAIL_ON_ERROR": "true",
        "PYTHONPATH": str(Path(__file__).parent),
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *argv],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    error = tmp_path / "out" / "0" / ERROR_FILE
    said = done.stderr
    if error.exists():
        said += errors_pb2.ErrorDocument.FromString(error.read_bytes()).error.message
    assert words in " ".join(said.replace("│", " ").split()), said
    assert done.returncode == 1
    assert not (tmp_path / "out" / "0" / OUTPUTS_FILE).exists()


# The handler.


@pytest.mark.parametrize("kind", LITERALS)
def test_outputs_are_read_and_handed_on_whatever_flytekit_wrote_them(folder: Path, kind: str) -> None:
    data = literal_map(o0=LITERALS[kind])
    (folder / OUTPUTS_FILE).write_bytes(data)
    outputs = OutputFiles(LocalStore(), str(folder)).read_outputs()
    assert outputs is not None
    assert outputs.SerializeToString() == literals_pb2.LiteralMap.FromString(data).SerializeToString()
    assert resume_digest(outputs) == resume_digest(literals_pb2.LiteralMap.FromString(data))


# ErrorDocument{error 1}, ContainerError{code 1, message 2, kind 3, origin 4, timestamp 5, worker 6}.
OLD_ERROR = field(1, field(1, "USER:Unknown") + field(2, "it failed"))
RECOVERABLE = field(1, field(1, "c") + field(2, "again") + field(3, 1))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (OLD_ERROR, ("USER:Unknown", "it failed")),
        (OLD_ERROR + NEWER, ("USER:Unknown", "it failed")),
        (RECOVERABLE, ("c", "again")),
        (b"", ("ErrorFileBadFormat", "error not formatted correctly, nil error @path")),
        (NEWER, ("ErrorFileBadFormat", "error not formatted correctly, nil error @path")),
    ],
)
def test_errors_are_read_whatever_flytekit_wrote_them(folder: Path, data: bytes, expected: tuple[str, str]) -> None:
    (folder / ERROR_FILE).write_bytes(data)
    error = OutputFiles(LocalStore(), str(folder)).read_error()
    assert (error.code, error.message.partition(" [")[0]) == expected


@FUZZ
@given(outputs=anything(literal_map(o0=integer(7))), error=anything(OLD_ERROR))
def test_damaged_outputs_and_errors_are_named(folder: Path, outputs: bytes, error: bytes) -> None:
    files = OutputFiles(LocalStore(), str(folder))
    (folder / OUTPUTS_FILE).write_bytes(outputs)
    (folder / ERROR_FILE).write_bytes(error)
    for read, name in ((files.read_outputs, OUTPUTS_FILE), (files.read_error, ERROR_FILE)):
        try:
            read()
        except StorageError as caught:
            assert name in str(caught)


# TaskTemplate{id 1, type 2, metadata 3, interface 4, custom 5, container 6}, Metadata{discoverable 1, runtime 2,
# discovery_version 6}: all that templates of flyteidl 1.2 have.
def test_a_template_of_an_older_flytekit_has_todays_defaults() -> None:
    data = (
        field(2, "aws-batch") + field(3, field(1, 1) + field(6, "v1")) + field(6, field(1, "image") + field(2, "run"))
    )
    template = tasks_pb2.TaskTemplate.FromString(data + NEWER)
    assert (template.type, template.metadata.discoverable, template.metadata.discovery_version) == (
        "aws-batch",
        True,
        "v1",
    )
    assert (list(template.container.command), template.task_type_version) == (["run"], 0)
    assert resume_digest(template) != resume_digest(tasks_pb2.TaskTemplate.FromString(data))


# The cache.


def key(name: str = "t") -> CatalogKey:
    task = identifier_pb2.Identifier(project="p", domain="d", name=name)
    return CatalogKey(task, "1", interface_pb2.TypedInterface(), literals_pb2.LiteralMap())


@pytest.mark.parametrize("kind", LITERALS)
def test_the_cache_gives_back_what_any_flytekit_wrote(kind: str) -> None:
    outputs = literals_pb2.LiteralMap.FromString(literal_map(o0=LITERALS[kind]))
    catalog = MemoryCatalog()
    catalog.put(key(), outputs)
    assert catalog.get(key()) == outputs


@FUZZ
@given(data=ANY.flatmap(lambda kind: anything(literal_map(o0=LITERALS[kind]))))
@example(data=literal_map(o0=field(1, field(3, field(1, b"\x81\x90\x01") + field(2, "msgpack")))))
@example(data=literal_map(o0=field(1, field(3, field(1, b"\x81\xa1x") + field(2, "msgpack")))))
def test_a_damaged_entry_of_the_cache_is_a_failed_look_up(folder: Path, data: bytes) -> None:
    catalog = DiskCatalog(folder / "entries")
    catalog.put(key(), literals_pb2.LiteralMap.FromString(literal_map(o0=integer(7))))
    (entry,) = (folder / "entries").iterdir()
    entry.write_bytes(data)
    with contextlib.suppress(CatalogError):
        found = catalog.get(key())
        assert found is None or found.literals


def test_a_damaged_file_of_the_cache_is_named(tmp_path: Path) -> None:
    DiskCatalog(tmp_path).put(key(), literals_pb2.LiteralMap.FromString(literal_map(o0=integer(7))))
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(b"no entry" * 1000)
    with pytest.raises(CatalogError, match=f"the cache in {tmp_path} cannot be read"):
        DiskCatalog(tmp_path).get(key())


# Records of runs.


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    home = tmp_path_factory.mktemp("ended") / "home"
    with emulation(home, quiet=True):
        tasks.total_of(numbers=[1, 2])
    yield home, past_runs.past_run(Home(home)).name


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values in a record."""
    if path:
        yield path
    for name, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from places(inner, (*path, name))


def changed(value: Any, path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    copy = json.loads(json.dumps(value))
    inner = copy
    for name in path[:-1]:
        inner = inner[name]
    change(inner, path[-1])
    return copy


WRONG = [None, [], {}, "x", -1, 10**30, True, ["a", "b"], {"a": None}]


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), node=st.booleans())
def test_a_record_that_is_not_what_it_should_be_is_named(ended: tuple[Path, str], seed: int, node: bool) -> None:
    home, execution = ended
    record = RunRecord(home / "runs" / execution)
    file = record.node_file("n0") if node else record.execution_file
    whole = file.read_text()
    chance = random.Random(seed)
    value = json.loads(whole)
    path = chance.choice(list(places(value)))
    if chance.random() < 0.3:
        value = changed(value, path, lambda inner, name: inner.__delitem__(name))
    else:
        value = changed(value, path, lambda inner, name: inner.__setitem__(name, chance.choice(WRONG)))
    file.write_text(json.dumps(value))
    try:
        for words in (["runs"], ["jobs", execution], ["rerun", execution, "n0", "7"]):
            answer = CliRunner().invoke(main, words, env={"FLYTE_AWSBATCH_HOME": str(home)})
            assert answer.exception is None or isinstance(answer.exception, SystemExit), (path, answer.exception)
            assert answer.exit_code in (0, 1)
    finally:
        file.write_text(whole)


@pytest.mark.parametrize("damage", ["attempt", "snapshot", "fingerprint", "status"])
def test_a_damaged_record_is_not_taken_up(ended: tuple[Path, str], damage: str) -> None:
    home, execution = ended
    record = RunRecord(home / "runs" / execution)
    whole = record.node("n0")
    record.write_node("n0", {name: value for name, value in whole.items() if name not in (damage, "format")})
    try:
        with (
            emulation(home, quiet=True, resume=execution) as awsbatch,
            pytest.raises(RecordError, match=r"n0\.json is damaged, or from another version"),
        ):
            tasks.total_of(numbers=[1, 2])
        assert awsbatch.requests == []
    finally:
        record.write_node("n0", whole)
