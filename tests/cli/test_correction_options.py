"""What commands that correct usage refuse before they ask an engine, or in the words of their options."""

import pytest

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
