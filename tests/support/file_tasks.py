"""Tasks that make, change, lose and pass on files of every kind; children import this module.

Each `spoil_*` returns what it was given, and changes what it got from flytekit as far as it can: on a cluster that is a
copy of its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from flytekit import current_context, task, workflow
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile

from flytekitplugins.awsbatch import AWSBatchConfig, map_task

BATCH = AWSBatchConfig(lint_ignore=["AB104", "AB111"])


@dataclass
class Inner:
    parts: dict[str, FlyteFile]
    note: str = ""


@dataclass
class Bundle:
    """:param path: a text that names a place, and no file of flytekit's."""

    one: FlyteFile
    folder: FlyteDirectory
    inner: Inner
    many: list[FlyteFile]
    maybe: FlyteFile | None = None
    path: str = ""


def written(name: str, text: str) -> str:
    path = Path(tempfile.mkdtemp(), name)
    path.write_text(text)
    return str(path)


def spoiled(path: str) -> str:
    """What a file held; it is changed, renamed and deleted."""
    text = Path(path).read_text()
    with open(path, "a") as file:  # noqa: PTH123
        file.write("!")
    os.rename(path, f"{path}.seen")  # noqa: PTH104
    os.unlink(f"{path}.seen")  # noqa: PTH108
    return text


def spoiled_folder(path: str) -> list[str]:
    names = sorted(f"{one.relative_to(path)}={one.read_text()}" for one in Path(path).rglob("*") if one.is_file())
    shutil.rmtree(path)
    return names


def lost(attempts: int) -> None:
    """Ends this process as a lost host does, in all attempts before this one."""
    if int(os.environ["AWS_BATCH_JOB_ATTEMPT"]) < attempts:
        os._exit(3)


@task(task_config=BATCH)
def make_file(n: int) -> FlyteFile:
    return FlyteFile(written(f"{n}.txt", f"file {n}"))


@task(task_config=BATCH)
def make_folder(n: int) -> FlyteDirectory:
    folder = Path(tempfile.mkdtemp())
    (folder / "deep").mkdir()
    (folder / "a.txt").write_text(f"a{n}")
    (folder / "deep" / "b.txt").write_text(f"b{n}")
    return FlyteDirectory(str(folder))


@task(task_config=BATCH)
def make_bundle(n: int) -> Bundle:
    folder = Path(tempfile.mkdtemp())
    (folder / "a.txt").write_text(f"a{n}")
    return Bundle(
        one=FlyteFile(written("one.txt", f"one {n}")),
        folder=FlyteDirectory(str(folder)),
        inner=Inner({"part": FlyteFile(written("part.txt", f"part {n}"))}),
        many=[FlyteFile(written(f"many{i}.txt", f"many {i}")) for i in range(2)],
    )


@task(task_config=BATCH)
def spoil_file(x: FlyteFile) -> str:
    return spoiled(x.download())


@task(task_config=BATCH)
def spoil_folder(x: FlyteDirectory) -> list[str]:
    return spoiled_folder(x.download())


@task(task_config=BATCH)
def spoil_bundle(x: Bundle) -> list[str]:
    texts = [
        spoiled(one.download()) for one in (x.one, *x.inner.parts.values(), *x.many, *([x.maybe] if x.maybe else []))
    ]
    return [*texts, *spoiled_folder(x.folder.download()), x.path]


@task(task_config=BATCH)
def spoil_either(x: int | FlyteFile) -> str:
    return str(x) if isinstance(x, int) else spoiled(x.download())


@task(task_config=BATCH)
def spoil_list(x: list[FlyteFile]) -> list[str]:
    return [spoiled(one.download()) for one in x]


@task(task_config=BATCH)
def spoil_dict(x: dict[str, FlyteFile]) -> list[str]:
    return [spoiled(x[name].download()) for name in sorted(x)]


@task(task_config=BATCH, retries=1)
def spoil_twice(x: FlyteFile, y: FlyteDirectory) -> list[str]:
    found = [spoiled(x.download()), *spoiled_folder(y.download())]
    lost(2)
    return found


@task(task_config=BATCH)
def pass_on(x: FlyteFile) -> FlyteFile:
    x.download()
    return x


