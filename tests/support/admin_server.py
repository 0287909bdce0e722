"""A FlyteAdmin that takes what `pyflyte register` and `pyflyte run --remote` send: enough of its gRPC services, on
loopback, to remember it. It checks nothing and runs nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import grpc
from flyteidl.admin import execution_pb2, launch_plan_pb2, task_pb2, workflow_pb2
from flyteidl.service import admin_pb2_grpc, dataproxy_pb2, dataproxy_pb2_grpc

NATIVE_URL = "s3://bucket/uploads/code.tar.gz"


@dataclass
class Received:
    """
    :ivar address: of the server.
    :ivar uploads: the code of fast registration.
    """

    address: str = ""
    tasks: list[task_pb2.TaskCreateRequest] = field(default_factory=list)
    workflows: list[workflow_pb2.WorkflowCreateRequest] = field(default_factory=list)
    launch_plans: list[launch_plan_pb2.LaunchPlanCreateRequest] = field(default_factory=list)
    executions: list[execution_pb2.ExecutionCreateRequest] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)


class Admin(admin_pb2_grpc.AdminServiceServicer):
    def __init__(self, received: Received) -> None:
        self.received = received

    def CreateTask(self, request: Any, context: Any) -> Any:
        self.received.tasks.append(request)
        return task_pb2.TaskCreateResponse()

    def GetTask(self, request: Any, context: Any) -> Any:
        found = next((one for one in self.received.tasks if one.id == request.id), None)
        if found is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such task")
        answer = task_pb2.Task(id=found.id)
        answer.closure.compiled_task.template.CopyFrom(found.spec.template)
        return answer

    def CreateWorkflow(self, request: Any, context: Any) -> Any:
        self.received.workflows.append(request)
        return workflow_pb2.WorkflowCreateResponse()

    def CreateLaunchPlan(self, request: Any, context: Any) -> Any:
        self.received.launch_plans.append(request)
        return launch_plan_pb2.LaunchPlanCreateResponse()

    def CreateExecution(self, request: Any, context: Any) -> Any:
        self.received.executions.append(request)
        answer = execution_pb2.ExecutionCreateResponse()
        answer.id.project, answer.id.domain, answer.id.name = request.project, request.domain, "f0123456789"
        return answer

    def GetExecution(self, request: Any, context: Any) -> Any:
        answer = execution_pb2.Execution(id=request.id)
        answer.spec.CopyFrom(self.received.executions[-1].spec)
        return answer


class DataProxy(dataproxy_pb2_grpc.DataProxyServiceServicer):
    def __init__(self, url: str) -> None:
        self.url = url

    def CreateUploadLocation(self, request: Any, context: Any) -> Any:
        return dataproxy_pb2.CreateUploadLocationResponse(signed_url=self.url, native_url=NATIVE_URL)


@contextmanager
def admin_server() -> Iterator[Received]:
    received = Received()

    class Store(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            received.uploads.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    store = HTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    admin_pb2_grpc.add_AdminServiceServicer_to_server(Admin(received), server)
    url = f"http://127.0.0.1:{store.server_address[1]}/code.tar.gz"
    dataproxy_pb2_grpc.add_DataProxyServiceServicer_to_server(DataProxy(url), server)
    received.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield received
    finally:
        server.stop(None)
        store.shutdown()
        store.server_close()
