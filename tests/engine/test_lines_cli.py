"""`meterline lines` and `meterline spend` against a real engine: the forms of their answers, and what lines come to."""

import csv
import io
import json

import pytest
from api_world import api_event, record
from click.testing import CliRunner

from engine.cli import cli

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


def test_lines_as_csv_say_what_json_says(run, tmp_path):
    """Each field that is one value, on standard output or in a file; dimensions are JSON, an absent value is nothing."""
    text = run("lines", "--format", "csv").stdout
    from_csv = list(csv.DictReader(io.StringIO(text, newline="")))
    from_json = [json.loads(line) for line in run("lines", "--json").stdout.splitlines()]
    run("lines", "-o", tmp_path / "lines.csv")
    assert (tmp_path / "lines.csv").read_text() == text
    assert [row["amount"] for row in from_csv] == ["20.00", "0.01", "10.50"]
    for row, fields in zip(from_csv, from_json, strict=True):
        assert json.loads(row["dimensions"]) == fields["dimensions"]
        assert row["negative_quantity"] == "false"
        for field in ("line_item_id", "quantity", "meter_id", "period_start", "event_count", "formula"):
            assert row[field] == fields[field]


def test_lines_are_not_written_as_parquet(engine, tmp_path):
    """Said before anything is asked."""
    done = CliRunner().invoke(cli, ["lines", "-o", str(tmp_path / "l.parquet"), "--target", engine.target])
    assert (done.exit_code, done.stderr) == (2, "meterline: lines are written as csv or json\n")


def test_spend_of_one_customer(run, name):
    """The customer alone, as a table and as JSON, without a total of all."""
    _, row, as_of = run("spend").stdout.splitlines()
    assert row.split() == [f"{name}_acme", "3", "30.51", "USD"]
    assert as_of.startswith("as of ")
    (line,) = run("spend", "--json").stdout.splitlines()
    assert (json.loads(line)["customer_id"], json.loads(line)["amount"]) == (f"{name}_acme", "30.51")
