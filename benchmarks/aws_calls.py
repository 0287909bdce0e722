"""How many calls an array costs in an account, counted through our own service in a process of its own.

    python benchmarks/aws_calls.py [--n 1000 --n 10000] [--seconds 20] [--json]

The handler, the client of an account and its watching are those of `FLYTE_AWSBATCH=aws`, with AWS's looks (2 to 30
seconds apart). The children are shell commands that sleep for up to so many seconds and leave an outputs.pb. Ends
with status 1 when an array costs more than 0.05 DescribeJobs and ListJobs calls a child beyond one a look at it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from batch_service import free_port, serving
from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, tasks_pb2, types_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct

from flytekitplugins.awsbatch.batch.api import BatchCalls
from flytekitplugins.awsbatch.batch.aws import AwsBatch
from flytekitplugins.awsbatch.batch.definition_reuse import ReusedDefinitions
from flytekitplugins.awsbatch.batch.job_watch import FIRST_LOOK, LONGEST_LOOK, JobWatch
from flytekitplugins.awsbatch.propeller.aws_array.services import HandlerServices
from flytekitplugins.awsbatch.propeller.catalog import DiskCatalog
from flytekitplugins.awsbatch.propeller.node.node_execution import NodeExecution
from flytekitplugins.awsbatch.propeller.node.node_request import ExecutionId, NodeRequest
from flytekitplugins.awsbatch.propeller.node.waiting import EventWait
from flytekitplugins.awsbatch.propeller.propeller_settings import (
    AwsPluginSettings,
    BatchPluginSettings,
    HandlerSettings,
)
from flytekitplugins.awsbatch.propeller.storage import LocalStore, write_stored_message

TARGET = 0.05
INTEGERS = types_pb2.LiteralType(collection_type=types_pb2.LiteralType(simple=types_pb2.INTEGER))
COMMAND = (
    'i=$AWS_BATCH_JOB_ARRAY_INDEX; sleep $((i % $2)); mkdir -p "$0/$i"; '
    'cp "$1" "$0/$i/part" && mv "$0/$i/part" "$0/$i/outputs.pb"'
)
SETTINGS = "emulator: {vcpus: 250, memory: 500000}\n"


class Counted(BatchCalls):
    """
    :ivar looks: calls of DescribeJobs that ask for the array itself.
    """

    def __init__(self, batch: AwsBatch) -> None:
        self._batch = batch
        self.calls: Counter[str] = Counter()
        self.looks = 0

    @property
    def region(self) -> str:
        return self._batch.region

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.calls[operation] += 1
        self.looks += operation == "DescribeJobs" and any(":" not in one for one in request["jobs"])
        return self._batch.call(operation, request)


class Watch(JobWatch):
    region, account_id = "us-east-1", "000000000000"


def integer(number: int) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=number)))


def request_of(folder: Path, n: int, seconds: int) -> NodeRequest:
    """A map over n numbers whose children give the same number."""
    ready = str(folder / "ready.pb")
    write_stored_message(LocalStore(), ready, literals_pb2.LiteralMap(literals={"o0": integer(1)}))
    variables = interface_pb2.VariableMap(variables={"x": interface_pb2.Variable(type=INTEGERS)})
    template = tasks_pb2.TaskTemplate(
        id=identifier_pb2.Identifier(project="p", domain="d", name="sleeps", version="v"),
        type="container_array",
        task_type_version=1,
        interface=interface_pb2.TypedInterface(
            inputs=variables,
            outputs=interface_pb2.VariableMap(variables={"o0": interface_pb2.Variable(type=INTEGERS)}),
        ),
        container=tasks_pb2.Container(
            image="image:v1", command=["sh", "-c", COMMAND], args=["{{.outputPrefix}}", ready, str(seconds)]
        ),
        custom=ParseDict({"minSuccessRatio": 1.0}, Struct()),
    )
    template.container.config.add(key="child_queue", value="default")
    template.metadata.retries.retries = 1
    items = literals_pb2.LiteralCollection(literals=[integer(number) for number in range(n)])
    return NodeRequest(
        execution=ExecutionId("p", "d", f"calls{n}"),
        workflow="calls",
        node_id="n0",
        template=template,
        inputs=literals_pb2.LiteralMap(literals={"x": literals_pb2.Literal(collection=items)}),
        metadata_prefix=str(folder / "meta"),
        raw_output_prefix=str(folder / "raw"),
    )


def measure(n: int, seconds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        settings = folder / "settings.yaml"
        settings.write_text(SETTINGS)
        script = str(Path(sys.executable).parent / "flyte-awsbatch")
        command = [script, "serve", "--home", str(folder / "home"), "--port", str(port), "-c", str(settings)]
        with serving(command, port):
            client = AwsBatch("us-east-1", endpoint_url=f"http://127.0.0.1:{port}")
            counted = Counted(client)
            watch = Watch(ReusedDefinitions(counted), first=FIRST_LOOK, longest=LONGEST_LOOK)
            handler = HandlerSettings(aws=AwsPluginSettings(batch=BatchPluginSettings(max_array_job_size=10_000)))
            cache = DiskCatalog(folder / "cache")
            services = HandlerServices(watch, LocalStore(), cache, handler, changed=watch.changed)
            began = time.monotonic()
            result = NodeExecution(request_of(folder, n, seconds), services).run(EventWait(watch, timeout=120))
            assert result.succeeded, result.error
            beyond = counted.calls["DescribeJobs"] + counted.calls["ListJobs"] - counted.looks
            return {
                "n": n,
                "seconds": round(time.monotonic() - began, 1),
                "looks": counted.looks,
                "calls": dict(sorted(counted.calls.items())),
                "calls_a_child": round(sum(counted.calls.values()) / n, 4),
                "beyond_looks_a_child": round(beyond / n, 4),
                "met": beyond / n <= TARGET,
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, action="append", help="children; may be repeated (1000 and 10000)")
    parser.add_argument("--seconds", type=int, default=20, help="the longest that a child sleeps")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = [measure(n, max(options.seconds, 1)) for n in options.n or [1000, 10000]]
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for one in found:
            calls = ", ".join(f"{count} {operation}" for operation, count in one["calls"].items())
            print(f"{one['n']} children in {one['seconds']} s: {calls}; {one['looks']} looks at the array")
            print(
                f"  {one['calls_a_child']} calls a child in all, {one['beyond_looks_a_child']} beyond the looks "
                f"(target {TARGET}: {'met' if one['met'] else 'missed'})"
            )
    sys.exit(0 if all(one["met"] for one in found) else 1)


if __name__ == "__main__":
    main()
