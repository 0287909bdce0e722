"""How findings reach a user: in the log once a code, as an exception, and as the lint command."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from admin_server import admin_server
from click.testing import CliRunner
from flytekit import dynamic, eager, task, workflow
from flytekit.configuration import FastSerializationSettings
from flytekit.core import legacy_map_task
from flytekit.tools.translator import get_serializable
from sdk_builders import settings, template
from sdk_pyflyte import IMAGE, pyflyte_process

from flytekitplugins.awsbatch import AWSBatchConfig, AWSBatchTaskError, AWSBatchWarning, map_task
from flytekitplugins.awsbatch.cli.main import main
from flytekitplugins.awsbatch.lint import lint_warnings
from flytekitplugins.awsbatch.lint.lint_settings import LintSettings, load_lint_settings
from flytekitplugins.awsbatch.local.all_settings import DEFAULT, load_all_settings
from flytekitplugins.awsbatch.local.run import composer
from flytekitplugins.awsbatch.sdk import switch
from flytekitplugins.awsbatch.settings.problems import SettingsError
from flytekitplugins.awsbatch.testing import emulation


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process that was told nothing yet, without a deployment's settings."""
    monkeypatch.setattr(lint_warnings, "_told", set())
    monkeypatch.delenv("FLYTE_AWSBATCH_CONFIG", raising=False)
    lint_warnings.lint_settings_of_environment.cache_clear()
    yield
    lint_warnings.lint_settings_of_environment.cache_clear()


def codes(told: pytest.WarningsRecorder) -> list[str]:
    return [str(one.message).rpartition("[")[2][:5] for one in told if one.category is AWSBatchWarning]


def function(x: int) -> int:
    return x


def total(xs: list[int], start: int) -> int:
    return sum(xs, start)


def a_task(**options: Any) -> Any:
    return task(task_config=AWSBatchConfig(), **options)(function)


def test_a_warning_is_given_once_however_many_tasks_have_it(recwarn: pytest.WarningsRecorder) -> None:
    for entity in (a_task(), a_task(), map_task(a_task(), concurrency=3)):
        template(entity)
    assert codes(recwarn) == ["AB111", "AB106"]


def test_a_warning_points_at_the_task_itself(recwarn: pytest.WarningsRecorder) -> None:
    template(a_task())
    (told,) = [one for one in recwarn if one.category is AWSBatchWarning]
    assert (told.filename, told.lineno) == (__file__, function.__code__.co_firstlineno)


def test_a_warning_calls_the_task_what_a_person_called_it(recwarn: pytest.WarningsRecorder) -> None:
    template(map_task(a_task()))
    (told,) = [one for one in recwarn if one.category is AWSBatchWarning]
    assert str(told.message).startswith(f"{a_task().name} has no retries")
    assert "map_function_" not in str(told.message)


def test_a_task_is_looked_at_with_the_prefix_of_fast_registration() -> None:
    fast = FastSerializationSettings(enabled=True, destination_dir="d" * 9000, distribution_location="s3://b/code.tgz")
    with pytest.raises(AWSBatchTaskError) as caught:
        get_serializable(OrderedDict(), replace(settings(), fast_serialization_settings=fast), a_task(retries=1))
    assert caught.value.code == "AB010"


def test_a_workflow_that_cannot_be_compiled_is_left_to_flytekit() -> None:
    @workflow
    def broken(x: int) -> int:
        return [function][x]  # type: ignore[return-value]

    template(a_task(retries=1))
    with pytest.raises(TypeError, match="list indices"):
        broken.compile()


def test_errors_stop_what_puts_the_task_on_the_wire_and_name_them_all() -> None:
    entity = a_task(retries=12, environment={"AWS_BATCH_X": "1"})
    with pytest.raises(AWSBatchTaskError) as caught:
        template(entity)
    assert caught.value.code == "AB006"
    assert "has retries=12" in str(caught.value)
    assert "sets AWS_BATCH_X" in str(caught.value)


def test_an_error_can_be_switched_off_for_a_task_and_for_a_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fine = task(task_config=AWSBatchConfig(lint_ignore=["AB006"]), retries=12)(function)
    assert template(fine).metadata.retries.retries == 12
    assert template(map_task(fine)).metadata.retries.retries == 12
    (tmp_path / "deployment.yaml").write_text("emulator: {lint_ignore: [AB006]}")
    monkeypatch.setenv("FLYTE_AWSBATCH_CONFIG", str(tmp_path / "deployment.yaml"))
    lint_warnings.lint_settings_of_environment.cache_clear()
    assert template(a_task(retries=12)).metadata.retries.retries == 12


