"""`flyte-awsbatch config`, as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.cli.main import main
from flytekitplugins.awsbatch.local.all_settings import load_all_settings

BLOCKS = Path(__file__).parents[1] / "admin" / "setup_document"
ROLE = "arn:aws:iam::111122223333:role/flyte-jobs"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(wire.SWITCH_CONFIG, raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    for block in BLOCKS.iterdir():
        (tmp_path / block.name).write_text(block.read_text())
    (tmp_path / "role.yaml").write_text(f"emulator: {{role: '{ROLE}'}}\n")
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["config", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def checked(*arguments: str) -> dict[str, object]:
    answer: dict[str, object] = json.loads(run("check", "--json", *arguments).stdout)
    return answer


def test_a_whole_setup_is_right_and_comes_with_the_policies_of_an_account() -> None:
    answer = checked("simplest.yaml", "propeller.yaml", "role.yaml")
    assert answer == {
        "files": ["simplest.yaml", "propeller.yaml", "role.yaml"],
        "problems": [],
        "advice": [],
        "region": "us-east-2",
        "account": "111122223333",
        "roles": [ROLE],
        "documents": [
            {
                "title": "Trust policy",
                "attach_to": ROLE,
                "body": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "ecs-tasks.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ],
                },
            },
            {
                "title": "Policy",
                "attach_to": "the IAM role of flytepropeller's service account",
                "body": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": [ROLE]},
                        {
                            "Effect": "Allow",
                            "Action": "batch:RegisterJobDefinition",
                            "Resource": "arn:aws:batch:us-east-2:111122223333:job-definition/*",
                        },
                        {
                            "Effect": "Allow",
                            "Action": "batch:SubmitJob",
                            "Resource": [
                                "arn:aws:batch:us-east-2:111122223333:job-definition/*",
                                "arn:aws:batch:us-east-2:111122223333:job-queue/tutorial",
                            ],
                        },
                        {
                            "Effect": "Allow",
                            "Action": "batch:TerminateJob",
                            "Resource": "arn:aws:batch:us-east-2:111122223333:job/*",
                        },
                        {"Effect": "Allow", "Action": "batch:DescribeJobs", "Resource": "*"},
                    ],
                },
            },
        ],
    }


def test_right_files_end_with_status_0() -> None:
    files = ("simplest.yaml", "propeller.yaml", "role.yaml")
    verdict = "Right: simplest.yaml, propeller.yaml, role.yaml (1 queue, 1 rule, 0 attributes)\n"
    short, whole = run("check", *files), run("check", "--policies", *files)
    assert (short.exit_code, whole.exit_code) == (0, 0)
    assert short.output == (
        f"An account needs a trust policy for {ROLE} and a policy for the IAM role of\n"
        f"flytepropeller's service account: --policies prints them, filled in.\n{verdict}"
    )
    assert whole.output.startswith(f"Trust policy of {ROLE}\n")
    assert whole.output.endswith(f"\n\n{verdict}")


def test_files_can_be_given_as_to_the_other_commands() -> None:
    assert checked("-c", "simplest.yaml", "--settings", "propeller.yaml", "role.yaml")["files"] == [
        *("simplest.yaml", "propeller.yaml", "role.yaml")
    ]


def test_what_is_wrong_in_one_section_hides_nothing_of_the_others(here: Path) -> None:
    (here / "wrong.yaml").write_text(
        "emulator: {vcpu: 4}\n"
        "queues: {executionQueues: [{dynamic: a, attributes: [x]}], workflowConfigs: [{tags: [y]}]}\n"
        "plugins: {aws: {regoin: us-east-1}}\n"
    )
    answer = checked("wrong.yaml")
    assert [one["key"] for one in answer["problems"]] == ["emulator.vcpu", "queues.workflowConfigs[0].tags"]  # type: ignore[attr-defined]
    assert [(one["line"], one["key"], one["expected"]) for one in answer["advice"]] == [  # type: ignore[attr-defined]
        (3, "plugins.aws.regoin", "is no setting of Flyte's, which ignores it; did you mean region?")
    ]


@pytest.mark.parametrize(
    ("aws", "arn"),
    [
        ("{region: cn-north-1, accountId: 444455556666}", "arn:aws-cn:batch:cn-north-1:444455556666:job/*"),
        ("{region: us-gov-west-1, accountId: '000000000001'}", "arn:aws-us-gov:batch:us-gov-west-1:000000000001:job/*"),
        ("{region: eu-west-1}", "arn:aws:batch:eu-west-1:ACCOUNT_ID:job/*"),
    ],
)
def test_region_and_account_flow_into_every_arn(here: Path, aws: str, arn: str) -> None:
    (here / "aws.yaml").write_text(f"plugins: {{aws: {aws}}}\n")
    assert arn in json.dumps(checked("simplest.yaml", "aws.yaml")["documents"])


def test_every_problem_is_printed_and_ends_with_status_1(here: Path) -> None:
    (here / "wrong.yaml").write_text("emulator:\n  vcpu: 4\n  queue_matching: document\nplugins:\n  aws: 5\n")
    result = run("check", "wrong.yaml", "absent.yaml")
    assert result.exit_code == 1
    assert result.output.endswith(
        "4 problems in wrong.yaml, absent.yaml\n"
        "✗ wrong.yaml:2  emulator.vcpu\n"
        "  is no setting; did you mean vcpus?\n"
        "✗ wrong.yaml:3  emulator.queue_matching\n"
        "  got 'document', expected one of documented, flyteadmin, flyteadmin-2019 (did you mean documented?)\n"
        "✗ wrong.yaml:5  plugins.aws\n"
        "  got '5', expected a map\n"
        "✗ absent.yaml\n"
        "  cannot be read: No such file or directory\n"
    )


def test_faults_of_files_that_can_be_read_are_problems_too(here: Path) -> None:
    (here / "faults.yaml").write_text(
        "queues: {executionQueues: [{dynamic: a, attributes: [x]}], workflowConfigs: [{tags: [y]}]}\n"
        "plugins: {aws: {region: mars, accountId: 12}}\n"
    )
    result = run("check", "--json", "faults.yaml")
    assert result.exit_code == 1
    assert [one["key"] for one in json.loads(result.stdout)["problems"]] == [
        "queues.workflowConfigs[0].tags",
        "plugins.aws.region",
        "plugins.aws.accountId",
    ]


def test_a_timeout_that_is_no_duration_is_found_before_a_job_needs_it(here: Path) -> None:
    (here / "f.yaml").write_text("plugins: {aws: {batch: {defaultTimeout: soon}}}\n")
    result = run("check", "f.yaml")
    assert (
        "f.yaml:1  plugins.aws.batch.defaultTimeout\n  got 'soon', expected a duration such as 90m or 72h"
        in result.output
    )


def test_advice_alone_ends_with_status_0() -> None:
    result = run("check", "matching.yaml")
    assert result.exit_code == 0
    assert "To know" in result.output and "FlyteAdmin 1.16 does not read project and workflowName" in result.output


def test_misspelt_and_misplaced_keys_of_queues_are_pointed_out(here: Path) -> None:
    (here / "f.yaml").write_text(
        "queues:\n  executionQueus: []\n  executionQueues:\n    - {dynamic: a, attributes: [x], tag: y}\n"
        "  workflowConfigs:\n    - {tags: [x], workflow: w}\nflyteadmin:\n  queues: {}\n"
    )
    advice = checked("f.yaml")["advice"]
    assert isinstance(advice, list)
    assert [(one["line"], one["key"]) for one in advice[:4]] == [
        (2, "queues.executionQueus"),
        (4, "queues.executionQueues[0].tag"),
        (6, "queues.workflowConfigs[0].workflow"),
        (8, "flyteadmin.queues"),
    ]


def test_without_files_the_built_in_settings_are_checked() -> None:
    result = run("check")
    assert (result.exit_code, result.output.splitlines()[-1]) == (
        0,
        "Right: the built-in settings (1 queue, 1 rule, 0 attributes)",
    )


def test_the_starting_file_is_right_and_changes_no_default() -> None:
    assert run("init").exit_code == 0
    built_in, started = load_all_settings([]), load_all_settings(["awsbatch.yaml"])
    assert (started.admin.queues, started.admin.rules, started.admin.task_plugins, started.local, started.handler) == (
        built_in.admin.queues,
        built_in.admin.rules,
        built_in.admin.task_plugins,
        built_in.local,
        built_in.handler,
    )
    assert run("check", "awsbatch.yaml").exit_code == 0


def test_every_line_that_the_starting_file_comments_out_is_right_too(here: Path) -> None:
    text = run("init", "-").output
    shown = ("# -", "#   ", "# accountId", "# maxArray")
    lines = text[text.index("# FlyteAdmin.") :].splitlines()
    settings = [line.replace("# ", "", 1) if line.lstrip().startswith(shown) else line for line in lines]
    (here / "all.yaml").write_text("\n".join(settings))
    found = load_all_settings(["all.yaml"])
    assert (len(found.admin.queues), len(found.admin.rules), found.handler.aws.account_id) == (2, 2, "111122223333")


def test_init_never_replaces_a_file_unasked(here: Path) -> None:
    (here / "mine.yaml").write_text("mine")
    result = run("init", "mine.yaml")
    assert (result.exit_code, (here / "mine.yaml").read_text()) == (1, "mine")
    assert "mine.yaml is there already; name another file, or replace it with --force" in result.stderr
    assert run("init", "mine.yaml", "--force", "--json").exit_code == 0
    assert (here / "mine.yaml").read_text().startswith("# Settings for")


def test_init_where_nothing_can_be_written_is_said_so() -> None:
    result = run("init", "absent/mine.yaml")
    assert result.exit_code == 1
    assert "absent/mine.yaml: cannot be written" in result.stderr
