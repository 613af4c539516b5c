"""`meterline import` against a real engine: every format, exact to the digit, through kills, restarts and mistakes."""

import csv
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.billing_pb2 import ListLineItemsRequest
from meterline.v1.billing_pb2_grpc import BillingServiceStub
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from tests.support.command_processes import run_command

ROOT = Path(__file__).parents[2]
AT = Timestamp(seconds=1_773_144_000)  # 2026-03-10T12:00:00Z
NOON = "2026-03-10T12:00:00Z"
CATALOG = """
meters:
  - {id: NAME_tokens, event_type: NAME.call, aggregation: sum, value: tokens}
plans:
  - id: NAME
    name: The plan of NAME
    currency: USD
    billing_period: month
    prices: [{id: tokens, meter: NAME_tokens, model: per_unit, unit_amount: "0.01"}]
customers: [{id: NAME_acme, name: Acme}]
subscriptions: [{customer: NAME_acme, plan: NAME, start: 2026-03-01}]
"""


def _command(*arguments):
    return [sys.executable, "-m", "engine", "import", *map(str, arguments)]


def _run(*arguments, stdin=None):
    return run_command("import", *arguments, stdin=stdin)


def _assert_one_line(done, *parts):
    assert done.returncode == 2, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("meterline: ")
    for part in parts:
        assert part in line


def _quantity(channel, name):
    """The exact quantity on the customer's line, and how many events it has."""
    request = ListLineItemsRequest(customer_id=f"{name}_acme", at=AT)
    (item,) = BillingServiceStub(channel).ListLineItems(request, timeout=60).line_items
    return Decimal(item.quantity), item.event_count


WHY = "the rejects file says why; run this again when that is mended"


def _used(name, event_id, tokens, **fields):
    """A row of NDJSON; without an id if there is none."""
    row = {"event_type": f"{name}.call", "customer_id": f"{name}_acme", "event_time": NOON, "tokens": tokens}
    return row | ({} if event_id is None else {"event_id": event_id}) | fields


def _write_ndjson(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def _rejects(path):
    return [
        json.loads(line) for line in path.with_name(path.name + ".rejects.ndjson").read_text().splitlines()
    ]


@pytest.fixture
def imported(engine):
    """Imports with the session's engine."""
    return lambda path, *options, **streams: _run(path, "--target", engine.target, *options, **streams)


# Their sum is 12345678901234567890123457.923456789013: 26 and 12 digits, where a double has 16.
TOKENS = ["12345678901234567890123456.123456789012", "0.000000000001", "0.1", "0.2", "1.5"]
TOTAL = Decimal("12345678901234567890123457.923456789013")


def _csv(path, name):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["event_id", "event_type", "customer_id", "event_time", "tokens", "model"])
        for i, tokens in enumerate(TOKENS):
            writer.writerow([f"{name}-{i}", f"{name}.call", f"{name}_acme", NOON, tokens, 'the "large", one'])


def _fields(name, i):
    return {"event_type": f"{name}.call", "customer_id": f"{name}_acme", "event_id": f"{name}-{i}"}


def _ndjson(path, name):
    # Numbers with more digits than a double has, written as numbers.
    lines = [
        json.dumps(_fields(name, i) | {"event_time": NOON, "model": 'the "large", one'})[:-1]
        + f', "tokens": {tokens}}}'
        for i, tokens in enumerate(TOKENS)
    ]
    path.write_text("\n".join(lines) + "\n")


def _parquet(path, name):
    rows = [_fields(name, i) for i in range(len(TOKENS))]
    times = pa.array([1_773_144_000_000_000_000] * len(rows), pa.timestamp("ns", "America/New_York"))
    table = (
        pa.Table.from_pylist(rows)
        .append_column("event_time", times)
        .append_column("tokens", pa.array(map(Decimal, TOKENS), pa.decimal128(38, 12)))
        .append_column("model", pa.array(['the "large", one'] * len(rows)).dictionary_encode())
    )
    pq.write_table(table, path)


