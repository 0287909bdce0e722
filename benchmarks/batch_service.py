"""How fast the local AWS Batch service answers, beside moto's server, in one run.

    python benchmarks/batch_service.py [--moto PATH] [--json]

Both get the same bytes, from a client that does next to nothing, so that what is measured is the service. It sends
them as boto3 does: the head, then the body. Ours keeps its state on disk and really runs the jobs; moto keeps its
state in memory and (without Docker) runs nothing. Measured again after a restart of ours, when all it knows comes from
its file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TARGET = 10.0
# A single submission's time goes into HTTP and one transaction on disk; its jobs run on the same cores meanwhile.
TARGET_SINGLE = 4.0
ENDED = ("SUCCEEDED", "FAILED")
AUTHORIZATION = (
    "AWS4-HMAC-SHA256 Credential=anything/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=00"
)


class Client:
    """One connection to a service, with as little between the clock and the socket as there can be."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def encoded(self, operation: str, request: dict[str, Any]) -> tuple[bytes, bytes]:
        """A request's head and body."""
        body = json.dumps(request).encode()
        head = (
            f"POST /v1/{operation.lower()} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: application/json\r\nAuthorization: {AUTHORIZATION.format(service='batch')}\r\n\r\n"
        )
        return head.encode(), body

    def exchange(self, request: tuple[bytes, bytes]) -> bytes:
        """The answer's body."""
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=120)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in request:
            self._socket.sendall(piece)
        answer = b""
        while (end := answer.find(b"\r\n\r\n") + 4) < 4:
            answer += self._more()
        status, _, headers = answer[:end].lower().partition(b"\r\n")
        _, _, length = headers.partition(b"content-length:")
        whole = end + int(length.partition(b"\r\n")[0])
        parts, size = [answer[end:]], len(answer)
        while size < whole:
            parts.append(self._more())
            size += len(parts[-1])
        if status.startswith(b"http/1.0") or b"connection: close" in headers:
            self.close()
        body = b"".join(parts)
        if b" 200 " not in status:
            raise RuntimeError(f"{request!r}: {status!r} {body!r}")
        return body

    def _more(self) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(1 << 18)
        if not data:
            raise RuntimeError("the service closed the connection")
        return data

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def call(self, operation: str, **request: Any) -> Any:
        return json.loads(self.exchange(self.encoded(operation, request)) or b"{}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_up(port: int) -> None:
    limit = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def serving(command: list[str], port: int) -> Iterator[Client]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_up(port)
        client = Client(port)
        yield client
        client.close()
    finally:
        process.send_signal(signal.SIGINT if "serve" in command else signal.SIGTERM)
        process.wait()


@contextlib.contextmanager
def ours(home: Path) -> Iterator[Client]:
    port = free_port()
    script = str(Path(sysconfig.get_path("scripts")) / "flyte-awsbatch")
    with serving([script, "serve", "--home", str(home), "--port", str(port)], port) as client:
        yield client


@contextlib.contextmanager
def moto(server: str) -> Iterator[Client]:
    port = free_port()
    with serving([server, "-H", "127.0.0.1", "-p", str(port)], port) as client:
        url = f"http://127.0.0.1:{port}"
        config = json.dumps({"batch": {"use_docker": False}}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/config", data=config, method="POST")).read()
        role = b"Action=CreateRole&Version=2010-05-08&RoleName=role&AssumeRolePolicyDocument=%7B%7D"
        headers = {"Authorization": AUTHORIZATION.format(service="iam")}
        urllib.request.urlopen(urllib.request.Request(url, data=role, headers=headers, method="POST")).read()
        yield client


def prepare(client: Client) -> None:
    client.call(
        "CreateComputeEnvironment",
        computeEnvironmentName="benchmark",
        type="UNMANAGED",
        state="ENABLED",
        serviceRole="arn:aws:iam::123456789012:role/role",
    )
    order = [{"order": 1, "computeEnvironment": "benchmark"}]
    arn = client.call("DescribeComputeEnvironments")["computeEnvironments"]
    order[0]["computeEnvironment"] = next(
        each["computeEnvironmentArn"] for each in arn if each["computeEnvironmentName"] == "benchmark"
    )
    client.call("CreateJobQueue", jobQueueName="benchmark", state="ENABLED", priority=1, computeEnvironmentOrder=order)
    properties = {"image": "any", "vcpus": 1, "memory": 64, "command": ["true"]}
    client.call(
        "RegisterJobDefinition", jobDefinitionName="benchmark", type="container", containerProperties=properties
    )


JOB = {"jobName": "benchmark", "jobQueue": "benchmark", "jobDefinition": "benchmark"}


def submit(client: Client, **more: Any) -> str:
    return str(client.call("SubmitJob", **JOB, **more)["jobId"])


def timed(client: Client, operation: str, request: dict[str, Any], times: int = 1) -> tuple[float, list[bytes]]:
    """Milliseconds that so many calls take one after another, and their answers. Encoding and decoding is not the
    service's.
    """
    encoded = client.encoded(operation, request)
    answers = []
    began = time.perf_counter()
    for _ in range(times):
        answers.append(client.exchange(encoded))
    return (time.perf_counter() - began) * 1000, answers


def submitted(client: Client, singles: int) -> float:
    """Milliseconds for so many single submits; waits for the end of the jobs."""
    taken, answers = timed(client, "SubmitJob", JOB, singles)
    wait(client, [json.loads(answer)["jobId"] for answer in answers])
    return taken


def wait(client: Client, job_ids: list[str]) -> None:
    left = job_ids
    while left:
        answer = client.call("DescribeJobs", jobs=left[:100])["jobs"]
        done = {job["jobId"] for job in answer if job["status"] in ENDED}
        left = [job_id for job_id in left if job_id not in done]
        if not done:
            time.sleep(0.2)


def reading(client: Client, array: str, children: int, repeats: int) -> dict[str, float]:
    """Descriptions of a hundred children, each time others, and a list: medians in milliseconds."""
    windows = [[f"{array}:{index}" for index in range(start, start + 100)] for start in range(0, children, 100)][
        : max(repeats, 10)
    ]
    return {
        "describe 100 ids": statistics.median(timed(client, "DescribeJobs", {"jobs": ids})[0] for ids in windows),
        "list jobs": statistics.median(
            timed(client, "ListJobs", {"jobQueue": "benchmark", "jobStatus": "SUCCEEDED"})[0] for _ in range(repeats)
        ),
    }


def measure(client: Client, children: int, singles: int, repeats: int) -> tuple[dict[str, float], str]:
    """Every measure in milliseconds, and the array that ran."""
    prepare(client)
    array = ""
    times = []
    for repeat in range(repeats):
        taken, answers = timed(client, "SubmitJob", {**JOB, "arrayProperties": {"size": children}})
        times.append(taken)
        job_id = json.loads(answers[0])["jobId"]
        if repeat == 0:
            array = job_id
        else:
            client.call("TerminateJob", jobId=job_id, reason="measured")
    found = {f"submit an array of {children}": statistics.median(times)}
    wait(client, [array])
    found[f"{singles} single submits"] = submitted(client, singles)
    return found | reading(client, array, children, repeats), array


def while_starting(client: Client, size: int) -> list[float]:
    """Times of descriptions of a hundred children while they are being started, in milliseconds."""
    array = submit(client, arrayProperties={"size": size})
    ids = [f"{array}:{index}" for index in range(100)]
    times = []
    while client.call("DescribeJobs", jobs=[array])["jobs"][0]["status"] not in ENDED:
        times.append(timed(client, "DescribeJobs", {"jobs": ids})[0])
        time.sleep(0.005)
    return times


def moto_path(given: str | None) -> str:
    names = [given, os.environ.get("MOTO_SERVER"), str(ROOT / ".venv-moto" / "bin" / "moto_server"), "moto_server"]
    found = next((path for path in names if path and shutil.which(path)), None)
    if found is None:
        sys.exit("moto's server is not installed: make test-all installs it into .venv-moto, or give --moto PATH")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moto", help="moto_server to compare with")
    parser.add_argument("--children", type=int, default=5000)
    parser.add_argument("--singles", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    size = (options.children, options.singles, options.repeats)
    with moto(moto_path(options.moto)) as client:
        theirs, _ = measure(client, *size)
    with tempfile.TemporaryDirectory() as folder:
        with ours(Path(folder)) as client:
            first, array = measure(client, *size)
            latencies = while_starting(client, 1000)
        with ours(Path(folder)) as client:
            again = reading(client, array, options.children, options.repeats)
            again[f"{options.singles} single submits"] = submitted(client, options.singles)
    report(theirs, first, again, latencies, options.json)


def report(
    theirs: dict[str, float], first: dict[str, float], again: dict[str, float], latencies: list[float], as_json: bool
) -> None:
    p99 = statistics.quantiles(latencies, n=100)[98]
    rows: list[dict[str, Any]] = [
        {"measure": name, "moto_ms": theirs[name], "ours_ms": taken, "times_faster": theirs[name] / taken}
        for name, taken in [*first.items(), *((f"{name}", taken) for name, taken in again.items())]
    ]
    for row in rows[len(first) :]:
        row["measure"] = f"{row['measure']}, after a restart"
    reached = all(row["times_faster"] >= (TARGET_SINGLE if "single" in row["measure"] else TARGET) for row in rows)
    if as_json:
        print(json.dumps({"rows": rows, "describe_while_starting_p99_ms": p99, "reached": reached}, indent=2))
    else:
        print(f"{'':40}{'moto':>12}{'ours':>12}{'faster':>10}")
        for row in rows:
            print(f"{row['measure']:40}{row['moto_ms']:9.2f} ms{row['ours_ms']:9.2f} ms{row['times_faster']:9.1f}x")
        print(f"describe 100 ids while 1000 children start: p99 {p99:.2f} ms of {len(latencies)}")
    if not reached:
        sys.exit(
            f"a measure misses its target: {TARGET_SINGLE:g} times faster for single submits, {TARGET:g} for the rest"
        )


if __name__ == "__main__":
    main()
