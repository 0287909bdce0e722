"""`flyte-awsbatch queue`, as a user runs it: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.cli.main import main

MATCHING = (Path(__file__).parents[1] / "admin" / "setup_document" / "matching.yaml").read_text()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(wire.SWITCH_CONFIG, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "flyte.yaml").write_text(MATCHING)
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def explained(*arguments: str) -> dict[str, object]:
    result = run("queue", "explain", "--json", *arguments)
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def test_explain_prints_every_rule_the_choice_and_the_other_generations(here: Path) -> None:
    result = run("queue", "explain", "-p", "my_queue_1", "-d", "production", "-c", "flyte.yaml", "m.my_workflow_9")
    assert result.exit_code == 0
    for line in (
        "Workflow m.my_workflow_9 in my_queue_1/production",
        "the workflow is m.my_workflow_9, not my_workflow_1",
        "flyte.yaml:13",
        "the project is my_queue_1, not production",
        "it is for every execution",
        "Queue: default\n",
        "flyteadmin       critical  as FlyteAdmin 1.16 does",
        "flyteadmin-2019  default   as FlyteAdmin did in 2019",
        "Note FlyteAdmin 1.16 would send",
    ):
        assert line in result.output


def test_explain_as_json_is_the_whole_answer(here: Path) -> None:
    answer = explained("-p", "my_queue_1", "-d", "production", "-c", "flyte.yaml", "my_workflow_1")
    assert (answer["queue"], answer["matching"], answer["warnings"]) == ("critical", "documented", [ROLE_WARNING])
    assert answer["execution"] == {
        "project": "my_queue_1",
        "domain": "production",
        "workflow": "my_workflow_1",
        "name": "",
    }
    assert answer["others"] == {
        "documented": {"queue": "critical", "candidates": ["critical"], "crash": ""},
        "flyteadmin": {"queue": "critical", "candidates": ["critical"], "crash": ""},
        "flyteadmin-2019": {"queue": "critical", "candidates": ["critical"], "crash": ""},
    }
    rules = answer["rules"]
    assert isinstance(rules, list)
    assert rules[0] == {
        "rule": "project: my_queue_1, domain: production, workflowName: my_workflow_1, tags: [critical]",
        "kind": "rule",
        "where": {"file": "flyte.yaml", "line": 13},
        "matched": True,
        "reason": "the project, domain and workflow are the execution's",
        "queues": ["critical"],
        "decided": True,
    }


ROLE_WARNING = (
    "no role for the jobs: an AWS account would refuse them, since for AWS Batch an IAM role must be specified (and "
    "its trust policy must let ECS assume it). Set one in the launch's security context, or as emulator.role."
)


def test_the_environment_names_the_files_and_the_settings_the_identity(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "mine.yaml").write_text("emulator: {project: my_queue_1, domain: production, queue_matching: flyteadmin}\n")
    monkeypatch.setenv(wire.SWITCH_CONFIG, "flyte.yaml:mine.yaml")
    answer = explained("other")
    assert (answer["queue"], answer["matching"]) == ("critical", "flyteadmin")
    assert explained("--matching", "documented", "other")["queue"] == "default"


def test_among_several_queues_the_executions_name_decides(here: Path) -> None:
    queues = ", ".join(f"{{dynamic: q{number}, attributes: [a]}}" for number in range(3))
    (here / "many.yaml").write_text(f"queues: {{executionQueues: [{queues}], workflowConfigs: [{{tags: [a]}}]}}\n")
    picked = {explained("-c", "many.yaml", "--execution", f"f{number}", "w")["queue"] for number in range(20)}
    assert picked == {"q0", "q1", "q2"}
    assert "(of q0, q1, q2; the execution's name decides)" in run("queue", "explain", "-c", "many.yaml", "w").output


def test_a_name_without_a_module_is_remarked_on(here: Path) -> None:
    assert "count is taken for a full name" in run("queue", "explain", "count").stderr
    assert run("queue", "explain", "m.count").stderr == ""


def test_without_a_file_the_built_in_settings_are_explained(here: Path) -> None:
    assert "Queue: default" in run("queue", "explain", "m.w").output


def test_no_queue_ends_with_status_1_and_the_lines_to_add(here: Path) -> None:
    (here / "none.yaml").write_text("queues: {executionQueues: [{dynamic: a, attributes: [x]}]}\n")
    result = run("queue", "explain", "-c", "none.yaml", "m.w")
    assert result.exit_code == 1
    assert "no rules" in result.output and "Queue: none" in result.output and "- tags: [x]" in result.output


def test_a_server_that_would_crash_is_said_to(here: Path) -> None:
    (here / "f.yaml").write_text(
        "queues: {executionQueues: [{dynamic: a, attributes: [x]}], workflowConfigs: [{tags: [x]}, {project: p}]}\n"
    )
    assert "stops the server of 2019" in run("queue", "explain", "-c", "f.yaml", "m.w").output


@pytest.mark.parametrize("as_json", [False, True])
def test_problems_in_the_files_end_with_status_1_and_no_traceback(here: Path, as_json: bool) -> None:
    (here / "wrong.yaml").write_text("emulator:\n  vcpu: 1\nqueues: [\n")
    result = run("queue", "explain", "-c", "wrong.yaml", "-c", "absent.yaml", "m.w", *(["--json"] if as_json else []))
    assert result.exit_code == 1
    if as_json:
        assert [one["file"] for one in json.loads(result.stdout)["problems"]] == ["wrong.yaml", "absent.yaml"]
    else:
        assert "wrong.yaml:4" in result.output and "absent.yaml" in result.output


@pytest.mark.parametrize(
    "arguments",
    [("queue", "explain"), ("queue", "explain", "w", "--matching", "x"), ("queue", "export"), ("nonsense",), ("-x",)],
)
def test_wrong_usage_ends_with_status_2(here: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_export_writes_what_explain_then_reads_with_the_same_result(here: Path) -> None:
    names = [argument for number in (1, 2, 3) for argument in ("--workflow", f"m.my_workflow_{number}")]
    result = run("queue", "export", "--attributes", "attributes", "-c", "flyte.yaml", "--json", *names)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["files"] == [
        f"attributes/{name}.yaml"
        for name in (
            "my_queue_1-production-m.my_workflow_1",
            "my_queue_3-production-m.my_workflow_3",
            "production-development-m.my_workflow_2",
            "production-staging-m.my_workflow_2",
            "production-production-m.my_workflow_2",
        )
    ]
    assert (here / answer["files"][0]).read_text() == (
        "project: my_queue_1\ndomain: production\nworkflow: m.my_workflow_1\ntags:\n- critical\n"
    )
    (here / "server.yaml").write_text(answer["server"])
    given = ("-c", "server.yaml", "-c", "attributes", "--matching", "flyteadmin")
    assert explained(*given, "-p", "production", "-d", "staging", "m.my_workflow_2")["queue"] == "gpu_dynamic"
    assert explained(*given, "-p", "my_queue_1", "-d", "production", "m.other")["queue"] == "default"


def test_export_prints_the_commands_and_what_the_server_should_keep(here: Path) -> None:
    result = run("queue", "export", "--attributes", "a", "-c", "flyte.yaml")
    assert (
        "  flytectl update execution-queue-attribute --attrFile a/my_queue_1-production-my_workflow_1.yaml\n"
        in result.output
    )
    assert "    workflowConfigs:\n    - tags:\n      - default\n" in result.output
    assert "give those of my_workflow_1, my_workflow_2, my_workflow_3 with --workflow" in result.output


def test_export_ends_with_status_1_where_a_server_cannot_follow(here: Path) -> None:
    (here / "f.yaml").write_text(
        "queues: {executionQueues: [{dynamic: a, attributes: [x]}, {dynamic: b, attributes: [x, y]}, "
        "{dynamic: c, attributes: [y]}], workflowConfigs: [{tags: [x, y]}]}\n"
    )
    result = run("queue", "export", "--attributes", "a", "-c", "f.yaml")
    assert result.exit_code == 1
    assert "Give the queues of such a rule a tag of their own." in result.output


def test_a_folder_that_cannot_be_made_is_said_so(here: Path) -> None:
    result = run("queue", "export", "--attributes", "flyte.yaml", "-c", "flyte.yaml")
    assert result.exit_code == 1
    assert "flyte.yaml: cannot be written" in result.stderr