def test_a_bad_first_line_does_not_hide_that_a_file_has_ids(tmp_path, apply, channel, imported):
    """Under made ids every row that was sent live would count again."""
    apply(CATALOG.replace("NAME", "im_live"))
    path = tmp_path / "live.ndjson"
    _ndjson(path, "im_live")
    assert imported(path).returncode == 0
    again = tmp_path / "again.ndjson"
    again.write_text("# an export\n" + path.read_text())
    done = imported(again)
    assert "6 rows: 0 accepted, 5 duplicate, 0 conflict, 1 rejected" in done.stdout
    assert _quantity(channel, "im_live") == (TOTAL, 5)


def _cloud_event(name, i, tokens):
    head = {
        "specversion": "1.0",
        "id": f"{name}-{i}",
        "source": "/billing/gateway",
        "type": f"{name}.call",
        "subject": f"{name}_acme",
        "time": NOON,
    }
    return json.dumps(head)[:-1] + f', "data": {{"tokens": {tokens}, "model": "large"}}}}'


def _cloudevents_batch(path, name):
    path.write_text(
        "[\n" + ",\n".join(_cloud_event(name, i, each) for i, each in enumerate(TOKENS)) + "\n]\n"
    )


def _cloudevents_lines(path, name):
    path.write_text("\n".join(_cloud_event(name, i, each) for i, each in enumerate(TOKENS)))


