"""What a credit note gives back of the lines of an invoice, to the minor unit. Pure.

Rules:
1. A note is of an invoice: of all that is left of it, or of some lines, each with an amount or with all that is left of it.
2. What is left of a line is what was booked, less what the notes that stand give back. A part of a line is so much of its amount, as
   the invoice has it: before discounts, credit and taxes.
3. Such a part takes its share of everything of the line. An amount is made of its discount, the credit that paid it, the tax that it
   contains and is owed, the tax that it contains and is not owed, and the rest: the part is shared out over what is left of these by the
   largest remainder, ties to the first. Tax on top is shared out between the part and what stays of the line in the same way.
4. So each note adds up, none gives back more than is left of anything, and notes that come to the whole amount give back exactly what
   the line has: every discount, credit and tax.
5. A line that gives something back itself, as a correction may, is given back whole.
6. A note is about money, not usage: what was booked stays booked, and what is corrected later is measured against that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from hashlib import blake2b
from typing import Final

from engine.billing.accounts.amounts import AMOUNT_MINOR_MAX, text_of
from engine.errors import FieldMistake, InvalidRequestError, MeterlineError

LINES_MAX: Final = 5_000
"""Of a note: some hundred milliseconds of one transaction, for which other writers wait."""


@dataclass(frozen=True, slots=True)
class LineAmounts:
    """Of a line, or a part of it, in minor units: due = amount - discount - credit - included tax + tax."""

    amount: int = 0
    discount: int = 0
    credit: int = 0
    included_tax: int = 0
    tax: int = 0
    due: int = 0

    def plus(self, other: "LineAmounts", sign: int = 1) -> "LineAmounts":
        return LineAmounts(*(a + sign * b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def check(self) -> None:
        """Raises MeterlineError for one that does not add up."""
        if self.amount - self.discount - self.credit - self.included_tax + self.tax != self.due:
            raise MeterlineError("a line of a credit note does not add up: nothing was changed; report it")


NOTHING: Final = LineAmounts()


@dataclass(frozen=True, slots=True)
class AskedLine:
    """`amount_minor`: None for all that is left of it."""

    line_number: int
    amount_minor: int | None


@dataclass(frozen=True, slots=True)
class CreditNoteRequest:
    """`key`: its creator's; a note is created once under it. `lines`: empty for all that is left of the invoice."""

    tenant: str
    key: str
    invoice_id: str
    lines: Sequence[AskedLine]
    reason: str

    @property
    def credit_note_id(self) -> str:
        """128 bits, hex."""
        text = repr(("credit note", self.tenant, self.key))
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def digest(self) -> str:
        said = repr((self.invoice_id, [astuple(each) for each in self.lines], self.reason))
        return blake2b(said.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def shared_out(total: int, weights: Sequence[int]) -> list[int]:
    """Whole shares that add up to `total`, by the largest remainder, ties to the first. Nothing is negative, and not all weights are 0."""
    whole = sum(weights)
    shares = [total * each // whole for each in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -(total * weights[place] % whole))
    for place in by_remainder[: total - sum(shares)]:
        shares[place] += 1
    return shares


def part_of(left: LineAmounts, amount: int) -> LineAmounts:
    """Rule 3, of a line of which that much or more of its amount is left, and nothing of it is negative."""
    owed_inside = min(left.included_tax, left.tax)
    inside = (owed_inside, left.included_tax - owed_inside)
    rest = left.amount - left.discount - left.credit - left.included_tax
    discount, credit, owed, not_owed, net = shared_out(amount, (left.discount, left.credit, *inside, rest))
    on_top, _ = shared_out(left.tax - owed_inside, (amount, left.amount - amount))
    return LineAmounts(amount, discount, credit, owed + not_owed, owed + on_top, net + owed + on_top)


def given_back(
    name: str,
    currency: str,
    booked: Mapping[int, LineAmounts],
    given: Mapping[int, LineAmounts],
    asked: Sequence[AskedLine],
) -> dict[int, LineAmounts]:
    """What a note gives back, by line.

    Args:
        name: the invoice's, for who reads an error.
        currency: the invoice's.
        booked: what each line of the invoice has.
        given: what the notes that stand give back of it.
        asked: empty for all that is left.

    Raises:
        InvalidRequestError: there is no such line, or not so much is left of it, or the note gives back nothing.
        MeterlineError: a line does not add up.
    """
    left = {number: each.plus(given.get(number, NOTHING), -1) for number, each in booked.items()}
    if asked:
        found = {
            each.line_number: _asked(f"lines[{place}]", name, currency, left, each)
            for place, each in enumerate(asked)
        }
        if len(found) < len(asked):
            raise InvalidRequestError(FieldMistake("lines", "name a line twice"))
    else:
        found = {number: each for number, each in left.items() if each != NOTHING}
    if len(found) > LINES_MAX:
        raise InvalidRequestError(
            FieldMistake(
                "lines", f"are {len(found):,}: a credit note has at most {LINES_MAX:,}; void the invoice"
            )
        )
    for each in found.values():
        each.check()
        if max(map(abs, astuple(each))) > AMOUNT_MINOR_MAX:
            raise InvalidRequestError(FieldMistake("lines", "come to more than an account holds"))
    due = sum(each.due for each in found.values())
    if due <= 0:
        shown = text_of(due, currency)
        raise InvalidRequestError(
            FieldMistake("lines", f"come to {shown} {currency}: there is nothing of {name} to give back")
        )
    return found


def _asked(
    field: str, name: str, currency: str, left: Mapping[int, LineAmounts], asked: AskedLine
) -> LineAmounts:
    number = asked.line_number
    if number not in left:
        raise InvalidRequestError(FieldMistake(f"{field}.line_number", f"{name} has no line {number}"))
    own = left[number]
    if own == NOTHING:
        raise InvalidRequestError(
            FieldMistake(f"{field}.line_number", f"nothing is left of line {number} of {name}")
        )
    if asked.amount_minor is None or asked.amount_minor == own.amount:
        return own
    net = own.amount - own.discount - own.credit - own.included_tax
    if min(*astuple(own), net) < 0:
        raise InvalidRequestError(
            FieldMistake(
                f"{field}.amount",
                f"line {number} of {name} gives something back itself: leave the amount out",
            )
        )
    if asked.amount_minor > own.amount:
        most = text_of(own.amount, currency)
        raise InvalidRequestError(
            FieldMistake(
                f"{field}.amount",
                f"is {text_of(asked.amount_minor, currency)}: of line {number} of {name} {most} {currency} are left",
            )
        )
    return part_of(own, asked.amount_minor)
