"""From files to the sections that owners declare: places in charts, layers, spellings, and every problem at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from flytekitplugins.awsbatch.settings.problems import Problem, SettingsError
from flytekitplugins.awsbatch.settings.reader import Reader
from flytekitplugins.awsbatch.settings.section import section_mark, setting
from flytekitplugins.awsbatch.settings.yaml_nodes import Mark


@dataclass(frozen=True)
class Queue:
    dynamic: str = setting("dynamic", "")
    attributes: tuple[str, ...] = setting("attributes", ())
    where: Mark = section_mark()


@dataclass(frozen=True)
class Queues:
    queues: tuple[Queue, ...] = setting("executionQueues", ())


@dataclass(frozen=True)
class Limits:
    rate: int = setting("rate", 15, minimum=1)


@dataclass(frozen=True)
class Batch:
    size: int = setting("maxArrayJobSize", 5000, minimum=0)
    every: str = setting("resyncPeriod", "30s")
    env: Mapping[str, str] = setting("defaultEnvVars", factory=dict)
    limits: Limits = setting("getRateLimiter", factory=Limits)
    key: str | None = setting("roleAnnotationKey", None)
    key_at: Mark = section_mark("roleAnnotationKey")


@dataclass(frozen=True)
class Console:
    color: bool = setting("color", True)


@dataclass(frozen=True)
class Mine:
    project: str = setting("project", "")
    matching: str = setting("queue_matching", "documented", choices=("documented", "flyteadmin"))
    console: Console = setting("console", factory=Console)


@dataclass(frozen=True)
class Yours:
    vcpus: int = setting("vcpus", 0, minimum=0)
    ratio: float = setting("ratio", 0.5)


def batch(*texts: str) -> Batch:
    reader = Reader.from_text(*((f"f{place}.yaml", text) for place, text in enumerate(texts)))
    found = reader.flyte(Batch, "plugins", "aws", "batch")
    reader.finish()
    return found


def problems(text: str) -> list[str]:
    reader = Reader.from_text(("f.yaml", text))
    reader.own("emulator", Mine, Yours)
    reader.flyte(Batch, "plugins", "aws", "batch")
    reader.flyte(Queues, "queues")
    return [str(problem) for problem in reader.ordered_problems()]


BLOCK = """
plugins:
  aws:
    batch:
      maxArrayJobSize: 7
