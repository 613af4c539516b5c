"""What `meterline import` makes of files before anything is sent: rows, times, ids and requests; no engine needed."""

import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cli.imports.csv_rows import CsvSource
from engine.cli.imports.import_requests import REQUEST_BYTES_MAX, requests_of
from engine.cli.imports.json_rows import CloudEvents, JsonSource, NdjsonSource
from engine.cli.imports.parquet_rows import ParquetSource
from engine.cli.imports.row_mapping import ImportedEvent, MappedField, RowMapping, RowProblem
from engine.cli.imports.row_times import time_reader
from engine.cli.imports.rows import Row
from engine.cli.terminal.connection import CommandError
from engine.json_cells import Flaw
from ingest import Limits, RequestKind, decode

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON_US = 1_773_144_000_000_000  # 2026-03-10T12:00:00Z


def _csv(data):
    return list(CsvSource(io.BufferedReader(io.BytesIO(data)), "f.csv", len(data)).rows())


def _ndjson(data):
    return list(NdjsonSource(io.BytesIO(data), len(data)).rows())


def _cloudevents(data):
    return list(CloudEvents(JsonSource(io.BufferedReader(io.BytesIO(data)), len(data))).rows())


def _parquet(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    sink.seek(0)
    return list(ParquetSource(sink, "f.parquet").rows())


def _cells(rows):
    return [row.cells for row in rows]


def test_csv_is_text_as_it_is_and_an_empty_cell_is_absent():
    """A byte order mark, quoted commas, quotes and line breaks, spaces and leading zeros; a blank line is not a row."""
    rows = _csv('\ufeffa,b,c\r\n007, x ,"1,5"\r\n\r\n,"say ""hi""\nthere",1e3\n'.encode())
    assert _cells(rows) == [{"a": "007", "b": " x ", "c": "1,5"}, {"b": 'say "hi"\nthere', "c": "1e3"}]
    assert [row.number for row in rows] == [1, 2]


def test_a_row_that_is_no_csv_stops_no_other():
    """Too few cells, and text after a quote."""
    rows = _csv(b'a,b\n1\n"1"x,2\n3,4\n')
    assert [row.cells if isinstance(row.cells, dict) else type(row.cells) for row in rows] == [
        Flaw,
        Flaw,
        {"a": "3", "b": "4"},
    ]


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"", "is empty"), (b"a,,b\n", "column 2 has no name"), (b"a,b,a\n", "names the column 'a' twice")],
)
def test_a_csv_header_that_is_none_is_refused(data, line):
    """By the file and the column."""
    with pytest.raises(CommandError, match=line):
        _csv(data)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0.1", "0.1"),
        ("12345678901234567890123456.123456789012", "12345678901234567890123456.123456789012"),
        ("1.50", "1.50"),
        ("1e3", "1000"),
        ("-2.5E-3", "-0.0025"),
        ("9007199254740993", "9007199254740993"),
        # Too many digits to write out: the engine says that it is not a quantity.
        ("1e999999999", "1e999999999"),
        ("true", "true"),
        ('"x"', "x"),
    ],
)
def test_a_json_number_keeps_its_digits(number, text):
    """No binary float ever sees it; an exponent is written out."""
    assert _cells(_ndjson(f'{{"n": {number}}}'.encode())) == [{"n": text}]


def test_json_objects_are_flattened_nulls_are_absent_and_lists_are_flaws():
    """Names of nested fields have a dot."""
    (row,) = _ndjson(b'{"a": {"b": 1, "c": {"d": "x"}}, "e": null, "f": [1], "g": ""}')
    assert row.cells == {
        "a.b": "1",
        "a.c.d": "x",
        "f": Flaw("is a list: an event's property is one value"),
        "g": "",
    }


