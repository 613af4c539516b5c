"""The page about documents tells the truth: its files are applied and imported, and its commands print what it shows."""

import re

from engine.billing.documents.languages import read_messages
from engine.billing.rendering.templates import read_templates
from tests.support.billing_documents import pages_of
from tests.support.docs_page import ROOT, DocsPage, without_due_dates

PAGE = DocsPage("documents.md")


def test_the_commands_of_the_page_print_what_it_shows(tmp_path):
    """All of them, in their order, against one engine; the PDF says what was sold."""
    assert len(PAGE.commands) == 11
    for (command, expected), (_, output) in zip(PAGE.commands, PAGE.shown(tmp_path), strict=True):
        assert without_due_dates(output) == without_due_dates(expected), command
    (text,) = pages_of((tmp_path / "INV-000001.pdf").read_bytes())
    assert "Northwind Metering AG" in text
    assert "Total €160.65" in text
    _, annex = pages_of((tmp_path / "with-usage.pdf").read_bytes())
    assert "Jan 5, 2026 1,500 In all 1,500 calls." in annex
    (text,) = pages_of((tmp_path / "CN-000001.pdf").read_bytes())
    assert "Northwind Metering AG" in text
    assert "Total credited €35.70" in text


def test_the_messages_of_the_page_are_a_catalog():
    """With names that there are."""
    text = (ROOT / "docs" / "documents.md").read_text(encoding="utf-8")
    (messages,) = re.findall(r"```\n# messages/de\.yaml\n(.*?)```", text, re.DOTALL)
    assert read_messages(messages, read_templates(None).messages["en"][0]).labels["fee"] == "Grundgebühr"
