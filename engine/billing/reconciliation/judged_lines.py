"""Booked lines beside what they should be: quantities, event counts and amounts. Pure.

Rules:
1. Groups of one charge are rounded together: their shares add up to the rounded sum, and none is a whole unit away from its exact
   amount. `round_each_group`, and a group alone: each by itself.
2. Lines whose price rounds finer than the currency are rounded once more, those of an invoice together, half away from zero.
3. Sums of what several documents bill have amounts alone; a line of nothing may be missing there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from engine.billing.reconciliation.booked_line import BookedLine, minor_text
from engine.billing.reconciliation.expected_lines import (
    BillingPeriodKey,
    ExpectedCharge,
    ExpectedPeriod,
    has_line_without_usage,
)
from engine.billing.reconciliation.findings import BookedDifference, Check, DifferenceKind, Findings
from engine.billing.reconciliation.price_arithmetic import NotJudgedError, exact_amount, rounded
from engine.billing.reconciliation.raw_usage import Dimensions, RawGroup
from rating import Model, minor_unit_digits

Usage = Mapping[Dimensions, RawGroup] | str
"""The groups of a charge's usage, or why they are not judged."""
_NOTHING = RawGroup(Fraction(0), 0, is_unsettled=False)


@dataclass(frozen=True, slots=True)
class JudgedDocument:
    """What differences are of. `is_sum`: of all documents of a period (rule 3)."""

    invoice_id: str
    number: int
    key: BillingPeriodKey
    is_sum: bool

    def difference(
        self, kind: DifferenceKind, line: BookedLine | None, what: str, expected: str, found: str
    ) -> BookedDifference:
        number = 0 if line is None or self.is_sum else line.line_number
        kind = DifferenceKind.CORRECTED_AMOUNT if self.is_sum else kind
        return BookedDifference(
            kind, self.key.customer_id, self.invoice_id, self.number, number, what, expected, found
        )


@dataclass(slots=True)
class _Finer:
    """Lines that are rounded once more (rule 2): each with its amount in minor units, a fraction, and how far off it may be."""

    lines: list[tuple[BookedLine, Fraction, Fraction]] = field(default_factory=list)
    total: Fraction = Fraction(0)
    is_whole: bool = True


