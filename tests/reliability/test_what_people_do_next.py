"""After a run: looking into it, following a log, running a child again in a debugger, ending what runs, tidying up."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import reliability_tasks
from click.testing import CliRunner, Result
from terminals import BIN, OpenTerminal, awsbatch, eventually, execution_of, of_home, pyflyte

from flytekitplugins.awsbatch import map_task
from flytekitplugins.awsbatch.batch.emulator.faults import Fault
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.cli.main import main
from flytekitplugins.awsbatch.local.console.failure import TaskFailedError
from flytekitplugins.awsbatch.local.deployment.emulation import emulation
from flytekitplugins.awsbatch.local.history import past_runs
from flytekitplugins.awsbatch.local.home import Home
from flytekitplugins.awsbatch.local.identity import executions


@dataclass(frozen=True)
class Past:
    """A home with a run of `fragile` over three items, the second of which failed twice."""

    home: Path
    marks: Path
    execution: str
    job: str
    message: str

    def ask(self, *words: str) -> Result:
        return CliRunner().invoke(main, list(words), env={"FLYTE_AWSBATCH_HOME": str(self.home)})

    def json(self, *words: str) -> Any:
        answer = self.ask(*words, "--json")
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.stdout)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    home, marks = tmp_path_factory.mktemp("past") / "home", tmp_path_factory.mktemp("marks")
    with emulation(home, quiet=True) as awsbatch_:
        with pytest.raises(TaskFailedError) as caught:
            reliability_tasks.fragile_map(n=[0, 1, 2], folder=str(marks))
        (job,) = awsbatch_.jobs
    yield Past(home, marks, caught.value.execution, job["jobId"], str(caught.value))


def test_a_failure_ends_with_the_line_that_runs_its_first_child_again(past: Past) -> None:
    command = past.message.splitlines()[-1]
    assert shlex.split(command)[1:] == ["flyte-awsbatch", "rerun", past.execution, "n0", "1"]
    before = {path: path.read_bytes() for path in (past.home / "runs" / past.execution / "meta").rglob("*.pb")}

    again = subprocess.run(
        command,
        shell=True,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert again.returncode == 1
    assert "item 1 of the list" in again.stdout
    assert "ValueError: 1 cannot be done" in again.stdout + again.stderr
    output = past.home / "runs" / past.execution / "reruns" / "n0-1"
    assert again.stderr.splitlines()[-1] == f"Child 1 of n0 ended with exit status 1. It wrote to {output}"
    assert (output / "outputs" / "1" / "error.pb").exists()
    assert {path: path.read_bytes() for path in before} == before


def test_a_breakpoint_in_a_job_says_where_it_works(home: Path, marks: Path) -> None:
    (marks / "debug").touch()
    with emulation(home, quiet=True), pytest.raises(TaskFailedError) as caught:
        reliability_tasks.fragile(n=0, folder=str(marks))
    *_, hint, _, command = str(caught.value).splitlines()
    assert hint.startswith("A job has no terminal for breakpoint(). The command below runs it in the foreground")
    assert "rerun" in command


def test_a_breakpoint_in_a_child_that_runs_again_is_a_debugger(past: Past, terminal: OpenTerminal) -> None:
    (past.marks / "debug").touch()
    try:
        run = terminal(awsbatch("rerun", past.execution, "n0", "2"), FLYTE_AWSBATCH_HOME=str(past.home))
        run.expect("(Pdb)")
        run.type("print('n is', n)\n")
        run.expect("n is 2")
        run.type("continue\n")
        assert run.ended() == 0, run.plain
    finally:
        (past.marks / "debug").unlink()
    assert (past.home / "runs" / past.execution / "reruns" / "n0-2" / "outputs" / "2" / "outputs.pb").exists()


def test_runs_lists_what_the_home_remembers(past: Past) -> None:
    (run,) = past.json("runs")
    (node,) = run.pop("nodes")
    assert {key: run[key] for key in ("name", "status", "process", "project", "domain")} == {
        "name": past.execution,
        "status": "failed",
        "process": None,
        "project": "flytesnacks",
        "domain": "development",
    }
    assert (node["node"], node["function"], node["status"], node["job_id"]) == ("n0", "fragile", "failed", past.job)
    shown = past.ask("runs").output.splitlines()
    assert shown[0].split() == ["EXECUTION", "STATUS", "STARTED", "NODES", "WORKFLOW"]
    assert shown[1].split()[:2] == [past.execution, "failed"]


def test_jobs_folds_the_children_unless_it_is_asked(past: Past) -> None:
    (folded,) = past.json("jobs")["jobs"]
    assert (folded["job"], folded["status"], folded["attempts"]) == (past.job, "FAILED", None)
    assert folded["children"] == {"SUCCEEDED": 2, "FAILED": 1}
    assert folded["error"] == "ValueError: 1 cannot be done"
    shown = past.json("jobs", past.execution, "--children")["jobs"]
    assert [(row["job"], row["status"], row["attempts"]) for row in shown[1:]] == [
        (f"{past.job}:0", "SUCCEEDED", 1),
        (f"{past.job}:1", "FAILED", 2),
        (f"{past.job}:2", "SUCCEEDED", 1),
    ]
    shown = past.ask("jobs").output
    assert "): failed, queue default" in shown.splitlines()[0]
    assert "FAILED (2 succeeded, 1 failed)" in shown


def test_jobs_list_the_log_files_of_all_attempts(past: Past) -> None:
    rows = past.json("jobs", "--children")["jobs"]
    assert [line.rsplit("  ", 1) for line in past.ask("jobs", "--logs").output.splitlines()[1:]] == [
        [f"n0  {row['job']}  attempt {log['attempt']}", log["path"]] for row in rows for log in row["logs"]
    ]
    assert [len(row["logs"]) for row in rows] == [0, 1, 2, 1]


def test_jobs_have_the_links_of_flytes_console(past: Past) -> None:
    (job,) = past.json("jobs")["jobs"]
    console = f"https://console.aws.amazon.com/batch/home?region=us-east-2#/jobs/{past.job}"
    assert job["link"] == console
    assert [(each["index"], each["phase"], each["retry_attempt"]) for each in job["external_resources"]] == [
        (0, "PhaseSuccess", 0),
        (1, "PhasePermanentFailure", 1),
        (2, "PhaseSuccess", 0),
    ]
    named = [link["name"] for each in job["external_resources"] for link in each["logs"]]
    assert named == [
        "AWS Batch #0-0 (PhaseSuccess)",
        "AWS Batch #1-0 (PhasePermanentFailure)",
        "AWS Batch #1-1 (PhasePermanentFailure)",
        "AWS Batch #2-0 (PhaseSuccess)",
    ]
    shown = past.ask("jobs", "--links").output.splitlines()
    assert shown[1] == f"n0  AWS Batch Job  {console}"
    assert [line.split("  ")[1] for line in shown[2:]] == named


def test_on_a_terminal_jobs_have_short_names_that_the_other_commands_take(past: Past, terminal: OpenTerminal) -> None:
    shown = terminal(awsbatch("jobs", "--children"), FLYTE_AWSBATCH_HOME=str(past.home))
    assert shown.ended() == 0
    *lines, last = shown.plain.splitlines()[2:]
    assert last.startswith("The logs of what failed: ")
    assert last.endswith("flyte-awsbatch logs --failed")
    rows = [line.split() for line in lines]
    short = past.job.partition("-")[0]
    assert [row[2] for row in rows] == [short, f"{short}:0", f"{short}:1", f"{short}:2"]
    assert past.ask("logs", f"{short}:0").exit_code == 0


def test_logs_shows_the_last_attempt_or_the_one_asked_for(past: Past) -> None:
    last = past.json("logs", f"{past.job}:1")
    first = past.json("logs", f"{past.job}:1", "--attempt", "1")
    assert (last["attempt"], first["attempt"]) == (2, 1)
    assert first["stream"] != last["stream"]
    assert "item 1 of the list" in first["lines"]
    assert past.ask("logs", f"{past.job}:1", "--raw").output == Path(last["path"]).read_text()


def test_a_log_shows_a_traceback_as_a_traceback(past: Past) -> None:
    shown = past.ask("logs", f"{past.job}:1").output.splitlines()
    assert shown[shown.index("item 1 of the list") + 1] == "Traceback (most recent call last):"
    assert shown[-1] == "ValueError: 1 cannot be done"
    assert not any("asctime" in line for line in shown)


def test_a_log_is_found_by_its_node_and_item(past: Past) -> None:
    assert past.json("logs", "n0:1") == past.json("logs", f"{past.job}:1")
    assert past.json("logs", past.execution, "n0:1") == past.json("logs", f"{past.job}:1")


def test_the_logs_of_all_that_failed_are_shown(past: Past) -> None:
    shown = past.ask("logs", past.execution, "--failed").output.splitlines()
    assert shown[0] == f"-- n0 fragile, child 1, attempt 2 (job {past.job}:1) --"
    assert shown[-1] == "ValueError: 1 cannot be done"
    assert past.json("logs", "--failed") == [past.json("logs", f"{past.job}:1")]


def test_jobs_and_runs_are_filtered(past: Past) -> None:
    rows = past.json("jobs", "--status", "failed")["jobs"]
    assert [(row["job"], row["error"]) for row in rows] == [(f"{past.job}:1", "ValueError: 1 cannot be done")]
    (run,) = past.json("runs")
    assert past.json("runs", "--workflow", run["workflow"].rpartition(".")[2]) == [run]
    assert past.json("runs", "--workflow", "other") == []
    assert past.json("runs", "--status", "succeeded") == []
    assert past.ask("jobs", "--workflow", "other").exit_code == 1


def test_jobs_tell_what_each_child_took_beside_its_limit(past: Past) -> None:
    for row in past.json("jobs", "--children")["jobs"][1:]:
        assert row["peak_memory"] > 2**20
        assert row["memory"] > 0
        assert row["cpu_seconds"] > 0
        assert row["vcpus"] == 1
        assert [log["attempt"] for log in row["logs"]] == list(range(1, row["attempts"] + 1))
    head = past.ask("jobs").output.splitlines()[1].split()
    assert head == ["NODE", "FUNCTION", "JOB", "STATUS", "ATTEMPTS", "DURATION", "MEMORY", "VCPUS", "REASON"]


def test_jobs_list_every_attempt_of_a_node(home: Path) -> None:
    with emulation(home, quiet=True) as awsbatch_, pytest.raises(TaskFailedError):
        reliability_tasks.fails_always(n=1)
    seen = Past(home, home, "", "", "")
    rows = seen.json("jobs")["jobs"]
    assert [(row["node_attempt"], row["job"]) for row in rows] == [
        (number, job["jobId"]) for number, job in enumerate(awsbatch_.jobs, start=1)
    ]
    assert len(rows) == 2
    console = "https://console.aws.amazon.com/batch/home?region=us-east-2#/jobs/queue/arn:aws:batch:us-east-2"
    links = [f"{console}::job-queue~2F/job/{row['job']}" for row in rows]
    assert [row["link"] for row in rows] == links
    listed = seen.ask("jobs", "--links").output
    assert all(f"  AWS Batch Job  {link}\n" in listed for link in links)
    assert "attempt 1 of 2 failed: ValueError: 1 is always wrong; trying again" in awsbatch_.printed
    assert "node attempt 1 of 2 failed; node attempt 2 of 2 begins" in awsbatch_.printed


def test_the_beginning_of_a_name_is_enough_where_no_other_begins_so(past: Past, home: Path) -> None:
    short, job = past.execution[:6], past.job[:8]
    assert past.json("jobs", short) == past.json("jobs", past.execution)
    assert past.json("logs", f"{job}:1") == past.json("logs", f"{past.job}:1")
    assert past.ask("rerun", short, "n", "0").exit_code == 0
    for name in ("abc1", "abc2"):
        (home / "runs" / name).mkdir(parents=True)
    answer = replace(past, home=home).ask("kill", "abc")
    assert (answer.exit_code, answer.output) == (1, "Several executions begin with 'abc': abc1, abc2\n")


def test_a_job_that_has_not_started_has_no_log_yet(home: Path) -> None:
    with LocalBatch(home / "batch") as batch:
        batch.ensure_queue("default")
        batch.faults.add(Fault("stay_runnable"))
        container = {"image": "i", "command": ["true"], "vcpus": 1, "memory": 128}
        batch.register_job_definition(jobDefinitionName="d", type="container", containerProperties=container)
        job = batch.submit_job(jobName="j", jobQueue="default", jobDefinition="d")["jobId"]
        waits = Past(home, home, "", job, "").ask("logs", job[:8])
        batch.close(terminate=False)
    left = Past(home, home, "", job, "").ask("logs", job)
    assert (waits.exit_code, left.exit_code) == (1, 1)
    assert " ".join(waits.output.split()) == f"Job {job} has no log yet: it is RUNNABLE."
    halted = f"Job {job} has no log yet: it is RUNNABLE, and no process runs it any more."
    assert " ".join(left.output.split()) == halted


def test_a_file_among_the_runs_is_no_execution(home: Path) -> None:
    (home / "runs").mkdir(parents=True)
    (home / "runs" / "notes").touch()
    answer = Past(home, home, "", "", "").ask("jobs", "notes")
    assert answer.exit_code == 1
    assert "has no execution 'notes'" in " ".join(answer.output.split())


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (["jobs", "nosuchexecution"], 1, "has no execution 'nosuchexecution'"),
        (["jobs", "../../etc"], 1, "'../../etc' is not the name of an execution"),
        (["jobs", "."], 1, "is not the name of an execution"),
        (["jobs", "a\0b"], 1, "is not the name of an execution"),
        (["kill", "nosuchexecution"], 1, "has no execution"),
        (["kill", "<execution>"], 1, "does not run (it is failed)"),
        (["kill", "<beginning>"], 1, "Execution <execution> does not run (it is failed)"),
        (["logs", "<job>"], 1, "<job> is an array of 3, and its children have the logs: <job>:0 to <job>:2 ("),
        (["logs", "<job>:7"], 1, "There is no '<job>:7': its children are <job>:0 to <job>:2."),
        (["logs", "<execution>"], 1, "is an execution; `flyte-awsbatch jobs <execution>` lists its jobs"),
        (["logs", "nosuchjob:0"], 1, "knows no job 'nosuchjob:0'"),
        (["logs", "n7:1"], 1, "execution, <execution>, has no node 'n7' with a job; it has n0"),
        (["logs", "<job>:x"], 2, "expected JOB or JOB:INDEX"),
        (["logs", "<job>:"], 2, "expected JOB or JOB:INDEX"),
        (["logs", "../../etc/passwd"], 1, "knows no job"),
        (["logs", "' OR 1=1 --"], 1, "knows no job"),
        (["logs", "<job>:1", "--attempt", "3"], 1, "has no log of attempt 3; it has those of 1, 2."),
        (["logs", "<job>:1", "--attempt", "0"], 2, "Invalid value"),
        (["logs", "<job>:1", "-f", "--json"], 2, "only one of them"),
        (["rerun", "<execution>", "n7"], 1, "has no node 'n7'; it has n0"),
        (["rerun", "<execution>", "../n0"], 1, "has no node"),
        (["rerun", "<execution>", "n0"], 1, "Node n0 has 3 items, counted from 0: name one."),
        (["rerun", "<execution>", "n0", "3"], 1, "has 3 items, counted from 0; there is no item 3"),
        (["rerun", "<execution>", "n0", "-1"], 2, "No such option"),
        (["rerun", "<execution>", "n0", "x"], 2, "not a valid integer"),
        (["runs", "--prune", "--older-than", "-1"], 2, "Invalid value"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_sentence(
    past: Past, words: Sequence[str], status: int, expected: str
) -> None:
    names = {"<execution>": past.execution, "<beginning>": past.execution[:6], "<job>": past.job}

    def named(text: str) -> str:
        return re.sub("|".join(names), lambda match: names[match[0]], text)

    answer = past.ask(*map(named, words))
    assert (answer.exit_code, "Traceback" in answer.output) == (status, False)
    assert named(expected) in " ".join(answer.output.replace("│", " ").split())


def test_an_item_from_the_cache_cannot_run_again(home: Path) -> None:
    with emulation(home, quiet=True) as awsbatch_:
        assert map_task(reliability_tasks.cached)(n=[1, 2]) == [2, 3]
        assert map_task(reliability_tasks.cached)(n=[5, 2]) == [6, 3]
        assert len(awsbatch_.jobs) == 2
    newest = past_runs.past_runs_of(Home(home))[0].name
    past = Past(home, home, newest, "", "")
    cached = past.ask("rerun", newest, "reliabilitytasks", "1")
    assert "came from the cache: nothing ran for it" in " ".join(cached.output.split())
    # The beginning of a node's id is enough: that of a task on its own is long.
    assert past.ask("rerun", newest, "reliabilitytasksmap", "0").exit_code == 0


def test_a_node_whose_items_were_all_cached_has_no_job_and_no_log(home: Path) -> None:
    with emulation(home, quiet=True):
        assert map_task(reliability_tasks.cached)(n=[1, 2]) == [2, 3]
        assert map_task(reliability_tasks.cached)(n=[2, 1]) == [3, 2]
    newest, earlier = past_runs.past_runs_of(Home(home))
    (node,) = newest.nodes
    past = Past(home, home, newest.name, "", "")
    for words in ((node.node,), (f"{node.node}:1",), (newest.name, node.node)):
        said = past.ask("logs", *words)
        assert said.exit_code == 1
        why = "has no job and no log: all that it gave came from the cache."
        assert f"Node {node.node} of execution {newest.name} {why}" in " ".join(said.output.split())
    assert past.ask("logs", earlier.name, f"{node.node}:1").exit_code == 0
    reasons = [past.json("jobs", run.name)["jobs"][0]["reason"] for run in (newest, earlier)]
    assert reasons == ["all items came from the cache", ""]


def test_a_node_comes_before_an_execution_that_begins_like_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(["n0older", "newest"])
    monkeypatch.setattr(executions, "_new_name", lambda: next(names))
    with emulation(home, quiet=True):
        assert [reliability_tasks.total_of(numbers=numbers) for numbers in ([1], [2])] == [1, 2]
    past = Past(home, home, "newest", "", "")
    (node,) = past.json("jobs", "newest")["jobs"]
    assert past.json("logs", "n0")["job"] == node["job"]
    assert past.json("logs", "n0o")["job"] != node["job"]


def test_the_one_item_that_was_not_cached_is_shown_as_the_job_that_it_is(home: Path) -> None:
    with emulation(home, quiet=True):
        assert map_task(reliability_tasks.cached)(n=[1, 2]) == [2, 3]
        assert map_task(reliability_tasks.cached)(n=[1, 2, 5]) == [2, 3, 6]
    (job,) = Past(home, home, "", "", "").json("jobs")["jobs"]
    assert (job["status"], job["attempts"], len(job["logs"])) == ("SUCCEEDED", 1, 1)
    assert job["milliseconds"] > 0


def test_a_log_is_followed_until_its_run_is_killed(terminal: OpenTerminal, home: Path, marks: Path) -> None:
    run = terminal(pyflyte("gated", "--count", "2", "--folder", str(marks)))
    eventually((marks / "1.starts").exists, lambda: run.plain[-800:])
    execution = execution_of(run.plain)
    seen = Past(home, marks, execution, "", "")
    job = seen.json("jobs")["jobs"][0]["job"]
    following = terminal(awsbatch("logs", f"{job}:1", "-f"))
    following.expect("waiting at the gate")
    assert following.process.poll() is None

    ended = seen.ask("kill", execution)

    assert ended.exit_code == 0, ended.output
    assert f"FLYTE_AWSBATCH_RESUME={execution}" in ended.output
    assert run.ended() == 143
    assert following.ended() == 0
    assert "no process runs this job any more" in following.plain
    assert of_home(home) == []
    assert [run["status"] for run in seen.json("runs")] == ["interrupted"]
    assert [job["status"] for job in seen.json("jobs")["jobs"]] == ["interrupted"]


def test_old_runs_go_and_take_their_jobs_along(home: Path) -> None:
    with emulation(home, quiet=True):
        reliability_tasks.total(numbers=[1, 2])
        map_task(reliability_tasks.cached)(n=[1, 2])
    first, second = (run.name for run in reversed(past_runs.past_runs_of(Home(home))))
    kept = home / "runs" / second / "raw"
    kept.mkdir(exist_ok=True)
    logs = sum(1 for _ in (home / "batch" / "logs").rglob("*.log"))
    seen = Past(home, home, first, "", "")
    assert seen.json("runs", "--prune") == {"removed": []}

    assert sorted(past_runs.prune_past_runs(Home(home), days=1, now=time.time() + 2 * 86400)) == sorted([first, second])

    assert (seen.json("runs"), logs) == ([], 3)
    assert list((home / "batch" / "logs").rglob("*.log")) == []
    # Cached results may point at files among a run's: they go with the cache.
    assert [path.name for path in (home / "runs").iterdir()] == [second]
    assert [path.name for path in (home / "runs" / second).iterdir()] == ["raw"]
    assert seen.ask("cache", "clear").exit_code == 0
    assert list((home / "runs").iterdir()) == []


def test_an_upload_is_removed_as_a_whole(home: Path) -> None:
    old = time.time() - 3 * 86400
    for name in ("old", "recent", ".removed-half"):
        folder = home / "uploads" / name
        folder.mkdir(parents=True)
        (folder / ".data.complete").write_text("")
        os.utime(folder, (old, old) if name != "recent" else None)
    Home(home).prepare()

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            past_runs.prune_past_runs(Home(home), days=1)
    # What is left of it is not where anybody looks for it.
    assert sorted(one.name for one in (home / "uploads").iterdir() if not one.name.startswith(".")) in (
        ["old", "recent"],
        ["recent"],
    )
    past_runs.prune_past_runs(Home(home), days=1)
    assert [one.name for one in (home / "uploads").iterdir()] == ["recent"]


def test_an_untouched_home_is_tidied_when_a_run_starts(home: Path) -> None:
    with emulation(home, quiet=True):
        reliability_tasks.total(numbers=[1])
    (old,) = past_runs.past_runs_of(Home(home))
    for path in (home / "runs" / old.name / "nodes", home / "runs" / old.name / "execution.json"):
        os.utime(path, (0, 0))
    with emulation(home, quiet=True):
        assert past_runs.past_runs_of(Home(home)) == []
