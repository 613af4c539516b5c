"""Commands that correct usage against a real engine: what they say to a person beside the figures."""

import json

import pytest
from click.testing import CliRunner

from engine.cli import cli
from tests.support.engine.api_world import api_event, record

SIGNED = ("--by", "ada", "--reason", "a test run")


@pytest.fixture
def run(engine):
    """Runs a command; gives its result."""

    def ran(*arguments):
        words = [*map(str, arguments), "--target", engine.target]
        return CliRunner().invoke(cli, words, env={"COLUMNS": "200"})

    return ran


@pytest.fixture
def ok(run):
    """Runs a command that must succeed."""

    def ran(*arguments):
        done = run(*arguments)
        assert done.exit_code == 0, (done.output, done.exception)
        return done

    return ran


def test_a_customer_whom_nobody_knows_is_named(ok, channel, name):
    """In a dry run and when it is recorded; it is taken all the same. JSON stays one object on standard output."""
    record(channel, api_event(name, "a", "5"))
    amend = ("amend", "--event-id", f"{name}-a", "--to-customer", f"{name}_acmee")
    note = f"customer '{name}_acmee' is not in the catalog: its usage is rated once a subscription covers it"
    assert note in ok(*amend, "--dry-run").stdout.splitlines()
    as_json = ok(*amend, "--dry-run", "--json")
    assert json.loads(as_json.stdout)["effect"]["event_count"] == "1"
    assert as_json.stderr.splitlines() == [note]
    assert ok(*amend, *SIGNED, "--expect", 1).stdout.splitlines()[:2] == ["amended 1 event", note]


def test_a_customer_of_the_catalog_is_not_spoken_of(ok, channel, name):
    """Also one without a subscription at that time."""
    record(channel, api_event(name, "a", "5"))
    done = ok("amend", "--event-id", f"{name}-a", "--to-customer", f"{name}_bolt", "--dry-run")
    assert "not in the catalog" not in done.output


def test_a_property_that_no_meter_reads_is_named(ok, channel, name, apply):
    """With the one that may be meant; what a meter aggregates, groups or filters by, also in a group, is read."""
    record(channel, api_event(name, "a", "5"))
    conditions = "{any: [{region: [eu]}, {not: [{tier: [free]}]}]}"
    apply(
        f"meters: [{{id: {name}_calls, event_type: {name}.call, aggregation: count, filters: {conditions}}}]"
    )
    amend = ("amend", "--event-id", f"{name}-a", "--event-type", f"{name}.call", "--dry-run")
    note = f"no meter of '{name}.call' reads a property 'token'; did you mean 'tokens'?"
    assert note in ok(*amend, "--set", "token=7").stdout.splitlines()
    assert ok(*amend, "--set", "token=7", "--json").stderr.splitlines() == [note]
    unnamed = ok("amend", "--event-id", f"{name}-a", "--dry-run", "--set", f"{name}=7").stdout
    assert f"no meter reads a property '{name}'" in unnamed
    for read in ("tokens=7", "model=small", "region=eu", "tier=free"):
        assert "no meter" not in ok(*amend, "--set", read).output


def test_what_is_not_there_to_correct_is_named(ok, run, channel, name):
    """An event that is not void can't be restored; one that is so already, or one too few, is one event."""
    record(channel, api_event(name, "a", "5"))
    chosen = ("--event-id", f"{name}-a", *SIGNED)
    assert f"nothing to correct: event '{name}-a' is not void" in run("restore", *chosen, "--yes").stderr
    assert (
        "nothing to correct: the event is so already"
        in run("amend", *chosen, "--yes", "--set", "tokens=5").stderr
    )
    assert "1 event would be corrected, not 2 as expected" in run("void", *chosen, "--expect", 2).stderr


def test_an_event_that_was_amended_is_not_void(ok, run, channel, name):
    """Nor once that is undone; only what was voided, also after an amendment, names the correction to undo."""
    record(channel, api_event(name, "a", "5"))
    event = ("--event-id", f"{name}-a")

    def refused():
        return run("restore", *event, "--dry-run").stderr

    def does(command, correction_id, *more):
        ok(command, *more, *SIGNED, "--yes", "--correction-id", f"{name}-{correction_id}")

    does("amend", "fix", *event, "--set", "tokens=6")
    assert f"event '{name}-a' is not void: it was amended by correction '{name}-fix'" in refused()
    does("amend", "again", *event, "--set", "tokens=7")
    assert f"event '{name}-a' is not void: it was amended by correction '{name}-again'" in refused()
    does("void", "gone", *event)
    assert f"event '{name}-a' was voided by correction '{name}-gone': undo that one" in refused()
    does("undo", "back", f"{name}-gone")
    assert f"event '{name}-a' is not void: it was amended by correction '{name}-again'" in refused()
    does("undo", "once", f"{name}-again")
    does("undo", "never", f"{name}-fix")
    assert f"nothing to correct: event '{name}-a' is not void" in refused()


def test_no_spend_says_of_which_instant(ok, name):
    """As `meterline lines` does, rather than an empty table."""
    first, as_of = ok("spend", "--at", "1990-01-01").stdout.splitlines()
    assert first == "no spend: no subscription covers 1990-01-01T00:00:00.000000Z (name another with --at)"
    assert as_of.startswith("as of ")
