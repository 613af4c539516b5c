"""`meterline lines` and `meterline spend` against a real engine: the forms of their answers, and what lines come to."""

import csv
import io
import json
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from engine.cli import cli
from tests.support.engine.api_world import api_event, record

JUNE = ("--at", "2025-06-20")


@pytest.fixture
def run(engine, channel, name):
    """Runs a command for Acme, which used 1,200 tokens of one model and 1 of another: 20.00 + 10.50 + 0.01 USD."""
    record(channel, api_event(name, "a", "1200"), api_event(name, "b", "1", model='a "small", one'))

    def ran(command, *arguments):
        words = [
            command,
            "--customer",
            f"{name}_acme",
            *JUNE,
            *map(str, arguments),
            "--target",
            engine.target,
        ]
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, (done.output, done.exception)
        return done

    return ran


def test_lines_end_with_what_they_come_to(run):
    """Below the tables, above what the answer was made from."""
    *_, total, as_of = run("lines").stdout.splitlines()
    assert total == "total of 3 line items: 30.51 USD"
    assert as_of.startswith("as of ")


def test_a_total_past_28_digits_is_exact(engine, channel, name, apply):
    """99,999,999,999,999,999,999,999,999.99999 units at 1,000: rounded to 28 digits it would be 10^29."""
    apply(
        f"meters:\n  - {{id: {name}_m, event_type: {name}_big, aggregation: sum, value: tokens}}\n"
        f"plans:\n  - {{id: {name}_p, name: P, currency: USD, prices: [{{id: u, meter: {name}_m, model: per_unit, "
        f"unit_amount: 1000}}]}}\ncustomers:\n  - {{id: {name}_c, name: C}}\n"
        f"subscriptions:\n  - {{customer: {name}_c, plan: {name}_p, start: 2025-01-01}}\n"
    )
    event = api_event(name, "a", "99999999999999999999999999.99999", customer="c")
    event.event_type = f"{name}_big"
    record(channel, event)
    words = ["lines", "--customer", f"{name}_c", *JUNE, "--target", engine.target]
    total = CliRunner().invoke(cli, words).stdout.splitlines()[-2]
    assert total == "total of 1 line item: 99,999,999,999,999,999,999,999,999,999.99 USD"


# Of the fields of a line those that are columns of the Arrow form, but for instants and maps.
COLUMNS = (
    *("line_item_id", "customer_id", "subscription_id", "plan_id", "price_id", "model", "meter_id"),
    *("quantity", "billable_quantity", "exact_amount", "amount", "currency", "event_digest", "period_start"),
)


@pytest.fixture
def in_json(run):
    """Each line with its whole working."""
    return [json.loads(line) for line in run("lines", "--json").stdout.splitlines()]


def test_lines_as_csv_say_what_json_says(run, in_json, tmp_path):
    """On standard output or in a file; dimensions are JSON, an absent value is nothing."""
    text = run("lines", "--format", "csv").stdout
    from_csv = list(csv.DictReader(io.StringIO(text, newline="")))
    run("lines", "-o", tmp_path / "lines.csv")
    assert (tmp_path / "lines.csv").read_text() == text
    assert [row["amount"] for row in from_csv] == ["20.00", "0.01", "10.50"]
    for row, fields in zip(from_csv, in_json, strict=True):
        assert json.loads(row["dimensions"]) == fields["dimensions"]
        assert (row["negative_quantity"], row["unrateable_reason"]) == ("false", "")
        assert [row[name] for name in (*COLUMNS, "event_count")] == [
            fields[name] for name in (*COLUMNS, "event_count")
        ]


def test_lines_as_ndjson_say_what_json_says(run, in_json, tmp_path):
    """With the snapshot on each; a line without a meter has no key for it."""
    run("lines", "-o", tmp_path / "lines.ndjson")
    found = [json.loads(line) for line in (tmp_path / "lines.ndjson").read_text().splitlines()]
    for row, fields in zip(found, in_json, strict=True):
        assert {name: row.get(name, "") for name in COLUMNS} == {name: fields[name] for name in COLUMNS}
        assert (row["catalog_revision"], row["dimensions"]) == (
            fields["catalog_revision"],
            fields["dimensions"],
        )
        assert row["event_count"] == int(fields["event_count"])
        assert row.keys() >= {"as_of", "period_end", "plan_version", "price_version"}
    assert ["meter_id" in row for row in found] == [bool(fields["meter_id"]) for fields in in_json]


def test_lines_as_parquet_add_up(run, in_json, tmp_path):
    """Amounts and quantities are decimals; the snapshot is in the file's metadata."""
    run("lines", "-o", tmp_path / "lines.parquet")
    table = pq.read_table(tmp_path / "lines.parquet")
    assert sum(table["amount"].to_pylist()) == Decimal("30.51")
    assert [str(table.schema.field(name).type) for name in ("quantity", "amount")] == [
        "decimal128(38, 12)"
    ] * 2
    for name in COLUMNS[:7]:
        assert table[name].to_pylist() == [fields[name] or None for fields in in_json]
    assert table["dimensions"].to_pylist() == [sorted(fields["dimensions"].items()) for fields in in_json]
    assert table.schema.metadata[b"meterline.catalog_revision"].isdigit()


def test_spend_of_one_customer(run, name):
    """The customer alone, as a table and as JSON, without a total of all."""
    _, row, as_of = run("spend").stdout.splitlines()
    assert row.split() == [f"{name}_acme", "3", "30.51", "USD"]
    assert as_of.startswith("as of ")
    (line,) = run("spend", "--json").stdout.splitlines()
    assert (json.loads(line)["customer_id"], json.loads(line)["amount"]) == (f"{name}_acme", "30.51")
