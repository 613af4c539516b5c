"""The page about alerts tells the truth: its files are applied and imported, and its commands print what it shows."""

import re

from tests.support.docs_page import DocsPage, comparable

PAGE = DocsPage("alerts.md")


def test_the_commands_of_the_page_print_what_it_shows(tmp_path):
    """All of them, in their order, against one engine, which tells of crossings by itself: a moment later."""
    assert len(PAGE.commands) == 5
    shown = PAGE.shown(tmp_path, awaited="meterline alert-crossings")
    for (command, expected), (_, output) in zip(PAGE.commands, shown, strict=True):
        assert _without_ids(output) == _without_ids(expected), command


def _without_ids(text):
    return comparable(re.sub(r"correction [0-9a-f]{32}", "correction ID", text))