class LineJudge:
    """Judges the lines of one document."""

    def __init__(self, of: JudgedDocument, findings: Findings) -> None:
        self._of = of
        self._findings = findings
        self._check = Check.CORRECTIONS if of.is_sum else Check.LINES
        self._digits = minor_unit_digits(of.key.currency)
        self._finer = _Finer()

    def judge(
        self,
        lines: Sequence[BookedLine],
        expected: ExpectedPeriod,
        usage: Mapping[tuple[str, str], Usage],
    ) -> None:
        """`usage`: of each metered charge, by subscription and price."""
        of_charge: dict[tuple[str, str], list[BookedLine]] = {}
        for line in lines:
            if line.kind != "charge":
                self._leave("a line of a commitment", 1)
            elif line.subscription_id in expected.judged:
                of_charge.setdefault((line.subscription_id, line.price_id), []).append(line)
            else:
                reason = expected.reasons.get(
                    line.subscription_id, "a subscription that the catalog doesn't have"
                )
                self._leave(reason, 1)
                # It may share a rounding with others.
                self._finer.is_whole = False
        for charge in expected.charges:
            key = (charge.subscription_id, charge.price.id)
            own = of_charge.pop(key, [])
            self._judge_charge(charge, own, usage.get(key, {}))
        for left in of_charge.values():
            for line in left:
                self._extra(line)
        self._judge_finer()

    def _leave(self, reason: str, count: int) -> None:
        self._findings.leave(self._check, reason, count)

    def _judge_charge(self, charge: ExpectedCharge, lines: list[BookedLine], usage: Usage) -> None:
        if isinstance(usage, str):
            self._left(usage, lines)
            return
        if any(each.is_unsettled for each in usage.values()):
            self._left("events of an id that was used twice", lines)
            return
        groups = dict(usage)
        if charge.meter is None:
            groups = {(): RawGroup(Fraction(charge.quantity), 0, is_unsettled=False)}
        elif not groups and has_line_without_usage(charge):
            groups = {(): _NOTHING}
        elif not groups and charge.price.price.minimum_amount is not None:
            self._left("a matrix without usage", lines)
            return
        try:
            exact = {key: _exact(charge, key, each) for key, each in groups.items()}
        except NotJudgedError as error:
            self._left(str(error), lines)
            return
        self._judge_groups(charge, groups, exact, {each.dimensions: each for each in lines})

    def _left(self, reason: str, lines: Sequence[BookedLine]) -> None:
        self._leave(reason, max(1, len(lines)))
        self._finer.is_whole = False

    def _judge_groups(
        self,
        charge: ExpectedCharge,
        groups: Mapping[Dimensions, RawGroup],
        exact: Mapping[Dimensions, Fraction],
        lines: dict[Dimensions, BookedLine],
    ) -> None:
        price = charge.price.price
        unit, mode = Fraction(10) ** (self._digits - price.digits), str(price.rounding.mode)
        together = len(groups) > 1 and not price.round_each_group
        total = rounded(sum(exact.values(), Fraction(0)), price.digits, mode) * 10**self._digits
        billed = sum(each.amount for key, each in lines.items() if key in groups)
        amounts = {
            key: (each if together else rounded(each, price.digits, mode)) * 10**self._digits
            for key, each in exact.items()
        }
        for dimensions, group in groups.items():
            line = lines.pop(dimensions, None)
            if line is None:
                self._missing(charge, dimensions, group, amounts[dimensions])
                continue
            self._findings.judged[self._check] += 1
            if not self._of.is_sum:
                self._judge_usage(charge, line, group)
            room = unit if together else Fraction(0)
            if unit < 1:
                self._finer.lines.append((line, amounts[dimensions], room))
            elif not _is_within(line.amount, amounts[dimensions], room):
                self._differs(
                    DifferenceKind.AMOUNT, line, line.what, amounts[dimensions], Fraction(line.amount)
                )
        for line in lines.values():
            self._extra(line)
        if unit < 1:
            self._finer.total += total if together else sum(amounts.values(), Fraction(0))
        elif together and billed != total:
            what = f"{charge.subscription_id} {charge.price.id}, all groups"
            self._differs(DifferenceKind.AMOUNT, None, what, total, Fraction(billed))

    def _judge_usage(self, charge: ExpectedCharge, line: BookedLine, group: RawGroup) -> None:
        """Flat prices have a quantity of nothing."""
        if Fraction(line.quantity or 0) != group.quantity:
            self._findings.differs(
                self._of.difference(
                    DifferenceKind.QUANTITY, line, line.what, _text(group.quantity), line.quantity
                )
            )
        if charge.meter is not None and line.event_count != group.event_count:
            self._findings.differs(
                self._of.difference(
                    DifferenceKind.EVENT_COUNT,
                    line,
                    line.what,
                    str(group.event_count),
                    str(line.event_count),
                )
            )

    def _missing(
        self, charge: ExpectedCharge, dimensions: Dimensions, group: RawGroup, amount: Fraction
    ) -> None:
        """A line of nothing may be left out of sums; a share of less than a unit may be nothing."""
        if self._of.is_sum and (amount == 0 or abs(amount) < 1):
            self._findings.judged[self._check] += 1
            return
        self._findings.judged[self._check] += 1
        named = " ".join(f"{name}={value}" for name, value in dimensions)
        what = " ".join(each for each in (charge.subscription_id, charge.price.id, named) if each)
        expected = (
            minor_text(_whole(amount), self._of.key.currency)
            if self._of.is_sum
            else f"{group.event_count} events"
        )
        self._findings.differs(
            self._of.difference(DifferenceKind.MISSING_LINE, None, what, expected, "no line")
        )

    def _extra(self, line: BookedLine) -> None:
        self._findings.judged[self._check] += 1
        # What was given back whole is in no sum.
        if not self._of.is_sum or line.amount:
            self._differs(DifferenceKind.EXTRA_LINE, line, line.what, Fraction(0), Fraction(line.amount))

    def _judge_finer(self) -> None:
        """Rule 2."""
        if not self._finer.lines:
            return
        if not self._finer.is_whole:
            self._leave("amounts finer than the currency, beside others", len(self._finer.lines))
            self._findings.judged[self._check] -= len(self._finer.lines)
            return
        for line, amount, room in self._finer.lines:
            if not _is_within(line.amount, amount, room + 1):
                self._differs(DifferenceKind.AMOUNT, line, line.what, amount, Fraction(line.amount))
        expected = rounded(self._finer.total, 0, "half_up")
        found = Fraction(sum(line.amount for line, _, _ in self._finer.lines))
        if expected != found:
            self._differs(DifferenceKind.AMOUNT, None, "all amounts finer than the currency", expected, found)

    def _differs(
        self, kind: DifferenceKind, line: BookedLine | None, what: str, expected: Fraction, found: Fraction
    ) -> None:
        currency = self._of.key.currency
        texts = (minor_text(_whole(each), currency) for each in (expected, found))
        self._findings.differs(self._of.difference(kind, line, what, *texts))


def _exact(charge: ExpectedCharge, dimensions: Dimensions, group: RawGroup) -> Fraction:
    quantity = Fraction(0) if charge.price.price.model is Model.FLAT else group.quantity
    return exact_amount(charge.price.price, quantity, dict(dimensions))


def _is_within(found: int, expected: Fraction, room: Fraction) -> bool:
    """Exactly, or less than `room` away."""
    return found == expected or abs(found - expected) < room


def _whole(minor: Fraction) -> object:
    """For people: whole minor units, or with a few more digits."""
    return (
        minor.numerator if minor.denominator == 1 else round(Decimal(minor.numerator) / minor.denominator, 4)
    )


def _text(quantity: Fraction) -> str:
    value = Decimal(quantity.numerator) / Decimal(quantity.denominator)
    return format(value.normalize(), "f") if value else "0"
