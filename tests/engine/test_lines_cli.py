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


def test_a_part_of_a_period_is_shown_behind_all_that_the_price_comes_to(engine, name, apply):
    """Nine seats at 3.32 and 155.58, from the 18th of June at noon on: 12.5 of 30 days are 5/12."""
    tiers = "{up_to: 100, unit_amount: 3.32, flat_amount: 155.58}, {unit_amount: 1}"
    apply(
        f"plans:\n  - {{id: {name}_p, name: P, currency: USD, prices: [{{id: seats, model: graduated, quantity: 9, "
        f"tiers: [{tiers}]}}]}}\ncustomers:\n  - {{id: {name}_c, name: C}}\nsubscriptions:\n"
        f"  - {{customer: {name}_c, plan: {name}_p, start: '2025-06-18T12:00:00Z', anchor: calendar}}\n"
    )
    words = ["lines", "--customer", f"{name}_c", *JUNE, "--target", engine.target]
    rows = [line.split() for line in CliRunner().invoke(cli, words).stdout.splitlines()]
    (place,) = (number for number, row in enumerate(rows) if row[:1] == ["seats"])
    assert rows[place][-3:] == ["77.275", "77.28", "USD"]
    assert rows[place + 1][-2:] == ["9", "185.46"]
    assert rows[place + 2] == ["proration", "5/12", "of", "185.46", "77.275"]


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


# Two of Acme's periods start in it, one of Bolt's, which ends before it has begun, and one of Cora's.
SPAN = ("--from", "2025-01-31", "--to", "2025-03-31")


@pytest.fixture
def periods(engine, channel, name, apply):
    """Runs a command about three customers: 20.00 USD a month from 31 January, 28 February and 1 March on."""
    apply(
        f"plans:\n  - {{id: {name}_p, name: P, currency: JPY, prices: [{{id: fee, model: flat, flat_amount: 20}}]}}\n"
        f"customers: [{{id: {name}_a, name: A}}, {{id: {name}_b, name: B}}, {{id: {name}_c, name: C}}]\n"
        "subscriptions:\n"
        f"  - {{customer: {name}_a, plan: {name}_p, start: 2025-01-31}}\n"
        f"  - {{customer: {name}_b, plan: {name}_p, start: '2025-02-28T12:00:00Z', end: '2025-02-28T12:00:01Z'}}\n"
        f"  - {{customer: {name}_c, plan: {name}_p, start: 2025-03-01}}\n"
    )

    def ran(*words):
        done = CliRunner().invoke(cli, [*words, "--target", engine.target])
        return done.exit_code, done.stdout, done.stderr

    return ran


def _objects_of(text, name):
    found = [json.loads(line) for line in text.splitlines()]
    return [each for each in found if each["customer_id"].startswith(f"{name}_")]


def test_lines_of_all_billing_periods_that_start_in_a_time(periods, name):
    """Each once: the first of each subscription, then the second; the one that starts at the end is not in it."""
    for form in ("json", "ndjson"):
        code, text, _ = periods("lines", *SPAN, "--format", form)
        assert code == 0
        lines = _objects_of(text, name)
        assert [(each["customer_id"][-1], each["period_start"]) for each in lines] == [
            ("a", "2025-01-31T00:00:00Z"),
            ("b", "2025-02-28T12:00:00Z"),
            ("c", "2025-03-01T00:00:00Z"),
            ("a", "2025-02-28T00:00:00Z"),
        ]
        assert len({(each["as_of"], each["catalog_revision"]) for each in lines}) == 1
    _, text, _ = periods("lines", "--customer", f"{name}_a", *SPAN)
    assert f"{name}_a, plan {name}_p, 2025-01-31 to 2025-02-28" in text
    assert f"{name}_a, plan {name}_p, 2025-02-28 to 2025-03-31" in text
    assert "total of 2 line items: 40 JPY" in text


def test_spend_of_all_billing_periods_that_start_in_a_time(periods, name):
    """Acme two fees, Cora one, Bolt a second of one, which is nothing; largest first."""
    _, text, _ = periods("spend", *SPAN, "--json", "--top", "1000")
    sums = [
        (each["customer_id"][-1], each["amount"], each["line_item_count"]) for each in _objects_of(text, name)
    ]
    assert sums == [("a", "40", 2), ("c", "20", 1), ("b", "0", 1)]
    _, text, _ = periods("spend", *SPAN, "--customer", f"{name}_a")
    assert "40 JPY" in text
    assert "all customers" not in text
    assert "\nlines before discounts, commitments, credit and taxes; --at shows what is due" in text
    # One period alone is what spend says at an instant of it.
    june = ("--from", "2025-06-01", "--to", "2025-06-02")
    _, alone, _ = periods("spend", *june, "--customer", f"{name}_c", "--json")
    _, at, _ = periods("spend", "--at", "2025-06-15", "--customer", f"{name}_c", "--json")
    (one,), (other,) = _objects_of(alone, name), _objects_of(at, name)
    # What terms of money make of it is said of one instant only.
    assert other.pop("settled")["due"] == other["amount"]
    assert one | {"as_of": ""} == other | {"as_of": ""}


def test_options_of_billing_periods_that_contradict_each_other_are_refused(periods, name):
    """One of the two alone, with --at, or the wrong way round; and a time in which none starts is said to be so."""
    for command in ("lines", "spend"):
        for words, why in (
            (SPAN[:2], "--from and --to come together"),
            ((*SPAN, "--at", "2025-02-01"), "not both"),
            (("--from", "2025-03-01", "--to", "2025-03-01"), "--to must be later than --from"),
        ):
            code, _, error = periods(command, *words)
            assert code == 2, error
            assert why in error
        _, text, _ = periods(command, "--customer", f"{name}_c", "--from", "2025-03-02", "--to", "2025-03-03")
        assert "no billing period starts in this time" in text
