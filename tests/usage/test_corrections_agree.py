"""Random histories of events, retries, reused ids, voids, amendments, restorings and undoings, against slow lists."""

import pytest

from engine.usage.corrections.voids import Kind
from tests.support.usage.correction_history import play


@pytest.mark.parametrize(
    ("histories", "steps"),
    [(1, 18), pytest.param(300, 50, marks=[pytest.mark.long, pytest.mark.timeout(7200)])],
)
def test_corrected_histories_count_as_slow_lists_do(tmp_path, seed, histories, steps):
    """Every kind of correction in random order, and every watermark read again at the end."""
    for history in range(histories):
        play(tmp_path / f"{history}", f"{seed}-{history}", steps)


def test_random_histories_have_what_makes_correcting_hard(tmp_path):
    """Every kind, undone undoings, mended events sent by their producer, and refusals: or it would prove nothing."""
    wanted = {*(Kind.VOID, Kind.AMEND, Kind.RESTORE, Kind.UNDO), "undone undoing", "mended event", "refusal"}
    missing = set(wanted)
    # Each of a few histories has most of them, and some coincidences are rare: begun with one that has all.
    for number in range(10, 15):
        made = play(tmp_path / f"usage-{number}", f"kinds-{number}", 40, look=False)
        undoings = {each["name"]: each["undoes"] for each in made.ledger.corrections if each["undoes"]}
        missing -= set(made.done)
        if any(undone in undoings for undone in undoings.values()):
            missing.discard("undone undoing")
        if made.ledger.replacements.keys() & made.ledger.logged.keys():
            missing.discard("mended event")
        if any("came after it" in str(each) for each in made.refusals):
            missing.discard("refusal")
        if not missing:
            break
    assert not missing
