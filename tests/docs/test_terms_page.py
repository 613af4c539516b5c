"""The page about money terms tells the truth: its catalogs are applied, and its commands print what it shows."""

import shlex

from tests.support.docs_page import DocsPage, comparable

PAGE = DocsPage("terms.md")


def test_the_commands_of_the_page_print_what_it_shows(tmp_path):
    """All of them, in their order, against one engine."""
    assert len(PAGE.commands) > 2
    assert {name for name, _ in PAGE.files} <= {
        word for command, _ in PAGE.commands for word in shlex.split(command)
    }
    for (command, expected), (_, output) in zip(PAGE.commands, PAGE.shown(tmp_path), strict=True):
        assert comparable(output) == comparable(expected), command
