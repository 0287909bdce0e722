"""Whose word on the role counts; the recorded cases hold the order, these the edges that a local run adds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from admin_builders import admin

from flytekitplugins.awsbatch.admin.launch_decision import role_of_launch
from flytekitplugins.awsbatch.admin.role import LaunchPlan, LaunchRequest, Role, RunAs
from flytekitplugins.awsbatch.local.all_settings import load_all_settings
from flytekitplugins.awsbatch.settings.problems import SettingsError

KEY = "eks.amazonaws.com/role-arn"
LOCAL, SERVER, CALL, PLAN = (f"arn:aws:iam::1:role/{name}" for name in ("local", "server", "call", "plan"))


@pytest.mark.parametrize(
    ("emulator", "server", "request_", "plan", "role", "source"),
    [
        ("", "", None, None, "", ""),
        (LOCAL, "", None, None, LOCAL, "emulator.role"),
        ("", SERVER, None, None, SERVER, "flyteadmin.assumableIamRole"),
        (LOCAL, SERVER, None, None, LOCAL, "emulator.role"),
        (LOCAL, SERVER, CALL, None, CALL, "the launch's security context"),
        (LOCAL, SERVER, None, PLAN, PLAN, "the launch plan's security context"),
        (LOCAL, SERVER, CALL, PLAN, CALL, "the launch's security context"),
    ],
)
def test_the_call_beats_the_settings_and_the_settings_stand_in_for_it(
    emulator: str, server: str, request_: str | None, plan: str | None, role: str, source: str
) -> None:
    settings = admin(
        f"emulator: {{role: '{emulator}'}}\nflyteadmin: {{roleNameKey: {KEY}, assumableIamRole: '{server}'}}\n"
    )
    found = role_of_launch(
        settings,
        LaunchRequest(RunAs(request_) if request_ else None),
        LaunchPlan("w", RunAs(plan)) if plan else None,
    )
    assert found == Role(RunAs(role), {KEY: role} if role else {}, source)


def test_a_service_account_alone_hides_a_role_as_on_a_server() -> None:
    settings = admin(f"emulator: {{role: '{LOCAL}'}}\n")
    assert role_of_launch(settings, LaunchRequest(RunAs(service_account="sa"))).iam_role == ""


OUTER, ANNOTATED = RunAs("arn:aws:iam::1:role/outer"), {KEY: PLAN}


@pytest.mark.parametrize(
    ("text", "request_", "parent", "plan", "role"),
    [
        # As recorded under Flyte 1.16.8: what a child gets in its request beats its own plan.
        ("{}", LaunchRequest(), LaunchPlan(), LaunchPlan("w", RunAs(PLAN)), PLAN),
        ("{}", LaunchRequest(), LaunchPlan("o", OUTER), LaunchPlan("w", RunAs(PLAN)), OUTER.iam_role),
        ("{}", LaunchRequest(), LaunchPlan("o", OUTER), LaunchPlan("w", annotations=ANNOTATED), OUTER.iam_role),
        ("{}", LaunchRequest(), LaunchPlan("o", annotations={KEY: CALL}), LaunchPlan("w", annotations=ANNOTATED), CALL),
        ("{}", LaunchRequest(), LaunchPlan(), LaunchPlan("w", annotations=ANNOTATED), PLAN),
        ("{}", LaunchRequest(annotations={KEY: CALL}), LaunchPlan(), LaunchPlan("w", RunAs(PLAN)), PLAN),
        ("{}", LaunchRequest(annotations={KEY: CALL}), LaunchPlan(), LaunchPlan("w", annotations=ANNOTATED), CALL),
        ("{}", LaunchRequest(RunAs(service_account="sa")), LaunchPlan(), LaunchPlan("w", RunAs(PLAN)), ""),
        (f"emulator: {{role: '{LOCAL}'}}", LaunchRequest(), LaunchPlan(), LaunchPlan("w", RunAs(PLAN)), PLAN),
        (f"emulator: {{role: '{LOCAL}'}}", LaunchRequest(), LaunchPlan(), LaunchPlan("w"), LOCAL),
    ],
)
def test_an_execution_that_another_one_launches_has_what_that_one_had(
    text: str, request_: LaunchRequest, parent: LaunchPlan, plan: LaunchPlan, role: str
) -> None:
    assert role_of_launch(admin(text), request_, replace(plan, parent=parent)).of_job(KEY) == role


def test_the_settings_do_not_stand_in_for_a_role_in_annotations() -> None:
    """Unless the handler does not look there."""
    text = f"emulator: {{role: '{LOCAL}'}}\n"
    request = LaunchRequest(annotations={KEY: CALL})
    read = admin(text, f"plugins: {{aws: {{batch: {{roleAnnotationKey: {KEY}}}}}}}")
    assert (role_of_launch(read, request).of_job(KEY), role_of_launch(admin(text), request).of_job("")) == (CALL, LOCAL)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("flyteadmin: {roleNameKey: a}", "a"),
        ("plugins: {aws: {batch: {roleAnnotationKey: b}}}", "b"),
        ("emulator: {}", KEY),
    ],
)
def test_the_annotation_has_whichever_key_the_files_name(text: str, key: str) -> None:
    assert role_of_launch(admin(text), LaunchRequest(RunAs(CALL))).annotations == {key: CALL}


def test_keys_that_do_not_agree_are_an_error_that_says_which_file_to_change(tmp_path: Path) -> None:
    folder = tmp_path
    (folder / "admin.yaml").write_text("flyteadmin:\n  roleNameKey: a\n")
    (folder / "propeller.yaml").write_text("plugins:\n  aws:\n    batch:\n      roleAnnotationKey: b\n")
    with pytest.raises(SettingsError) as error:
        load_all_settings([str(folder / "admin.yaml"), str(folder / "propeller.yaml")])
    (problem,) = error.value.problems
    assert (problem.file, problem.line, problem.value) == (str(folder / "propeller.yaml"), 4, "'b'")
    assert f"expected 'a', which is flyteadmin.roleNameKey in {folder / 'admin.yaml'}:2" in problem.expected