def test_a_map_made_inside_a_workflow_keeps_its_cached_task_from_being_an_error() -> None:
    """As `pyflyte register` goes: the task is translated first, before its workflow is compiled."""
    single = a_task(cache=True, cache_version="1", retries=1)

    @workflow
    def calls(xs: list[int]) -> list[int]:
        return map_task(single)(x=xs)

    translated: OrderedDict[Any, Any] = OrderedDict()
    for entity in (single, calls):
        get_serializable(translated, settings(), entity)
    for spec in translated.values():
        if hasattr(spec, "template"):
            spec.to_flyte_idl()


def test_a_workflow_that_cannot_map_a_cached_task_is_what_is_told() -> None:
    """Not that nothing maps the task: the workflow is translated after it, and says why it does not."""
    single = task(task_config=AWSBatchConfig(), cache=True, cache_version="1", retries=1)(total)

    @workflow
    def calls(xs: list[int]) -> list[int]:
        return map_task(functools.partial(single, xs=xs))(start=xs)

    translated: OrderedDict[Any, Any] = OrderedDict()
    get_serializable(translated, settings(), single)
    with pytest.raises(AWSBatchTaskError) as caught:
        get_serializable(translated, settings(), calls)
    assert caught.value.code == "AB012"


@pytest.mark.parametrize(("ignored", "seen"), [([], AWSBatchTaskError), (["AB001"], ZeroDivisionError)])
def test_an_emulated_call_of_a_cached_task_is_an_error_although_it_is_mapped_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ignored: list[str], seen: type[Exception]
) -> None:
    """Unless the settings of this very run say that it is fine: then the call goes on."""
    monkeypatch.setattr(composer, "serialise", lambda *_, **__: 1 / 0)
    single = a_task(cache=True, cache_version="1", retries=1)
    map_task(single)
    settings = f"{DEFAULT}  lint_ignore: {ignored}\n"
    with emulation(tmp_path, settings=settings, quiet=True), pytest.raises(seen) as caught:
        single(x=1)
    assert getattr(caught.value, "code", "") == ("" if ignored else "AB001")


def test_a_legacy_map_over_an_aws_batch_task_is_told(recwarn: pytest.WarningsRecorder) -> None:
    legacy_map_task.map_task(a_task(retries=1)).get_container(settings())
    assert codes(recwarn) == ["AB109"]


def test_variables_given_to_an_execution_are_named_unless_that_is_ignored(recwarn: pytest.WarningsRecorder) -> None:
    lint_warnings.lint_execution_env(map_task(a_task(), lint_ignore=["AB114"]), ["A"])
    lint_warnings.lint_execution_env(a_task(), [])
    assert codes(recwarn) == []
    lint_warnings.lint_execution_env(map_task(a_task()), ["B", "A"])
    assert codes(recwarn) == ["AB114"]
    assert "gets A, B for the execution" in str(recwarn[-1].message)


def test_a_wrapper_that_holds_a_config_is_told_that_it_is_not_emulated(recwarn: pytest.WarningsRecorder) -> None:
    """As papermill's NotebookTask does: it keeps a task of ours for its config, and runs a notebook itself."""
    with switch.emulation_overridden(True):
        a_task().pre_execute(None)
    (told,) = [one for one in recwarn if one.category is AWSBatchWarning]
    assert "holds the AWSBatchConfig of another kind of task" in str(told.message)


# Settings


def test_a_deployment_says_what_is_fine_and_how_large_an_array_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    file = tmp_path / "deployment.yaml"
    file.write_text("emulator: {lint_ignore: [AB111]}\nplugins: {aws: {batch: {maxArrayJobSize: 7}}}\n")
    expected = LintSettings(frozenset({"AB111"}), 7)
    assert load_lint_settings({"FLYTE_AWSBATCH_CONFIG": str(file)}) == expected
    assert load_lint_settings({"FLYTE_AWSBATCH_CONFIG": str(tmp_path)}) == expected
    assert load_lint_settings({}) == LintSettings()
    monkeypatch.setenv("FLYTE_AWSBATCH_CONFIG", str(file))
    template(a_task())
    assert codes(recwarn) == []


