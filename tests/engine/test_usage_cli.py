"""`meterline usage` against a real engine: tables, files, snapshots, and one clear line when something is wrong."""

import csv
import io
import json
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from engine.cli import cli
from meterline.v1.metering_pb2 import QueryUsageResponse
from meterline.v1.metering_pb2_grpc import MeteringServiceServicer, add_MeteringServiceServicer_to_server
from meterline.v1.usage_pb2 import PropertyValue
from tests.support.engine.api_world import api_event, record

JUNE = ("--from", "2025-06-01", "--to", "2025-07-01")
NASTY = "=1+1,\"'\n\x1b[31m\N{ROCKET}"
# 27 digits before the point: three of the greatest values that there are.
GREATEST = "99999999999999999999999999.999999999999"


@pytest.fixture
def run(engine):
    """Runs the command; gives its result."""

    def ran(*arguments):
        words = ["usage", *map(str, arguments), "--target", engine.target]
        return CliRunner().invoke(cli, words, env={"COLUMNS": "200"})

    return ran


@pytest.fixture
def usage(run, name):
    """Runs the command for the test's own customers; it must succeed."""

    def ran(*arguments, meter=f"{name}_tokens", customers=("acme", "bolt"), period=JUNE):
        named = [word for each in customers for word in ("--customer", f"{name}_{each}")]
        done = run("--meter", meter, *period, *named, *arguments)
        assert done.exit_code == 0, (done.output, done.exception)
        return done

    return ran


@pytest.fixture
def recorded(channel, name):
    """10 June, 00:00 UTC: two models; one event without any; the day after: one of a model that is an empty text."""
    without = api_event(name, "d", "0.000000000001", customer="bolt")
    del without.properties["model"]
    record(
        channel,
        api_event(name, "a", "1200.5"),
        api_event(name, "b", "2", model=NASTY),
        api_event(name, "c", "8", customer="bolt", model="", seconds=1_749_600_000),
        without,
    )
    return name


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def again(done):
    """The words behind "the same again: meterline usage", as a shell reads them, without the target."""
    (line,) = [each for each in done.output.splitlines() if each.startswith("the same again: ")]
    line = line.removeprefix("the same again: ")
    assert line.isprintable()
    shell = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True, timeout=120
    )
    words = shell.stdout.split("\0")
    assert words[:2] == ["meterline", "usage"]
    return words[2 : words.index("--target")]


def test_the_table_has_a_row_for_each_group(usage, recorded):
    """Grouped numbers, absent values in words, and nothing that a terminal would act upon."""
    title, header, *rows, as_of, same = usage().stdout.splitlines()
    assert title == f"{recorded}_tokens, version 1, 2025-06-01 to 2025-07-01"
    assert header.split() == ["customer", "model", "quantity", "events"]
    assert [row.split() for row in rows] == [
        [f"{recorded}_acme", "=1+1,\"'\\n\\x1b[31m\N{ROCKET}", "2", "1"],
        [f"{recorded}_acme", "large", "1,200.5", "1"],
        [f"{recorded}_bolt", "8", "1"],
        [f"{recorded}_bolt", "(absent)", "0.000000000001", "1"],
    ]
    assert as_of.startswith("as of ")
    assert same.startswith("the same again: meterline usage --meter ")


def test_the_line_that_asks_again_reaches_the_same_engine_in_the_same_way(usage, recorded, tmp_path):
    """With the key file that was named; what a variable says, it says again."""
    file = tmp_path / "the key"
    file.write_text(os.environ["METERLINE_API_KEY"])
    assert usage("--api-key-file", str(file)).stdout.splitlines()[-1].endswith(f" --api-key-file '{file}'")
    assert "--api-key-file" not in usage().stdout


