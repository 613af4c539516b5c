"""The page about closing tells the truth: its files are applied and imported, and its commands print what it shows."""

from tests.support.docs_page import DocsPage, without_due_dates

PAGE = DocsPage("closing.md")


def test_the_commands_of_the_page_print_what_it_shows(tmp_path):
    """All of them, in their order, against one engine."""
    assert len(PAGE.commands) == 26
    for (command, expected), (_, output) in zip(PAGE.commands, PAGE.shown(tmp_path), strict=True):
        assert without_due_dates(output) == without_due_dates(expected), command
