"""One page for every element and state of the spend page and of the operator's: each text is on one, in each language, and none has a fault."""

import contextlib
import html
import re

import pytest

from engine.api.pages.page_words import catalogs
from tests.support.pages.pattern_tab import ALL_PATTERNS, WAYS, open_pattern
from tests.support.pages.patterns import PATTERNS, pattern_page


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_text_is_on_a_pattern(language):
    """Who adds an element adds it to the patterns, whose screens and faults are looked at."""
    pages = " ".join(html.unescape(pattern_page(name, language)[1]) for name in PATTERNS).replace(
        "\N{NO-BREAK SPACE}", " "
    )
    (messages,) = catalogs()[language]
    missing = []
    for name, text in messages.texts.items():
        pieces = [re.escape(each.replace("\N{NO-BREAK SPACE}", " ")) for each in re.split(r"\{\w+\}", text)]
        if not re.search("[^<>]*?".join(pieces), pages):
            missing.append(name)
    assert missing == []


@pytest.fixture
def shown(browser):
    """Opens patterns in tabs, which end with the test."""
    with contextlib.ExitStack() as stack:

        def opened(name, **options):
            tab = open_pattern(browser, name, **options)
            stack.callback(tab.close)
            return tab

        yield opened


@pytest.mark.parametrize("name", ALL_PATTERNS)
@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_no_pattern_has_a_serious_fault_or_is_too_wide(shown, name, options):
    """By eye, by keyboard and by ear; on a phone nobody scrolls sideways."""
    tab = shown(name, **options)
    assert tab.faults() == []
    assert tab.overflow_px() <= 0
    assert tab.page.locator("h1").count() == 1
