"""Each code: a task that has the problem, beside one that does not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sdk_tasks
from flytekit import ImageSpec, LaunchPlan, Resources, Secret, TaskMetadata, Workflow, conditional, task, workflow
from flytekit.core import legacy_map_task
from flytekit.extras.accelerators import T4
from sdk_builders import settings

from flytekitplugins.awsbatch import AWSBatchConfig, map_task
from flytekitplugins.awsbatch.lint.codes import CODES
from flytekitplugins.awsbatch.lint.container_rules import container_size_rule
from flytekitplugins.awsbatch.lint.findings import LintFinding
from flytekitplugins.awsbatch.lint.image_rules import (
    IMAGE,
    image_installed_lines,
    image_names_this_package,
    image_version_problem,
)
from flytekitplugins.awsbatch.lint.lint_settings import LintSettings
from flytekitplugins.awsbatch.lint.lint_warnings import report_lint_findings_to
from flytekitplugins.awsbatch.lint.loadable import why_not_loadable
from flytekitplugins.awsbatch.lint.subject import LintSubject
from flytekitplugins.awsbatch.sdk import switch
from flytekitplugins.awsbatch.sdk.task_config import LINT_CODES

DISTRIBUTION = "flytekitplugins-awsbatch"
WITH_IT = ImageSpec(name="app", registry="example.com", packages=[f"{DISTRIBUTION}>=1.17"])


def found(entity: Any, lint: LintSettings = LintSettings()) -> list[str]:  # noqa: B008 - frozen
    """The codes found in an entity, images taken as built."""
    serialization = settings()
    serialization.image_config = SimpleNamespace(  # type: ignore[assignment]
        find_image=lambda _: SimpleNamespace(full="example.com/app:v1"),
        default_image=serialization.image_config.default_image,
    )
    told: list[LintFinding] = []
    with report_lint_findings_to(told.extend, lint):
        entity.get_container(serialization)
    return [one.code for one in told]


def function(x: int) -> int:
    return x


def a_task(config: AWSBatchConfig | None = None, **options: Any) -> Any:
    """A task without any problem, but for what the options bring."""
    return task(task_config=config or AWSBatchConfig(), **{"retries": 1, **options})(function)


clean = a_task()


@workflow
def calls_clean(x: int) -> int:
    return clean(x=x)


def test_a_plain_task_and_a_map_over_it_have_no_problem() -> None:
    calls_clean.compile()
    assert (found(clean), found(map_task(clean))) == ([], [])


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ({"retries": 0}, ["AB111"]),
        ({"retries": 9}, []),
        ({"retries": 10}, ["AB006"]),
        ({"timeout": timedelta(seconds=59)}, ["AB007"]),
        ({"timeout": timedelta(seconds=60)}, []),
        ({"limits": Resources(cpu="2")}, []),
        ({"limits": Resources(gpu="1")}, ["AB102"]),
        ({"requests": Resources(ephemeral_storage="1Gi")}, ["AB102"]),
        ({"accelerator": T4}, ["AB102"]),
        ({"shared_memory": True}, ["AB102"]),
        ({"limits": Resources(mem="1Gi")}, ["AB112"]),
        ({"resources": Resources(mem=("1Gi", "2Gi"))}, ["AB112"]),
        ({"secret_requests": [Secret(group="g", key="k")]}, ["AB103"]),
        ({"environment": {"AWS_BATCH_JOB_ID": "1", "AWS_REGION": "x"}}, ["AB008"]),
        ({"environment": {"BATCH_JOB_ARRAY_INDEX_OFFSET": "1"}}, ["AB110"]),
        ({"environment": {"FLYTE_INTERNAL_TASK_NAME": "x", "FLYTE_SDK_LOGGING_LEVEL": "10"}}, ["AB110"]),
        ({"environment": {"A": "x" * 6000}}, []),
        ({"environment": {"A": "x" * 8000}}, ["AB010"]),
        ({"environment": {"A": "x" * 31_000}}, ["AB010", "AB010"]),
        ({"container_image": "https://example.com/app:v1"}, ["AB009"]),
        ({"container_image": "cr.flyte.org/flyteorg/flytekit:py3.11-1.16.31"}, ["AB104"]),
        ({"container_image": WITH_IT}, []),
        ({"container_image": ImageSpec(name="app", registry="r", packages=["pandas"])}, ["AB104"]),
    ],
)
def test_what_a_task_says(options: dict[str, Any], codes: list[str]) -> None:
    single = a_task(**options)
    assert found(single) == codes
    assert found(map_task(single)) == codes


@pytest.mark.parametrize(
    ("config", "codes"),
    [
        (AWSBatchConfig(platformCapabilities="FARGATE"), ["AB107"]),
        (AWSBatchConfig(schedulingPriority=1), ["AB108"]),
        (AWSBatchConfig(schedulingPriority=1, extra={"shareIdentifier": "a"}), []),
        (AWSBatchConfig(parameters={"long": "x" * 31_000}), ["AB010"]),
    ],
)
def test_what_a_config_says(config: AWSBatchConfig, codes: list[str]) -> None:
    assert found(a_task(config)) == codes


def test_parameters_count_where_the_command_has_them() -> None:
    """AWS Batch puts them in before the limit of 8192 characters is looked at."""
    parameters = {"urls": "u" * 9000}
    with_them = a_task(AWSBatchConfig(parameters=parameters))
    with_them.set_command_fn(lambda _: ["echo", "Ref::urls"])

    def sizes(entity: Any) -> list[str]:
        container = entity.get_container(settings())
        return list(container_size_rule(LintSubject.of(entity, settings(), container, LintSettings())))

    assert sizes(a_task(AWSBatchConfig(parameters=parameters))) == []
    (message,) = sizes(with_them)
    assert "AWS Batch takes 8192 and fails the job without an attempt" in message


@pytest.mark.parametrize(
    ("options", "codes"),
    [
        ({"concurrency": 5}, ["AB106"]),
        ({"enable_deck": True}, ["AB113"]),
        ({"concurrency": 0}, []),
        ({"metadata": TaskMetadata(retries=10)}, ["AB006"]),
        ({"metadata": TaskMetadata(retries=1, cache=True, cache_version="1")}, []),
        (
            {"metadata": TaskMetadata(retries=1, cache=True, cache_version="1", cache_ignore_input_vars=("x",))},
            ["AB101"],
        ),
    ],
)
def test_what_a_map_says(options: dict[str, Any], codes: list[str]) -> None:
    assert found(map_task(clean, **options)) == codes


def test_a_cached_map_over_a_task_without_outputs_is_told() -> None:
    silent = task(task_config=AWSBatchConfig(), cache=True, cache_version="1", retries=1)(says_nothing)
    assert found(map_task(silent)) == ["AB101"]


def says_nothing(x: int) -> None:
    print(x)


@pytest.mark.parametrize(
    ("function", "options", "codes"),
    [("says_a_list", {}, ["AB101"]), ("says_a_list", {"min_success_ratio": 0.5}, []), ("says_a_dict", {}, [])],
)
def test_a_cached_map_whose_items_are_lists_is_told(function: str, options: dict[str, Any], codes: list[str]) -> None:
    """An item that may be missing is no list to Flyte."""
    said = task(task_config=AWSBatchConfig(), cache=True, cache_version="1", retries=1)(globals()[function])
    assert found(map_task(said, **options)) == codes


def says_a_list(x: int) -> list[int]:
    return [x]


def says_a_dict(x: int) -> dict[str, list[int]]:
    return {"x": [x]}


def test_only_the_decks_of_a_maps_items_are_out_of_sight() -> None:
    single = a_task(enable_deck=True)
    assert (found(single), found(map_task(single))) == ([], ["AB113"])


def shards(x: int) -> int:
    return [hash(str(each)) for each in range(x)][-1]


def counts(x: int) -> int:
    return x


def wrapped(x: int) -> int:
    return shards(x)


functools.update_wrapper(wrapped, shards)


@pytest.mark.parametrize(
    ("function", "environment", "codes"),
    [
        (shards, {}, ["AB116"]),
        (wrapped, {}, ["AB116"]),
        (shards, {"PYTHONHASHSEED": "0"}, []),
        (shards, {"PYTHONHASHSEED": "random"}, ["AB116"]),
        (counts, {}, []),
    ],
)
def test_hashes_of_texts_differ_between_the_items_of_a_cluster(
    function: Callable[[int], int], environment: dict[str, str], codes: list[str]
) -> None:
    single = task(task_config=AWSBatchConfig(), retries=1, environment=environment)(function)
    assert (found(single), found(map_task(single))) == ([], codes)


def test_a_short_name_that_is_not_ascii_is_no_name_of_a_job() -> None:
    def named(name: str) -> Any:
        made = a_task()
        # flytekit puts the module that made the task before a name without it.
        made._name, made._instantiated_in = name, name.rpartition(".")[0]
        return made

    short, long = named("sizes.größe"), named("a.package.of.sizes.größe")
    # Where propeller takes a hash for the id of a node, its letters do not matter.
    assert (found(short), found(map_task(short)), found(long)) == (["AB117"], [], [])


def test_neither_is_the_name_that_a_node_is_given() -> None:
    plain, named = a_task(), a_task()

    @workflow
    def around() -> int:
        return named(x=plain(x=1)).with_overrides(node_name="Größe")  # type: ignore[no-any-return]

    around.compile()
    assert (found(plain), found(named)) == ([], ["AB117"])


def test_a_map_over_a_plain_task_is_looked_at_too() -> None:
    assert found(map_task(sdk_tasks.double)) == ["AB111"]


# Cached tasks that run as single jobs


def cached() -> Any:
    return a_task(cache=True, cache_version="1")


def test_a_cached_task_that_nothing_maps_is_an_error() -> None:
    assert found(cached()) == ["AB001"]


@pytest.mark.parametrize("mapping", [map_task, legacy_map_task.map_task])
def test_a_cached_task_that_is_only_mapped_is_fine(mapping: Any) -> None:
    single = cached()
    mapping(single)
    assert found(single) == []


def test_a_cached_task_that_is_mapped_and_called_is_an_error() -> None:
    single = cached()

    @workflow
    def calls(x: int) -> int:
        map_task(single)(x=[1])
        return single(x=x)

    calls.compile()
    assert found(single) == ["AB001"]


def test_a_task_that_is_only_mapped_is_left_to_the_map() -> None:
    single = a_task(retries=10)
    mapped = map_task(single, metadata=TaskMetadata(retries=1))
    assert (found(single), found(mapped)) == ([], [])


# Calls


@pytest.mark.parametrize(
    ("overrides", "codes"),
    [
        ({"limits": Resources(cpu="4")}, []),
        ({"limits": Resources(cpu="4", gpu="1")}, ["AB102"]),
        ({"name": "other", "node_name": "other"}, []),
        ({"retries": 4}, ["AB105"]),
        ({"timeout": timedelta(hours=2)}, ["AB105"]),
        ({"container_image": "a/b:c"}, ["AB105"]),
        ({"cache": True, "cache_version": "2"}, ["AB105"]),
        ({"interruptible": True}, ["AB105"]),
        ({"accelerator": T4}, ["AB105"]),
    ],
)
def test_overrides_that_do_not_reach_batch(overrides: dict[str, Any], codes: list[str]) -> None:
    single, inner = a_task(), a_task()
    mapped = map_task(inner)

    @workflow
    def calls(x: int) -> int:
        mapped(x=[1, 2]).with_overrides(**overrides)
        return single(x=x).with_overrides(**overrides)

    calls.compile()
    assert (found(mapped), found(single)) == (codes, codes)


def test_overrides_of_a_map_that_the_workflow_makes_are_seen_on_the_next_one() -> None:
    inner = a_task()

    @workflow
    def calls() -> None:
        map_task(inner)(x=[1, 2]).with_overrides(retries=4)

    calls.compile()
    assert found(map_task(inner)) == ["AB105"]


def test_overrides_in_an_imperative_workflow_are_seen() -> None:
    single = a_task()
    made = Workflow(name="made")
    made.add_entity(single, x=1).with_overrides(retries=4)
    assert found(single) == ["AB105"]


def test_calls_in_the_branches_of_a_conditional_and_on_failure_count() -> None:
    first, second, third = a_task(), a_task(), a_task()

    @workflow(on_failure=third)
    def calls(x: int) -> int:
        return (
            conditional("size")
            .if_(x > 3)
            .then(first(x=x))
            .elif_(x > 2)
            .then(second(x=x).with_overrides(retries=4))
            .else_()
            .then(first(x=x).with_overrides(timeout=timedelta(hours=1)))
        )

    calls.compile()
    assert (found(first), found(second), found(third)) == (["AB105"], ["AB105"], [])


@pytest.mark.parametrize(
    ("items", "limit", "codes"), [(3, 5000, []), (3, 2, ["AB011"]), (10_001, 50_000, ["AB011"]), (5, 5, [])]
)
def test_a_list_written_into_a_workflow_may_be_too_long(items: int, limit: int, codes: list[str]) -> None:
    mapped = map_task(a_task())

    @workflow
    def calls() -> None:
        mapped(x=list(range(items)))

    calls.compile()
    assert found(mapped, LintSettings(max_array_job_size=limit)) == codes


def long_inputs() -> tuple[Any, Any]:
    """(a map, a workflow that hands its input on to it)."""
    mapped = map_task(a_task())

    @workflow
    def passes(xs: list[int]) -> list[int]:
        return mapped(x=xs)

    passes.compile()
    return mapped, passes


def test_a_list_may_be_too_long_by_default_in_a_launch_plan_or_in_a_call_of_the_workflow() -> None:
    limit = LintSettings(max_array_job_size=2)
    by_default = map_task(a_task())

    @workflow
    def defaults(xs: list[int] = [1, 2, 3]) -> list[int]:  # noqa: B006 - how a workflow's default is written
        return by_default(x=xs)

    defaults.compile()
    assert found(by_default, limit) == ["AB011"]

    fixed, passes = long_inputs()
    assert found(fixed, limit) == []
    LaunchPlan.get_or_create(passes, name=f"{__name__}.fixed", fixed_inputs={"xs": [1, 2, 3]})
    assert found(fixed, limit) == ["AB011"]

    in_plan, passes = long_inputs()
    LaunchPlan.get_or_create(passes, name=f"{__name__}.default", default_inputs={"xs": [1, 2, 3]})
    assert found(in_plan, limit) == ["AB011"]

    called, passes = long_inputs()

    @workflow
    def around() -> list[int]:
        return passes(xs=[1, 2, 3])

    around.compile()
    assert found(called, limit) == ["AB011"]

    imperative = map_task(a_task())
    made = Workflow(name=f"{__name__}.long")
    made.add_entity(imperative, x=[1, 2, 3])
    assert found(imperative, limit) == ["AB011"]


def test_an_emulated_run_is_not_stopped_by_lists_that_it_was_not_given() -> None:
    mapped, passes = long_inputs()
    LaunchPlan.get_or_create(passes, name=f"{__name__}.other", fixed_inputs={"xs": [1, 2, 3]})
    with switch.emulation_overridden(True):
        assert found(mapped, LintSettings(max_array_job_size=2)) == []


def test_a_list_that_is_bound_inside_a_dataclass_is_no_array() -> None:
    mapped = map_task(partial(sdk_tasks.scaled, scale=sdk_tasks.Scale(1.0, {"unit": "kg"})))

    @workflow
    def calls() -> None:
        mapped(x=[1], y=[2])

    calls.compile()
    assert found(mapped, LintSettings(max_array_job_size=1)) == ["AB111"]


# Finding the task in a container


def with_loader(module: str, name: str, **attributes: Any) -> Any:
    """A task whose loader arguments are these."""
    real = sdk_tasks.square
    resolver = type(real.task_resolver)()
    resolver.loader_args = lambda *_: ["task-module", module, "task-name", name]
    return SimpleNamespace(task_resolver=resolver, name=real.name, **attributes)


@pytest.mark.parametrize(
    ("subject", "problem"),
    [
        (sdk_tasks.square, ""),
        (with_loader("sdk_tasks", "square", task_function=sdk_tasks.square.task_function), ""),
        (
            with_loader("sdk_tasks", "square", task_function=lambda x: x),
            "would be looked up as square in sdk_tasks, and that is something else (AWSBatchFunctionTask)",
        ),
        (with_loader("sdk_tasks", "<lambda>"), "is a lambda"),
        (with_loader("", "square"), "is defined in a notebook"),
        (with_loader("no.such.module", "square"), "is in a module, no.such.module, that cannot be imported"),
        (with_loader("__main__", "square"), "is in a module, __main__, that cannot be imported by that name"),
        (with_loader("__mp_main__", "square"), "is in a module, __mp_main__, that cannot be imported by that name"),
        (with_loader("sdk_tasks", "inner"), "would be looked up as inner in sdk_tasks, and that does not exist"),
        (
            with_loader("sdk_tasks", "Scale"),
            "would be looked up as Scale in sdk_tasks, and that is something else (type)",
        ),
        (with_loader("tabnanny", "anything"), ""),
    ],
)
def test_a_container_has_to_find_the_task(subject: Any, problem: str) -> None:
    said = why_not_loadable(subject, settings())
    assert said.startswith(problem)
    assert bool(said) is bool(problem)


def test_a_task_defined_inside_a_test_is_flytekits_exception() -> None:
    @task(task_config=AWSBatchConfig(), retries=1)
    def nested(x: int) -> int:
        return x

    assert found(nested) == []


def test_a_resolver_of_ones_own_knows_its_own_ways() -> None:
    assert why_not_loadable(SimpleNamespace(task_resolver=object()), settings()) == ""


def test_a_task_that_only_lends_its_container_to_another_kind_of_task_is_not_looked_at() -> None:
    """As papermill's NotebookTask does, with the loader arguments of the notebook for as long as that takes."""
    lender = a_task(retries=0)
    serialization = settings()
    resolver = lender.task_resolver
    resolver.loader_args, before = lambda *_: ["task-module", "m", "task-name", "notebook"], resolver.loader_args
    told: list[LintFinding] = []
    try:
        with report_lint_findings_to(told.extend, LintSettings()):
            container = lender.get_container(serialization)
    finally:
        resolver.loader_args = before
    assert list(container.to_flyte_idl().args[-4:]) == ["task-module", "m", "task-name", "notebook"]
    assert told == []


