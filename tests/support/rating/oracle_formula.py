"""Reads a line's formula back, as anyone with the line alone could, and works it out again.

Grammar: `TERM + TERM ... = AMOUNT`, for each further stage `; WORDS = AMOUNT`, then ` → ROUNDED CURRENCY`, and for
a line billed in parts `; less BOOKED booked = DUE CURRENCY`. Of a part of a period the words of the last stage are
`TIMES NUMERATOR/DENOMINATOR`; its amount is shown to 12 digits, and is rounded as the fraction that it is. Behind a term may
stand what it is: `(at most M an event)`, `(at least M an event)`, `(rounded)`.
"""

import re
from collections.abc import Iterator
from fractions import Fraction

from tests.support.rating.oracle_models import HUNDRED
from tests.support.rating.oracle_numbers import ZERO, rounded

TIMES = "\N{MULTIPLICATION SIGN}"
LAST_DIGIT = Fraction(1, 10**12)
TERM = re.compile(
    rf"\((?P<a>\S+) {TIMES} (?P<b>\S+) rounded\)|(?P<c>\S+) {TIMES} (?P<d>\S+)|(?P<e>[^ {TIMES}]+)"
)


def mistakes(formula: str, digits: int, mode: str) -> Iterator[str]:
    """Every equation in the formula that doesn't hold."""
    exact, _, due = formula.partition(" → ")
    equations = exact.split("; ")
    terms, _, result = equations[0].partition(" = ")
    amount = Fraction(result)
    if sum((term(text, digits, mode) for text in terms.split(" + ")), ZERO) != amount:
        yield equations[0]
    for equation in equations[1:]:
        words, _, result = equation.partition(" = ")
        exact, shown = stage(amount, words), Fraction(result)
        off = abs(exact - shown)
        has_end = (exact / LAST_DIGIT).denominator == 1
        is_part = words.startswith(TIMES)
        if off and (has_end or off >= LAST_DIGIT or not is_part):
            yield equation
        amount = exact if is_part else shown
    first, _, booked = due.partition("; less ")
    billed, currency = first.split(" ")
    if rounded(amount, digits, mode) != Fraction(billed):
        yield first
    if booked:
        match = re.fullmatch(r"(\S+) booked = (\S+) (\S+)", booked)
        if not match or Fraction(billed) - Fraction(match[1]) != Fraction(match[2]) or match[3] != currency:
            yield booked


def term(text: str, digits: int, mode: str) -> Fraction:
    """The value of one term; words in parentheses behind it say what it is."""
    match = TERM.fullmatch(re.sub(r"(?<=\d) \((at (most|least) \S+ an event|rounded)\)$", "", text))
    if not match:
        raise ValueError(f"not a term: {text!r}")
    if match["a"]:
        return rounded(Fraction(match["a"]) * Fraction(match["b"]), digits, mode)
    return Fraction(match["c"]) * Fraction(match["d"]) if match["c"] else Fraction(match["e"])


def stage(amount: Fraction, words: str) -> Fraction:
    """What a stage makes of an amount."""
    if words.startswith(TIMES):
        return amount * Fraction(words.removeprefix(f"{TIMES} "))
    if words.startswith("at most "):
        return min(amount, Fraction(words.removeprefix("at most ")))
    if words.startswith("at least "):
        return max(amount, Fraction(words.removeprefix("at least ")))
    less = words.removeprefix("less ")
    if less.endswith(" %"):
        return amount - amount * Fraction(less.removesuffix(" %")) / HUNDRED
    return max(ZERO, amount - Fraction(less)) if amount > 0 else amount
