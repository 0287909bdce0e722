"""The service over HTTP: who may speak to it, what it makes of bodies that are none, and the protocol's corners."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from backends import Boto3
from batch_shell import Shell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from threaded_server import ThreadedServer

from flytekitplugins.awsbatch.batch.api import BatchError
from flytekitplugins.awsbatch.batch.aws import AwsBatch
from flytekitplugins.awsbatch.batch.emulator.http.guard import RequestGuard, guard_knows_host, is_loopback_host
from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

Answer = tuple[int, dict[str, str], Any]


@pytest.fixture
def served(service: LocalBatch) -> Iterator[ThreadedServer]:
    with ThreadedServer(service) as server:
        yield server


def ask(
    server: ThreadedServer,
    path: str = "/v1/describejobqueues",
    body: bytes = b"{}",
    method: str = "POST",
    **headers: str,
) -> Answer:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    connection.putrequest(method, path, skip_host="Host" in headers)
    headers.setdefault("Content-Length", str(len(body)))
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, {key.lower(): value for key, value in answer.getheaders()}, json.loads(text or b"null")


def test_an_answer_is_json_with_a_request_id(served: ThreadedServer) -> None:
    status, headers, body = ask(served)

    assert (status, headers["content-type"], body) == (200, "application/json", {"jobQueues": []})
    assert len(headers["x-amzn-requestid"]) == 36


def test_an_error_says_its_type_in_the_header(served: ThreadedServer) -> None:
    status, headers, body = ask(served, "/v1/submitjob", b'{"jobName": "a", "jobQueue": "b", "jobDefinition": "c"}')

    assert (status, headers["x-amzn-errortype"]) == (400, "ClientException")
    assert body == {"message": "JobQueue b not found."}


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 404),
        ("/v1/nothing", "POST", 404),
        ("/v1/submitjob", "GET", 404),
        ("/v1/../../etc/passwd", "POST", 404),
        ("/v1/listschedulingpolicies", "POST", 400),
        ("/v1/tags/nonsense", "GET", 400),
        ("/v1/tags/arn%3Aaws%3Abatch%3Aus-east-1%3A000000000000%3Ajob%2Fnobody", "GET", 400),
        ("/_awsbatch/health", "GET", 200),
        # "a server MUST accept the absolute-form in requests" (RFC 9112, 3.2.2)
        ("http://127.0.0.1/v1/describejobqueues", "POST", 200),
        ("http://elsewhere.example/v1/describejobqueues", "POST", 403),
    ],
)
def test_what_there_is_and_what_not(served: ThreadedServer, path: str, method: str, status: int) -> None:
    assert ask(served, path, method=method)[0] == status


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"1", b"{", b"\xff\xfe", b'"x"'])
def test_a_body_that_is_no_object_is_a_client_error(served: ThreadedServer, body: bytes) -> None:
    status, _, answer = ask(served, "/v1/submitjob", body)

    assert status == 400
    assert answer["message"]


def test_a_body_beyond_the_bound_is_refused(served: ThreadedServer) -> None:
    status, headers, _ = ask(served, body=b" " * (1 << 20) + b"{}")

    assert (status, headers["x-amzn-errortype"]) == (413, "RequestEntityTooLargeException")


def test_members_that_are_unknown_are_let_pass(served: ThreadedServer) -> None:
    assert ask(served, body=b'{"somethingNew": [1, 2]}')[0] == 200


def test_members_that_are_null_are_as_good_as_left_out(served: ThreadedServer) -> None:
    """As AWS's REST-JSON services read them: clients of some languages write what their structures hold."""
    container = {"image": "any", "command": ["true"], "vcpus": 1, "memory": 128, "jobRoleArn": None}
    nodes = {"nodeProperties": None, "eksProperties": None, "ecsProperties": None, "timeout": None}
    request = {"jobDefinitionName": "nulls", "type": "container", "containerProperties": container, **nodes}
    status, _, answer = ask(served, "/v1/registerjobdefinition", json.dumps(request).encode())
    assert status == 200, answer

    _, _, answer = ask(served, "/v1/describejobdefinitions")

    (definition,) = answer["jobDefinitions"]
    assert "jobRoleArn" not in definition["containerProperties"]


