"""What commands that correct usage refuse before they ask an engine, or in the words of their options."""

import pytest
from click.testing import CliRunner

from engine.cli import cli

JUNE = ("--from", "2025-06-01", "--to", "2025-07-01")
SIGNED = ("--by", "ada", "--reason", "r", "--yes")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("void", *JUNE, *SIGNED, "--event-type", ""), "--event-type"),
        (("void", *JUNE, *SIGNED, "--customer", ""), "--customer"),
        (("void", *JUNE, *SIGNED, "--customer", "acme", "--customer", ""), "--customer"),
        (("void", *JUNE, *SIGNED, "--event-id", ""), "--event-id"),
        (("void", *JUNE, *SIGNED, "--has", ""), "--has"),
        (("void", *JUNE, *SIGNED, "--lacks", ""), "--lacks"),
        (("void", *JUNE, *SIGNED, "--correction-id", ""), "--correction-id"),
        (("void", *JUNE, "--dry-run", "--by", ""), "--by"),
        (("void", *JUNE, "--dry-run", "--reason", ""), "--reason"),
        (("amend", "--event-id", "o-1", "--set", "a=", "--to-customer", "", *SIGNED), "--to-customer"),
        (("amend", "--event-id", "o-1", "--set", "a=", "--customer", "", *SIGNED), "--customer"),
        (("amend", "--event-id", "o-1", "--set", "a=", "--remove", "", *SIGNED), "--remove"),
        (("restore", "--event-id", "o-1", "--event-type", "", *SIGNED), "--event-type"),
        (("restore", "--event-id", "o-1", "--customer", "", *SIGNED), "--customer"),
        (("undo", "fix-1", *SIGNED, "--correction-id", ""), "--correction-id"),
        (("conflicts", "--event-id", ""), "--event-id"),
        (("lines", "--customer", ""), "--customer"),
        (("usage", "--meter", "m", *JUNE, "--customer", ""), "--customer"),
        (("usage", "--meter", "m", *JUNE, "--group-by", ""), "--group-by"),
    ],
)
def test_an_empty_text_never_widens_a_command(refused, words, option):
    """A shell variable that is not set must not void everybody's usage, or undo an event's choice."""
    line = refused(*words)
    assert line.startswith(f"{option} is empty: name ")
    assert line.endswith(", or leave the option out")


@pytest.mark.parametrize("words", [("undo", "", *SIGNED), ("corrections", "")])
def test_an_empty_correction_id_names_no_correction(refused, words):
    """Neither one to take back nor the list of all."""
    assert refused(*words) == "CORRECTION_ID is empty: name a correction"


@pytest.mark.parametrize(
    "words",
    [
        ("void", "--dry-run"),
        ("amend", "--set", "a=1", "--dry-run"),
        ("usage", "--meter", "m"),
        ("usage", "--meter", "m", "--time-zone", "Europe/Berlin"),
        ("reconcile",),
    ],
)
@pytest.mark.parametrize("end", ["2025-06-01", "2025-05-31"])
def test_an_empty_period_is_told_in_the_words_of_the_options(refused, words, end):
    """Not in those of the wire; nor is an engine asked."""
    assert refused(*words, "--from", "2025-06-01", "--to", end) == "--to must be later than --from"


def test_what_moves_events_needs_their_ids(refused):
    """And an amendment says what it changes."""
    moved = "moves events that are named with --event-id"
    assert refused("amend", *JUNE, "--to-customer", "bolt", *SIGNED) == f"--to-customer {moved}"
    assert refused("amend", *JUNE, "--to-time", "2025-06-02", *SIGNED) == f"--to-time {moved}"
    assert refused("amend", "--event-id", "o-1", *SIGNED) == (
        "nothing would change: give --set, --remove, --to-customer or --to-time"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("void",),
            "--event-id, or select them with --from and --to; say --reason and --by as well, or look first",
        ),
        (("void", "--by", "ada"), "--from and --to; say --reason as well, or look first with --dry-run"),
        (
            ("void", *SIGNED, "--from", "2025-06-01"),
            "name them with --event-id, or select them with --from and --to",
        ),
        (
            ("amend", "--set", "a=1", "--dry-run"),
            "name them with --event-id, or select them with --from and --to",
        ),
        (
            ("restore",),
            "name them with --event-id; say --reason and --by as well, or look first with --dry-run",
        ),
    ],
)
def test_a_correction_of_no_events_says_all_that_is_missing(words, said):
    """The events first; then, in the same line, who says so and why."""
    done = CliRunner().invoke(cli, words, env={"METERLINE_RECORDED_BY": ""})
    assert done.exit_code == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith("Error: no events are named: ")
    assert said in line


@pytest.mark.parametrize("words", [("void", "--event-id", "o-1"), ("undo", "fix-1")])
def test_a_correction_is_signed(words):
    """What is missing is said at once."""
    done = CliRunner().invoke(cli, words, env={"METERLINE_RECORDED_BY": ""})
    assert done.exit_code == 2
    assert "say --reason and --by, or look first with --dry-run" in done.stderr


@pytest.mark.parametrize("command", ["void", "amend", "restore", "reconcile", "spend", "lines", "usage"])
def test_the_help_says_what_an_instant_is(meterline, command):
    """Once, below the options that take one."""
    assert meterline(command, "--help").stdout.count("INSTANT is a date or RFC 3339") == 1


def test_the_help_says_what_a_correction_needs_and_a_revision_is(meterline):
    """Who and why, but for a dry run; usage is not rated; no period is closed yet."""
    shown = " ".join(meterline("void", "--help").stdout.split())
    assert shown.count("Required unless --dry-run.") == 2
    assert "Rate" not in meterline("usage", "--help").stdout
    assert "closed" not in meterline("reconcile", "--help").stdout