def test_lines_that_are_no_json_objects_are_flawed_rows():
    """Noise, NaN, another type, text that is not UTF-8, a line longer than a mebibyte, a deep nest; the next is sound."""
    lines = [
        b"{",
        b'{"a": NaN}',
        b"7",
        b'"\xff"',
        b'{"a": "' + b"x" * 1_100_000 + b'"}',
        b"[" * 100_000,
        b'{"a": 1}',
    ]
    rows = _ndjson(b"\n".join(lines))
    assert [isinstance(row.cells, Flaw) for row in rows] == [True] * 6 + [False]
    assert [row.number for row in rows] == list(range(1, 8))


_EVENT = {"specversion": "1.0", "id": "1", "source": "/x", "type": "call", "subject": "acme"}


def test_a_cloudevents_batch_of_any_size_is_read_a_piece_at_a_time():
    """3,000 elements with characters of four bytes, cut wherever a piece ends."""
    events = [
        _EVENT | {"id": str(i), "data": {"name": "\N{ROCKET}" * (i % 50), "n": i}} for i in range(3_000)
    ]
    rows = _cloudevents(json.dumps(events, ensure_ascii=False, indent=1).encode())
    assert [row.cells["id"] for row in rows] == [str(i) for i in range(3_000)]
    assert all(row.cells.get("data.name", "") == "\N{ROCKET}" * (i % 50) for i, row in enumerate(rows))
    assert [row.cells["data.n"] for row in rows] == [str(i) for i in range(3_000)]


@pytest.mark.parametrize("data", [b"[]", b" [ ] ", b"", b"\n"])
def test_an_empty_batch_has_no_rows(data):
    """Nor has an empty file."""
    assert _cloudevents(data) == []


@pytest.mark.parametrize("tail", [b", {]", b" {}]", b", ", b', {"id": \xff}]', b", 7 8]"])
def test_where_a_batch_breaks_off_what_came_before_counts(tail):
    """The rest is one flawed row."""
    rows = _cloudevents(b"[" + json.dumps(_EVENT).encode() + tail)
    assert rows[0].cells["id"] == "1"
    assert isinstance(rows[-1].cells, Flaw)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"specversion": "0.3"}, "specversion 0.3"),
        ({"source": None}, "has no source"),
        ({"id": ""}, "has no id"),
        ({"data": [1]}, "data that is not a JSON object"),
        ({"data_base64": "AA=="}, "data that is not a JSON object"),
    ],
)
def test_what_is_no_cloudevent_is_a_flawed_row(changes, line):
    """The required attributes of 1.0, and data that has fields."""
    (row,) = _cloudevents(json.dumps(_EVENT | changes).encode())
    assert line in row.cells.message