@pytest.mark.parametrize(
    ("write", "suffix", "options"),
    [
        (_csv, "csv", []),
        (_ndjson, "ndjson", []),
        (_parquet, "parquet", []),
        (_cloudevents_batch, "json", []),
        (_cloudevents_lines, "jsonl", ["--format", "cloudevents"]),
    ],
)
def test_every_format_is_counted_digit_by_digit(imported, apply, channel, tmp_path, write, suffix, options):
    """26 and 12 digits, 0.1 and 0.2, in text, JSON numbers and decimals: the sum on the line is exact."""
    name = f"im_{write.__name__.strip('_')}"
    apply(CATALOG.replace("NAME", name))
    path = tmp_path / f"usage.{suffix}"
    write(path, name)
    done = imported(path, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{path}: 5 rows: 5 accepted, 0 duplicate, 0 conflict, 0 rejected\n"
    assert _quantity(channel, name) == (TOTAL, 5)


def test_doubles_of_a_parquet_file_have_their_shortest_digits(imported, apply, channel, tmp_path):
    """0.1 and 0.2 in 64 bits and in 32: 0.3 and 0.3, and nothing behind it."""
    apply(CATALOG.replace("NAME", "im_double"))
    for bits, kind in ((64, pa.float64()), (32, pa.float32())):
        path = tmp_path / f"{bits}.parquet"
        rows = [_fields("im_double", f"{bits}-{i}") | {"event_time": NOON} for i in range(2)]
        pq.write_table(pa.Table.from_pylist(rows).append_column("tokens", pa.array([0.1, 0.2], kind)), path)
        assert imported(path).returncode == 0
    assert _quantity(channel, "im_double") == (Decimal("0.6"), 4)


def test_without_its_state_a_file_is_imported_again_and_counts_once(imported, apply, channel, tmp_path):
    """Ids that are made from the content and the row are the same again; with the state nothing is even sent."""
    apply(CATALOG.replace("NAME", "im_again"))
    path = tmp_path / "usage.csv"
    path.write_text("who,tokens\n" + "im_again_acme,2\n" * 3)
    mapping = ["--event-type", "=im_again.call", "--customer-id", "who", "--event-time", f"={NOON}"]
    first, second = imported(path, *mapping), imported(path, *mapping)
    assert "3 rows: 3 accepted, 0 duplicate" in first.stdout
    assert second.stdout == first.stdout.replace("\n", " (3 of them by an earlier run)\n")
    path.with_name("usage.csv.import-state.json").unlink()
    assert "3 rows: 0 accepted, 3 duplicate" in imported(path, *mapping).stdout
    assert _quantity(channel, "im_again") == (Decimal(6), 3)


def test_a_changed_file_reuses_no_ids_and_is_not_counted_twice_by_mistake(imported, apply, channel, tmp_path):
    """With a state it is refused in one line; elsewhere, under another name, it is another file with other ids."""
    apply(CATALOG.replace("NAME", "im_changed"))
    path, other = tmp_path / "usage.csv", tmp_path / "other.csv"
    head = "event_type,customer_id,event_time,tokens\n"
    path.write_text(head + f"im_changed.call,im_changed_acme,{NOON},2\n")
    assert imported(path).returncode == 0
    other.write_text(head + f"im_changed.call,im_changed_acme,{NOON},3\n")
    path.write_text(other.read_text())
    _assert_one_line(imported(path), "has changed since its import began", "--event-id", "import-state.json")
    assert "1 accepted" in imported(other).stdout
    assert _quantity(channel, "im_changed") == (Decimal(5), 2)


def test_a_quote_that_is_not_closed_is_told_before_anything_is_sent(imported, apply, channel, tmp_path):
    """Whatever is sound before it; once it is closed the file is imported as if nothing had been."""
    apply(CATALOG.replace("NAME", "im_quote"))
    path = tmp_path / "usage.csv"
    row = f"im_quote.call,im_quote_acme,{NOON},"
    path.write_text(f'event_type,customer_id,event_time,tokens\n{row}2\n{row}"3\n{row}4\n')
    _assert_one_line(imported(path), "usage.csv:3: a quote opens there", "nothing was sent")
    assert [each.name for each in tmp_path.iterdir()] == ["usage.csv"]
    path.write_text(path.read_text().replace('"3', '"3"'))
    assert "3 rows: 3 accepted" in imported(path).stdout
    assert _quantity(channel, "im_quote") == (Decimal(9), 3)


def test_a_file_counts_once_however_it_comes(imported, apply, channel, tmp_path):
    """Plain, compressed, or on standard input: the bytes are the same, so the made ids are."""
    apply(CATALOG.replace("NAME", "im_packed"))
    path, packed, rejects = tmp_path / "usage.csv", tmp_path / "usage.csv.gz", tmp_path / "r.ndjson"
    path.write_text("tokens\n2\n3\nx\n")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    mapping = [
        "--event-type", "=im_packed.call", "--customer-id", "=im_packed_acme", "--event-time", f"={NOON}",
    ]  # fmt: skip
    assert "3 rows: 2 accepted, 0 duplicate, 0 conflict, 1 rejected" in imported(packed, *mapping).stdout
    assert "3 rows: 0 accepted, 2 duplicate" in imported(path, *mapping).stdout
    piped = [*mapping, "--format", "csv", "--rejects", rejects]
    with path.open() as file:
        done = imported("-", *piped, stdin=file)
    assert "standard input: 3 rows: 0 accepted, 2 duplicate, 0 conflict, 1 rejected; see" in done.stdout
    assert [json.loads(line)["row"] for line in rejects.read_text().splitlines()] == [3]
    assert _quantity(channel, "im_packed") == (Decimal(5), 2)


def test_standard_input_needs_a_format_and_a_place_for_rejects(imported):
    """There is no name that could say either."""
    for options in (
        (),
        ("--format", "csv"),
        ("--rejects", "r"),
        ("other.csv", "--format", "csv", "--rejects", "r"),
    ):
        done = imported("-", *options)
        assert done.returncode == 2
        assert "--format and --rejects" in done.stderr or "are for one file" in done.stderr


def test_bad_rows_go_to_the_rejects_file_and_stop_nothing(imported, apply, channel, tmp_path):
    """With their number, verdict, field, reason, message and the row as it was; the exit code says so."""
    apply(CATALOG.replace("NAME", "im_bad"))
    path = tmp_path / "usage.ndjson"
    sound = _fields("im_bad", 0) | {"event_time": NOON, "tokens": 2}
    path.with_name("usage.ndjson.rejects.ndjson").write_text("what an earlier import left\n")
    rows = [
        sound,
        sound | {"event_id": "im_bad-1", "tokens": "many"},
        sound | {"event_id": "im_bad-2", "event_time": "2026-03-10T12:00:00"},
        sound | {"tokens": 3},
        sound | {"event_id": "im_bad-4", "tokens": [1, 2]},
        sound | {"event_id": None},
        sound | {"event_id": "im_bad-6", "event_type": "im_bad.cal"},
        sound | {"event_id": "im_bad-7", "tokens": 5},
    ]
    lines = [json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join([*lines, b"{'tokens': 1}", b'{"model": "\xff"}', b"\n7", b'{"tokens": NaN}']))
    done = imported(path)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{path}: 12 rows: 2 accepted, 0 duplicate, 1 conflict, 9 rejected; see ")
    assert done.stderr == f"meterline: 10 rows not stored: {WHY}\n"
    rejects = _rejects(path)
    assert [(each["row"], each["verdict"], each["field"], each["reason"]) for each in rejects] == [
        (2, "rejected", "properties.tokens", "not_decimal"),
        (3, "rejected", "event_time", "malformed"),
        (4, "conflict", "properties", "id_reused"),
        (5, "rejected", "properties.tokens", "malformed"),
        (6, "rejected", "event_id", "missing"),
        (7, "rejected", "event_type", "unknown_event_type"),
        (9, "rejected", "", "malformed"),
        (10, "rejected", "", "malformed"),
        (11, "rejected", "", "malformed"),
        (12, "rejected", "", "malformed"),
    ]
    assert rejects[0]["original"]["tokens"] == "many"
    assert "give --time-zone" in rejects[1]["message"]
    assert _quantity(channel, "im_bad") == (Decimal(7), 2)


def test_a_second_run_takes_the_rows_whose_cause_is_mended(imported, apply, channel, tmp_path):
    """The same command again; what is stored comes back as duplicate. When all is stored, nothing is sent any more."""
    document = CATALOG.replace("NAME", "im_more")
    apply(document)
    path = tmp_path / "usage.csv"
    path.write_text(
        "event_type,customer_id,event_time,tokens\n"
        f"im_more.call,im_more_acme,{NOON},1\nim_more.new,im_more_acme,{NOON},2\n"
    )
    first = imported(path)
    assert first.stderr == f"meterline: 1 row not stored: {WHY}\n"
    assert "2 rows: 0 accepted, 1 duplicate, 0 conflict, 1 rejected; see" in imported(path).stdout
    apply(
        document.replace(
            "plans:", "  - {id: im_more_new, event_type: im_more.new, aggregation: count}\nplans:"
        )
    )
    third = imported(path)
    assert third.returncode == 0, third.stderr
    assert "2 rows: 1 accepted, 1 duplicate, 0 conflict, 0 rejected" in third.stdout
    assert not path.with_name("usage.csv.rejects.ndjson").exists()
    assert "0 rejected (2 of them by an earlier run)" in imported(path).stdout
    assert _quantity(channel, "im_more") == (Decimal(1), 1)


def test_a_missing_option_may_be_added_to_a_finished_import_but_no_other_ids(
    imported, apply, channel, tmp_path
):
    """A time without a zone is rejected until --time-zone is given. Another --event-id would count rows twice."""
    apply(CATALOG.replace("NAME", "im_zone"))
    path = tmp_path / "usage.csv"
    path.write_text(
        "event_type,customer_id,event_time,tokens,n\n"
        f"im_zone.call,im_zone_acme,{NOON},1,a\nim_zone.call,im_zone_acme,{NOON[:-1]},2,b\n"
    )
    columns = ["--property=tokens=tokens"]
    assert imported(path, *columns).returncode == 1
    other = imported(path, *columns, "--time-zone", "UTC", "--event-id", "n")
    assert (other.returncode, "its import began with other options" in other.stderr) == (2, True)
    mended = imported(path, *columns, "--time-zone", "UTC")
    assert "2 rows: 1 accepted, 1 duplicate, 0 conflict, 0 rejected" in mended.stdout
    assert _quantity(channel, "im_zone") == (Decimal(3), 2)


@pytest.mark.parametrize("suffix", ["ndjson", "csv"])
def test_a_rejects_file_that_was_mended_is_imported(imported, apply, channel, tmp_path, suffix):
    """With the options of its file. A row keeps the id that was made for it, so it counts once, whichever way it comes."""
    name = f"im_back_{suffix}"
    apply(CATALOG.replace("NAME", name))
    path, rejects = tmp_path / "usage.csv", tmp_path / f"bad.{suffix}"
    path.write_text(f"who,tokens\n{name}_acme,2\n{name}_acme,3O\n{name}_acme,x\n{name}_acme\n")
    mapping = ["--event-type", f"={name}.call", "--customer-id", "who", "--event-time", f"={NOON}"]
    assert imported(path, *mapping, "--rejects", rejects).returncode == 1
    text = rejects.read_text()
    assert "3O" in text
    rejects.write_text(text.replace("3O", "30"))
    for counts in ("1 accepted, 0 duplicate", "0 accepted, 1 duplicate"):
        back = imported(rejects, *mapping)
        assert f"3 rows: {counts}, 0 conflict, 2 rejected" in back.stdout, back.stderr
    left = _rejects(rejects)
    assert (left[0]["row"], left[0]["original"]) == (
        2,
        {"who": f"{name}_acme", "tokens": "x"},
    )
    assert left[0]["event_id"].endswith("-3")
    assert "mend it in its file" in left[1]["message"]
    assert _quantity(channel, name) == (Decimal(32), 2)
    # Mended further, it begins anew: with options that give the same ids.
    rejects.write_text(rejects.read_text().replace('"x"', '"9"'))
    _assert_one_line(imported(rejects, *mapping, "--event-id", "who"), "its import began with other options")
    again = imported(rejects, *mapping)
    assert "3 rows: 1 accepted, 1 duplicate, 0 conflict, 1 rejected; see" in again.stdout, again.stderr
    assert _quantity(channel, name) == (Decimal(41), 3)


def test_a_rejected_row_never_comes_back_under_another_id(imported, apply, channel, tmp_path):
    """Not under a made one where a column has the ids, though the first rejected row has none: 10 + 1 stay 11."""
    apply(CATALOG.replace("NAME", "im_ids"))
    first, path = tmp_path / "a.ndjson", tmp_path / "b.ndjson"
    _write_ndjson(first, [_used("im_ids", "e2", 10)])
    rows = [
        _used("im_ids", "e0", 1),
        _used("im_ids", None, 2),
        _used("im_ids", "e2", 20),
        _used("im_ids", "e3", "3O"),
    ]
    _write_ndjson(path, rows)
    assert imported(first).returncode == 0
    assert "1 accepted, 0 duplicate, 1 conflict, 2 rejected" in imported(path).stdout
    rejects = tmp_path / "b.ndjson.rejects.ndjson"
    assert "0 accepted, 0 duplicate, 1 conflict, 2 rejected" in imported(rejects).stdout
    assert _quantity(channel, "im_ids") == (Decimal(11), 2)
    mended = tmp_path / "mended.ndjson"
    mended.write_text(rejects.read_text().replace("3O", "30"))
    assert "1 accepted, 0 duplicate, 1 conflict, 1 rejected" in imported(mended).stdout
    _write_ndjson(tmp_path / "retry.ndjson", [_used("im_ids", "e3", "30")])
    assert "0 accepted, 1 duplicate" in imported(tmp_path / "retry.ndjson").stdout
    assert _quantity(channel, "im_ids") == (Decimal(41), 3)


def test_a_row_whose_id_was_made_keeps_it_whatever_columns_it_has(imported, apply, channel, tmp_path):
    """In a file without ids `event_id` is a property. The rejected row comes back under its made id: no retry counts twice."""
    document = CATALOG.replace("NAME", "im_made")
    apply(document)
    path = tmp_path / "usage.ndjson"
    row = _used("im_made", None, 1)
    _write_ndjson(path, [row, _used("im_made", "k9", 2, event_type="im_made.new")])
    assert "1 accepted, 0 duplicate, 0 conflict, 1 rejected" in imported(path).stdout
    apply(
        document.replace(
            "plans:", "  - {id: im_made_new, event_type: im_made.new, aggregation: count}\nplans:"
        )
    )
    rejects = tmp_path / "usage.ndjson.rejects.ndjson"
    assert "1 row: 1 accepted, 0 duplicate" in imported(rejects).stdout
    assert "2 rows: 0 accepted, 2 duplicate" in imported(path).stdout


@pytest.mark.parametrize("suffix", ["ndjson", "csv"])
def test_a_row_with_a_name_twice_is_refused_from_its_rejects_file_too(
    imported, apply, channel, tmp_path, suffix
):
    """Which of the two is meant nobody knows, then as before."""
    name = f"im_twice_{suffix}"
    apply(CATALOG.replace("NAME", name))
    path, rejects = tmp_path / "usage.ndjson", tmp_path / f"bad.{suffix}"
    good = json.dumps(_used(name, "a", 10))
    path.write_text(f'{good[:-1]}, "tokens": 1000}}\n')
    assert imported(path, "--rejects", rejects).returncode == 1
    assert "1000" in rejects.read_text()
    assert "0 accepted, 0 duplicate, 0 conflict, 1 rejected" in imported(rejects).stdout


def test_rejected_cloud_events_are_taken_back(imported, apply, channel, tmp_path):
    """With --format cloudevents, which the name of the rejects file doesn't say."""
    document = CATALOG.replace("NAME", "im_ce")
    apply(document)
    path = tmp_path / "usage.json"
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "im_ce.new",
        "subject": "im_ce_acme",
        "time": NOON,
    }
    path.write_text(json.dumps([event | {"data": {"tokens": 3}}]))
    assert imported(path).returncode == 1
    apply(
        document.replace("plans:", "  - {id: im_ce_new, event_type: im_ce.new, aggregation: count}\nplans:")
    )
    back = imported(tmp_path / "usage.json.rejects.ndjson", "--format", "cloudevents")
    assert "1 row: 1 accepted" in back.stdout, back.stderr
    assert "1 row: 0 accepted, 1 duplicate" in imported(path).stdout


