"""The operator's page in a real browser: signing in and out by keyboard, without a script, and nothing from elsewhere."""

import os

import pytest

KEY = os.environ["METERLINE_API_KEY"]


def _signed_in(tab, path="/operator"):
    tab.go(path)
    tab.page.fill("#key", KEY)
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector(".menu")
    return tab


@pytest.mark.parametrize("has_script", [True, False], ids=["with scripts", "without"])
def test_somebody_signs_in_looks_around_and_signs_out(visit, world, has_script):
    """To the page that was wanted, by the keyboard alone; nothing leaves the origin, and nothing is complained of."""
    tab = visit(java_script_enabled=has_script)
    assert tab.go("/operator/spend?at=2025-06-10").status == 401
    tab.complaints.clear()
    tab.page.focus("#key")
    tab.page.keyboard.type(KEY)
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("#most")
    assert tab.page.url == f"{world.origin}/operator/spend?at=2025-06-10"
    assert "acme €31.25 €31.25 2" in tab.text()
    tab.page.click("#most a >> text=acme")
    tab.page.wait_for_selector("#lines")
    assert tab.page.inner_text("h1") == "Acme <b>Robotics</b>"
    tab.page.click("text=Overview")
    tab.page.wait_for_selector("#meters")
    assert tab.page.get_attribute(".menu [aria-current]", "href") == "/operator"
    tab.page.click("text=Sign out")
    tab.page.wait_for_selector("#key")
    assert tab.go("/operator").status == 401
    assert [each for each in tab.urls if not each.startswith(f"{world.origin}/operator")] == []
    assert [each for each in tab.complaints if "401" not in each] == []


def test_no_script_reads_the_session_and_no_other_page_gets_it(visit, world):
    """Neither the key, which the form forgets."""
    tab = _signed_in(visit())
    assert tab.page.evaluate("document.cookie") == ""
    (cookie,) = tab.page.context.cookies()
    assert (cookie["name"], cookie["path"], cookie["httpOnly"], cookie["sameSite"]) == (
        "meterline_operator", "/operator", True, "Strict",
    )  # fmt: skip
    assert KEY not in cookie["value"]
    assert KEY not in tab.page.content()
    # The customer's page, at the same origin, knows nobody.
    assert tab.go("/spend").status == 401


def test_another_site_neither_shows_nor_sends_for_whoever_is_signed_in(visit, world):
    """A form of it comes without the cookie and is refused, and the page stands in no frame."""
    tab = _signed_in(visit())
    origin = world.origin.replace("127.0.0.1", "localhost")
    tab.page.goto(f"{origin}/healthz")
    tab.page.evaluate(
        """action => {
          const form = document.createElement('form');
          form.method = 'post';
          form.action = action;
          document.body.append(form);
          form.submit();
        }""",
        f"{world.origin}/operator/sign-in",
    )
    tab.page.wait_for_selector(".message")
    assert "the form is not of this page" in tab.text()
    assert tab.go("/operator").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/spend?at=2025-06-10",
        "/movers?at=2025-06-10",
        "/revenue?at=2025-06-10",
        "/customers",
        "/customer?id=acme&at=2025-06-10",
        "/reconciliation?month=2025-05",
    ],
)
def test_axe_finds_no_serious_fault_and_nobody_scrolls_sideways(visit, path):
    """Of the engine's own answers, on a phone and in a window that is zoomed."""
    for options in ({}, {"color_scheme": "dark", "width": 360, "height": 740}, {"width": 320}):
        tab = _signed_in(visit(**options), f"/operator{path}")
        assert tab.faults() == []
        assert tab.overflow_px() <= 0
        assert tab.page.locator("table > caption").count() == tab.page.locator("table").count()
