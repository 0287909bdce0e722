"""`flyte-awsbatch plan` says what a run would send, without running anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flytekitplugins.awsbatch.cli.main import main
from flytekitplugins.awsbatch.local.deployment.emulation import emulation

PROGRAM = """
from flytekit import Annotations, LaunchPlan, Resources, conditional, dynamic, task, workflow
from flytekit.models.security import Identity, SecurityContext
from flytekitplugins.awsbatch import AWSBatchConfig, map_task

RAN = []

@task(task_config=AWSBatchConfig(tags={"team": "a"}), retries=1, environment={"API_TOKEN": "very-secret"})
def square(n: int) -> int:
    RAN.append(n)
    return n * n

@task(task_config=AWSBatchConfig(), limits=Resources(cpu="2", mem="1G"))
def total(ns: list[int]) -> int:
    return sum(ns)

@task
def plain(n: int) -> list[int]:
    return list(range(n))

@workflow
def sums(ns: list[int] = [1, 2, 3]) -> int:
    return total(ns=map_task(square)(n=ns))

nightly = LaunchPlan.get_or_create(
    sums,
    name=f"{__name__}.of a night",
    fixed_inputs={"ns": [4]},
    security_context=SecurityContext(run_as=Identity(iam_role="arn:aws:iam::1:role/night")),
)
annotated = LaunchPlan.get_or_create(
    sums, name=f"{__name__}.a", annotations=Annotations({"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/noted"})
)

@workflow
def outer(n: int) -> int:
    return total(ns=map_task(square)(n=plain(n=n))) + 0 if False else sums(ns=plain(n=n))

@dynamic
def later(n: int) -> int:
    return square(n=n)

@workflow
def both(n: int) -> int:
    return conditional("which").if_(n > 1).then(square(n=n)).else_().then(later(n=n))

@workflow
def given(n: int) -> int:
    before = square(n=n)
    return conditional("which").if_(n > 1).then(before).else_().then(square(n=n))

@workflow
def nested(n: int) -> int:
    return conditional("which").if_(n > 1).then(
        conditional("inner").if_(n > 2).then(later(n=n)).else_().then(square(n=n))
    ).else_().then(square(n=n))
"""


PRINTING = """
from flytekit import Resources, task, workflow
from flytekitplugins.awsbatch import AWSBatchConfig

print("imported")

@task(task_config=AWSBatchConfig())
def work(x: int) -> int:
    return x

@workflow
def flow(x: int) -> int:
    return work(x=x).with_overrides(requests=Resources(cpu="2"))
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    name = f"plan_program_{abs(hash(request.node.name))}"
    path = tmp_path / f"{name}.py"
    path.write_text(PROGRAM)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("FLYTE_AWSBATCH_HOME", str(tmp_path / "home"))
    return path


def ask(*words: str) -> Result:
    return CliRunner().invoke(main, ["plan", *words])


def planned(*words: str) -> Any:
    answer = ask(*words, "--json")
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


