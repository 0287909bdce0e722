"""The CloudFormation template of an account: template.yaml, and after it what depends on the settings. Pure.

No account id and no region are in it; CloudFormation fills in those of the account that it is deployed to.
"""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from flytekitplugins.awsbatch.local.all_settings import Settings

from .policies import (
    Json,
    StoragePrefix,
    policy_limited_to_ecs,
    policy_named_roles,
    policy_storage_prefixes,
    propeller_policy,
    storage_policy,
    trust_policy,
)

BATCH = "arn:${AWS::Partition}:batch:${AWS::Region}:${AWS::AccountId}"
SKELETON = Path(__file__).with_name("template.yaml")


def cloudformation_template(settings: Settings) -> str:
    """The template in YAML, for the job queues and job roles that the settings name."""
    queues = list(dict.fromkeys(one.dynamic.rpartition("/")[2] for one in settings.admin.queues if one.dynamic))
    roles = template_logical_ids("JobRole", policy_named_roles(settings) or [""])
    arns = [{"Fn::GetAtt": f"{logical}.Arn"} for logical in roles]
    resources = [
        (
            "The role that jobs run in: they read and write the deployment's storage.",
            logical,
            _job_role_resource(settings, role),
        )
        for logical, role in roles.items()
    ]
    resources.append(
        (
            "What flytepropeller does: pass the jobs' roles on, and call AWS Batch.",
            *_propeller_policy_resource(queues, arns),
        )
    )
    resources += [
        ("A job queue of the settings.", logical, _job_queue_resource(name))
        for logical, name in template_logical_ids("JobQueue", queues).items()
    ]
    text = SKELETON.read_text(encoding="utf-8")
    text = text.replace("{{role_arns}}", _one_line_yaml({"Fn::Join": [",", arns]})).replace(
        "{{queues}}", _one_line_yaml(",".join(queues))
    )
    for comment, logical, body in resources:
        block = yaml.dump({logical: body}, Dumper=TemplateDumper, sort_keys=False, width=100)
        text += "\n" + textwrap.indent(f"# {comment}\n{block}", "  ")
    return text


def template_as_json(text: str) -> str:
    """The same template in JSON."""
    return json.dumps(yaml.load(text, Loader=TemplateLoader), indent=2)  # noqa: S506 - a SafeLoader that knows !Ref and !Sub


def template_logical_ids(kind: str, names: list[str]) -> dict[str, str]:
    """A logical id for each name, whatever their order; names that differ only in what an id cannot have get a hash."""
    ids: dict[str, list[str]] = {}
    for name in names:
        words = re.split("[^a-zA-Z0-9]+", name.rpartition("/")[2])
        ids.setdefault(kind + "".join(word[:1].upper() + word[1:] for word in words), []).append(name)
    return {
        logical if len(alike) == 1 else logical + hashlib.sha256(name.encode()).hexdigest()[:8]: name
        for logical, alike in ids.items()
        for name in alike
    }


def _job_role_resource(settings: Settings, role: str) -> Json:
    """:param role: its ARN; empty lets CloudFormation name it."""
    container = settings.handler.storage.container
    buckets = {container: "${Bucket}"} if container else {}
    prefixes = [
        StoragePrefix(buckets.get(one.bucket, one.bucket), one.key) for one in policy_storage_prefixes(settings)
    ]
    storage = storage_policy(prefixes or [StoragePrefix("${Bucket}")], buckets.get(container, ""), "${AWS::Partition}")
    body: Json = {
        "AssumeRolePolicyDocument": trust_policy(),
        "Policies": [{"PolicyName": "storage", "PolicyDocument": _with_substitutions(storage)}],
    }
    if role:
        path, _, name = role.partition(":role/")[2].rpartition("/")
        body = {"RoleName": name, "Path": f"/{path}/" if path else "/", **body}
    return {"Type": "AWS::IAM::Role", "Properties": body}


def _propeller_policy_resource(queues: list[str], roles: list[Json]) -> tuple[str, Json]:
    document = policy_limited_to_ecs(propeller_policy(BATCH, [f"{BATCH}:job-queue/{queue}" for queue in queues], roles))
    properties = {
        "Description": "Lets flytepropeller run jobs on AWS Batch",
        "Roles": {"Fn::If": ["AttachToPropeller", [{"Ref": "PropellerRole"}], {"Ref": "AWS::NoValue"}]},
        "PolicyDocument": _with_substitutions(document),
    }
    return "PropellerPolicy", {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}


def _job_queue_resource(name: str) -> Json:
    spot, on_demand = {"Ref": "SpotEnvironment"}, {"Ref": "OnDemandEnvironment"}
    both = [{"Order": 1, "ComputeEnvironment": spot}, {"Order": 2, "ComputeEnvironment": on_demand}]
    one = [{"Order": 1, "ComputeEnvironment": {"Fn::If": ["UseSpot", spot, on_demand]}}]
    return {
        "Type": "AWS::Batch::JobQueue",
        "Properties": {
            "JobQueueName": name,
            "State": "ENABLED",
            "Priority": 1,
            "ComputeEnvironmentOrder": {"Fn::If": ["UseBoth", both, one]},
        },
    }


def _with_substitutions(value: Any) -> Any:
    """A document with `Fn::Sub` around every text that has a ${...}."""
    if isinstance(value, list):
        return [_with_substitutions(one) for one in value]
    if isinstance(value, str):
        return {"Fn::Sub": value} if "${" in value else value
    return {key: _with_substitutions(one) for key, one in value.items()} if isinstance(value, dict) else value


class TemplateDumper(yaml.SafeDumper):
    """Writes `!Ref x` for `{"Ref": x}`, `!Sub x` for `{"Fn::Sub": x}`, and never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def mapping(self, data: Json) -> yaml.Node:
        name = next(iter(data), "")
        if len(data) > 1 or not (name == "Ref" or name.startswith("Fn::")):
            return self.represent_dict(data)
        node: yaml.Node = self.represent_data(data[name])
        node.tag = f"!{name.removeprefix('Fn::')}"
        return node


class TemplateLoader(yaml.SafeLoader):
    """Reads them back in the long form, which JSON has to use."""

    def function(self, suffix: str, node: yaml.Node) -> Json:
        name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
        if isinstance(node, yaml.ScalarNode):
            text = str(self.construct_scalar(node))
            return {name: text.split(".", 1) if suffix == "GetAtt" else text}
        assert isinstance(node, yaml.SequenceNode)
        return {name: self.construct_sequence(node, deep=True)}


TemplateDumper.add_representer(dict, TemplateDumper.mapping)
TemplateLoader.add_multi_constructor("!", TemplateLoader.function)


def _one_line_yaml(value: Any) -> str:
    """A value on one line of YAML."""
    return yaml.dump(value, Dumper=TemplateDumper, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
