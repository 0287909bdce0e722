"""All owners' settings together, from the environment; and no text that ends in a traceback."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest
from batch_tasks import double
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flytekitplugins.awsbatch import map_task, wire
from flytekitplugins.awsbatch.admin import checks
from flytekitplugins.awsbatch.admin.admin_settings import ExecutionQueue
from flytekitplugins.awsbatch.admin.explanation import LaunchedExecution
from flytekitplugins.awsbatch.admin.launch_decision import decide_launch
from flytekitplugins.awsbatch.admin.queue_rules import StoredRule
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch
from flytekitplugins.awsbatch.local.all_settings import (
    LOCAL_ROLE,
    LocalEmulator,
    load_all_settings,
    load_settings_of_environment,
    parse_all_settings,
    read_all_settings,
)
from flytekitplugins.awsbatch.local.deployment.emulation import emulation
from flytekitplugins.awsbatch.propeller.propeller_settings import OffloadingSettings
from flytekitplugins.awsbatch.settings.problems import SettingsError


def test_without_a_file_there_is_a_working_default_with_a_note() -> None:
    found = load_settings_of_environment({})
    decision = decide_launch(found.admin, LaunchedExecution("p", "d", "w", "f"))
    assert (decision.queue, decision.role.iam_role, decision.warnings) == ("default", LOCAL_ROLE, ())
    assert found.notes == (f"Built-in settings: queue default, role {LOCAL_ROLE} (FLYTE_AWSBATCH_CONFIG names yours).",)
    assert list(checks.admin_deployment_faults(found.admin)) == []


@pytest.mark.parametrize("text", ["emulator: {isolation: worker}\n", "configmap: {emulator: {isolation: worker}}\n"])
def test_a_file_that_says_nothing_of_flyte_keeps_the_built_in_deployment(tmp_path: Path, text: str) -> None:
    file = tmp_path / "emulator.yaml"
    file.write_text(text)
    found, built_in = load_all_settings([str(file)]), load_settings_of_environment({})
    decision = decide_launch(found.admin, LaunchedExecution("p", "d", "w", "f"))
    assert (decision.queue, decision.role.iam_role, decision.warnings) == ("default", LOCAL_ROLE, ())
    assert (found.handler, found.admin.task_plugins) == (built_in.handler, built_in.admin.task_plugins)
    assert found.local == LocalEmulator(isolation="worker")
    assert found.notes == (
        f"Built-in settings: queue default, role {LOCAL_ROLE} (no section of Flyte's in the settings).",
    )


@pytest.mark.parametrize(
    "text",
    [
        "queues: {executionQueues: []}",
        "tasks: {task-plugins: {enabled-plugins: [container]}}",
        "plugins: {aws: {region: eu-west-1}}",
        "flyteadmin: {roleNameKey: r}",
        "configmap: {adminServer: {queues: {executionQueues: []}}}",
    ],
)
def test_any_section_of_flytes_makes_a_file_a_deployments_that_is_taken_at_its_word(text: str) -> None:
    found = parse_all_settings(f"{text}\nemulator: {{isolation: worker}}\n")
    assert (found.admin.queues, found.admin.rules, found.admin.emulator.role) == ((), (), "")


def test_several_files_directories_and_attribute_files_make_one(tmp_path: Path) -> None:
    (tmp_path / "flyte.yaml").write_text("queues: {executionQueues: [{dynamic: a, attributes: [x]}]}\n")
    (tmp_path / "more.yaml").write_text(
        "emulator: {vcpus: 3, environment: clean, fidelity: strict, project: shop}\n"
        "plugins: {aws: {region: eu-west-1}}\n"
    )
    attributes = tmp_path / "attributes"
    attributes.mkdir()
    (attributes / "b.yaml").write_text("project: q\ntags: [x]\n")
    (attributes / "a.yml").write_text("project: p\ndomain: staging\ntags: [x]\n")
    (attributes / "README").write_text("not: [yaml")
    named = [str(tmp_path / "flyte.yaml"), str(tmp_path / "more.yaml"), str(attributes)]
    found = load_settings_of_environment({wire.SWITCH_CONFIG: os.pathsep.join(named)})
    assert found.admin.queues == (ExecutionQueue("a", ("x",)),)
    assert found.admin.overrides == (StoredRule("p", "staging", tags=("x",)), StoredRule("q", tags=("x",)))
    assert (found.local, found.batch.vcpus) == (LocalEmulator("clean"), 3)
    assert (found.handler.aws.region, found.handler.strict) == ("eu-west-1", True)
    assert (found.admin.emulator.project, found.files, found.notes) == ("shop", tuple(named), ())


def test_all_problems_of_all_owners_come_at_once(tmp_path: Path) -> None:
    file = tmp_path / "flyte.yaml"
    file.write_text(
        "emulator:\n  vcpu: 3\n  fidelity: loose\nplugins:\n  aws:\n    batch: {maxArrayJobSize: x}\nqueues: [1]\n"
        "domains: [{id: [a]}]\n"
    )
    attribute = tmp_path / "era.yaml"
    attribute.write_text("tags: [x]\n")
    with pytest.raises(SettingsError) as error:
        load_all_settings([str(file), str(attribute), str(tmp_path / "absent.yaml")])
    assert [(Path(one.file).name, one.line, one.key) for one in error.value.problems] == [
        ("flyte.yaml", 2, "emulator.vcpu"),
        ("flyte.yaml", 3, "emulator.fidelity"),
        ("flyte.yaml", 6, "plugins.aws.batch.maxArrayJobSize"),
        ("flyte.yaml", 7, "queues"),
        ("flyte.yaml", 8, "domains[0].id"),
        ("absent.yaml", 0, ""),
        ("era.yaml", 1, "*"),
    ]


WORDS = """
a 1 1.5 true yes null ~ 2020-01-01 'x' [] {} [a] [[a]] &x *x <<  - ? : ' " [ { 1e400 \\ !!binary
"""
KEY_WORDS = """
queues executionQueues workflowConfigs dynamic attributes tags project domain workflowName domains id flyteadmin
roleNameKey annotations plugins aws batch k8s region maxArrayJobSize default-env-vars defaultTimeout tasks task-plugins
enabled-plugins default-for-task-types emulator vcpus role queue_matching configmap propeller node-config x.y <<
"""
SCALARS = st.sampled_from([*WORDS.split(), "", "{a: b}", "&x a", "!!int x", "{{ .Values.x }}", "|\n text", "\t"])
KEYS = st.sampled_from(KEY_WORDS.split())
LINES = st.builds(
    lambda indent, dash, key, value: f"{' ' * indent}{'- ' * dash}{key}: {value}",
    st.integers(0, 8),
    st.booleans(),
    KEYS,
    SCALARS,
)
TREES = st.recursive(
    SCALARS.filter(lambda text: "\n" not in text),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(KEYS, inner), max_size=3).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items) + "}"
        ),
    ),
    max_leaves=12,
)
TEXTS = st.one_of(
    st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(),
    st.lists(LINES, max_size=12).map(lambda lines: "\n".join(lines).encode()),
    st.lists(st.tuples(KEYS, TREES), max_size=4).map(
        lambda items: "".join(f"{key}: {value}\n" for key, value in items).encode()
    ),
)


@given(TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400, deadline=None)
def test_no_file_gives_a_traceback_and_what_is_read_can_be_used(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "flyte.yaml"
    file.write_bytes(content)
    found, reader = read_all_settings([str(file)])
    for problem in reader.ordered_problems():
        assert problem.expected and problem.file == str(file)
    list(checks.admin_deployment_faults(found.admin)), list(checks.admin_deployment_advice(found.admin))
    for matching in ("documented", "flyteadmin", "flyteadmin-2019"):
        decide_launch(found.admin.matched(matching), LaunchedExecution("p", "d", "m.w", "f"))


def test_what_aws_would_refuse_is_told_at_the_start_of_a_run_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("plugins:\n  aws: {region: mars, accountId: 12, regoin: x}\nemulator: {role: admin}\n")
    assert load_all_settings([str(file)]).notes == (
        f"{file}:2: plugins.aws.regoin: is no setting of Flyte's, which ignores it; did you mean region?",
        f"AWS would refuse {file}:3: emulator.role: got 'admin', expected a role's full ARN: "
        "arn:aws:iam::<account>:role/<name>",
        f"AWS would refuse {file}:2: plugins.aws.region: got 'mars', expected a region such as us-east-2",
        f"AWS would refuse {file}:2: plugins.aws.accountId: got '12', expected the twelve digits of an account",
    )


def test_a_queue_that_nobody_can_have_is_refused_with_its_place() -> None:
    with pytest.raises(SettingsError, match=r"s\.yaml:1: queues\.executionQueues\[0\]\.dynamic: got 'a b'"):
        parse_all_settings("queues: {executionQueues: [{dynamic: a b, attributes: [x]}]}", "s.yaml")


def test_a_queue_may_be_named_by_its_arn() -> None:
    with LocalBatch(None) as batch:
        arn = batch.ensure_queue("arn:aws:batch:eu-west-1:111122223333:job-queue/tutorial")
        assert arn == batch.ensure_queue("tutorial")


def test_what_propeller_reads_of_storage_and_offloading_reaches_the_handler() -> None:
    found = parse_all_settings(
        "storage: {limits: {maxDownloadMBs: 10}}\n"
        "propeller: {literal-offloading-config: {enabled: true, min-size-in-mb-for-offloading: 1}}\n"
    )
    assert found.handler.storage.limits.max_download_mbs == 10
    assert found.handler.propeller.offloading == OffloadingSettings(enabled=True, min_size=1, max_size=1000)


def test_a_mistake_in_settings_is_told_without_this_packages_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("emulator: {isolation: warp}\n")
    with pytest.raises(SettingsError) as in_a_block, emulation(files=[bad]):
        pass
    monkeypatch.setenv(wire.SWITCH, "local")
    monkeypatch.setenv(wire.SWITCH_CONFIG, str(bad))
    with pytest.raises(SettingsError) as in_a_call:
        double(n=1)
    with pytest.raises(SettingsError) as in_a_map:
        map_task(double)(n=[1])
    for caught in (in_a_block, in_a_call, in_a_map):
        frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
        # Those that rich leaves out, by which flytekit shows what a script raises.
        shown = [frame.f_code.co_filename for frame in frames if not frame.f_locals.get("_rich_traceback_omit")]
        assert [name for name in shown if f"{os.sep}flytekitplugins{os.sep}awsbatch{os.sep}" in name] == []
