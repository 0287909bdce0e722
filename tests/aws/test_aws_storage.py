"""Files on S3 and code that travels: a run whose jobs share nothing with the caller but a bucket."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aws_flows
import pytest
from aws_world import BUCKET, SETTINGS, World, world

# Most of it is starting interpreters, which takes long on a busy machine.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def aws(s3: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(s3, tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The user's folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(aws_flows.__file__, folder / "aws_flows.py")
    (folder / "aws_helper.py").write_text('SIGN = "first "\n')
    return folder


def test_every_kind_of_file_goes_both_ways_and_through_a_plain_task(aws: World, project: Path) -> None:
    (project / "own [1].txt").write_text("my own")
    mine = project / "mine"
    mine.mkdir()
    for number in range(40):
        (mine / f"{number:02}.txt").write_text(str(number))
    words = ("aws_flows.py", "types", "--own", "own [1].txt", "--mine", "mine")
    done = aws.run(project, *words, AWS_ACCESS_KEY_ID="AKIDOFTHECALLER", AWS_SECRET_ACCESS_KEY="secretofthecaller")
    assert done.returncode == 0, done.stdout + done.stderr

    job = [f"first job {name}" for name in ("a.txt", "d/deep/y.txt", "d/x.txt")]
    read = [*job, "[1, 2, 3]", "first job b.txt", "first job c.txt"]
    again = [f"first {'and '.join(read)} {name}" for name in ("a.txt", "d/deep/y.txt", "d/x.txt")]
    others = [f"first {'and '.join(read)} {name}" for name in ("b.txt", "c.txt")]
    expected = [*again, "[1, 2, 3]", *others, "my own", *(f"{number:02}.txt" for number in range(40))]
    assert done.stdout.splitlines()[-1] == str(expected)

    # All of it lies below the prefix, and nothing of it on this machine.
    keys = aws.keys()
    assert {key.split("/")[0] for key in keys} == {"me"}
    assert len([key for key in keys if key.endswith(".tar.gz")]) == 1
    assert not list((aws.folder / "home" / "uploads").iterdir())

    # The caller's credentials are in no record, no log, no job's environment and no object.
    kept = {str(path): path.read_bytes() for path in aws.folder.rglob("*") if path.is_file()}
    assert any(path.endswith(".sqlite3") for path in kept)
    stored = {key: aws.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}
    for name, data in {**kept, **stored, "printed": (done.stdout + done.stderr).encode()}.items():
        assert b"OFTHECALLER" not in data.upper(), name


def test_a_bucket_that_does_not_exist_is_told_before_anything_is_sent(aws: World, project: Path) -> None:
    (aws.folder / "other.yaml").write_text(SETTINGS.replace(BUCKET, "nobodys"))
    done = aws.run(project, "aws_flows.py", "sign", "--n", "1", FLYTE_AWSBATCH_CONFIG=str(aws.folder / "other.yaml"))
    assert done.returncode == 1
    assert "StorageError: s3://nobodys: there is no such bucket" in done.stdout
    assert not aws.client.list_objects_v2(Bucket=BUCKET, Prefix="nobodys")["KeyCount"]


@pytest.mark.slow
def test_code_that_changed_runs_in_the_next_run_without_an_image(aws: World, project: Path) -> None:
    def said() -> str:
        done = aws.run(project, "aws_flows.py", "sign", "--n", "1")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()[-1]

    assert said() == "1 first "
    uploads = set(aws.keys("me/raw/uploads/"))
    (project / "aws_helper.py").write_text('SIGN = "second"\n')
    assert said() == "1 second"
    assert len(set(aws.keys("me/raw/uploads/")) - uploads) == 1


@pytest.mark.slow
def test_a_run_goes_on_with_mended_code_where_it_failed(aws: World, project: Path) -> None:
    (project / "aws_helper.py").write_text('SIGN = "bad"\n')
    failed = aws.run(project, "aws_flows.py", "chain", "--n", "1")
    assert failed.returncode == 1
    found = re.search(r"Execution (\w+)", failed.stderr)
    assert found is not None, failed.stdout + failed.stderr
    # The failed job runs here on its inputs from S3, with the code as it is now.
    again = aws.command(project, "flyte-awsbatch", "rerun", found[1], "n1", "0")
    assert again.returncode == 1
    assert "ValueError: bad" in again.stderr
    (project / "aws_helper.py").write_text('SIGN = "good"\n')
    again = aws.command(project, "flyte-awsbatch", "rerun", found[1], "n1", "0")
    assert again.returncode == 0, again.stdout + again.stderr
    done = aws.run(project, "aws_flows.py", "chain", "--n", "1", FLYTE_AWSBATCH_RESUME=found[1])
    assert done.returncode == 0, done.stdout + done.stderr
    # The first task did not run again.
    assert done.stdout.splitlines()[-1] == "1 bad"


@pytest.mark.slow
def test_no_code_travels_if_none_is_asked_for(aws: World, project: Path) -> None:
    before = aws.keys("me/raw/uploads/")
    config = aws.folder / "copies_none.yaml"
    config.write_text(SETTINGS.replace("emulator: {", "emulator: {copy: none, "))
    done = aws.run(project, "aws_flows.py", "sign", "--n", "1", FLYTE_AWSBATCH_CONFIG=str(config))
    assert done.returncode == 1
    assert "No module named 'aws_flows'" in done.stdout + done.stderr
    assert aws.keys("me/raw/uploads/") == before


@pytest.mark.slow
def test_an_ignored_file_stays_behind_and_every_other_one_travels_if_asked(aws: World, project: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    (project / ".gitignore").write_text("secret.txt\n")
    (project / ".dockerignore").write_text("large.txt\n")
    for name in ("secret.txt", "large.txt"):
        (project / name).write_text("mine")
    (project / "data.txt").write_text("for all")
    (project / "reads.py").write_text(
        "import os\n"
        "from flytekit import task\n"
        "from flytekitplugins.awsbatch import AWSBatchConfig\n"
        "@task(task_config=AWSBatchConfig())\n"
        "def there() -> list[str]:\n"
        "    return sorted(name for name in os.listdir(os.path.dirname(__file__)) if name.endswith('.txt'))\n"
    )
    done = aws.run(project, "--copy", "all", "--destination-dir", "/root", "reads.py", "there")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "['data.txt']"


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
def test_a_shared_cache_serves_another_home_until_a_file_has_gone(aws: World, project: Path, count: int) -> None:
    cache = f"s3://{BUCKET}/cache{count}"
    config = aws.folder / "cached.yaml"
    config.write_text(SETTINGS.replace("emulator: {", f"emulator: {{cache: '{cache}', "))

    def run(home: str, count: int) -> str:
        words = ("aws_flows.py", "notes", "--ns", json.dumps(list(range(count))))
        done = aws.run(
            project, *words, FLYTE_AWSBATCH_CONFIG=str(config), FLYTE_AWSBATCH_HOME=str(aws.folder / f"{home}{count}")
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == str([f"first {number}" for number in range(count)])
        return done.stderr

    run("one", count)
    assert f"n0 noted: {count} cached" in run("another", count)
    # One more item: only that one runs.
    assert f"n0 noted: 1 succeeded, {count} cached" in run("another", count + 1)
    # One file has gone: that item runs once more.
    (gone, *_) = (key for key in aws.keys("me/raw/") if key.endswith("/0.txt"))
    for key in [key for key in aws.keys("me/raw/") if key.endswith("/0.txt")]:
        aws.client.delete_object(Bucket=BUCKET, Key=key)
    assert gone
    assert f"n0 noted: 1 succeeded, {count} cached" in run("third", count + 1)


@pytest.fixture
def elsewhere(s3: str, tmp_path: Path) -> Iterator[World]:
    """A service that is, to a caller, AWS itself: on another machine, where jobs start from images."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with world(s3, folder, "--host", "127.0.0.2") as made:
        yield made


