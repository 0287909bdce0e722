from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import botocore
import pytest
from dataclasses_json import DataClassJsonMixin
from sdk_submit_job_model import FILE, submit_job_model

from flytekitplugins import awsbatch
from flytekitplugins.awsbatch import AWSBatchConfig
from flytekitplugins.awsbatch.sdk.submit_job import OVERWRITTEN, OWN_FIELDS, UNKNOWN_TO_FLYTE, submit_job_members

FULL = AWSBatchConfig(
    parameters={"codec": "mp4"},
    schedulingPriority=7,
    platformCapabilities="FARGATE",
    propagateTags=False,
    tags={"team": "a b", "ü/x:y@z": ""},
    extra={"shareIdentifier": "ab12", "dependsOn": [{"jobId": "0a", "type": "SEQUENTIAL"}]},
    lint_ignore=["AB107"],
)


def test_the_published_plugins_fields_come_first_and_in_its_order() -> None:
    assert [one.name for one in dataclasses.fields(AWSBatchConfig)] == [
        "parameters",
        "schedulingPriority",
        "platformCapabilities",
        "propagateTags",
        "tags",
        "extra",
        "lint_ignore",
    ]
    assert AWSBatchConfig({"a": "b"}, None, "EC2", True, {"c": "d"}).tags == {"c": "d"}