@pytest.mark.parametrize(
    ("name", "role", "size"),
    [
        ("nightly", "arn:aws:iam::1:role/night", 1),
        ("of a night", "arn:aws:iam::1:role/night", 1),
        ("annotated", "arn:aws:iam::1:role/noted", 3),
        ("sums", "", 3),
    ],
)
def test_a_launch_plan_has_its_role_and_its_inputs(
    program: Path, tmp_path: Path, name: str, role: str, size: int
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(
        "queues: {executionQueues: [{dynamic: q, attributes: [default]}], workflowConfigs: [{tags: [default]}]}\n"
        "plugins: {aws: {batch: {roleAnnotationKey: eks.amazonaws.com/role-arn}}}\n"
    )
    answer = ask(str(program), name, "--config", str(settings), "--json")
    plan = json.loads(answer.stdout)
    assert plan["decision"]["role"]["iam_role"] == role
    assert plan["decision"]["execution"]["workflow"] == f"{program.stem}.sums"
    squares, total = plan["nodes"]
    assert (squares["size"], squares["definition"]["jobRoleArn"], total["size"]) == (size, role, None)
    assert f"Role: {role or 'none'}" in ask(str(program), name, "--config", str(settings)).output


def test_a_reference_launch_plan_has_no_workflow_to_plan(program: Path) -> None:
    program.write_text(
        PROGRAM
        + """
from flytekit import reference_launch_plan

@reference_launch_plan(project="p", domain="d", name="far.away", version="1")
def far(n: int) -> int: ...

@workflow
def near() -> int:
    return square(n=far(n=1))
"""
    )
    assert "has no workflow, task or launch plan 'far'" in " ".join(ask(str(program), "far").stderr.split())
    plan = planned(str(program), "near")
    assert plan["unknown"] == ["n0 launches an execution of its own: far.away, which is not here."]
    assert [node["node"] for node in plan["nodes"]] == ["n1"]


def test_the_requests_are_those_that_a_run_sends(program: Path, tmp_path: Path) -> None:
    module = __import__(program.stem)
    with emulation(tmp_path / "home", quiet=True) as awsbatch:
        module.sums(ns=[1, 2, 3])
        sent = awsbatch.requests
        execution = sent[0]["jobName"].partition("-")[0]
    plan = planned(str(program), "sums", "--execution", execution)
    for node, request in zip(plan["nodes"], sent, strict=True):
        environment = {pair["name"]: pair["value"] for pair in node["request"]["containerOverrides"]["environment"]}
        hidden = {pair["name"]: pair["value"] for pair in request["containerOverrides"]["environment"]}
        if "API_TOKEN" in hidden:
            assert environment.pop("API_TOKEN") == "***" != hidden.pop("API_TOKEN")
        assert environment == hidden
        for each in (node["request"], request):
            del each["containerOverrides"]["environment"]
        definition = request.pop("jobDefinition")
        assert node["request"].pop("jobDefinition") == definition.rpartition("/")[2].partition(":")[0]
        assert node["request"] == request
    assert [node["attempts"] for node in plan["nodes"]] == [2, 1]
    assert plan["decision"]["queue"] == "default"


def test_a_workflow_that_does_not_compile_is_said(program: Path) -> None:
    program.write_text(f"{PROGRAM}\n\n@workflow\ndef broken(n: int) -> int:\n    return square(m=n)\n")
    answer = ask(str(program), "broken")
    assert answer.exit_code == 2
    assert f"{program.stem}.broken does not compile: " in answer.stderr
    assert "return square(m=n)" in answer.stderr


def test_nothing_runs_and_nothing_is_written(program: Path, tmp_path: Path) -> None:
    planned(str(program), "sums")
    module = __import__(program.stem)
    assert module.RAN == []
    assert not (tmp_path / "home").exists()


def test_a_length_that_only_a_run_knows_is_said_to_be_unknown(program: Path) -> None:
    nodes = planned(str(program), "outer")["nodes"]
    assert [(node["node"], node["function"], node["size"]) for node in nodes] == [
        ("n1-0-n0", "square", "as long as the list"),
        ("n1-0-n1", "total", None),
    ]
    shown = ask(str(program), "outer").output
    assert "n1-0-n0 square: an array, tried up to 2 times in each of 2 attempts of the node" in " ".join(shown.split())


def test_branches_and_dynamic_tasks_are_told(program: Path) -> None:
    plan = planned(str(program), "both")
    assert [(node["node"], node["function"]) for node in plan["nodes"]] == [("n0-0-n0-n0", "square")]
    assert "Which branch of n0 is taken" in " ".join(plan["unknown"])
    assert "is @dynamic" in " ".join(plan["unknown"])


def test_conditionals_in_branches_are_told(program: Path) -> None:
    plan = planned(str(program), "nested")
    assert [node["node"] for node in plan["nodes"]] == ["n0-0-n0-n0-0-n0-n0-n1", "n0-0-n0-n1"]
    assert "Which branch of n0-n0 is taken" in " ".join(plan["unknown"])


def test_a_branch_that_is_given_an_earlier_call_has_no_node_of_its_own_for_it(program: Path) -> None:
    assert [node["node"] for node in planned(str(program), "given")["nodes"]] == ["n0", "n1-0-n1-n0"]


def test_a_task_on_its_own(program: Path) -> None:
    (node,) = planned(str(program), "total")["nodes"]
    assert node["size"] is None
    assert node["request"]["containerOverrides"]["vcpus"] == 2


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (
            ["nosuch"],
            1,
            "has no workflow, task or launch plan 'nosuch'; it has both, given, later, nested, outer, plain, square, "
            "sums, total.",
        ),
        (["sums", "-p", ""], 0, "Queue: default"),
    ],
)
def test_what_is_wrong_is_said(program: Path, words: list[str], status: int, said: str) -> None:
    answer = ask(str(program), *words)
    assert (answer.exit_code, said in " ".join(answer.output.split())) == (status, True), answer.output