def test_a_deployment_that_names_no_code_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "deployment.yaml"
    file.write_text("emulator:\n  lint_ignore: [AB111, ABC]\n")
    with pytest.raises(SettingsError) as refused:
        load_all_settings([str(file)])
    (problem,) = refused.value.problems
    assert (problem.line, problem.key) == (2, "emulator.lint_ignore")
    assert problem.expected == "expected one of AB001, AB002, AB003, ..., AB118"


def test_one_map_may_say_what_is_fine_for_it(recwarn: pytest.WarningsRecorder) -> None:
    template(map_task(a_task(), concurrency=3, lint_ignore=["AB106", "AB111"]))
    assert codes(recwarn) == []


@pytest.mark.parametrize("wrong", ["AB106", ["106"]])
def test_a_map_takes_only_codes(wrong: Any) -> None:
    with pytest.raises(ValueError, match="map_task: lint_ignore"):
        map_task(a_task(), lint_ignore=wrong)


# Commands

PROGRAM = """
from flytekit import task, workflow
from flytekitplugins.awsbatch import AWSBatchConfig, map_task

@task(task_config=AWSBatchConfig(), retries=RETRIES)
def work(x: int) -> int:
    return x

@workflow
def flow(xs: list[int]) -> list[int]:
    return map_task(work)(x=xs).with_overrides(retries=2)
"""


def program(folder: Path, name: str, retries: int) -> Path:
    file = folder / f"{name}.py"
    file.write_text(PROGRAM.replace("RETRIES", str(retries)))
    return file


@pytest.mark.parametrize(
    "command", [("package", "--output", "out"), ("serialize", "workflows", "-f", "out")], ids=["package", "serialize"]
)
def test_pyflyte_stops_at_an_error_and_tells_each_thing_once(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "out").mkdir()
    program(tmp_path, "wrong", 10)
    program(tmp_path, "other", 1)
    name, *rest = command
    if name == "package":
        (tmp_path / "out").rmdir()
    done = pyflyte_process(tmp_path, "--pkgs", "other", "--pkgs", "wrong", name, "--image", IMAGE, *rest)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1
    assert (said.count("[AB006]"), said.count("[AB105]")) == (1, 1)
    assert not (tmp_path / "out").is_file()


def test_pyflyte_register_sends_no_workflow_with_an_error_in_it(tmp_path: Path) -> None:
    program(tmp_path, "wrong", 10)
    with admin_server() as registered:
        done = pyflyte_process(
            tmp_path,
            *("register", "-p", "p", "-d", "d", "--version", "v", "--image", IMAGE, "--copy", "none", "wrong.py"),
            environment={"FLYTE_PLATFORM_URL": registered.address, "FLYTE_PLATFORM_INSECURE": "true"},
        )
    assert done.returncode == 1
    assert "[AB006]" in " ".join((done.stdout + done.stderr).split())
    assert (registered.workflows, registered.launch_plans) == ([], [])


def lint(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["lint", *arguments])
    return done.exit_code, done.output


def test_the_command_lists_what_is_found_as_json(tmp_path: Path) -> None:
    file = program(tmp_path, "lint_json_target", 0)
    status, output = lint(str(file), "--image", IMAGE, "--json")
    said = json.loads(output)
    assert status == 0
    assert all("message" in one and one.pop("message") for one in said["findings"])
    place = {"file": str(file), "line": 5, "function": "lint_json_target.work", "severity": "warning"}
    entity = "lint_json_target.map_work_d41d8cd98f00b204e9800998ecf8427e"
    assert said == {
        "findings": [{"code": code, "entity": entity, **place} for code in ("AB105", "AB111")],
        "tasks": 1,
        "not_loaded": [],
    }


def test_the_command_prints_errors_first_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flows").mkdir()
    status, output = lint(str(program(tmp_path / "flows", "lint_text_target", 10)), "--image", IMAGE)
    assert status == 1
    lines = output.splitlines()
    assert lines[0] == "AB006  lint_text_target.work  flows/lint_text_target.py:5"
    assert "Use retries=9 or fewer." in " ".join(output.split())
    assert lines[-1] == "1 error, 1 warning"


