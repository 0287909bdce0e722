"""Files of a run: on this machine, behind fsspec, and in memory."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from flyteidl.core import literals_pb2
from in_memory import MemoryStore
from propeller_builders import integer, literal_map

from flytekitplugins.awsbatch.propeller.storage import (
    MOST_LOOKS,
    DataStore,
    FsspecStore,
    LocalStore,
    NotFoundError,
    SchemeStore,
    StorageError,
    join_storage_url,
    read_stored_message,
    write_stored_message,
)

STORES: dict[str, Callable[[Path], tuple[DataStore, str]]] = {
    "memory": lambda folder: (MemoryStore(), "s3://bucket/a"),
    "local": lambda folder: (LocalStore(), str(folder / "a b" / "100%")),
    "file url": lambda folder: (LocalStore(), f"file://{folder}/a"),
    "fsspec": lambda folder: (FsspecStore(), f"memory://{folder}/a"),
    "by scheme, local": lambda folder: (SchemeStore(), str(folder / "a")),
    "by scheme, remote": lambda folder: (SchemeStore(), f"memory://{folder}/b"),
}


@pytest.fixture(params=STORES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[DataStore, str]:
    return STORES[request.param](tmp_path)


def test_what_is_written_is_read_back_and_replaced(place: tuple[DataStore, str]) -> None:
    store, base = place
    reference = store.join(base, "0", "outputs.pb")
    assert not store.exists(reference)
    store.write_file(reference, b"first")
    store.write_file(reference, b"second")
    assert store.exists(reference)
    assert store.read_file(reference) == b"second"


def test_a_missing_file_is_named(place: tuple[DataStore, str]) -> None:
    store, base = place
    reference = store.join(base, "nothing")
    with pytest.raises(NotFoundError) as caught:
        store.read_file(reference)
    assert str(caught.value) == f"{reference}: file does not exist"


def test_a_message_is_read_back(place: tuple[DataStore, str]) -> None:
    store, base = place
    reference = store.join(base, "inputs.pb")
    write_stored_message(store, reference, literal_map(x=integer(3)))
    read = literals_pb2.LiteralMap()
    read_stored_message(store, reference, read)
    assert read == literal_map(x=integer(3))
    store.write_file(reference, b"\x0f no message")
    with pytest.raises(StorageError, match=r"not a flyteidl\.core\.LiteralMap"):
        read_stored_message(store, reference, literals_pb2.LiteralMap())


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    store = LocalStore()
    store.write_file(f"{tmp_path}/a", b"old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError):
        store.write_file(f"{tmp_path}/folder", b"data")
    with pytest.raises(StorageError):
        store.write_file(f"{tmp_path}/a/below", b"data")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "folder"]
    assert store.read_file(f"{tmp_path}/a") == b"old"


def test_a_file_is_its_users_only(tmp_path: Path) -> None:
    LocalStore().write_file(f"{tmp_path}/a", b"")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_a_folder_in_place_of_a_file_is_no_missing_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError) as caught:
        LocalStore().read_file(f"{tmp_path}/folder")
    assert not isinstance(caught.value, NotFoundError)


@pytest.mark.parametrize("count", [3, MOST_LOOKS + 1], ids=["few", "many"])
def test_those_of_many_files_that_exist_are_found(place: tuple[DataStore, str], count: int) -> None:
    store, base = place
    references = [store.join(base, str(number), "outputs.pb") for number in range(count)]
    for reference in references[1:]:
        store.write_file(reference, b"")
    store.write_file(store.join(base, "1", "error.pb"), b"")
    assert set(store.existing_files(references)) == set(references[1:])
    assert set(store.existing_files(references[:1])) == set()


def test_files_here_and_in_a_storage_are_looked_for_together(tmp_path: Path) -> None:
    store = SchemeStore()
    references = [f"{tmp_path}/a", f"memory:/{tmp_path}/b", f"{tmp_path}/none", f"memory:/{tmp_path}/none"]
    for reference in references[:2]:
        store.write_file(reference, b"")
    assert set(store.existing_files(references)) == set(references[:2])


def test_an_unknown_scheme_says_which_reference() -> None:
    with pytest.raises(StorageError, match="nonsense://bucket/a"):
        SchemeStore().read_file("nonsense://bucket/a")


@pytest.mark.parametrize(
    ("base", "keys", "joined"),
    [
        ("s3://b/a", ("0", "x.pb"), "s3://b/a/0/x.pb"),
        ("s3://b/a/", ("/0/",), "s3://b/a/0"),
        ("s3://b", ("0",), "s3://b/0"),
        ("s3://b/with space", ("0",), "s3://b/with%20space/0"),
        ("s3://b/a?x=1#f", ("0",), "s3://b/0"),
        ("s3://b/a/../c", ("0",), "s3://b/c/0"),
        ("s3://b/%41", ("0",), "s3://b/%41/0"),
        ("S3://b/a", ("0",), "s3://b/a/0"),
        ("relative/a", ("0",), "/relative/a/0"),
        ("", ("0",), "/0"),
        ("s3://user:p%40ss@b/a", ("0",), "s3://user:p%40ss@b/a/0"),
        ("s3://[::1]:80/a", ("0",), "s3://[::1]:80/a/0"),
        ("s3://b/a", ("x:y",), "x:y"),
        ("s3://b/a", ("http://other/c",), "http://other/c"),
        ("s3://b/a", ("?",), "s3://b/a/?"),
        ("s3://b/a", ("#f",), "s3://b/a/#f"),
        ("s3://b/a", ("..",), "s3://b/"),
        ("mailto:someone", ("0",), "mailto:///0"),
    ],
)
def test_references_are_joined_as_flyte_joins_them(base: str, keys: tuple[str, ...], joined: str) -> None:
    assert join_storage_url(base, *keys) == joined


@pytest.mark.parametrize(
    "base",
    [
        "://bad",
        "s3://b\x7f",
        "s3://b/%zz",
        "s3://b:port/a",
        "s3://[::1/a",
        "s3://[x]/a",
        "s3://a[b/c",
        "s3://b c/a",
        "s3://b%41/a",
        "a:b",
    ],
)
def test_what_is_no_reference_is_refused(base: str) -> None:
    if base == "a:b":
        assert join_storage_url(base, "0") == "a:///0"
        return
    with pytest.raises(StorageError, match="invalid format"):
        join_storage_url(base, "0")
