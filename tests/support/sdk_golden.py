"""What the examples must look like on the wire, written out: every message that a registration sends for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import flytekit
from flyteidl.admin import launch_plan_pb2, task_pb2, workflow_pb2
from flytekit import TaskMetadata
from flytekit.core.type_engine import TypeEngine
from google.protobuf import json_format
from google.protobuf.message import Message

DEFAULT_RESOLVER = "flytekit.core.python_auto_container.default_task_resolver"
MAP_GREET = "hello_batch.map_greet_d41d8cd98f00b204e9800998ecf8427e"
MAP_COUNT = "stdlib_census.map_count_chunk_d41d8cd98f00b204e9800998ecf8427e"
LIMITS = {"limits": [{"name": "CPU", "value": "1"}]}
TAGS = {"tags": {"example": "stdlib-census"}}
# Newer versions of flytekit: a task's metadata always holds that of its pod, here an empty one.
POD_METADATA: dict[str, Any] = {"metadata": {}} if hasattr(TaskMetadata, "labels") else {}
STRING = {"simple": "STRING"}
INTEGER = {"simple": "INTEGER"}


def listed(kind: dict[str, Any]) -> dict[str, Any]:
    return {"collectionType": kind}


@dataclass(frozen=True)
class Expected:
    """One way of registering.

    :param identity: project, domain and version, as far as that way knows them.
    :param prefix: what fast registration puts before a command.
    """

    image: str
    identity: dict[str, str]
    prefix: tuple[str, ...] = ()

    def entities(self, count_type: Any) -> dict[tuple[str, str], Message]:
        """By kind and name. :param count_type: the census's own dataclass, whose literal type is flytekit's affair."""
        count = json_format.MessageToDict(TypeEngine.to_literal_type(count_type).to_flyte_idl())
        tasks = [
            self.task("hello_batch.greet", "aws-batch", {"name": STRING}, STRING, retries=1),
            self.task("hello_batch.join", "aws-batch", {"greetings": listed(STRING)}, STRING, retries=1),
            self.map_task(MAP_GREET, "greet", {"name": listed(STRING)}, listed(STRING), retries=1),
            self.task(
                "stdlib_census.list_sources",
                "python-task",
                {"chunks": INTEGER},
                listed(listed(STRING)),
                doc="The standard library's files relative to its root, dealt out like cards so that the chunks are "
                "about equal.",
            ),
            self.task(
                "stdlib_census.count_chunk",
                "aws-batch",
                {"files": listed(STRING)},
                count,
                custom=TAGS,
                resources=LIMITS,
                retries=1,
                doc="Parses each file and counts what is in it.",
            ),
            self.map_task(
                MAP_COUNT,
                "count_chunk",
                {"files": listed(listed(STRING))},
                listed(count),
                custom=TAGS,
                resources=LIMITS,
                retries=1,
            ),
            self.task(
                "stdlib_census.merge",
                "aws-batch",
                {"counts": listed(count)},
                STRING,
                custom=TAGS,
                resources=LIMITS,
                retries=1,
                doc="One table out of all chunks.",
            ),
        ]
        names = {"collection": {"literals": [self.text("Ada"), self.text("Grace")]}}
        chunks = {"scalar": {"primitive": {"integer": "40"}}}
        return {
            **{("task", task.template.id.name): task for task in tasks},
            ("workflow", "hello_batch.hello"): self.workflow(
                "hello_batch.hello",
                {"names": listed(STRING)},
                [
                    self.node("n0", MAP_GREET, 1, "name", {"var": "names"}),
                    self.node("n1", "hello_batch.join", 1, "greetings", {"nodeId": "n0", "var": "o0"}),
                ],
            ),
            ("launch plan", "hello_batch.hello"): self.launch_plan("hello_batch.hello", "names", listed(STRING), names),
            ("workflow", "stdlib_census.census"): self.workflow(
                "stdlib_census.census",
                {"chunks": INTEGER},
                [
                    self.node("n0", "stdlib_census.list_sources", 0, "chunks", {"var": "chunks"}),
                    self.node("n1", MAP_COUNT, 1, "files", {"nodeId": "n0", "var": "o0"}),
                    self.node("n2", "stdlib_census.merge", 1, "counts", {"nodeId": "n1", "var": "o0"}),
                ],
            ),
            ("launch plan", "stdlib_census.census"): self.launch_plan(
                "stdlib_census.census", "chunks", INTEGER, chunks
            ),
        }

    def text(self, value: str) -> dict[str, Any]:
        return {"scalar": {"primitive": {"stringValue": value}}}

    def id(self, resource: str, name: str) -> dict[str, Any]:
        return {"resourceType": resource, "name": name, **self.identity}

    def variables(self, types: dict[str, dict[str, Any]]) -> dict[str, Any]:
        return {"variables": {name: {"type": kind, "description": name} for name, kind in types.items()}}

    def task(
        self, name: str, kind: str, inputs: dict[str, Any], output: dict[str, Any], doc: str = "", **changes: Any
    ) -> task_pb2.TaskSpec:
        module, function = name.split(".")
        command = [
            "pyflyte-execute",
            "--inputs",
            "{{.input}}",
            "--output-prefix",
            "{{.outputPrefix}}/0" if kind == "aws-batch" else "{{.outputPrefix}}",
            "--raw-output-data-prefix",
            "{{.rawOutputDataPrefix}}",
            "--checkpoint-path",
            "{{.checkpointOutputPrefix}}",
            "--prev-checkpoint",
            "{{.prevCheckpointPrefix}}",
            "--resolver",
            DEFAULT_RESOLVER,
            "--",
            "task-module",
            module,
            "task-name",
            function,
        ]
        description = {"shortDescription": doc, "longDescription": {"format": "DESCRIPTION_FORMAT_RST"}}
        return self.task_spec(name, kind, inputs, output, command, description=description, **changes)

    def map_task(
        self, name: str, function: str, inputs: dict[str, Any], output: dict[str, Any], **changes: Any
    ) -> task_pb2.TaskSpec:
        command = [
            "pyflyte-awsbatch-map-execute",
            "--inputs",
            "{{.input}}",
            "--output-prefix",
            "{{.outputPrefix}}",
            "--raw-output-data-prefix",
            "{{.rawOutputDataPrefix}}",
            "--checkpoint-path",
            "{{.checkpointOutputPrefix}}",
            "--prev-checkpoint",
            "{{.prevCheckpointPrefix}}",
            "--resolver",
            "flytekitplugins.awsbatch.maptask.MapTaskResolver",
            "--",
            "vars",
            ",",
            "resolver",
            DEFAULT_RESOLVER,
            "task-module",
            name.split(".", maxsplit=1)[0],
            "task-name",
            function,
        ]
        custom = {"parallelism": "0", "minSuccessRatio": 1.0, **changes.pop("custom", {})}
        return self.task_spec(name, "container_array", inputs, output, command, custom=custom, **changes)

    def task_spec(
        self,
        name: str,
        kind: str,
        inputs: dict[str, Any],
        output: dict[str, Any],
        command: list[str],
        custom: dict[str, Any] | None = None,
        resources: dict[str, Any] | None = None,
        retries: int = 0,
        description: dict[str, Any] | None = None,
    ) -> task_pb2.TaskSpec:
        template: dict[str, Any] = {
            "id": self.id("TASK", name),
            "type": kind,
            "metadata": {
                "runtime": {"type": "FLYTE_SDK", "version": flytekit.__version__, "flavor": "python"},
                "retries": {"retries": retries},
                "generatesDeck": False,
                **POD_METADATA,
            },
            "interface": {"inputs": self.variables(inputs), "outputs": self.variables({"o0": output})},
            "container": {"image": self.image, "args": [*self.prefix, *command], "resources": resources or {}},
            "config": {} if kind == "python-task" else {"platformCapabilities": "EC2"},
            "taskTypeVersion": 1 if kind == "container_array" else 0,
        }
        if custom:
            template["custom"] = custom
        spec = {"template": template, **({"description": description} if description else {})}
        return json_format.ParseDict(spec, task_pb2.TaskSpec())

    def node(self, id: str, task: str, retries: int, variable: str, source: dict[str, str]) -> dict[str, Any]:
        return {
            "id": id,
            "metadata": {"name": task.split(".")[1], "retries": {"retries": retries}},
            "inputs": [{"var": variable, "binding": {"promise": source}}],
            **({"upstreamNodeIds": [source["nodeId"]]} if "nodeId" in source else {}),
            "taskNode": {"referenceId": self.id("TASK", task), "overrides": {}},
        }

    def workflow(self, name: str, inputs: dict[str, Any], nodes: list[dict[str, Any]]) -> workflow_pb2.WorkflowSpec:
        last = {"nodeId": nodes[-1]["id"], "var": "o0"}
        template = {
            "id": self.id("WORKFLOW", name),
            "metadata": {},
            "metadataDefaults": {},
            "interface": {"inputs": self.variables(inputs), "outputs": self.variables({"o0": STRING})},
            "nodes": nodes,
            "outputs": [{"var": "o0", "binding": {"promise": last}}],
        }
        spec = {"template": template, "description": {"longDescription": {"format": "DESCRIPTION_FORMAT_RST"}}}
        return json_format.ParseDict(spec, workflow_pb2.WorkflowSpec())

    def launch_plan(
        self, name: str, variable: str, kind: dict[str, Any], default: dict[str, Any]
    ) -> launch_plan_pb2.LaunchPlan:
        parameter = {"var": {"type": kind, "description": variable}, "default": default}
        message = {
            "id": self.id("LAUNCH_PLAN", name),
            "spec": {
                "workflowId": self.id("WORKFLOW", name),
                "entityMetadata": {},
                "defaultInputs": {"parameters": {variable: parameter}},
                "fixedInputs": {},
                "labels": {},
                "annotations": {},
                "rawOutputDataConfig": {},
            },
            "closure": {"expectedInputs": {}, "expectedOutputs": {}},
        }
        return json_format.ParseDict(message, launch_plan_pb2.LaunchPlan())