def test_a_task_and_the_map_over_it_are_shown_as_one(tmp_path: Path) -> None:
    file = program(tmp_path, "lint_shared_target", 0)
    file.write_text(f"{file.read_text()}\n\n@workflow\ndef alone(x: int) -> int:\n    return work(x=x)\n")
    _, output = lint(str(file), "--image", IMAGE)
    assert [line.split()[:2] for line in output.splitlines()].count(["AB111", "lint_shared_target.work"]) == 1


NAMED_IMAGE = """
from flytekit import task, workflow
from flytekitplugins.awsbatch import AWSBatchConfig

IMAGE = "{{.image.trainer.fqn}}:{{.image.trainer.version}}"

@task(task_config=AWSBatchConfig(), retries=1, container_image=IMAGE, timeout=30)
def train(x: int) -> int:
    return x

@workflow
def flow(x: int) -> int:
    return train(x=x)
"""


def test_an_image_that_nothing_names_is_told_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "lint_named_image.py"
    file.write_text(NAMED_IMAGE)
    status, output = lint(str(file))
    assert status == 1
    assert [line.split()[0] for line in output.splitlines() if line.startswith("AB")] == ["AB007", "AB118"]
    assert "Give --image trainer=REGISTRY/NAME:TAG, here" in " ".join(output.split())
    assert "AB118" not in lint(str(file), "--image", "trainer=registry/trainer:1")[1]
    assert "AB118" not in lint(str(file), "--ignore", "AB118")[1]


UNCOMPILABLE = """
import functools
from flytekit import task, workflow
from flytekitplugins.awsbatch import AWSBatchConfig, map_task

@task(task_config=AWSBatchConfig(), cache=True, cache_version="1", retries=1)
def total(xs: list[int], start: int) -> int:
    return sum(xs, start)

@workflow
def flow(xs: list[int]) -> list[int]:
    return map_task(functools.partial(total, xs=xs))(start=xs)
"""


def test_a_cached_task_of_a_workflow_that_cannot_be_compiled_is_not_said_to_be_unmapped(tmp_path: Path) -> None:
    file = tmp_path / "lint_uncompilable.py"
    file.write_text(UNCOMPILABLE)
    status, output = lint(str(file))
    assert status == 1
    assert [line.split()[0] for line in output.splitlines() if line.startswith("AB")] == ["AB012", "AB104"]


def test_a_dynamic_task_that_has_run_is_not_run_again_to_look_at_it() -> None:
    """flytekit keeps a workflow of it, which cannot be compiled without inputs."""
    given = []

    @dynamic
    def spread(n: int) -> int:
        given.append(n)
        return sum(range(n))

    @task(task_config=AWSBatchConfig(), retries=1)
    def other(x: int) -> int:
        return x

    assert spread(n=3) == 3
    template(other)
    assert given == [3]


@pytest.mark.parametrize("kind", [dynamic, eager])
def test_a_cached_task_that_a_dynamic_or_eager_task_may_map_is_no_error(kind: Any) -> None:
    @task(task_config=AWSBatchConfig(), retries=1, cache=True, cache_version="1")
    def mapped(x: int) -> int:
        return x

    async def asynchronous(n: int) -> list[int]:
        return list(map_task(mapped)(x=list(range(n))))

    def synchronous(n: int) -> list[int]:
        return list(map_task(mapped)(x=list(range(n))))

    kind(asynchronous if kind is eager else synchronous)
    template(mapped)

    @workflow
    def calls_it() -> int:
        return mapped(x=1)

    with pytest.raises(AWSBatchTaskError, match="is cached and runs as a single job"):
        template(mapped)


CACHED = """
from flytekit import task
from flytekitplugins.awsbatch import AWSBatchConfig

@task(task_config=AWSBatchConfig(), retries=1, cache=True, cache_version="1")
def second(x: int) -> int:
    return x

@task(task_config=AWSBatchConfig(), retries=1, cache=True, cache_version="1")
def first(x: int) -> int:
    return x
"""
MAPS = """
from flytekitplugins.awsbatch import map_task
from .tasks import first, second

maps = [map_task(first), map_task(second)]
"""