def test_a_rejects_file_that_a_person_edited_is_put_aside(imported, apply, tmp_path):
    """A repeat writes a new one; the old one stays beside it."""
    apply(CATALOG.replace("NAME", "im_aside"))
    path = tmp_path / "usage.csv"
    path.write_text(f"event_type,customer_id,event_time,tokens\nim_aside.call,im_aside_acme,{NOON},x\n")
    assert imported(path).returncode == 1
    rejects = tmp_path / "usage.csv.rejects.ndjson"
    rejects.write_text("mended\n")
    assert imported(path).returncode == 1
    assert (tmp_path / "usage.csv.rejects.ndjson.old").read_text() == "mended\n"
    assert _rejects(path)[0]["row"] == 1


def test_the_rejects_file_can_be_csv(imported, apply, tmp_path):
    """One header, one row for each reject."""
    apply(CATALOG.replace("NAME", "im_csv"))
    path, rejects = tmp_path / "usage.csv", tmp_path / "bad.csv"
    path.write_text(
        f"event_type,customer_id,event_time,tokens\nim_csv.call,im_csv_acme,{NOON},x\nim_csv.call,im_csv_acme\n"
    )
    assert imported(path, "--rejects", rejects).returncode == 1
    with rejects.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["reason"]) for row in rows] == [("1", "not_decimal"), ("2", "malformed")]
    assert rows[1]["message"] == "the row has 2 cells; the header has 4"


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (
            ["--customer-id", "who"],
            ["has no column 'who'", "--customer-id", "Its columns: event_type, customer, tokens"],
        ),
        ([], ["has no column 'customer_id'", "--customer-id =VALUE"]),
        (
            ["--customer-id", "customer", "--event-time", f"={NOON}", "--event-id", "id"],
            ["has no column 'id'"],
        ),
        (
            ["--customer-id", "customer", "--event-time", f"={NOON}", "--property", "n=token"],
            ["has no column 'token'"],
        ),
        (["--format", "parquet"], ["is not a Parquet file"]),
        (["--time-zone", "Mars/Olympus"], ["'Mars/Olympus' is not a time zone"]),
        (["--property", "tokens"], ["write NAME=COLUMN"]),
    ],
)
def test_a_mistake_of_mapping_is_one_line_before_anything_is_sent(imported, tmp_path, options, parts):
    """It names the column, the option and the columns that there are; no state is left behind."""
    path = tmp_path / "usage.csv"
    path.write_text("event_type,customer,tokens\nx,acme,2\n")
    done = imported(path, *options)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["usage.csv"]


