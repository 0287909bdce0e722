"""The pages over HTTP without a browser: who may see them, what they say, that nothing of a user's becomes markup."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from served_pages import served
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


def ask(address: str, path: str, method: str = "GET", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
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
