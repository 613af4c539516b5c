"""Fields of stored definitions, read in bulk."""

import json

import pyarrow as pa
import pytest

from engine.catalog.snapshots.definition_columns import definition_fields, marked_definitions

SCHEMA = pa.schema([("id", pa.string()), ("region", pa.string())])
TEXTS = [
    {"id": "a", "region": "DE"},
    {"id": "b", "note": 'a text with "region": in it'},
    {"id": "c", "metadata": {"region": "inner"}},
    {"id": "d"},
]


def _chunks(*texts):
    column = pa.array([json.dumps(each, separators=(",", ":")) for each in texts], pa.large_string())
    return pa.RecordBatch.from_arrays([column], ["definition"])


def test_only_marked_definitions_are_read_and_only_their_own_field_counts():
    """A text that quotes the mark doesn't have it; an object within has a field of its own."""
    found = marked_definitions([_chunks(*TEXTS[:2]), _chunks(*TEXTS[2:])], '"region":')
    ids, regions = definition_fields(found, SCHEMA)
    assert ids.to_pylist() == ["a", "c"]
    assert regions.to_pylist() == ["DE", None]


def test_any_of_several_marks_is_enough():
    """A region, or a note."""
    found = marked_definitions([_chunks(*TEXTS)], '"region":', '"note":')
    assert definition_fields(found, SCHEMA)[0].to_pylist() == ["a", "b", "c"]


def test_without_a_definition_there_are_empty_columns():
    """Of the types of the schema."""
    columns = definition_fields(marked_definitions([], '"region":'), SCHEMA)
    assert [(len(each), each.type) for each in columns] == [(0, pa.string()), (0, pa.string())]


def test_other_fields_are_an_error_where_that_is_asked_for():
    """What a version of the engine doesn't know it must not overlook."""
    (chunk,) = [_chunks(TEXTS[1])]
    assert definition_fields(chunk.column("definition"), SCHEMA)[0].to_pylist() == ["b"]
    with pytest.raises(pa.ArrowException):
        definition_fields(chunk.column("definition"), SCHEMA, others="error")