def test_a_file_that_is_not_there_or_says_nothing_of_its_format_is_named(imported, tmp_path):
    """One line each."""
    _assert_one_line(imported(tmp_path / "none.csv"), "none.csv", "No such file")
    (tmp_path / "usage.txt").write_text("x")
    _assert_one_line(
        imported(tmp_path / "usage.txt"), "usage.txt", "--format csv, ndjson, parquet or cloudevents"
    )


def test_another_mapping_or_engine_does_not_go_on_from_the_state(imported, apply, tmp_path):
    """It would skip rows that this engine never saw, or mix two mappings."""
    apply(CATALOG.replace("NAME", "im_other"))
    path = tmp_path / "usage.csv"
    path.write_text(f"event_type,customer_id,event_time,tokens\nim_other.call,im_other_acme,{NOON},2\n")
    assert imported(path).returncode == 0
    _assert_one_line(
        imported(path, "--property", "tokens=tokens"), "began with other options", "import-state.json"
    )
    _assert_one_line(_run(path, "--target", "127.0.0.1:1"), "its import went to", "--state")


def test_an_engine_that_is_away_is_told_at_once_and_ends_the_import_with_one_line(tmp_path):
    """The first says how long it tries, also where two requests wait; the last comes after that patience."""
    path = tmp_path / "usage.csv"
    path.write_text("event_type,customer_id,event_time\n" + f"x,acme,{NOON}\n" * 60_000)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = f"127.0.0.1:{taken.getsockname()[1]}"
    command = _command(path, "--target", free, "--retry-timeout-s", "2")
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == f"no engine answers at {free}: trying for up to 2 s\n"
        assert process.poll() is None
        (last,) = process.stderr.readlines()
    assert process.returncode == 2
    assert last.startswith(f"meterline: no answer from the engine at {free} for 2 s: ")
    assert "(UNAVAILABLE)" in last