def test_parquet_values_have_the_texts_of_the_engine():
    """Integers, decimals, doubles, floats of 32 bits, bools, dictionaries, dates, times; null is absent."""
    rows = _parquet(
        whole=pa.array([2**64 - 1, None], pa.uint64()),
        exact=pa.array([Decimal("1.50"), Decimal(0)], pa.decimal128(38, 18)),
        double=pa.array([0.1, 1e22]),
        single=pa.array([0.1, 1e-7], pa.float32()),
        flag=[True, False],
        label=pa.array(["a", None]).dictionary_encode(),
        day=pa.array([date(2026, 3, 10), None]),
        aware=pa.array([NOON_US * 1_000 + 999, None], pa.timestamp("ns", "Asia/Tokyo")),
        naive=pa.array([NOON_US // 1_000, None], pa.timestamp("ms")),
    )
    assert _cells(rows) == [
        {
            "whole": "18446744073709551615",
            "exact": "1.500000000000",
            "double": "0.1",
            "single": "0.1",
            "flag": "true",
            "label": "a",
            "day": "2026-03-10",
            "aware": "2026-03-10T12:00:00+00:00",
            "naive": "2026-03-10T12:00:00",
        },
        {
            "exact": "0.000000000000",
            "double": "10000000000000000000000",
            "single": "0.0000001",
            "flag": "false",
        },
    ]


def test_parquet_values_without_a_text_are_flaws():
    """NaN, bytes, lists, and times past the year 9999, of which some would wrap to a common one."""
    far = pa.array([300_000_000_000_000], pa.timestamp("ms"))
    (row,) = _parquet(nan=[float("nan")], data=[b"x"], many=[[1]], far=far)
    assert all(isinstance(cell, Flaw) for cell in row.cells.values())


@pytest.mark.parametrize(
    ("text", "time_format", "zone", "instant"),
    [
        ("2026-03-10T12:00:00Z", "rfc3339", None, datetime(2026, 3, 10, 12, tzinfo=UTC)),
        ("2026-03-10 12:00:00.1234567+02:00", "rfc3339", None, datetime(2026, 3, 10, 10, 0, 0, 123_456, UTC)),
        ("2026-03-10T12:00:00", "rfc3339", "Europe/Berlin", datetime(2026, 3, 10, 11, tzinfo=UTC)),
        # The clocks go back at 03:00: of the two 02:30 the first, in summer time, is meant.
        ("2026-10-25T02:30:00", "rfc3339", "Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-03-10", "rfc3339", "UTC", datetime(2026, 3, 10, tzinfo=UTC)),
        ("1773144000", "epoch-s", None, datetime(2026, 3, 10, 12, tzinfo=UTC)),
        ("1773144000.1234567", "epoch-s", None, datetime(2026, 3, 10, 12, 0, 0, 123_456, UTC)),
        ("1773144000123", "epoch-ms", None, datetime(2026, 3, 10, 12, 0, 0, 123_000, UTC)),
        ("1773144000123456", "epoch-us", None, datetime(2026, 3, 10, 12, 0, 0, 123_456, UTC)),
    ],
)
def test_times_are_read_to_the_microsecond(text, time_format, zone, instant):
    """What is finer is cut off; a time without a zone is in the one that was given."""
    read = time_reader(time_format, ZoneInfo(zone) if zone else None)
    assert read(text) == (instant - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "time_format", "zone", "line"),
    [
        ("2026-03-10T12:00:00", "rfc3339", None, "has no time zone: give --time-zone"),
        ("2026-03-29T02:30:00", "rfc3339", "Europe/Berlin", "does not exist in Europe/Berlin"),
        ("yesterday", "rfc3339", None, "is not an RFC 3339 time"),
        ("1773144000", "rfc3339", None, "give --time-format"),
        ("2026-03-10T23:59:60Z", "rfc3339", None, "is not an RFC 3339 time"),
        ("0001-01-01T00:00:00+14:00", "rfc3339", None, "is out of the calendar"),
        ("2026-03-10T12:00:00Z", "epoch-s", None, "is not a number: --time-format says epoch-s"),
        ("NaN", "epoch-s", None, "is not a number"),
        ("1e30", "epoch-s", None, "is out of the calendar"),
        ("1" * 100, "epoch-us", None, "is not a number"),
        ("0001-01-01T00:00:00", "rfc3339", "Europe/Berlin", "is out of the calendar"),
    ],
)
def test_a_time_that_is_none_is_a_flaw(text, time_format, zone, line):
    """With the option that may be missing."""
    assert line in time_reader(time_format, ZoneInfo(zone) if zone else None)(text).message


def _mapping(**changes):
    fields = {
        "event_ids": (),
        "event_type": MappedField.parse("=call"),
        "customer_id": MappedField.parse("who"),
        "event_time": MappedField.parse("at"),
        "properties": {},
        "read_time": time_reader("rfc3339", None),
        "property_name": str,
    }
    return RowMapping(**(fields | changes))


CELLS = {"who": "acme", "at": "2026-03-10T12:00:00Z", "n": "1.50", "day": "7", "a": "x", "b": "y"}


def test_columns_that_are_nothing_else_are_properties():
    """Unless some are named: then those, and values that are the same for every row."""
    event = _mapping().event(Row(3, CELLS, None), lambda number: f"id-{number}")
    assert event == ImportedEvent(
        "id-3", "call", "acme", NOON_US, {"n": "1.50", "day": "7", "a": "x", "b": "y"}
    )
    named = {
        "tokens": MappedField.parse("n"),
        "region": MappedField.parse("=eu"),
        "none": MappedField.parse("absent"),
    }
    event = _mapping(properties=named).event(Row(3, CELLS, None), str)
    assert event.properties == {"tokens": "1.50", "region": "eu"}


def test_an_id_of_several_columns_is_joined_and_never_made_of_a_part():
    """Two sources may use the same id; without one of the parts the engine says that the id is missing."""
    mapping = _mapping(event_ids=("a", "b"))
    assert mapping.event(Row(1, CELLS, None), str).event_id == "x/y"
    assert mapping.event(Row(1, {"a": "x", "who": "acme"}, None), str).event_id == ""


def test_ids_of_several_columns_that_differ_in_one_are_never_the_same():
    """A separator inside a later part is written otherwise, and so is what writes it."""
    mapping = _mapping(event_ids=("a", "b"))
    pairs = [("/a", "b/1"), ("/a/b", "1"), ("/a", "b%2F1"), ("x/", "1"), ("x", "/1")]
    ids = [mapping.event(Row(1, CELLS | {"a": a, "b": b}, None), str).event_id for a, b in pairs]
    assert ids == ["/a/b%2F1", "/a/b/1", "/a/b%252F1", "x//1", "x/%2F1"]


def test_what_can_not_be_sent_is_a_problem_of_its_row():
    """A flaw in a cell, text that is not Unicode, and more than an event can have; a missing time goes to the engine."""
    for cells, field in (
        ({"n": Flaw("is a list")}, "properties.n"),
        ({"n": "\ud800"}, ""),
        ({"n": "x" * 200_000}, ""),
        ({"at": "soon"}, "event_time"),
    ):
        problem = _mapping().event(Row(1, CELLS | cells, None), str)
        assert isinstance(problem, RowProblem)
        assert problem.field == field
    assert _mapping().event(Row(1, {"who": "acme"}, None), str).event_time_us is None


@given(st.lists(st.sampled_from([10, 1_000, 100_000]), max_size=60), st.integers(1, 300))
def test_requests_hold_every_row_once_and_stay_below_the_limit(sizes, names):
    """Whatever the sizes of the rows and the number of properties: in order, decodable, at most 4 MB."""
    rows = [
        Row(number, {"who": "acme", f"p{number % names}": "x" * size} if size > 10 else Flaw("is bad"), None)
        for number, size in enumerate(sizes, 1)
    ]
    seen = []
    for request in requests_of(rows, _mapping(), lambda number: f"id-{number}"):
        assert len(request.payload) <= REQUEST_BYTES_MAX
        here = [row.number for row in request.events] + [row.number for row, _ in request.problems]
        assert request.last_row == max(here)
        seen += sorted(here)
        if request.events:
            decoded = decode(RequestKind.COLUMNS, [request.payload], Limits())
            assert not decoded.mistakes
            assert decoded.events.event_ids.to_pylist() == [f"id-{row.number}" for row in request.events]
    assert seen == [row.number for row in rows]


def test_more_properties_than_an_engine_takes_columns_travel_as_a_map():
    """300 rows, each with a property of its own."""
    rows = [Row(number, {"who": "acme", f"p{number}": str(number)}, None) for number in range(1, 301)]
    (request,) = requests_of(rows, _mapping(), str)
    properties = decode(RequestKind.COLUMNS, [request.payload], Limits()).events.properties
    assert properties.texts.to_pylist() == [str(number) for number in range(1, 301)]
    assert [properties.names[int(code)].as_py() for code in properties.codes] == [
        f"p{n}" for n in range(1, 301)
    ]
