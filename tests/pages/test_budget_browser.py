"""The customer's budget in a real browser: by keyboard, by ear, on a phone, without a script."""

import time

import pytest

from tests.support.pages.browser import says


def test_a_budget_is_set_by_keyboard_alone(visit):
    """Every field has a name that is said aloud; what came of it is said, too, and nothing breaks the policy of the page."""
    tab = visit()
    tab.open("saver", query="", may_set_budget=True)
    amount = tab.page.get_by_label("Budget for each billing period, in EUR")
    amount.focus()
    tab.page.keyboard.type("40.5")
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.getAttribute('aria-label')") == "Percentage 1"
    tab.page.keyboard.press("Control+A")
    tab.page.keyboard.type("50")
    for name in ("Percentage 2", "Percentage 3"):
        tab.page.keyboard.press("Tab")
        assert tab.page.evaluate("document.activeElement.getAttribute('aria-label')") == name
    tab.page.keyboard.press("Tab")
    assert tab.page.evaluate("document.activeElement.textContent") == "Save the budget"
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_selector("[role=status].told")
    assert tab.page.inner_text(".told") == "Your budget is saved."
    # 20.25 is half of 40.50.
    assert "50 %, €20.25: not reached" in tab.text()
    assert tab.page.input_value("[name=amount]") == "40.5"
    assert tab.faults() == []
    tab.page.get_by_role("button", name="Remove it").press("Enter")
    tab.page.wait_for_function(
        "() => document.querySelector('.told')?.textContent === 'Your budget is removed.'"
    )
    assert tab.complaints == []


def test_a_browser_lets_no_impossible_budget_out(visit):
    """It says what is wrong with the field before anything is sent."""
    tab = visit()
    tab.open("capped", query="", may_set_budget=True)
    for typed in ("", "0", "-5", "1.001"):
        tab.page.fill("[name=amount]", typed)
        assert not tab.page.evaluate("document.querySelector('form').checkValidity()"), typed
    tab.page.fill("[name=amount]", "1")
    assert tab.page.evaluate("document.querySelector('form').checkValidity()")


def test_a_budget_is_set_without_javascript(visit):
    """The form is one of HTML alone."""
    tab = visit(java_script_enabled=False)
    tab.open("keeper", query="", may_set_budget=True)
    tab.page.fill("[name=amount]", "77")
    tab.page.get_by_role("button", name="Save the budget").click()
    tab.page.wait_for_selector(".told")
    assert "€20.00 of €77.00" in tab.text()
    assert "Without JavaScript this page doesn't update by itself" in tab.text()


@pytest.mark.parametrize(
    ("width", "scale"), [(360, 1), (640, 2), (320, 4)], ids=["phone", "zoom 200 %", "zoom 400 %"]
)
def test_limits_and_the_form_fit_every_width(visit, width, scale):
    """In the language with the longer words."""
    tab = visit(width=width, device_scale_factor=scale, language="de-DE")
    tab.open("capped", query="", may_set_budget=True)
    assert tab.overflow_px() <= 0
    assert tab.page.locator("form").count() == 1


def test_limits_follow_what_is_used_while_somebody_types(visit, world):
    """What is typed stays, and so does the place of the focus. 100 tokens more are 100 more of the limit."""
    tab = visit()
    tab.open("growing", query="", may_set_budget=True)
    says(tab, "#connection", "Updates by itself.")
    tab.page.focus("[name=amount]")
    tab.page.keyboard.type("12")
    assert "token_quota 0 tokens of 1,000 tokens used" in tab.text()
    world.record("growing", "100", int(time.time()))
    tab.page.wait_for_function(
        "() => document.querySelector('#standing').textContent.includes('100 tokens of 1,000 tokens used')",
        timeout=60_000,
    )
    assert tab.page.input_value("[name=amount]") == "12"
    assert tab.page.evaluate("document.activeElement.name") == "amount"
