"""The pages over HTTP without a browser: who may see them, what they say, that nothing of a user's becomes markup."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_pages import served
from serving import serving
from ui_home import WrittenHome

Answer = tuple[int, dict[str, str], str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> WrittenHome:
    written = WrittenHome(tmp_path_factory.mktemp("home"), 3)
    written.commit(written.started(0, 10))
    written.log(0, "<script>alert(1)</script>\n")
    written.error(0, "ValueError: <b>bad</b>")
    written.commit(written.ended(0, 20, 1))
    return written


@pytest.fixture(scope="module")
def address(home: WrittenHome) -> Iterator[str]:
    with served(home.home.path) as url:
        yield url.removeprefix("http://").removesuffix("/ui")


def ask(address: str, path: str, method: str = "GET", body: str = "", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request(
        method, path, body or None, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()


def test_a_page_allows_its_own_script_and_style_only(address: str, home: WrittenHome) -> None:
    status, headers, text = ask(address, f"/ui/run/{home.name}")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "style=" not in text
    assert "onclick" not in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.test"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://evil.test"},
    ],
)
def test_other_sites_pages_and_other_names_are_refused(address: str, headers: dict[str, str]) -> None:
    for path in ("/ui/", "/ui/live", "/ui/assets/page.js"):
        assert ask(address, path, **headers)[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(address: str, method: str) -> None:
    assert ask(address, "/ui/", method)[0] == 405


@pytest.mark.parametrize(
    "path",
    [
        "/ui/run/nobody",
        "/ui/run/..%2f..%2fetc",
        "/ui/run/%2e%2e",
        "/ui/assets/..%2fserver.py",
        "/ui/run/a1b2c3d4e5f6g7h8i9j0/n9",
        "/ui/run/a1b2c3d4e5f6g7h8i9j0/n1/99",
        "/ui/run/a1b2c3d4e5f6g7h8i9j0/n1/0/log/x",
        "/ui/nothing",
        f"/ui/run/a1b2c3d4e5f6g7h8i9j0/n1/{'9' * 5000}",
    ],
)
def test_what_is_not_there_is_said_so(address: str, path: str) -> None:
    status, _, text = ask(address, path)
    assert status == 404
    assert "Traceback" not in text


def test_logs_and_errors_are_escaped(address: str, home: WrittenHome) -> None:
    _, _, text = ask(address, f"/ui/run/{home.name}/n1/0")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert "<b>bad" not in text
    status, headers, whole = ask(address, f"/ui/run/{home.name}/n1/0/log")
    assert (status, whole) == (200, "<script>alert(1)</script>\n")
    assert headers["content-type"].startswith("text/plain")
    assert headers["x-content-type-options"] == "nosniff"


def test_the_data_of_the_children_stays_data(address: str, home: WrittenHome) -> None:
    _, _, text = ask(address, f"/ui/run/{home.name}")
    block = text.partition('<script type="application/json"')[2].partition(">")[2].partition("</script>")[0]
    assert "ValueError: <b>bad</b>" in json.loads(block)["texts"]
    assert "<" not in block


def test_without_the_token_there_is_only_the_form(tmp_path: Path) -> None:
    written = WrittenHome(tmp_path, 1)
    with served(written.home.path, "--token", "open sesame") as url:
        at = url.removeprefix("http://").removesuffix("/ui")
        status, _, text = ask(at, f"/ui/run/{written.name}")
        assert status == 401
        assert "census" not in text
        assert ask(at, f"/ui/run/{written.name}", Cookie="awsbatch-000000000000=1")[0] == 401
        assert ask(at, f"/ui/run/{written.name}", Authorization="Bearer wrong")[0] == 401
        assert ask(at, f"/ui/run/{written.name}", Authorization="Bearer open sesame")[0] == 200


def test_serve_has_the_page_on_its_own_port_under_its_own_rules(tmp_path: Path) -> None:
    written = WrittenHome(tmp_path / "home", 1)
    with serving(written.home.path, "--token", "open sesame") as (url, _):
        at = url.removeprefix("http://")
        run = f"/ui/run/{written.name}"
        token = {"Authorization": "Bearer open sesame"}
        assert "census" in ask(at, run, **token)[2]
        # As a proxy is asked.
        assert "census" in ask(at, url + run, **token)[2]
        assert ask(at, run)[0] == 401
        for wrong in ({"Origin": "http://evil.test"}, {"Sec_Fetch_Site": "cross-site"}):
            assert ask(at, run, **token, **wrong)[0] == 403
        assert ask(at, "/ui/", "POST", **token)[0] == 405
        # The form's cookie opens it, and only below /ui.
        _, headers, _ = ask(at, "/ui/login", "POST", "token=open+sesame")
        cookie = headers["set-cookie"]
        assert "; Path=/ui; HttpOnly; SameSite=Strict" in cookie
        assert ask(at, run, Cookie=cookie.partition(";")[0])[0] == 200
        assert ask(at, "/v1/describejobs", "POST", "{}", Cookie=cookie.partition(";")[0])[0] in (401, 403)


def test_a_child_that_ran_elsewhere_says_which_command_shows_its_log(tmp_path: Path) -> None:
    written = WrittenHome(tmp_path, 1)
    fact = {"original": 0, "child": 0, "job_id": "j", "phase": "SUCCESS", "attempts": 1, "message": ""}
    written.write("succeeded", job_id="elsewhere", children=[fact | {"times": [1, 2, 3]}])
    written.record.update_execution(endpoint="aws")
    with served(written.home.path) as url:
        at = url.removeprefix("http://").removesuffix("/ui")
        _, _, child = ask(at, f"/ui/run/{written.name}/n1/0?part=1")
    assert f"logs {written.name} n1:0</code>" in child
    assert "There is no log" not in child


def test_every_attempt_of_a_node_is_there_with_its_job_and_its_errors(tmp_path: Path) -> None:
    written = WrittenHome(tmp_path, 2)
    first = written.job_id
    written.commit(written.started(0, 10), written.started(1, 10))
    written.log(1, "the first log\n")
    written.error(1, "ValueError: the first try")
    written.commit(written.ended(0, 20), written.ended(1, 20, 1))
    written.again("1 of 2 children failed")
    written.commit(written.started(0, 30), written.started(1, 30))
    with served(written.home.path) as url:
        at = url.removeprefix("http://").removesuffix("/ui")
        _, _, text = ask(at, f"/ui/run/{written.name}")
        assert written.job_id in text
        # While the second attempt runs, the first one says what has failed so far.
        assert "ValueError: the first try" in text
        assert f'href="/ui/run/{written.name}/n1~1"' in text
        _, _, before = ask(at, f"/ui/run/{written.name}/n1~1")
        assert first in before
        assert "node attempt 1" in before
        _, _, child = ask(at, f"/ui/run/{written.name}/n1~1/1?part=1")
        assert "ValueError: the first try" in child
        assert "the first log" in child
        _, _, now = ask(at, f"/ui/run/{written.name}/n1/1?part=1")
        assert "the first" not in now