def test_a_cached_task_without_the_file_that_maps_it_is_an_error_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "lint_apart_target"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "tasks.py").write_text(CACHED)
    (folder / "maps.py").write_text(MAPS)
    status, output = lint("lint_apart_target/tasks.py", "--image", IMAGE)
    assert status == 1
    # In the order of the file.
    assert [line.split()[1].rpartition(".")[2] for line in output.splitlines()[:2]] == ["second", "first"]
    assert "name the folder of both." in output.splitlines()[-1]
    assert [line for line in output.splitlines() if line != line.rstrip()] == []
    assert lint("lint_apart_target", "--image", IMAGE) == (0, "Nothing found in 2 tasks for AWS Batch.\n")


def test_warnings_end_the_command_with_a_status_only_when_it_is_strict(tmp_path: Path) -> None:
    loose = lint(str(program(tmp_path, "lint_loose_target", 1)), "--image", IMAGE)
    strict = lint(str(program(tmp_path, "lint_strict_target", 1)), "--image", IMAGE, "--strict")
    assert (loose[0], strict[0]) == (0, 1)


def test_the_command_has_nothing_to_say_about_a_good_program(tmp_path: Path) -> None:
    file = program(tmp_path, "lint_good_target", 1)
    assert lint(str(file), "--image", IMAGE, "--ignore", "AB105") == (
        0,
        "Nothing found in 1 task for AWS Batch.\n",
    )


def test_the_command_says_where_there_is_no_task_to_look_at(tmp_path: Path) -> None:
    file = tmp_path / "lint_plain_target.py"
    file.write_text("from flytekit import task\n@task\ndef plain(x: int) -> int:\n    return x\n")
    assert lint(str(file)) == (0, "There is no task for AWS Batch.\n")


OTHER_MAPS = """
from flytekit import map_task, task, workflow
from flytekit.core import legacy_map_task
from flytekitplugins.awsbatch import AWSBatchConfig

@task(task_config=AWSBatchConfig(), retries=1)
def work(x: int) -> int:
    return x

@task
def plain(x: int) -> int:
    return x

@workflow
def flow(xs: list[int]) -> None:
    map_task(work)(x=xs)
    map_task(plain)(x=xs)
    legacy_map_task.map_task(work)(x=xs)
    legacy_map_task.map_task(plain)(x=xs)
"""


def test_the_command_finds_flytekits_own_maps_over_aws_batch_tasks(tmp_path: Path) -> None:
    file = tmp_path / "lint_other_maps_target.py"
    file.write_text(OTHER_MAPS)
    _, output = lint(str(file), "--image", IMAGE, "--json")
    found = [(one["code"], one["entity"]) for one in json.loads(output)["findings"]]
    assert sorted(found) == [("AB002", "lint_other_maps_target.work"), ("AB109", "lint_other_maps_target.work")]