def test_a_module_that_cannot_be_imported_shows_the_users_frames(tmp_path: Path) -> None:
    path = tmp_path / "plan_broken.py"
    path.write_text("x = 1 / 0\n")
    answer = ask(str(path), "x")
    assert answer.exit_code == 2
    assert answer.output.splitlines()[-1] == "plan_broken could not be loaded: ZeroDivisionError: division by zero"
    assert "flytekitplugins" not in answer.output


def test_without_a_queue_the_plan_ends_with_1(program: Path, tmp_path: Path) -> None:
    settings = tmp_path / "none.yaml"
    settings.write_text("queues: {executionQueues: [{dynamic: q, attributes: [a]}], workflowConfigs: [{tags: [b]}]}\n")
    answer = ask(str(program), "sums", "-c", str(settings))
    assert (answer.exit_code, "Queue: none" in answer.output) == (1, True)


def test_the_inputs_of_pyflyte_run_may_stand_there(program: Path) -> None:
    without = ask(str(program), "sums").output
    assert ask(str(program), "sums", "--ns", "[1, -2]").output == without
    assert ask(str(program), "sums", "--inputs-file", "inputs.yaml").output == without
    wrong = ask(str(program), "sums", "--nsx", "[1]")
    assert wrong.exit_code == 2
    assert "--nsx" in wrong.output


@pytest.mark.parametrize("command", [("plan", "printing.py", "flow"), ("lint", "printing.py")], ids=lambda it: it[0])
def test_json_has_the_output_for_itself(tmp_path: Path, command: tuple[str, ...]) -> None:
    """A process of its own, since flytekit's log finds its stream as it is imported."""
    (tmp_path / "printing.py").write_text(PRINTING)
    script = str(Path(sys.executable).parent / "flyte-awsbatch")
    done = subprocess.run([script, *command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)
    assert "imported" in done.stderr
    assert "Requests overridden" in done.stderr


def test_a_task_whose_image_nothing_names_cannot_be_sent(tmp_path: Path) -> None:
    file = tmp_path / "plan_named_image.py"
    file.write_text(
        "from flytekit import task\nfrom flytekitplugins.awsbatch import AWSBatchConfig\n\n"
        '@task(task_config=AWSBatchConfig(), container_image="{{.image.trainer.fqn}}:1")\n'
        "def train(x: int) -> int:\n    return x\n"
    )
    done = CliRunner().invoke(main, ["plan", str(file), "train"])
    assert done.exit_code == 1
    assert "This cannot be sent: train has an image that nothing names here" in " ".join(done.output.split())
    named = CliRunner().invoke(main, ["plan", str(file), "train", "--image", "trainer=registry/trainer:2"])
    assert named.exit_code == 0
    assert "registry/trainer:1" in named.output