def test_wrong_types_are_named(served: ThreadedServer) -> None:
    request = {"jobName": 1, "jobQueue": "q", "jobDefinition": "d", "arrayProperties": {"size": "3"}, "tags": []}
    _, _, answer = ask(served, "/v1/submitjob", json.dumps(request).encode())

    assert answer["message"] == "jobName is no string; arrayProperties.size is no integer; tags is no object"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    [
        "jobs",
        "jobName",
        "jobQueue",
        "jobDefinition",
        "arrayProperties",
        "containerOverrides",
        "retryStrategy",
        "timeout",
        "dependsOn",
        "parameters",
        "tags",
        "jobDefinitionName",
        "type",
        "containerProperties",
        "jobId",
        "reason",
        "nextToken",
        "maxResults",
        "filters",
        "jobStatus",
        "arrayJobId",
        "priority",
        "computeEnvironmentOrder",
        "computeEnvironmentName",
        "computeResources",
        "jobQueueName",
        "state",
        "jobDefinitions",
        "status",
    ]
)
OPERATIONS = st.sampled_from(
    [
        "submitjob",
        "describejobs",
        "listjobs",
        "registerjobdefinition",
        "deregisterjobdefinition",
        "describejobdefinitions",
        "createjobqueue",
        "updatejobqueue",
        "deletejobqueue",
        "describejobqueues",
        "createcomputeenvironment",
        "updatecomputeenvironment",
        "canceljob",
        "deletecomputeenvironment",
        "describecomputeenvironments",
        "terminatejob",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operation=OPERATIONS, request_=st.dictionaries(MEMBERS, JSON, max_size=6))
def test_no_body_whatever_makes_a_server_error(
    served: ThreadedServer, operation: str, request_: dict[str, Any]
) -> None:
    status, _, answer = ask(served, f"/v1/{operation}", json.dumps(request_).encode())

    assert status in (200, 400), answer


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    target=st.sampled_from(["GetLogEvents", "DescribeLogStreams", "FilterLogEvents"]), request_=JSON, stream=st.text()
)
def test_no_question_about_logs_makes_a_server_error(
    served: ThreadedServer, target: str, request_: Any, stream: str
) -> None:
    body = {
        "logGroupName": "/aws/batch/job",
        "logStreamName": stream,
        **(request_ if isinstance(request_, dict) else {"nextToken": request_}),
    }
    status, _, answer = ask(served, "/", json.dumps(body).encode(), X_Amz_Target=f"Logs_20140328.{target}")

    assert status in (200, 400), answer


# Strangers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1234"}, 200),
        ({"Host": "[::1]:1234"}, 200),
        ({"Host": "batch.us-east-1.amazonaws.com"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "amazonaws.com.evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 200),
    ],
)
def test_pages_of_other_sites_and_foreign_names_are_refused(
    served: ThreadedServer, headers: dict[str, str], status: int
) -> None:
    assert ask(served, **headers)[0] == status


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.0.0.53", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.1", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_what_counts_as_this_machine_alone(host: str, loopback: bool) -> None:
    assert is_loopback_host(host) is loopback


@given(st.text())
def test_any_host_header_has_an_answer(host: str) -> None:
    assert guard_knows_host(host) in (True, False)


TOKEN = "a token for the tests"


@pytest.fixture
def guarded(service: LocalBatch) -> Iterator[ThreadedServer]:
    with ThreadedServer(service, RequestGuard(TOKEN)) as server:
        yield server


def test_with_a_token_nobody_is_answered_without_it(guarded: ThreadedServer) -> None:
    status, headers, _ = ask(guarded)

    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
    assert ask(guarded, Authorization="Bearer wrong")[0] == 403
    assert ask(guarded, Authorization=f"Bearer {TOKEN}")[0] == 200
    assert ask(guarded, "/_awsbatch/faults", method="DELETE")[0] == 403


def test_with_a_token_a_request_signed_with_it_is_answered(
    guarded: ThreadedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "anybody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", TOKEN)
    batch = AwsBatch("us-east-1", endpoint_url=guarded.url)
    batch.register_job_definition(
        jobDefinitionName="signed", type="container", containerProperties={"image": "any", "vcpus": 1, "memory": 4}
    )
    arn = batch.describe_job_definitions(jobDefinitionName="signed")["jobDefinitions"][0]["jobDefinitionArn"]
    # Paths with escapes and queries are signed in their own way.
    batch.tag_resource(resourceArn=arn, tags={"a b": "ä"})
    batch.untag_resource(resourceArn=arn, tagKeys=["x y", "z"])

    assert batch.list_tags_for_resource(resourceArn=arn)["tags"] == {"a b": "ä"}


