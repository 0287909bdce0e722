"""What of a caller's files is uploaded, and that what lies in the storage is what its name says."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from flytekit.exceptions.user import FlyteAssertion
from flytekit.models.core.types import BlobType
from flytekit.models.literals import Blob, BlobMetadata, Literal, LiteralMap, Scalar
from fsspec.core import url_to_fs

from flytekitplugins.awsbatch.local.deployment import uploads
from flytekitplugins.awsbatch.local.deployment.transfer import TransferProgress
from flytekitplugins.awsbatch.local.deployment.uploads import Uploads
from flytekitplugins.awsbatch.propeller.storage import SchemeStore, StorageError
from flytekitplugins.awsbatch.wire import RAW_SCHEME


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"{RAW_SCHEME}://{str(tmp_path / 'storage').lstrip('/')}"


def uploaded(storage: str, path: Path) -> str:
    kind = BlobType("", BlobType.BlobDimensionality.SINGLE)
    blob = Literal(scalar=Scalar(blob=Blob(BlobMetadata(kind), str(path))))
    store = SchemeStore()
    uploads = Uploads(storage, store, lambda where: TransferProgress(where, print))
    return str(uploads.upload(LiteralMap({"f": blob}), {}).literals["f"].scalar.blob.uri)


def test_a_file_with_other_contents_and_the_same_size_and_time_is_uploaded_again(tmp_path: Path, storage: str) -> None:
    file, kind = tmp_path / "a.txt", BlobType("", BlobType.BlobDimensionality.SINGLE)
    made = Uploads(storage, SchemeStore(), lambda where: TransferProgress(where, print))
    inputs = LiteralMap({"f": Literal(scalar=Scalar(blob=Blob(BlobMetadata(kind), str(file))))})
    found, changed = [], 0
    for text in ("one", "two"):
        file.write_text(text)
        os.utime(file, (1, 1))
        while file.stat().st_ctime_ns == changed:
            # The file system's clock ticks every few milliseconds.
            os.utime(file, (1, 1))
        changed = file.stat().st_ctime_ns
        found.append(made.upload(inputs, {}).literals["f"].scalar.blob.uri)
    assert found[0] != found[1]


def test_an_upload_of_another_user_in_the_home_is_named(
    tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a")
    uploaded(storage, path)
    monkeypatch.setattr(os, "utime", Mock(side_effect=PermissionError(13, "Permission denied")))
    with pytest.raises(
        StorageError, match=r"storage/\w+: belongs to another user\. Remove it, or set FLYTE_AWSBATCH_HOME"
    ):
        uploaded(storage, path)


def test_a_link_to_a_directory_around_it_is_not_walked_again(tmp_path: Path, storage: str) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "loop").symlink_to(folder)
    (folder / "inner" / "up").symlink_to(folder)
    assert uploads._files(folder) == [folder / "a.txt"]


def test_what_is_no_file_is_refused(tmp_path: Path, storage: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FlyteAssertion, match="no file and no directory"):
        uploaded(storage, tmp_path / "pipe")


def test_a_file_that_changes_while_it_is_read_is_uploaded_as_it_is_then(
    tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    digest, changes = uploads._digest, iter(["after"])

    def changed_after(*given: object) -> str:
        found = digest(*given)  # type: ignore[arg-type]
        for text in changes:
            path.write_text(text)
            break
        return found

    monkeypatch.setattr(uploads, "_digest", changed_after)
    url = uploaded(storage, path)
    filesystem, where = url_to_fs(url)
    assert filesystem.cat(where) == b"after"
    assert len(filesystem.ls(url_to_fs(storage)[1])) == 1


def test_a_tree_in_the_storage_can_be_removed(tmp_path: Path, storage: str) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.txt").write_text("a")
    filesystem, where = url_to_fs(uploaded(storage, folder))
    filesystem.rm(where, recursive=True)
    assert not filesystem.exists(where)