@pytest.mark.parametrize("config", [AWSBatchConfig(), FULL])
def test_a_config_goes_to_json_and_back_and_can_be_copied(config: AWSBatchConfig) -> None:
    assert isinstance(config, DataClassJsonMixin)
    assert AWSBatchConfig.from_json(config.to_json()) == config
    assert AWSBatchConfig.from_dict(config.to_dict()) == config
    assert (pickle.loads(pickle.dumps(config)), copy.deepcopy(config)) == (config, config)
    assert dataclasses.replace(config, tags={"n": "1"}).tags == {"n": "1"}


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        (AWSBatchConfig(), {}),
        (AWSBatchConfig(tags={}, parameters={}, extra={}), {}),
        (AWSBatchConfig(propagateTags=False), {"propagateTags": False}),
        # AWS refuses a priority on a queue without a fair-share policy, and such a policy needs a share identifier.
        (AWSBatchConfig(schedulingPriority=7), {}),
        (
            AWSBatchConfig(schedulingPriority=0, extra={"shareIdentifier": "a"}),
            {"shareIdentifier": "a", "schedulingPriorityOverride": 0},
        ),
        (AWSBatchConfig(extra={"schedulingPriorityOverride": 9999}), {"schedulingPriorityOverride": 9999}),
        (
            FULL,
            {
                "parameters": {"codec": "mp4"},
                "propagateTags": False,
                "tags": {"team": "a b", "ü/x:y@z": ""},
                "schedulingPriorityOverride": 7,
                "shareIdentifier": "ab12",
                "dependsOn": [{"jobId": "0a", "type": "SEQUENTIAL"}],
            },
        ),
    ],
)
def test_the_fields_are_those_that_the_handler_reads(config: AWSBatchConfig, fields: dict[str, Any]) -> None:
    assert config.submit_job_fields() == fields


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"parameters": {"a": 1}}, "parameters['a'] is 1; expected a text, such as '1'"),
        ({"parameters": ["a"]}, "parameters is ['a']; expected a dict of texts"),
        ({"schedulingPriority": -1}, "schedulingPriority is -1; expected a whole number from 0 to 9999"),
        ({"schedulingPriority": 10_000}, "schedulingPriority is 10000; expected a whole number from 0 to 9999"),
        ({"schedulingPriority": True}, "schedulingPriority is True; expected a whole number from 0 to 9999"),
        ({"schedulingPriority": 1.0}, "schedulingPriority is 1.0; expected a whole number from 0 to 9999"),
        ({"platformCapabilities": "fargate"}, "platformCapabilities is 'fargate'; expected 'EC2' or 'FARGATE'"),
        ({"platformCapabilities": None}, "platformCapabilities is None; expected 'EC2' or 'FARGATE'"),
        ({"propagateTags": "yes"}, "propagateTags is 'yes'; expected True or False"),
        ({"tags": {"a": None}}, "tags['a'] is None; expected a text"),
        ({"tags": {str(n): "" for n in range(51)}}, "tags has 51 entries; AWS takes 50"),
        ({"tags": {"": "x"}}, "the tag key '' has 0 characters; AWS takes 1 to 128"),
        ({"tags": {"a": "x" * 257}}, "tags['a'] has 257 characters; AWS takes 256"),
        ({"tags": {"AWS:x": ""}}, "the tag key 'AWS:x' begins with 'aws:', which AWS keeps for itself"),
        ({"tags": {"a": "b;c"}}, "'b;c' in tags: AWS takes letters, digits, spaces and + - = . _ : / @"),
        ({"lint_ignore": "AB111"}, "lint_ignore is 'AB111'; expected a list of codes such as ['AB111']"),
        (
            {"lint_ignore": ["retries"]},
            "lint_ignore has 'retries'; expected a code such as 'AB111', of AB001 to AB013 and AB101 to AB118",
        ),
        (
            {"lint_ignore": ["AB999"]},
            "lint_ignore has 'AB999'; expected a code such as 'AB111', of AB001 to AB013 and AB101 to AB118",
        ),
        ({"tags": {1: "a"}}, "tags has the key 1; expected a text, such as '1'"),
        ({"extra": ["a"]}, "extra is ['a']; expected a mapping of SubmitJob fields"),
        (
            {"extra": {"timeout": {}}},
            "extra['timeout'] would not reach AWS Batch: use @task(timeout=...)",
        ),
        ({"extra": {"tags": {}}}, "extra['tags'] has a field of its own: AWSBatchConfig(tags=...)"),
        (
            {"extra": {"consumableResourcePropertiesOverride": {}}},
            "extra['consumableResourcePropertiesOverride'] would not reach AWS Batch: the AWS SDK in Flyte 1.16 "
            "does not know it",
        ),
        (
            {"extra": {"shareidentifier": "a"}},
            "extra['shareidentifier'] is no field of SubmitJob; did you mean 'shareIdentifier'?",
        ),
        (
            {"extra": {"jobname": "x"}},
            "extra['jobname'] is no field of SubmitJob that would reach AWS Batch: the handler names the job after the "
            "node",
        ),
        ({"extra": {3: "x"}}, "extra has the key 3; expected the name of a SubmitJob field"),
        ({"extra": {"shareIdentifier": 3}}, "extra['shareIdentifier'] is 3; expected a text"),
        (
            {"extra": {"shareIdentifier": "a-b"}},
            "extra['shareIdentifier'] is 'a-b'; expected up to 255 letters and digits",
        ),
        (
            {"extra": {"schedulingPriorityOverride": 10_000}},
            "extra['schedulingPriorityOverride'] is 10000; expected 0 to 9999",
        ),
        (
            {"extra": {"schedulingPriorityOverride": True}},
            "extra['schedulingPriorityOverride'] is True; expected a whole number",
        ),
        (
            {"extra": {"dependsOn": [{"jobId": "a", "type": "PARALLEL"}, {"id": "b"}]}},
            "extra['dependsOn'][0]['type'] is 'PARALLEL'; expected N_TO_N, SEQUENTIAL; "
            "extra['dependsOn'][1] has no field 'id'; expected one of jobId, type",
        ),
        (
            {"extra": {"nodeOverrides": {"nodePropertyOverrides": [{}]}}},
            "extra['nodeOverrides']['nodePropertyOverrides'][0] lacks 'targetNodes'",
        ),
        (
            {"extra": {"eksPropertiesOverride": {"podProperties": {"metadata": {"labels": {"a": 1}}}}}},
            "extra['eksPropertiesOverride']['podProperties']['metadata']['labels']['a'] is 1; expected a text",
        ),
        (
            {"schedulingPriority": 1, "extra": {"schedulingPriorityOverride": 2}},
            "schedulingPriority is sent as schedulingPriorityOverride; extra has that too, drop one",
        ),
    ],
)
def test_what_aws_would_refuse_is_refused_where_it_is_written(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        AWSBatchConfig(**fields)
    assert str(caught.value) == f"AWSBatchConfig: {message}"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        AWSBatchConfig(schedulingPriority=-1, platformCapabilities="EKS")
    assert str(caught.value).count("; expected") == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("propagate_tags", "has no field 'propagate_tags'; did you mean 'propagateTags'?"),
        ("shareIdentifier", "has no field 'shareIdentifier'; pass it as extra={'shareIdentifier': ...}"),
        ("shareIdentifer", "has no field 'shareIdentifer'; pass it as extra={'shareIdentifier': ...}"),
        ("share_identifier", "has no field 'share_identifier'; pass it as extra={'shareIdentifier': ...}"),
        ("tag", "has no field 'tag'; did you mean 'tags'?"),
        ("Parameters", "has no field 'Parameters'; did you mean 'parameters'?"),
        ("job_queue", "has no field 'job_queue': FlyteAdmin chooses the queue, by the deployment's queue rules"),
        ("retries", "has no field 'retries': use @task(retries=...)"),
        ("vcpus", "has no field 'vcpus': use @task(limits=Resources(...))"),
        (
            "colour",
            "has no field 'colour'; expected one of parameters, schedulingPriority, platformCapabilities, "
            "propagateTags, tags, extra, lint_ignore",
        ),
        ("timeout", "has no field 'timeout': use @task(timeout=...)"),
        ("jobQueue", "has no field 'jobQueue': FlyteAdmin chooses the queue, by the deployment's queue rules"),
    ],
)
def test_a_field_that_does_not_exist_gets_a_suggestion(name: str, message: str) -> None:
    arguments: dict[str, Any] = {name: "x"}
    with pytest.raises(TypeError) as caught:
        AWSBatchConfig(**arguments)
    assert str(caught.value) == f"AWSBatchConfig {message}"


# The data file


def contained(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and contained(part[name], whole[name]) for name in part)
    return bool(part == whole)


@pytest.mark.skipif(tuple(map(int, botocore.__version__.split(".")[:2])) < (1, 37), reason="older than the file")
def test_the_data_file_still_says_what_botocore_says() -> None:
    """A newer botocore may know more fields; none that the file has may have changed."""
    assert contained(json.loads(FILE.read_text(encoding="utf-8")), submit_job_model())


def test_the_names_that_are_treated_apart_are_fields_of_the_request() -> None:
    assert set(OVERWRITTEN) | set(OWN_FIELDS) | set(UNKNOWN_TO_FLYTE) < set(submit_job_members())


def test_every_name_of_the_package_can_be_imported() -> None:
    """An error is imported by tests that expect it, so it has to be found where its page says."""
    assert {name: getattr(awsbatch, name).__name__ for name in awsbatch.__all__} == {
        name: name for name in awsbatch.__all__
    }