# Images


@pytest.mark.parametrize("case", ["app", "app:v1", "example.com/app", "localhost:30000/a/b-c_d:v1", "a/b@sha256:00ff"])
def test_images_with_a_name(case: str) -> None:
    assert IMAGE.match(case)


@pytest.mark.parametrize("case", ["", "a/b/", "a/b:", "https://example.com/app", "a//b"])
def test_images_without_a_name(case: str) -> None:
    assert not IMAGE.match(case)


def brings_this_package(spec: ImageSpec) -> bool:
    lines = image_installed_lines(spec)
    return lines is None or any(map(image_names_this_package, lines))


def image(**options: Any) -> ImageSpec:
    return ImageSpec(name="app", registry="example.com", **options)


@pytest.mark.parametrize(
    ("spec", "there"),
    [
        (image(), False),
        (image(packages=["flytekit", "pandas"]), False),
        (image(packages=[f"{DISTRIBUTION}==1.17.0"]), True),
        (image(packages=["flytekitplugins_awsbatch[test] @ git+https://example.com/x"]), True),
        (image(packages=["dist/flytekitplugins_awsbatch-1.17.0-py3-none-any.whl"]), True),
        (image(commands=[f"uv pip install {DISTRIBUTION}"]), True),
        (image(base_image="example.com/with-everything:v1"), True),
        (image(base_image="cr.flyte.org/flyteorg/flytekit:py3.11-1.16.31"), False),
        (image(base_image=image(packages=[DISTRIBUTION])), True),
        (image(base_image=image()), False),
    ],
)
def test_whether_an_image_spec_brings_this_package(spec: ImageSpec, there: bool) -> None:
    assert brings_this_package(spec) is there