@task(task_config=BATCH, cache=True, cache_version="1")
def make_cached_file(n: int) -> FlyteFile:
    return FlyteFile(written(f"{n}.txt", f"cached {n}"))


@task(task_config=BATCH, cache=True, cache_version="1")
def make_cached_folder(n: int) -> FlyteDirectory:
    folder = Path(tempfile.mkdtemp())
    (folder / "a.txt").write_text(f"a{n}")
    return FlyteDirectory(str(folder))


@task(task_config=BATCH, cache=True, cache_version="1")
def pass_on_cached(x: FlyteFile) -> FlyteFile:
    return x


@task(task_config=BATCH)
def seen_before_download(x: FlyteFile, y: FlyteDirectory) -> list[bool]:
    # The directory that flytekit would download to is there, and empty.
    return [os.path.exists(x.path), bool(list(Path(y.path).glob("*")))]  # noqa: PTH110


@task(task_config=BATCH)
def listed(y: FlyteDirectory) -> list[str]:
    """The names that the storage gives, none of which is a place on this machine."""
    names = [str(base) for base, _ in y.crawl()] + [str(one.remote_source) for one in FlyteDirectory.listdir(y)]
    return [name for name in names if Path(name).exists()]


@task(task_config=BATCH, retries=1)
def count_with_checkpoint(n: int) -> int:
    checkpoint = current_context().checkpoint
    before = checkpoint.read()
    done = int(before.decode()) if before else 0
    checkpoint.write(str(done + n).encode())
    lost(2)
    return done + n


@task
def spoil_plainly(x: FlyteFile) -> str:
    """In the caller's process, as flytekit runs a task that is not for AWS Batch."""
    return spoiled(x.download())


@workflow
def file_twice(n: int) -> tuple[str, str, str]:
    made = make_file(n=n)
    first, second, third = spoil_file(x=made), spoil_plainly(x=made), spoil_file(x=made)
    first >> second
    second >> third
    return first, second, third


@workflow
def folder_twice(n: int) -> tuple[list[str], list[str]]:
    made = make_folder(n=n)
    first, second = spoil_folder(x=made), spoil_folder(x=made)
    first >> second
    return first, second


@workflow
def bundle_twice(n: int) -> tuple[list[str], list[str]]:
    made = make_bundle(n=n)
    first, second = spoil_bundle(x=made), spoil_bundle(x=made)
    first >> second
    return first, second


@workflow
def mapped_twice(ns: list[int]) -> tuple[list[str], list[str]]:
    made = map_task(make_file)(n=ns)
    first, second = map_task(spoil_file)(x=made), map_task(spoil_file)(x=made)
    first >> second
    return first, second


@workflow
def second_attempt(n: int) -> list[str]:
    return spoil_twice(x=make_file(n=n), y=make_folder(n=n))


@workflow
def passed_on(x: FlyteFile) -> tuple[str, str]:
    passed = pass_on(x=pass_on(x=x))
    first, second = spoil_file(x=passed), spoil_file(x=passed)
    first >> second
    return first, second


@workflow
def cached(ns: list[int]) -> tuple[list[str], list[list[str]]]:
    files = map_task(spoil_file)(x=map_task(make_cached_file)(n=ns))
    return files, map_task(spoil_folder)(x=map_task(make_cached_folder)(n=ns))


@workflow
def cached_pass(xs: list[FlyteFile]) -> list[str]:
    return map_task(spoil_file)(x=map_task(pass_on_cached)(x=xs))


@workflow
def before_download(n: int) -> tuple[list[bool], list[str]]:
    folder = make_folder(n=n)
    return seen_before_download(x=make_file(n=n), y=folder), listed(y=folder)


@task(task_config=BATCH, retries=1)
def leave_something(n: int) -> list[str]:
    """What lies in this attempt's TMPDIR when it begins, and TMPDIR, in which the working directory is."""
    folder = Path(tempfile.gettempdir())
    Path(current_context().working_directory).relative_to(folder)
    before = [one.name for one in folder.iterdir() if one.name == "left.txt"]
    (folder / "left.txt").write_text("left")
    (folder / "locked").mkdir(mode=0o500)
    lost(2 if n == 1 else 1)
    return [*before, str(folder)]
