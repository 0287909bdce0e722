"""The page in a real browser: clicked, typed into, followed while a run goes."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright_or_skip import expect
from served_pages import served
from ui_home import WORKFLOW, WrittenHome, busy_home

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = "<img src=x onerror=window.hacked=1><script>window.hacked=1</script>"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WrittenHome, str]]:
    home = busy_home(tmp_path_factory.mktemp("busy"), 400)
    with served(home.home.path) as address:
        yield home, address


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[WrittenHome, str]]:
    home = WrittenHome(tmp_path, 6)
    with served(home.home.path) as address:
        yield home, address


def test_a_person_finds_a_failed_child_its_error_and_its_log(busy: tuple[WrittenHome, str], tab: Any) -> None:
    _, address = busy
    page = tab.page
    page.goto(address)
    page.get_by_role("link", name="wf").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("census.wf")
    first = page.locator(".vrow").first
    expect(first).to_contain_text("failed")
    expect(first).to_contain_text("ValueError: chunk")
    first.get_by_role("cell").nth(1).click()
    expect(page.locator(".child .headline")).to_contain_text("ValueError: chunk")
    expect(page.locator(".child .trace")).to_contain_text("Traceback (most recent call last)")
    expect(page.locator(".log .c3")).to_have_text("WARNING")
    expect(page.locator(".child .copyable code")).to_contain_text("rerun a1b2c3d4e5f6g7h8i9j0 n1")
    assert tab.complaints == []
    assert {url.split("/")[2] for url in tab.asked} == {address.split("/")[2]}


def test_a_childs_address_can_be_given_to_somebody_else(busy: tuple[WrittenHome, str], tab: Any) -> None:
    tab.page.goto(f"{busy[1]}/run/{busy[0].name}")
    tab.page.locator(".vrow a").first.click()
    expect(tab.page).to_have_url(re.compile(r"/n1/\d+$"))
    index = tab.page.url.rpartition("/")[2]
    tab.page.goto(tab.page.url)
    expect(tab.page.get_by_role("heading", name=f"Child {index}")).to_be_visible()
    expect(tab.page.locator(".vrow.chosen a")).to_have_text(index)


def test_states_are_filtered_and_children_ordered_and_found(busy: tuple[WrittenHome, str], tab: Any) -> None:
    page = tab.page
    page.goto(f"{busy[1]}/run/{busy[0].name}")
    states = page.get_by_role("group", name="Show children by state")
    states.get_by_role("button", name="failed").click()
    expect(page.locator(".vrow").first).to_contain_text("running")
    states.get_by_role("button", name="failed").click()
    page.get_by_label("Order of the children").select_option("By index")
    expect(page.locator(".vrow a").first).to_have_text("0")
    page.get_by_label("Find children by index or reason").fill("399")
    expect(page.locator(".vrow")).to_have_count(1)
    expect(page.locator(".vrow")).to_contain_text("queued")


def test_the_keyboard_alone_goes_through_the_children(busy: tuple[WrittenHome, str], tab: Any) -> None:
    page = tab.page
    page.goto(f"{busy[1]}/run/{busy[0].name}")
    page.get_by_label("Order of the children").select_option("By index")
    page.locator(".vrow a").first.focus()
    for _ in range(3):
        page.keyboard.press("PageDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator(":focus")).to_have_text("31")
    page.keyboard.press("End")
    expect(page.locator(":focus")).to_have_text("399")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.locator(":focus")).to_have_text("Child 0")


def test_what_changes_is_shown_within_a_second(small: tuple[WrittenHome, str], tab: Any) -> None:
    home, address = small
    page = tab.page
    page.goto(f"{address}/run/{home.name}")
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator(".vrow")).to_have_count(6)
    home.commit(home.started(2, 600_000))
    began = time.monotonic()
    expect(page.locator(".vrow").first).to_contain_text("running", timeout=10_000)
    shown = time.monotonic() - began
    print(f"\na change was shown after {shown:.2f} s")
    home.error(2, "ValueError: late")
    home.commit(home.ended(2, 601_000, 1))
    expect(page.get_by_role("heading", name="What failed")).to_be_visible(timeout=10_000)
    expect(page.locator(".failure")).to_contain_text("ValueError: late")
    home.write("failed")
    expect(page.locator("h1 + .state")).to_contain_text("failed", timeout=10_000)
    # Generous: the machine may be busy with other tests.
    assert shown < 5
    assert tab.complaints == []


def test_a_log_grows_while_it_is_looked_at_and_is_searched(small: tuple[WrittenHome, str], tab: Any) -> None:
    home, address = small
    page = tab.page
    home.commit(home.started(0, 600_000))
    home.log(0, "line one\n")
    page.goto(f"{address}/run/{home.name}/n1/0")
    expect(page.locator(".log")).to_contain_text("line one")
    home.log(0, "\x1b[31mline two\x1b[0m\n" + "".join(f"more {number}\n" for number in range(200)))
    expect(page.locator(".log .c1")).to_have_text("line two", timeout=10_000)
    assert page.locator(".log").evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight") < 2
    page.get_by_label("Find in the log").fill("MORE 17")
    expect(page.locator(".found")).to_have_text("line 1 of 11")
    page.keyboard.press("Enter")
    expect(page.locator(".found")).to_have_text("line 2 of 11")
    expect(page.locator(".line.at")).to_have_text("more 170")
    home.log(0, "the end")
    home.commit(home.ended(0, 601_000))
    expect(page.locator(".log .line").last).to_have_text("the end", timeout=10_000)


def test_nothing_in_a_log_or_an_error_becomes_part_of_the_page(small: tuple[WrittenHome, str], tab: Any) -> None:
    home, address = small
    home.commit(home.started(0, 10))
    home.log(
        0, f"{HOSTILE}\n\x1b]0;title\x07\x1b[2J\x1b[31m{HOSTILE}\x1b[0m\n\x1b]8;;http://evil.test\x07link\x1b]8;;\x07\n"
    )
    home.error(0, f"ValueError: {HOSTILE}</script></template>")
    home.function = HOSTILE
    home.write("running", None)
    home.commit(home.ended(0, 20, 1))
    tab.page.goto(f"{address}/run/{home.name}/n1/0")
    expect(tab.page.locator(".log")).to_contain_text(HOSTILE)
    expect(tab.page.locator(".log .c1")).to_have_text(HOSTILE)
    expect(tab.page.locator(".log")).to_contain_text("link")
    expect(tab.page.locator(".child .headline")).to_contain_text(HOSTILE)
    assert tab.page.locator("main img, main a[href*='evil']").count() == 0
    assert tab.page.evaluate("window.hacked") is None
    assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("where", ["/", "/run/a1b2c3d4e5f6g7h8i9j0", "/run/a1b2c3d4e5f6g7h8i9j0/n1/0"])
def test_names_roles_and_contrast_are_as_assistive_technology_needs_them(
    busy: tuple[WrittenHome, str], browser: Browser, scheme: Any, where: str
) -> None:
    from browser_tab import Tab

    tab = Tab(browser, color_scheme=scheme, reduced_motion="reduce")
    tab.page.goto(f"{busy[1]}{where}")
    if where != "/":
        expect(tab.page.locator(".vrow").first).to_be_visible()
        for summary in tab.page.locator("summary").all():
            summary.click()
    assert tab.accessibility() == []
    tab.context.close()


@pytest.mark.parametrize("width", [400, 1280, 2500])
def test_no_width_makes_the_page_scroll_sideways(busy: tuple[WrittenHome, str], browser: Browser, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
    for where in ("/", f"/run/{busy[0].name}", f"/run/{busy[0].name}/n1/0"):
        page.goto(f"{busy[1]}{where}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_the_list_shows_new_runs_and_finds_old_ones(small: tuple[WrittenHome, str], tab: Any) -> None:
    home, address = small
    tab.page.goto(address)
    expect(tab.page.locator("#runs tbody tr")).to_have_count(1)
    WrittenHome(home.home.path / "other", 1)
    (home.home.path / "other" / "runs" / home.name).rename(home.home.runs / "z9")
    expect(tab.page.locator("#runs tbody tr")).to_have_count(2, timeout=10_000)
    tab.page.get_by_label("Find").fill("z9")
    expect(tab.page.locator("#runs tbody tr:visible")).to_have_count(1)
    expect(tab.page.get_by_role("link", name=WORKFLOW.rpartition(".")[2]).locator("visible=true")).to_have_count(1)


def test_a_token_is_asked_for_once(tmp_path: Path, tab: Any) -> None:
    home = WrittenHome(tmp_path, 1)
    with served(home.home.path, "--token", "open sesame") as address:
        tab.page.goto(address)
        tab.page.get_by_label("The token of this service").fill("wrong")
        tab.page.get_by_role("button", name="Show the runs").click()
        expect(tab.page.get_by_role("alert")).to_be_visible()
        tab.page.get_by_label("The token of this service").fill("open sesame")
        tab.page.get_by_role("button", name="Show the runs").click()
        expect(tab.page.locator("#runs tbody tr")).to_have_count(1)
        expect(tab.page.locator("#live")).to_have_text("live")
