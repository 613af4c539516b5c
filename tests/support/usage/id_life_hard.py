"""Lives that an engine told wrong once, step by step; too rare to wait for."""

from tests.support.usage.id_life_dice import Contents
from tests.support.usage.id_life_engine import CUSTOMERS, TIMES_US, TYPES
from tests.support.usage.id_life_steps import Change, Correct, CorrectSelected, Deliver, Meant, Undo, Upkeep

CONTENTS = Contents(CUSTOMERS, TYPES[:1], TIMES_US[:2], ("1", "2", "4"))


def _version(customer_id, value):
    return customer_id, "call", TIMES_US[0], (("id", "x"), ("value", value))


def _arrives(version):
    return Deliver(None, (("x", version),))


def _correct(name, kind, version=None, change=None):
    """Of the version of this customer that it may take, or of whatever it may."""
    named = ("customer_id",) if version else ()
    return Correct(0, name, kind, (Meant("x", named, version),), change)


def _undo(name, undone):
    return Undo(0, name, undone, ("x",))


_FIRST, _SECOND, _THIRD, _LAST = (
    _version("acme", "1"),
    _version("bolt", "1"),
    _version("acme", "2"),
    _version("Zed", "4"),
)
LIVES = {
    "undone twice, and by the first again": [
        _arrives(_FIRST),
        _correct("v", "void"),
        _undo("u1", "v"),
        _undo("u2", "u1"),
        _undo("u3", "v"),
        _undo("u4", "u3"),
        _undo("u5", "u2"),
    ],
    "an amendment of many keeps the place of what arrived, not of what was made and undone": [
        _arrives(_FIRST),
        _correct("m", "amend", change=Change(value="2")),
        _undo("u", "m"),
        _arrives(_SECOND),
        Upkeep("all"),
        _arrives(_THIRD),
        Upkeep("all"),
        _correct("r1", "restore", _SECOND),
        _correct("r2", "restore", _THIRD),
        CorrectSelected(0, "v", "void", ("x",), "acme", (0, 3), "1"),
        CorrectSelected(0, "s", "amend", ("x",), "acme", (0, 3), None, Change(value="4")),
        _arrives(_LAST),
        Upkeep("all"),
    ],
    "what an undone amendment had made comes in, when nothing counts": [
        _arrives(_FIRST),
        _correct("m", "amend", change=Change(value="2")),
        _undo("u", "m"),
        _correct("v", "void"),
        _arrives(_THIRD),
        Upkeep("all"),
    ],
}