def test_days_are_those_of_the_zone(usage, recorded):
    """What is 10 June in Berlin, New York still calls the 9th; a date on the command line is the zone's too."""
    berlin = usage("--total", "--window", "day", "--time-zone", "Europe/Berlin").stdout.splitlines()
    assert berlin[0].endswith("2025-06-01 to 2025-07-01, Europe/Berlin")
    assert [line.split()[:3] for line in berlin[2:4]] == [
        ["2025-06-10", "2025-06-11", "1,202.500000000001"],
        ["2025-06-11", "2025-06-12", "8"],
    ]
    new_york = usage("--total", "--window", "day", "--time-zone", "America/New_York").stdout.splitlines()
    assert new_york[2].split()[:2] == ["2025-06-09", "2025-06-10"]


def test_hours_show_their_offset(usage, recorded):
    """So that an hour which the clock shows twice can be told apart."""
    shown = usage("--total", "--window", "hour", "--time-zone", "Asia/Kathmandu").stdout.splitlines()
    assert shown[2].split()[:2] == ["2025-06-10T05:00:00+05:45", "2025-06-10T06:00:00+05:45"]


def test_groups_and_filters(usage, recorded):
    """By the customer, by a property of any name, by both; only some values."""
    by_customer = rows_of(usage("--group-by", "customer_id", "--format", "csv").stdout)
    assert [(row["customer_id"], row["quantity"]) for row in by_customer] == [
        (f"{recorded}_acme", "1202.5"),
        (f"{recorded}_bolt", "8.000000000001"),
    ]
    by_property = rows_of(usage("--group-by", "properties.customer_id", "--format", "csv").stdout)
    assert [(row["dimensions.customer_id"], row["quantity"]) for row in by_property] == [
        ("", "1210.500000000001")
    ]
    some = usage(
        "--total", "--where", "model=large", "--where", "model=", "--where", "tokens=8", "--format", "csv"
    )
    assert [row["quantity"] for row in rows_of(some.stdout)] == ["8"]


def test_csv_json_and_parquet_say_the_same(usage, recorded, tmp_path):
    """To the last digit, hostile texts and absent values included; and no column is a binary float."""
    answer = usage("--window", "day", "--format", "csv").stdout
    from_csv = rows_of(answer)
    absent, empty = answer.splitlines()[-1], answer.splitlines()[-2]
    assert absent.startswith(f"{recorded}_bolt,,2025")
    assert empty.startswith(f'{recorded}_bolt,"",2025')
    from_json = [
        json.loads(line) for line in usage("--window", "day", "--format", "json").stdout.splitlines()
    ]
    usage("--window", "day", "-o", tmp_path / "u.parquet")
    table = pq.read_table(tmp_path / "u.parquet")
    assert table.schema.field("quantity").type == pa.decimal128(38, 12)
    assert not any(pa.types.is_floating(field.type) for field in table.schema)
    from_parquet = table.to_pylist()
    assert [row["dimensions.model"] for row in from_parquet] == [NASTY, "large", "", None]
    assert [row["dimensions"].get("model") for row in from_json] == [NASTY, "large", "", None]
    assert [row["dimensions.model"] for row in from_csv] == [NASTY, "large", "", ""]
    for name in ("customer_id", "event_digest"):
        assert [row[name] for row in from_csv] == [row[name] for row in from_json]
        assert [row[name] for row in from_csv] == [row[name] for row in from_parquet]
    quantities = [Decimal(row["quantity"]) for row in from_csv]
    assert quantities == [Decimal(row["quantity"]) for row in from_json]
    assert quantities == [row["quantity"] for row in from_parquet]
    assert [row["window_start"].isoformat() for row in from_parquet] == [
        row["window_start"].replace("Z", "+00:00").replace(".000000", "") for row in from_csv
    ]
    metadata = table.schema.metadata
    assert (
        metadata[b"meterline.as_of"].decode()
        == again(usage("--as-of", metadata[b"meterline.as_of"].decode()))[-3]
    )


@pytest.mark.parametrize("words", [("--total",), ("--group-by", "model")])
def test_json_has_no_customer_where_customers_are_no_group(usage, recorded, words):
    """An empty text would be taken for a customer of that name; the fields are the columns of CSV."""
    (row, *_) = map(json.loads, usage(*words, "--json").stdout.splitlines())
    (other, *_) = rows_of(usage(*words, "--format", "csv").stdout)
    columns = [name for name in other if not name.startswith("dimensions.")]
    assert "customer_id" not in row
    snapshot = ["as_of", "catalog_revision", "meter_id", "meter_version"]
    assert sorted(row) == sorted([*snapshot, "dimensions", *columns])