def aws_switch(aws: World, settings: str) -> dict[str, str]:
    config = aws.folder / "account.yaml"
    config.write_text(settings)
    services = {f"AWS_ENDPOINT_URL_{name}": aws.batch for name in ("BATCH", "CLOUDWATCH_LOGS")}
    others = {f"AWS_ENDPOINT_URL_{name}": aws.s3 for name in ("STS", "IAM", "ECR")}
    return {**services, **others, "FLYTE_AWSBATCH": "aws", "FLYTE_AWSBATCH_CONFIG": str(config)}


def test_the_default_image_is_refused_before_anything_is_uploaded(elsewhere: World, project: Path) -> None:
    before = elsewhere.keys()
    done = elsewhere.run(project, "aws_flows.py", "sign", "--n", "1", **aws_switch(elsewhere, SETTINGS))
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert "ImageError: aws_flows.sign would start from flytekit's own image" in said
    assert "pyflyte run --image REGISTRY/NAME:TAG" in said
    assert "prints the ImageSpec" in said
    assert elsewhere.keys() == before


BUILDS = """
from flytekit import ImageSpec, task
from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpecBuilder
from flytekitplugins.awsbatch import AWSBatchConfig

class Notes(ImageSpecBuilder):
    def build_image(self, image_spec):
        open("built.txt", "a").write(image_spec.name + "\\n")

    def should_build(self, image_spec):
        return True

ImageBuildEngine.register("notes", Notes())
IMAGE = ImageSpec(name="census", registry="example.org", builder="notes", packages=["pandas"])

@task(task_config=AWSBatchConfig(), container_image=IMAGE)
def there(n: int) -> int:
    return n + 1
"""


@pytest.mark.slow
def test_an_image_is_built_by_flytekits_builder_unless_the_settings_say_otherwise(
    elsewhere: World, project: Path
) -> None:
    (project / "builds.py").write_text(BUILDS)
    role = "role: 'arn:aws:iam::123456789012:role/jobs'"
    for built, keys in (("census\n", role), ("census\n", f"{role}, build_images: false")):
        settings = SETTINGS.replace("emulator: {", f"emulator: {{{keys}, ")
        done = elsewhere.run(project, "builds.py", "there", "--n", "1", **aws_switch(elsewhere, settings))
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == "2"
        assert (project / "built.txt").read_text() == built


@pytest.mark.slow
def test_the_service_in_this_process_keeps_its_files_on_s3_if_asked(aws: World, project: Path) -> None:
    uploads = set(aws.keys("me/raw/uploads/"))
    prefix = ("--raw-output-data-prefix", f"s3://{BUCKET}/asked")
    done = aws.run(project, *prefix, "aws_flows.py", "notes", "--ns", "[1, 2]", FLYTE_AWSBATCH="local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "['first 1', 'first 2']"
    # Its jobs see the working tree.
    assert set(aws.keys("me/raw/uploads/")) == uploads
    assert {"1.txt", "2.txt"} <= {key.rpartition("/")[2] for key in aws.keys("asked/")}