"""


def below(*keys: str) -> str:
    """The block below the keys of a chart."""
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate(keys)]
    return "\n".join([*lines, *(f"{'  ' * len(keys)}{line}" for line in BLOCK.splitlines() if line)]) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        BLOCK,
        BLOCK.upper().replace("AWS", "aws"),
        below("configmap", "adminServer"),
        below("configMaps"),
        below("configuration", "inline"),
        below("flyte-core", "configmap", "task_logs"),
        below("umbrella", "flyte", "configuration", "inline"),
    ],
)
def test_a_section_is_found_wherever_a_chart_keeps_it(text: str) -> None:
    assert batch(text) == Batch(size=7)


def test_a_section_inside_another_section_is_not_ours() -> None:
    assert batch(below("flyteadmin")) == Batch()


def test_the_block_of_a_servers_pods_is_not_its_configuration() -> None:
    text = "flyteadmin: {maxArrayJobSize: 1}\nconfigmap: {adminServer: {flyteadmin: {maxArrayJobSize: 7}}}\n"
    for document in (text, "umbrella:\n" + "".join(f"  {line}\n" for line in text.splitlines())):
        assert Reader.from_text(("f", document)).flyte(Batch, "flyteadmin") == Batch(size=7)
        reader = Reader.from_text(("f", document.replace("{maxArrayJobSize: 7}", "{}")))
        assert reader.flyte(Batch, "flyteadmin") == Batch()


def test_a_servers_own_file_has_its_sections_at_the_top_only() -> None:
    reader = Reader.from_text(("f", below("configmap")), nested=False)
    assert reader.flyte(Batch, "plugins", "aws", "batch") == Batch()


def test_something_elsewhere_that_only_shares_the_name_is_left_alone() -> None:
    assert problems("ingress:\n  queues: many\n") == []


def test_later_files_lie_over_earlier_ones_key_by_key() -> None:
    first = "plugins: {aws: {batch: {maxArrayJobSize: 1, resyncPeriod: 5s, defaultEnvVars: {A: a}}}}"
    second = "plugins: {AWS: {batch: {maxarrayjobsize: 2, resyncPeriod: , defaultEnvVars: {B: b}}}}"
    assert batch(first, second) == Batch(size=2, every="5s", env={"a": "a", "b": "b"})


def test_a_list_replaces_a_list() -> None:
    reader = Reader.from_text(
        ("a", "queues: {executionQueues: [{dynamic: x}]}"), ("b", "queues: {executionQueues: [{dynamic: y}]}")
    )
    assert reader.flyte(Queues, "queues") == Queues((Queue("y"),))


def test_places_are_kept_of_sections_and_of_single_keys() -> None:
    reader = Reader.from_text(
        ("a", "queues:\n  executionQueues:\n    - dynamic: x\n"),
        ("b", "plugins:\n  aws:\n    batch:\n      roleAnnotationKey: k\n"),
    )
    assert reader.flyte(Queues, "queues").queues[0].where == Mark("a", 3)
    assert reader.flyte(Batch, "plugins", "aws", "batch").key_at == Mark("b", 4)


@pytest.mark.parametrize(
    ("variables", "kept"),
    [
        ("{Plain: 1, Dotted.Key: 2}", {"plain": "1", "Dotted.Key": "2"}),
        ("[{Listed: 1}, {Other: true}]", {"Listed": "1", "Other": "1"}),
    ],
)
def test_maps_keep_the_case_of_dotted_and_of_listed_keys_only(variables: str, kept: dict[str, str]) -> None:
    assert batch(f"plugins: {{aws: {{batch: {{defaultEnvVars: {variables}}}}}}}").env == kept


def test_our_section_is_shared_by_its_owners() -> None:
    reader = Reader.from_text(("f", "emulator: {project: p, vcpus: 4, console: {color: false}, ratio: 1}"))
    assert reader.own("emulator", Mine, Yours) == (Mine("p", console=Console(False)), Yours(4, 1.0))
    reader.finish()


def test_our_section_may_lie_in_a_chart_too() -> None:
    reader = Reader.from_text(("f", "configmap: {emulator: {project: p, vcpus: 4}}"))
    assert reader.own("emulator", Mine, Yours) == (Mine("p"), Yours(4))
    reader.finish()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("emulator:\n  vcpu: 4\n", "f.yaml:2: emulator.vcpu: is no setting; did you mean vcpus?"),
        (
            "emulator:\n  queueMatching: x\n",
            "f.yaml:2: emulator.queueMatching: is no setting; did you mean queue_matching?",
        ),
        (
            "emulator:\n  zzz: 4\n",
            "f.yaml:2: emulator.zzz: is no setting; expected one of console, project, queue_matching, ratio, vcpus",
        ),
        (
            "emulator:\n  console:\n    colour: no\n",
            "f.yaml:3: emulator.console.colour: is no setting; did you mean color?",
        ),
        ("emulator: 5\n", "f.yaml:1: emulator: got '5', expected a map"),
        ("emulator:\n  vcpus: many\n", "f.yaml:2: emulator.vcpus: got 'many', expected a whole number"),
        ("emulator:\n  vcpus: true\n", "f.yaml:2: emulator.vcpus: got 'true', expected a whole number"),
        ("emulator:\n  vcpus: -1\n", "f.yaml:2: emulator.vcpus: got '-1', expected at least 0"),
        ("emulator:\n  project: [a]\n", "f.yaml:2: emulator.project: got a list of 1, expected a text"),
        (
            "emulator:\n  queue_matching: document\n",
            "f.yaml:2: emulator.queue_matching: got 'document', expected one of documented, flyteadmin "
            "(did you mean documented?)",
        ),
        ("emulator:\n  console: {color: 1}\n", "f.yaml:2: emulator.console.color: got '1', expected true or false"),
        (
            "plugins:\n  aws:\n    batch:\n      getRateLimiter:\n        rate: 0\n",
            "f.yaml:5: plugins.aws.batch.getRateLimiter.rate: got '0', expected at least 1",
        ),
        ("plugins:\n  aws: 5\n", "f.yaml:2: plugins.aws: got '5', expected a map"),
        (
            "queues:\n  executionQueues:\n    - dynamic: x\n    - Dynamic: [y]\n",
            "f.yaml:4: queues.executionQueues[1].Dynamic: got a list of 1, expected a text",
        ),
        ("queues: []\n", "f.yaml:1: queues: got an empty list, expected a map"),
        (
            "configmap:\n  adminServer:\n    queues: 1\n",
            "f.yaml:3: configmap.adminServer.queues: got '1', expected a map",
        ),
    ],
)
def test_a_problem_names_file_line_key_value_and_what_was_expected(text: str, said: str) -> None:
    assert problems(text) == [said]


def test_unknown_keys_of_flytes_are_none_of_our_business() -> None:
    assert problems("plugins: {k8s: {x: 1}, aws: {foo: 1, batch: {bar: [2]}}}\nserver: {a: b}\n") == []


def test_all_problems_come_at_once_in_the_order_of_files_and_lines() -> None:
    reader = Reader.from_text(("b.yaml", "emulator: {vcpus: x}\n"), ("a.yaml", "\nqueues: 1\nqueues: 2\n"))
    reader.flyte(Queues, "queues")
    reader.own("emulator", Mine, Yours)
    with pytest.raises(SettingsError) as error:
        reader.finish()
    assert [(problem.file, problem.line) for problem in error.value.problems] == [
        ("b.yaml", 1),
        ("a.yaml", 2),
        ("a.yaml", 3),
    ]
    assert str(error.value).startswith("3 problems in the settings:\n  b.yaml:1: emulator.vcpus")


def test_a_key_without_a_default_must_be_there() -> None:
    @dataclass(frozen=True)
    class Named:
        name: str = setting("name")

    reader = Reader.from_text(("f", "emulator: {}\nqueues: {x: 1}\n"))
    reader.flyte(Named, "queues")
    assert reader.problems == [Problem("f", 2, "queues.name", "", "is missing")]


def test_files_that_cannot_be_opened_are_problems(tmp_path: Path) -> None:
    reader = Reader.from_files([tmp_path / "absent.yaml", tmp_path])
    assert [problem.expected.partition(":")[0] for problem in reader.problems] == ["cannot be read", "cannot be read"]


PASTED = """\
   queues:
     executionQueues:
       - dynamic: x

  plugins:
    aws:
      batch:
        maxArrayJobSize: 9
