"""Rows of one kind become lines of the catalog that say where they began."""

import json

import pytest

from engine.catalog.documents.pieces import SECTIONS
from engine.catalog.documents.yaml_tree import YamlError
from engine.catalog.kinds import KINDS
from engine.cli.catalog.catalog_rows import csv_lines, definition_lines, kind_of_section


def lines_of(text):
    return [*csv_lines(enumerate(text.split("\n"), start=1), "customers")]


def test_a_row_is_a_definition_with_what_its_cells_have():
    """Entries of mappings, JSON, and nothing for an empty cell; a cell may have line breaks, which keep the count."""
    lines = lines_of(
        'id,name,metadata.team,metadata.note,tags:=\nacme,"Acme, Inc.",eu,"two\nlines",\n\nb,B,,,"[1.10, ""x""]"'
    )
    assert [number for number, _ in lines] == [2, 3, 4, 5]
    assert [text for _, text in lines[1:3]] == ["", ""]
    assert json.loads(lines[0][1]) == {
        "kind": "customer",
        "definition": {
            "id": "acme",
            "name": "Acme, Inc.",
            "metadata": {"team": "eu", "note": "two\nlines"},
        },
    }
    assert json.loads(lines[3][1])["definition"] == {"id": "b", "name": "B", "tags": ["1.10", "x"]}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("id,name\na,b,c", 2, "has 3 cells, the header 2"),
        ("id,id\na,b", 1, "names the column 'id' twice"),
        ("id,,x\na,b,c", 1, "has a column without a name"),
        ("id,tags:=\na,b\nc,[", 2, "tags:=: is not JSON"),
        ('id,name\na,b\nc,"d', 3, "is not CSV"),
        ("id,metadata,metadata.a\na,b,c", 2, "metadata is a column of its own, too"),
    ],
)
def test_a_row_that_is_none_is_told_with_its_line(text, line, message):
    """Before anything of it is sent."""
    with pytest.raises(YamlError) as refused:
        lines_of(text)
    assert refused.value.line == line
    assert message in refused.value.message


def test_a_line_that_is_a_definition_is_taken_as_it_is_written():
    """Numbers stay; empty lines count."""
    lines = [*definition_lines([(1, '{"id": "a", "n": 0.10}'), (2, " ")], "customers")]
    assert lines == [(1, '{"kind": "customer", "definition": {"id": "a", "n": 0.10}}'), (2, "")]


def test_every_section_is_called_after_its_kind():
    """Which a command knows without the kinds."""
    assert {section: kind_of_section(section) for section in SECTIONS} == {
        each.section: each.kind for each in KINDS.values()
    }
