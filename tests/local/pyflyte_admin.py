"""A FlyteAdmin that takes what `pyflyte run --remote` sends: enough of its gRPC services, on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import grpc
from flyteidl.admin import execution_pb2, task_pb2
from flyteidl.service import admin_pb2_grpc, dataproxy_pb2, dataproxy_pb2_grpc


@dataclass
class Launched:
    """:ivar code: the uploads of fast registration."""

    address: str = ""
    tasks: list[task_pb2.TaskCreateRequest] = field(default_factory=list)
    executions: list[execution_pb2.ExecutionCreateRequest] = field(default_factory=list)
    code: list[bytes] = field(default_factory=list)


class Admin(admin_pb2_grpc.AdminServiceServicer):
    def __init__(self, launched: Launched) -> None:
        self.launched = launched

    def CreateTask(self, request: Any, context: Any) -> Any:
        self.launched.tasks.append(request)
        return task_pb2.TaskCreateResponse()

    def GetTask(self, request: Any, context: Any) -> Any:
        found = next((one for one in self.launched.tasks if one.id == request.id), None)
        if found is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such task")
        answer = task_pb2.Task(id=found.id)
        answer.closure.compiled_task.template.CopyFrom(found.spec.template)
        return answer

    def CreateExecution(self, request: Any, context: Any) -> Any:
        self.launched.executions.append(request)
        answer = execution_pb2.ExecutionCreateResponse()
        answer.id.project, answer.id.domain, answer.id.name = request.project, request.domain, "f0123456789"
        return answer

    def GetExecution(self, request: Any, context: Any) -> Any:
        answer = execution_pb2.Execution(id=request.id)
        answer.spec.CopyFrom(self.launched.executions[-1].spec)
        return answer


class DataProxy(dataproxy_pb2_grpc.DataProxyServiceServicer):
    def __init__(self, url: str) -> None:
        self.url = url

    def CreateUploadLocation(self, request: Any, context: Any) -> Any:
        return dataproxy_pb2.CreateUploadLocationResponse(signed_url=self.url, native_url="s3://bucket/code.tar.gz")


@contextmanager
def admin() -> Iterator[Launched]:
    launched = Launched()

    class Store(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            launched.code.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    store = HTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=store.serve_forever, daemon=True).start()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    admin_pb2_grpc.add_AdminServiceServicer_to_server(Admin(launched), server)
    url = f"http://127.0.0.1:{store.server_address[1]}/code.tar.gz"
    dataproxy_pb2_grpc.add_DataProxyServiceServicer_to_server(DataProxy(url), server)
    launched.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield launched
    finally:
        server.stop(None)
        store.shutdown()
        store.server_close()
