"""Tax rates, the profiles that combine them, and the exact factor of each rate in a profile."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Annotated

from fields import BAD, DecimalNumber, ListOf, Nested, Problem, Record, Text, rule
from rating.numbers.rounding import RoundingMode


@dataclass(frozen=True, kw_only=True)
class TaxRate(Record):
    """One tax.

    Attributes:
        tax_rate_id: names the tax in the result.
        percent: 0..1000 with at most 12 fractional digits.
        inclusive: whether amounts contain the tax; default False: it comes on top.
        compound: whether it is also charged on the taxes before it in the profile; default False: on the net only.

    Raises:
        FieldsError: with every problem of the values.
    """

    tax_rate_id: Annotated[str, Text()]
    # Excises pass 100, a typo should not pass.
    percent: Annotated[Decimal, DecimalNumber(at_most=1000, fraction_digits=12)]
    inclusive: bool = False
    compound: bool = False


class InclusiveReverseCharge(StrEnum):
    """What a price that contains taxes comes to when the customer owes them (reverse charge)."""

    KEEP = "keep"
    """The price stays as it is and is the net."""
    STRIP = "strip"
    """The contained taxes are taken out; what remains is the net."""


@dataclass(frozen=True, kw_only=True)
class TaxProfile(Record):
    """The taxes of a kind of line for a kind of customer, in order. No rates: exempt.

    Attributes:
        rates: at most 10, each id once. An inclusive compound rate comes before all exclusive ones: an amount can't
            contain a tax on a tax that it doesn't contain.
        reverse_charge: the customer owes the taxes: they are recorded with 0 and flagged; default False.
        inclusive_reverse_charge: what becomes of contained taxes then; default keep.

    Raises:
        FieldsError: with every problem of the values.
    """

    # The busiest jurisdictions stack four or five.
    rates: Annotated[tuple[TaxRate, ...], ListOf(Nested(TaxRate), 0, 10, unique="tax_rate_id")] = ()
    reverse_charge: bool = False
    inclusive_reverse_charge: InclusiveReverseCharge = InclusiveReverseCharge.KEEP

    @rule(partly=("rates",))
    def _contained_taxes_come_first(self) -> Iterator[Problem]:
        exclusive = False
        for index, rate in enumerate(self.rates):
            if rate is not BAD:
                if rate.inclusive is True and rate.compound is True and exclusive:
                    message = "an inclusive compound rate must precede exclusive ones"
                    yield Problem(("rates", index, "compound"), message)
                exclusive |= rate.inclusive is False

    def factors(self) -> tuple[Fraction, ...]:
        """Each rate's tax as an exact share of a line's amount.

        On the net, a rate comes to e = r, or r x (1 + all e before it) if it compounds. An amount is the net times
        (1 + the inclusive e), so the share is e / (1 + the inclusive e).
        """
        on_net: list[Fraction] = []
        for rate in self.rates:
            base = 1 + sum(on_net, Fraction(0)) if rate.compound else Fraction(1)
            on_net.append(Fraction(rate.percent) / 100 * base)
        contained = sum(
            (part for part, rate in zip(on_net, self.rates, strict=True) if rate.inclusive), Fraction(0)
        )
        return tuple(part / (1 + contained) for part in on_net)


class TaxScope(StrEnum):
    """Where taxes are rounded."""

    LINE = "line"
    """Each tax of each line."""
    INVOICE = "invoice"
    """Each tax once on an invoice, then allocated to its lines by the largest remainder."""


@dataclass(frozen=True, kw_only=True)
class TaxRounding(Record):
    """How taxes are rounded to minor units; default half_up (half away from zero), on each line."""

    mode: RoundingMode = RoundingMode.HALF_UP
    scope: TaxScope = TaxScope.LINE
