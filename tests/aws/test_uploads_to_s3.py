"""What is uploaded to S3, how often, and what is said of it."""

from __future__ import annotations

import contextlib
import http.server
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from aws_world import CREDENTIALS, REGION
from flyteidl.core import literals_pb2
from flytekit.models.literals import LiteralMap

from flytekitplugins.awsbatch.batch.api import UnreachableError
from flytekitplugins.awsbatch.local.deployment.filesystems import (
    RunStore,
    check_storage_container,
    exists_in_storage,
    filesystem_of,
    renew_filesystems,
)
from flytekitplugins.awsbatch.local.deployment.transfer import CHUNK, TransferProgress
from flytekitplugins.awsbatch.local.deployment.uploads import Uploads
from flytekitplugins.awsbatch.propeller.storage import FsspecStore, NotFoundError, SchemeStore, StorageError


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A bucket of the test's own, as boto3 has it."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_S3": s3}.items():
        monkeypatch.setenv(name, value)

    renew_filesystems()
    name = request.node.name.replace("_", "-").split("[")[0][:60].strip("-")
    made = boto3.resource("s3", endpoint_url=s3, region_name=REGION).Bucket(name)
    made.create()
    yield made
    renew_filesystems()


@contextlib.contextmanager
def expired_key(endpoint: str, key: str) -> Iterator[str]:
    """The URL of a server that hands requests on to S3, less those that are signed with a key whose time is over."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if f"Credential={key}/" in self.headers.get("Authorization", ""):
                error = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
                self.reply(400, {"Content-Type": "application/xml"}, error)
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            request = urllib.request.Request(endpoint + self.path, body or None, headers, method=self.command)
            try:
                with urllib.request.urlopen(request) as found:
                    self.reply(found.status, dict(found.headers), found.read())
            except urllib.error.HTTPError as error:
                self.reply(error.code, dict(error.headers), error.read())

        do_GET = do_PUT = do_HEAD = do_POST = answer

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"content-length", "connection", "transfer-encoding", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def blob(path: Path) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(blob=literals_pb2.Blob(uri=str(path))))


def literals(*items: literals_pb2.Literal) -> LiteralMap:
    made = literals_pb2.LiteralMap()
    made.literals["x"].collection.literals.extend(items)
    return LiteralMap.from_flyte_idl(made)


def uploads(bucket: Any, say: Callable[[str], None] = print, **clock: Any) -> Uploads:
    destination = f"s3://{bucket.name}/raw/uploads"
    return Uploads(
        destination, SchemeStore(FsspecStore(filesystem_of)), lambda where: TransferProgress(where, say, **clock)
    )


def urls(given: literals_pb2.LiteralMap) -> list[str]:
    return [one.scalar.blob.uri for one in given.literals["x"].collection.literals]


def written(bucket: Any) -> dict[str, Any]:
    return {one.key: one.last_modified for one in bucket.objects.all()}


def test_the_same_content_is_uploaded_once_whoever_uploads_it(bucket: Any, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    for number in range(60):
        (folder / "deep" / f"{number}[*].txt").write_text(str(number))
    files = [tmp_path / "one.txt", tmp_path / "other" / "one.txt", tmp_path / "b[1]*?.txt"]
    (tmp_path / "other").mkdir()
    for file in files:
        file.write_text("the same")
    given = literals(blob(folder), *(blob(file) for file in files))

    found = urls(uploads(bucket).upload(given, {}))
    assert found[1] == found[2]
    assert found[3].endswith("/b_1___.txt")
    keys = written(bucket)
    # The files of the folder and the mark that it is whole, and two files.
    assert len(keys) == 63
    assert urls(uploads(bucket).upload(given, {})) == found
    assert written(bucket) == keys
    inside = {key for key in keys if "/deep/" in key}
    assert inside == {f"{found[0].split('/', 3)[3]}/deep/{number}[*].txt" for number in range(60)}
    assert filesystem_of(found[1]).cat_file(found[1]) == b"the same"


def test_a_folder_that_was_uploaded_in_part_is_uploaded_again(bucket: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in "ab":
        (tmp_path / "folder" / name).write_text(name)
    (url,) = urls(uploads(bucket).upload(literals(blob(tmp_path / "folder")), {}))
    for key in written(bucket):
        if key.endswith((".complete", "/b")):
            bucket.Object(key).delete()
    assert urls(uploads(bucket).upload(literals(blob(tmp_path / "folder")), {})) == [url]
    assert filesystem_of(url).cat_file(f"{url}/b") == b"b"


def test_bytes_are_told_once_it_takes_more_than_a_second(bucket: Any, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(3 * CHUNK))
    (tmp_path / "small").write_bytes(bytes(1000))
    said: list[str] = []
    now = iter(range(0, 1000, 6))
    slow = uploads(bucket, said.append, clock=lambda: float(next(now)))
    slow.upload(literals(blob(tmp_path / "large"), blob(tmp_path / "small")), {})
    where = f"s3://{bucket.name}/raw/uploads"
    assert said[0].startswith(f"Uploading to {where}: ")
    assert said[0].endswith(" of 16 MB")
    assert said[-1].startswith(f"Uploaded 16 MB to {where} in ")

    quick: list[str] = []
    (tmp_path / "small").write_bytes(bytes(1001))
    uploads(bucket, quick.append).upload(literals(blob(tmp_path / "small")), {})
    assert quick == []


def test_an_offloaded_literal_is_uploaded_with_what_it_refers_to(bucket: Any, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("deep")
    inner = literals_pb2.Literal()
    inner.collection.literals.append(blob(tmp_path / "file.txt"))
    (tmp_path / "offloaded.pb").write_bytes(inner.SerializeToString())
    given = literals_pb2.LiteralMap()
    given.literals["x"].offloaded_metadata.uri = str(tmp_path / "offloaded.pb")

    sent = uploads(bucket).upload(LiteralMap.from_flyte_idl(given), {})
    uri = sent.literals["x"].offloaded_metadata.uri
    assert uri.startswith(f"s3://{bucket.name}/raw/uploads/")
    arrived = literals_pb2.Literal.FromString(filesystem_of(uri).cat_file(uri))
    (one,) = arrived.collection.literals
    assert filesystem_of(one.scalar.blob.uri).cat_file(one.scalar.blob.uri) == b"deep"
    assert inner.SerializeToString() == (tmp_path / "offloaded.pb").read_bytes()


def test_an_upload_that_is_refused_names_the_place(bucket: Any, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("mine")
    store = SchemeStore(FsspecStore(filesystem_of))
    missing = Uploads("s3://nobodys-bucket/raw/uploads", store, lambda where: TransferProgress(where, print))
    with pytest.raises(StorageError, match=r"s3://nobodys-bucket/raw/uploads/\w+/file\.txt: The specified bucket"):
        missing.upload(literals(blob(tmp_path / "file.txt")), {})


def test_files_of_children_are_seen_as_soon_as_they_are_written(bucket: Any) -> None:
    store = SchemeStore(FsspecStore(filesystem_of))
    references = [f"s3://{bucket.name}/meta/{number}/outputs.pb" for number in range(300)]
    assert set(store.existing_files(references)) == set()
    for reference in references[:2]:
        bucket.Object(reference.split("/", 3)[3]).put(Body=b"x")
    assert set(store.existing_files(references)) == set(references[:2])
    assert set(store.existing_files(references[:3])) == set(references[:2])
    assert store.read_file(references[0]) == b"x"
    with pytest.raises(NotFoundError):
        store.read_file(references[2])
    assert exists_in_storage(f"s3://{bucket.name}/meta")
    assert not exists_in_storage(f"s3://{bucket.name}/other")


def test_a_bucket_is_looked_for_before_anything_is_sent(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    check_storage_container(f"s3://{bucket.name}/raw")
    with pytest.raises(StorageError, match="s3://nobodys-bucket: there is no such bucket"):
        check_storage_container("s3://nobodys-bucket/raw")
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    renew_filesystems()
    with pytest.raises(StorageError, match="Unable to locate credentials"):
        check_storage_container(f"s3://{bucket.name}/raw")


def test_credentials_that_have_expired_are_read_anew_or_told(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy before S3 says that those of one key have expired."""
    endpoint = os.environ["AWS_ENDPOINT_URL_S3"]
    with expired_key(endpoint, "old") as url:
        credentials = tmp_path / "credentials"
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        bucket.Object("file").put(Body=b"mine")
        store, reference = RunStore(), f"s3://{bucket.name}/file"
        credentials.write_text("[default]\naws_access_key_id = old\naws_secret_access_key = x\n")
        renew_filesystems()
        filesystem_of(reference).connect()
        credentials.write_text("[default]\naws_access_key_id = new\naws_secret_access_key = x\n")
        assert store.read_file(reference) == b"mine"
        credentials.write_text("[default]\naws_access_key_id = old\naws_secret_access_key = x\n")
        renew_filesystems()
        with pytest.raises(UnreachableError, match="The AWS credentials have expired"):
            store.read_file(reference)