ROWS = 90_000


@pytest.fixture
def serving(tmp_path):
    """An engine of one's own."""
    with EngineProcess(tmp_path / "data", "--event-age-max-days", "36525") as running:
        with open_channel(running.target) as channel:
            document = ApplyCatalogRequest(document=CATALOG.replace("NAME", "own"))
            CatalogServiceStub(channel).ApplyCatalog(document, timeout=120)
        yield running


@pytest.fixture
def large(tmp_path):
    """ROWS rows of 0.01 tokens each, without ids, and two bad ones in front."""
    path = tmp_path / "usage.csv"
    row = f"own.call,own_acme,{NOON},0.01\n"
    path.write_text(
        "event_type,customer_id,event_time,tokens\n" + f"own.call,own_acme,{NOON},x\nshort\n" + row * ROWS
    )
    return path


def _begun(path, target):
    """An import that has its first requests behind it, and not the last."""
    process = subprocess.Popen(
        _command(path, "--target", target),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    state = path.with_name("usage.csv.import-state.json")
    give_up_at = time.monotonic() + 60
    while not state.exists() and process.poll() is None and time.monotonic() < give_up_at:
        time.sleep(0.005)
    assert 0 < json.loads(state.read_text())["progress"]["rows"] < ROWS
    return process


def _assert_all_are_counted_once(path, engine):
    """0.01 x 90,000 = 900 tokens; each bad row is named once."""
    with open_channel(engine.target) as channel:
        assert _quantity(channel, "own") == (Decimal(900), ROWS)
    assert [each["row"] for each in _rejects(path)] == [1, 2]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_an_import_that_is_ended_in_the_middle_is_resumed(serving, large, number, code):
    """Kill -9 or Ctrl-C: the second run sends what is left, and the account is of the whole file."""
    process = _begun(large, serving.target)
    process.send_signal(number)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == code
    if number == signal.SIGINT:
        assert "Run the same command again to go on" in errors
    done_before = json.loads(large.with_name("usage.csv.import-state.json").read_text())["progress"]["rows"]
    assert done_before < ROWS
    done = _run(large, "--target", serving.target)
    assert done.returncode == 1, done.stderr
    progress = json.loads(large.with_name("usage.csv.import-state.json").read_text())["progress"]
    assert progress["accepted"] + progress["duplicate"] == ROWS
    # Two requests are under way at most: what they stored without an account comes back as duplicate.
    assert progress["duplicate"] <= 40_000
    assert progress["rejected"] == 2
    _assert_all_are_counted_once(large, serving)


def test_an_engine_that_is_killed_in_the_middle_is_waited_for(serving, large):
    """The same requests are sent again when it is back."""
    process = _begun(large, serving.target)
    serving.kill()
    time.sleep(0.5)
    serving.start()
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 1, errors
    assert "90,002 rows" in output
    _assert_all_are_counted_once(large, serving)


def test_a_file_is_sent_again_with_another_key(engine, name, tmp_path, channel):
    """Which may be another tenant's: what the state says of the first tenant holds for no other."""
    from meterline.v1.access_pb2 import CreateTenantRequest
    from meterline.v1.access_pb2_grpc import TenantServiceStub

    file = tmp_path / "usage.csv"
    file.write_text(
        "event_id,event_type,customer_id,event_time,tokens\n"
        f"a,{name}.call,{name}_acme,2025-06-10T00:00:00Z,5\n"
    )
    tenant = TenantServiceStub(channel).CreateTenant(CreateTenantRequest(tenant="imports-again"), timeout=120)
    with open_channel(engine.target, api_key=tenant.key_text) as other:
        CatalogServiceStub(other).ApplyCatalog(
            ApplyCatalogRequest(document=CATALOG.replace("NAME", name)), timeout=120
        )
    words = [sys.executable, "-m", "engine", "import", str(file), "--target", engine.target]
    said = [
        subprocess.run(
            words,
            cwd=ROOT,
            env={**os.environ, "METERLINE_API_KEY": key},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for key in (os.environ["METERLINE_API_KEY"], tenant.key_text, tenant.key_text)
    ]
    first, second, third = (line.strip() for line in said)
    assert "1 rows: 1 accepted" in first.replace("1 row:", "1 rows:")
    assert "1 accepted" in second
    assert "by an earlier run" not in second
    assert "1 of them by an earlier run" in third