"""


@pytest.mark.parametrize("text", [PASTED, "\n".join(reversed(PASTED.split("\n\n")))])
def test_blocks_pasted_with_their_own_indentation_are_all_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.yaml").write_text(text)
    reader = Reader.from_files([tmp_path / "f.yaml"])
    assert reader.flyte(Queues, "queues") == Queues((Queue("x"),))
    assert reader.flyte(Batch, "plugins", "aws", "batch") == Batch(size=9)
    line = text.splitlines().index("       - dynamic: x") + 1
    assert reader.flyte(Queues, "queues").queues[0].where.line == line
    reader.finish()


def test_a_pasted_block_that_is_wrong_in_itself_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(PASTED + "\tx: 1\n")
    with pytest.raises(SettingsError, match=r"f\.yaml:5: not readable as YAML"):
        Reader.from_files([tmp_path / "f.yaml"]).finish()


def test_a_second_document_is_a_problem_of_ours(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("queues: {}\n---\nqueues: {}\n")
    with pytest.raises(SettingsError, match=r"f\.yaml:2: is a second document"):
        Reader.from_files([tmp_path / "f.yaml"]).finish()


def test_the_files_that_a_config_map_carries_are_read_in_their_places(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  queues.yaml: |\n    queues:\n      executionQueues:\n"
        "        - dynamic: x\n  aws.yaml: |\n    plugins:\n      aws: {batch: {maxArrayJobSize: 9}}\n  other: '['\n"
    )
    reader = Reader.from_files([tmp_path / "f.yaml"])
    queues = reader.flyte(Queues, "queues")
    assert (queues, queues.queues[0].where.line) == (Queues((Queue("x"),)), 7)
    assert reader.flyte(Batch, "plugins", "aws", "batch") == Batch(size=9)
    reader.finish()