def test_the_columns_do_not_depend_on_the_rows(usage, recorded, tmp_path):
    """An answer without rows has the same header and schema."""
    for file in ("some.csv", "some.parquet"):
        usage("-o", tmp_path / file)
        usage("--where", "model=nothing", "-o", tmp_path / file.replace("some", "none"))
    some, none = (tmp_path / f"{each}.csv" for each in ("some", "none"))
    assert none.read_text() == some.read_text().splitlines(keepends=True)[0]
    some, none = (pq.read_schema(tmp_path / f"{each}.parquet") for each in ("some", "none"))
    assert none.remove_metadata() == some.remove_metadata()


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_the_line_below_gives_the_same_bytes_for_ever(usage, run, recorded, channel, tmp_path, form):
    """Whatever has come in since; quotes and spaces of an option included."""
    path = tmp_path / f"it's {form}.{form}"
    first = usage(
        "--window", "hour", "--time-zone", "Asia/Kathmandu", "--where", f"model={NASTY}", "-o", path
    )
    bytes_before = path.read_bytes()
    path.unlink()
    record(channel, api_event(recorded, "late", "100", model=NASTY))
    done = run(*again(first))
    assert done.exit_code == 0, done.output
    assert path.read_bytes() == bytes_before


def test_a_long_answer_comes_in_pages(usage, name, channel):
    """More rows than a page has, each once and in order."""
    # In a month of its own: other tests list June, for all customers.
    november = 1_761_955_200
    models = [f"m{number:05}" for number in range(12_000)]
    for first in range(0, len(models), 6_000):
        some = models[first : first + 6_000]
        record(channel, *(api_event(name, each, model=each, seconds=november) for each in some))
    period = ("--from", "2025-11-01", "--to", "2025-12-01")
    rows = rows_of(usage("--format", "csv", period=period).stdout)
    assert [row["dimensions.model"] for row in rows] == models


def test_a_file_is_written_whole_or_not_at_all(usage, run, recorded, channel, apply, tmp_path):
    """What was there stays when the command fails, and nothing is left beside it; a link stays a link."""
    record(channel, *(api_event(recorded, str(number), GREATEST) for number in range(3)))
    kept = tmp_path / "kept.parquet"
    kept.write_text("yesterday's")
    (tmp_path / "link.parquet").symlink_to(kept)
    done = run("--meter", f"{recorded}_tokens", *JUNE, "--total", "-o", kept)
    assert done.exit_code == 2
    assert "more digits than decimal128(38, 12) holds: add --text-quantities" in done.stderr
    assert kept.read_text() == "yesterday's"
    usage("--text-quantities", "-o", tmp_path / "link.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.parquet", "link.parquet"]
    assert (tmp_path / "link.parquet").is_symlink()
    # 3 x (10^26 - 10^-12) + 1200.5
    assert "300000000000000000000001200.499999999997" in pq.read_table(kept).column("quantity").to_pylist()


def test_a_pipe_is_written_to_and_not_replaced(usage, recorded, tmp_path):
    """As any program would."""
    pipe, read = tmp_path / "pipe.csv", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    usage("-o", pipe)
    reader.join(timeout=120)
    assert read[0].startswith("customer_id,")
    assert pipe.is_fifo()


