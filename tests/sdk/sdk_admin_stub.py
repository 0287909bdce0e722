"""A FlyteAdmin that only takes registrations: enough of its gRPC services, on loopback, for `pyflyte register`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import grpc
from flyteidl.admin import launch_plan_pb2, task_pb2, workflow_pb2
from flyteidl.service import admin_pb2_grpc, dataproxy_pb2, dataproxy_pb2_grpc

NATIVE_URL = "s3://bucket/uploads/code.tar.gz"


@dataclass
class Registered:
    address: str = ""
    tasks: list[task_pb2.TaskCreateRequest] = field(default_factory=list)
    workflows: list[workflow_pb2.WorkflowCreateRequest] = field(default_factory=list)
    launch_plans: list[launch_plan_pb2.LaunchPlanCreateRequest] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)


class Admin(admin_pb2_grpc.AdminServiceServicer):
    def __init__(self, registered: Registered) -> None:
        self.registered = registered

    def CreateTask(self, request: Any, context: Any) -> Any:
        self.registered.tasks.append(request)
        return task_pb2.TaskCreateResponse()

    def CreateWorkflow(self, request: Any, context: Any) -> Any:
        self.registered.workflows.append(request)
        return workflow_pb2.WorkflowCreateResponse()

    def CreateLaunchPlan(self, request: Any, context: Any) -> Any:
        self.registered.launch_plans.append(request)
        return launch_plan_pb2.LaunchPlanCreateResponse()


class DataProxy(dataproxy_pb2_grpc.DataProxyServiceServicer):
    def __init__(self, upload_url: str) -> None:
        self.upload_url = upload_url

    def CreateUploadLocation(self, request: Any, context: Any) -> Any:
        return dataproxy_pb2.CreateUploadLocationResponse(signed_url=self.upload_url, native_url=NATIVE_URL)


@contextmanager
def admin_stub() -> Iterator[Registered]:
    registered = Registered()

    class Store(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            registered.uploads.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    store = HTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    admin_pb2_grpc.add_AdminServiceServicer_to_server(Admin(registered), server)
    upload_url = f"http://127.0.0.1:{store.server_address[1]}/code.tar.gz"
    dataproxy_pb2_grpc.add_DataProxyServiceServicer_to_server(DataProxy(upload_url), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    registered.address = f"127.0.0.1:{port}"
    try:
        yield registered
    finally:
        server.stop(None)
        store.shutdown()
        store.server_close()