@pytest.mark.parametrize(
    ("name", "text", "there"),
    [
        ("requirements.txt", "pandas\n", False),
        ("requirements.txt", f"pandas\n{DISTRIBUTION}>=1.17\n", True),
        ("requirements.txt", "-r others.txt\n", True),
        ("uv.lock", "anything", True),
    ],
)
def test_a_requirements_file_is_read(tmp_path: Path, name: str, text: str, there: bool) -> None:
    (tmp_path / name).write_text(text)
    assert brings_this_package(image(requirements=str(tmp_path / name))) is there


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (DISTRIBUTION, "installs the flytekitplugins-awsbatch of PyPI, 1.16.31"),
        ("flytekitplugins_awsbatch", "installs the flytekitplugins-awsbatch of PyPI, 1.16.31"),
        (f"{DISTRIBUTION}>=1.16", "installs the flytekitplugins-awsbatch of PyPI, 1.16.31"),
        (f"{DISTRIBUTION}==1.16.31", "installs flytekitplugins-awsbatch==1.16.31"),
        (f"{DISTRIBUTION} < 1.17", "installs flytekitplugins-awsbatch<1.17"),
        (f"{DISTRIBUTION}=1.16.31", "installs flytekitplugins-awsbatch==1.16.31"),
        (f"uv pip install pandas '{DISTRIBUTION}==1.16.31'", "installs flytekitplugins-awsbatch==1.16.31"),
        (f"pip install {DISTRIBUTION}", "installs the flytekitplugins-awsbatch of PyPI, 1.16.31"),
        ("dist/flytekitplugins_awsbatch-1.16.31-py3-none-any.whl", "installs flytekitplugins-awsbatch 1.16.31"),
        ("pip install /root/wheels/flytekitplugins_awsbatch-1.17.0-py3-none-any.whl", ""),
        ("dist/flytekitplugins-awsbatch-1.17.0.tar.gz", ""),
        (f"{DISTRIBUTION}==1.17.0", ""),
        (f"{DISTRIBUTION}>=1.17", ""),
        (f"{DISTRIBUTION}[test] @ git+https://example.com/x", ""),
        (f"pip install git+https://example.com/{DISTRIBUTION}", ""),
    ],
)
def test_the_version_of_this_package_in_an_image(line: str, problem: str) -> None:
    assert image_version_problem(line) == problem