def test_the_command_takes_a_module_by_name(tmp_path: Path) -> None:
    program(tmp_path, "lint_module_target", 1)
    done = subprocess.run(
        [str(Path(sys.executable).parent / "flyte-awsbatch"), "lint", "lint_module_target", "--image", IMAGE, "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert [one["code"] for one in json.loads(done.stdout)["findings"]] == ["AB105"]


def test_a_declaration_that_is_refused_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "lint_refused_target.py"
    file.write_text(PROGRAM.replace("RETRIES", "1").replace("@task(", "from flytekit import dynamic\n@dynamic("))
    status, output = lint(str(file), "--json")
    (found,) = json.loads(output)["findings"]
    assert (status, found["code"], found["entity"]) == (1, "AB003", "lint_refused_target.work")


def test_a_function_that_flytekit_refuses_is_a_finding_too(tmp_path: Path) -> None:
    imports = "from flytekit import eager, task\nfrom flytekitplugins.awsbatch import AWSBatchConfig\n"
    function = "async def work(x: int) -> int:\n    return x\n"
    # Python 3.10 has a decorator's error happen where the function begins.
    line = 3 if sys.version_info >= (3, 11) else 4
    for name, decorator in (("lint_async_target", "task"), ("lint_eager_target", "eager")):
        file = tmp_path / f"{name}.py"
        file.write_text(f"{imports}@{decorator}(task_config=AWSBatchConfig())\n{function}")
        status, output = lint(str(file), "--json")
        (found,) = json.loads(output)["findings"]
        assert (status, found["code"], found["entity"], found["line"]) == (1, "AB003", name, line)


def test_code_that_cannot_be_imported_is_said_to_be_so(tmp_path: Path) -> None:
    file = tmp_path / "lint_broken_target.py"
    file.write_text("def inner():\n    import no_such_module\n\ninner()")
    status, output = lint(str(file))
    assert status == 2
    said = " ".join(output.split())
    assert "lint_broken_target could not be loaded: ModuleNotFoundError: No module named 'no_such_module'" in said
    assert output.count("File ") == 2
    assert "Nothing found" not in said


def test_all_that_is_below_a_folder_is_looked_at_and_what_cannot_be_loaded_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep" / "pack").mkdir(parents=True)
    for folder in (".hidden", "env", "__pycache__"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "never.py").write_text("import flytekit\nraise AssertionError('was loaded')")
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "setup.py").write_text("raise AssertionError('flytekit')")
    (tmp_path / "script.py").write_text("raise AssertionError('makes no task')")
    (tmp_path / "broken.py").write_text("import flytekit\nimport no_such_module")
    (tmp_path / "ends.py").write_text("import flytekit\nraise SystemExit(3)")
    (tmp_path / "deep" / "pack" / "__init__.py").touch()
    program(tmp_path, "lint_top", 10)
    program(tmp_path / "deep", "lint_middle", 10)
    program(tmp_path / "deep" / "pack", "lint_bottom", 10)
    monkeypatch.chdir(tmp_path)
    status, output = lint(".", "--image", IMAGE, "--json", "--ignore", "AB105")
    said = json.loads(output[: output.rindex("}") + 1])
    assert status == 2
    assert sorted((one["code"], Path(one["file"]).name) for one in said["findings"]) == [
        ("AB006", "lint_bottom.py"),
        ("AB006", "lint_middle.py"),
        ("AB006", "lint_top.py"),
    ]
    assert said["not_loaded"] == [
        {"name": "broken", "error": "ModuleNotFoundError: No module named 'no_such_module'"},
        {"name": "ends", "error": "SystemExit: 3"},
    ]


def test_a_folder_without_tasks_is_wrong_use(tmp_path: Path) -> None:
    status, output = lint(str(tmp_path))
    assert status == 2
    assert "no Python file that mentions flytekit" in " ".join(output.replace("│", " ").split())


def test_what_a_module_made_before_it_broke_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    program(tmp_path / "whole", "lint_whole_module", 10)
    file = program(tmp_path / "whole", "lint_broken_module", 10)
    file.write_text(f"{file.read_text()}\n\nraise ValueError('broken here')\n")
    status, output = lint(str(tmp_path / "whole"), "--image", IMAGE, "--json", "--ignore", "AB105")
    said = json.loads(output[: output.rindex("}") + 1])
    assert status == 2
    assert [(one["code"], Path(one["file"]).name) for one in said["findings"]] == [("AB006", "lint_whole_module.py")]
    assert [one["error"] for one in said["not_loaded"]] == ["ValueError: broken here"]


@pytest.mark.parametrize("target", ["", "no_such_target", "no/such/target.py", "no_such_package.module"])
def test_a_target_that_is_not_there_is_wrong_use(target: str) -> None:
    status, output = lint(target)
    assert status == 2
    assert "is neither a file or folder nor a module" in " ".join(output.replace("│", " ").split())


def test_a_file_that_is_not_python_is_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inputs.json").write_text("{}")
    status, output = lint("inputs.json")
    assert status == 2
    assert "inputs.json has no name that ends in .py" in " ".join(output.replace("│", " ").split())


def test_a_code_that_does_not_exist_is_wrong_use(tmp_path: Path) -> None:
    status, output = lint(str(program(tmp_path, "lint_usage_target", 1)), "--ignore", "AB999")
    assert status == 2
    assert "AB999" in output


def test_images_are_not_built(tmp_path: Path) -> None:
    file = tmp_path / "lint_image_target.py"
    spec = 'from flytekit import ImageSpec\n@task(container_image=ImageSpec(name="i", registry="r", builder="none"), '
    file.write_text(PROGRAM.replace("RETRIES", "1").replace("@task(", spec))
    status, output = lint(str(file), "--json", "--ignore", "AB105")
    assert (status, [one["code"] for one in json.loads(output)["findings"]]) == (0, ["AB104"])