def test_what_is_not_counted_has_a_column(usage, channel, name, apply):
    """Only where there is some."""
    event = api_event(name, "a", "3")
    event.event_type = f"{name}.more"
    nothing = api_event(name, "b")
    nothing.event_type = event.event_type
    del nothing.properties["tokens"]
    text = api_event(name, "c")
    text.event_type = event.event_type
    text.properties["tokens"].CopyFrom(PropertyValue(string_value="many"))
    apply(f"meters: [{{id: {name}_more, event_type: {event.event_type}, aggregation: count}}]")
    record(channel, event, nothing, text)
    apply(f"meters: [{{id: {name}_more, event_type: {event.event_type}, aggregation: max, value: tokens}}]")
    header, row = usage("--total", meter=f"{name}_more").stdout.splitlines()[1:3]
    assert header.split() == ["quantity", "events", "unreadable", "no", "value"]
    assert row.split() == ["3", "3", "1", "1"]


class Busy(MeteringServiceServicer):
    """Tells the first callers to come again."""

    def __init__(self, refusals):
        self.refusals = refusals

    def QueryUsage(self, request, context):  # noqa: N802 - the contract's name
        if self.refusals:
            self.refusals -= 1
            context.set_trailing_metadata([("grpc-retry-pushback-ms", "10")])
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "others wait")
        return QueryUsageResponse()


def test_an_engine_that_is_busy_is_asked_again(tmp_path):
    """When it says so; the answer is written once."""
    server = grpc.server(ThreadPoolExecutor(1))
    busy = Busy(3)
    add_MeteringServiceServicer_to_server(busy, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    words = ["usage", "--meter", "m", *JUNE, "-o", tmp_path / "u.csv", "--target", f"127.0.0.1:{port}"]
    done = CliRunner().invoke(cli, [str(each) for each in words])
    server.stop(None).wait()
    assert (done.exit_code, busy.refusals) == (0, 0), done.output
    assert len((tmp_path / "u.csv").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--meter", "none"], "meter 'none' is not in the catalog"),
        (["--meter", "x", "--to", "2025-05-01"], "--to must be later than --from"),
        (["--meter", "x", "--window", "minute"], "more than 10,000 windows"),
        (["--meter", "x", "--customer", ""], "--customer is empty"),
        (["--meter", "x", "--total", "--group-by", "a"], "exclude each other"),
        (["--meter", "x", "--group-by", "a", "--group-by", "properties.a"], "names 'a' twice"),
        (["--meter", "x", "--format", "parquet"], "needs a file"),
        (["--meter", "x", "-o", "u.txt"], "its name doesn't say what to write"),
        (["--meter", "x", "--format", "table", "-o", "u.csv"], "is for people"),
        (["--meter", "x", "--as-of", "2096-01-01"], "as_of: is in the future; the newest watermark is 20"),
        (["--meter", "x", "--json", "--format", "csv"], "--json and --format csv exclude each other"),
        (["--meter", "x", "--json", "-o", "u.csv"], "u.csv: its name says csv, and the options json"),
        (
            ["--meter", "x", "--format", "parquet", "-o", "u.ndjson"],
            "its name says json, and the options parquet",
        ),
        (["--meter", "x", "--text-quantities"], "is for --format parquet"),
        (["--meter", "", "-o", "/nowhere/u.csv"], "/nowhere/u.csv: can't be written: No such file"),
    ],
)
def test_a_mistake_is_one_line(run, words, line):
    """And exit code 2; nothing on standard output."""
    done = run(*JUNE, *words)
    assert done.exit_code == 2
    assert done.stdout == ""
    (said,) = done.stderr.splitlines()
    assert said.startswith("meterline: ")
    assert line in said
    assert "+00:00" not in said


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--from", "2025-06-01T10:00"], "has no zone"),
        (["--from", "june"], "is not a valid instant"),
        (["--time-zone", "Berlin"], "did you mean 'Europe/Berlin'"),
        (["--from", "0001-01-01", "--time-zone", "Asia/Tokyo"], "is out of the calendar"),
        (
            ["--time-zone", "CET+1"],
            "Invalid value for '--time-zone': 'CET+1' is not a time zone of the IANA database: ",
        ),
        (["--where", "model"], "write NAME=VALUE"),
    ],
)
def test_an_option_that_is_none_is_named(run, words, line):
    """By click, as everywhere."""
    done = run("--meter", "x", *JUNE, *words)
    assert done.exit_code == 2
    assert line in done.stderr