def test_an_image_with_the_published_version_cannot_run_a_map_or_end_a_task_in_time() -> None:
    published = image(packages=[DISTRIBUTION])
    single, timed = a_task(container_image=published), a_task(container_image=published, timeout=timedelta(minutes=5))
    assert found(single) == []
    assert (found(map_task(single)), found(timed)) == (["AB104"], ["AB104"])
    both = image(
        packages=[DISTRIBUTION], commands=["uv pip install /root/flytekitplugins_awsbatch-1.17.0-py3-none-any.whl"]
    )
    assert found(map_task(a_task(container_image=both))) == []


# The catalogue


def test_every_code_has_a_form_of_its_own_and_is_described() -> None:
    assert all(code[:2] == "AB" and len(code) == 5 and code[2:].isdigit() for code in CODES)
    documentation = (Path(__file__).parent.parent.parent / "docs" / "reference" / "lint.md").read_text(encoding="utf-8")
    severities = {code: LintFinding(code, "", "").severity.value for code in CODES}
    titles = {f"### {code}: {one.title} ({severities[code]})" for code, one in CODES.items()}
    assert titles == {line for line in documentation.splitlines() if line.startswith("### ")}


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_can_be_switched_off(code: str) -> None:
    everything = AWSBatchConfig(
        lint_ignore=[code], platformCapabilities="FARGATE", schedulingPriority=1, parameters={"long": "x" * 31_000}
    )
    options = {
        "cache": True,
        "cache_version": "1",
        "retries": 0,
        "timeout": 1,
        "limits": Resources(mem="1Gi", gpu="1"),
        "secret_requests": [Secret(group="g", key="k")],
        "environment": {"AWS_BATCH_X": "1", "FLYTE_FAIL_ON_ERROR": "0"},
        "container_image": "https://x/y",
    }
    assert code not in found(a_task(everything, **options))


def test_the_rules_are_many_and_each_is_there_once() -> None:
    names = [one.rule.__name__ for one in CODES.values() if one.rule]
    assert len(names) == len(set(names))


def test_a_config_knows_every_code() -> None:
    assert set(CODES) == LINT_CODES