def test_with_a_token_a_request_signed_with_something_else_is_refused(guarded: ThreadedServer) -> None:
    with pytest.raises(BatchError) as caught:
        Boto3(guarded.url).describe_job_queues()

    assert (caught.value.code, caught.value.status) == ("InvalidSignatureException", 403)


@pytest.mark.parametrize("digest", [{}, {"X-Amz-Content-SHA256": hashlib.sha256(b"{}").hexdigest()}])
def test_a_body_changed_on_its_way_is_refused(guarded: ThreadedServer, digest: dict[str, str]) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("POST", f"{guarded.url}/v1/describejobqueues", data=b"{}", headers=digest)
    SigV4Auth(Credentials("a", TOKEN), "batch", "us-east-1").add_auth(request)
    headers = {name.replace("-", "_"): value for name, value in request.headers.items()}

    assert ask(guarded, body=b"{}", **headers)[0] == 200
    assert ask(guarded, body=b"{ }", **headers)[0] == 403
    old = headers | {"X_Amz_Date": "20200101T000000Z"}
    assert ask(guarded, body=b"{}", **old)[0] == 403


def test_every_header_that_a_client_signs_counts(guarded: ThreadedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS SDK for Java 1 signs User-Agent too, which botocore leaves out."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    agent = {"User-Agent": "aws-sdk-java/1.12.777"}
    request = AWSRequest("POST", f"{guarded.url}/v1/describejobqueues", data=b"{}", headers=agent)
    with monkeypatch.context() as signing:
        signing.setattr("botocore.auth.SIGNED_HEADERS_BLACKLIST", [])
        SigV4Auth(Credentials("a", TOKEN), "batch", "us-east-1").add_auth(request)
    headers = {name.replace("-", "_"): value for name, value in request.headers.items()}

    assert "user-agent" in headers["Authorization"]
    assert ask(guarded, body=b"{}", **headers)[0] == 200
    assert ask(guarded, body=b"{}", **headers | {"User_Agent": "another"})[0] == 403


def test_a_signature_that_leaves_the_host_out_is_refused(
    guarded: ThreadedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("POST", f"{guarded.url}/v1/describejobqueues", data=b"{}")
    with monkeypatch.context() as signing:
        signing.setattr(SigV4Auth, "headers_to_sign", lambda self, request: request.headers)
        SigV4Auth(Credentials("a", TOKEN), "batch", "us-east-1").add_auth(request)
    headers = {name.replace("-", "_"): value for name, value in request.headers.items()}

    assert "SignedHeaders=x-amz-date," in headers["Authorization"]
    assert ask(guarded, body=b"{}", **headers)[0] == 403


def test_the_token_is_in_no_answer(guarded: ThreadedServer) -> None:
    answers = [ask(guarded), ask(guarded, Authorization="Bearer x"), ask(guarded, Authorization="AWS4-HMAC-SHA256 x")]

    assert all(TOKEN not in json.dumps(answer) for answer in answers)


# The client of a real account, against the service


def test_the_client_answers_as_the_service_does(
    served: ThreadedServer, shell: Shell, service: LocalBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    batch = AwsBatch("us-east-1", endpoint_url=served.url)
    job_id = Shell(batch).submit("exit 2", size=2)
    Shell(batch).ended(job_id)

    asked = {"jobs": [job_id, f"{job_id}:1"]}

    assert batch.call("DescribeJobs", asked) == service.call("DescribeJobs", asked)
    assert batch.region == service.region
    with pytest.raises(BatchError) as caught:
        batch.submit_job(jobName="x", jobQueue="nowhere", jobDefinition="shell")
    assert (caught.value.code, caught.value.message, caught.value.status) == (
        "ClientException",
        "JobQueue nowhere not found.",
        400,
    )


def test_a_service_that_is_not_there_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    batch = AwsBatch("us-east-1", endpoint_url="http://127.0.0.1:9")

    with pytest.raises(BatchError) as caught:
        batch.describe_jobs(jobs=["x"])

    assert (caught.value.code, caught.value.transient) == ("RequestError", True)


def test_a_client_without_credentials_says_what_to_do(
    served: ThreadedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))

    # A service on this machine asks for none; anybody else would, before a byte is sent.
    assert AwsBatch("us-east-1", endpoint_url=served.url).describe_jobs(jobs=["x"]) == {"jobs": []}
    with pytest.raises(BatchError, match="aws configure") as caught:
        AwsBatch("us-east-1", endpoint_url="http://batch.invalid:1").describe_jobs(jobs=["x"])

    assert not caught.value.transient
