"""The page about reconciling tells the truth: its files are applied and imported, and its commands print what it shows."""

from tests.support.docs_page import DocsPage, comparable

PAGE = DocsPage("reconciling.md")


def test_the_commands_of_the_page_print_what_it_shows(tmp_path):
    """All of them, in their order, against one engine."""
    assert len(PAGE.commands) == 8
    for (command, expected), (_, output) in zip(PAGE.commands, PAGE.shown(tmp_path), strict=True):
        assert comparable(output) == comparable(expected), command
