"""Tax rates, the profiles that combine them, and the exact factor of each rate in a profile."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from rating.problems import Problem
from rating.rounding import RoundingMode
from rating.terms import (
    Parser,
    Values,
    number_problems,
    parse_bool,
    parse_choice,
    parse_decimal,
    parse_each,
    parse_text,
    read_terms,
    refuse,
    text_problems,
    type_problems,
)

PERCENT_MAX = Decimal(1000)
"""Largest tax rate in percent: excises pass 100, a typo should not pass."""
RATES_MAX = 10
"""Most rates of one profile: the busiest jurisdictions stack four or five."""


@dataclass(frozen=True, kw_only=True)
class TaxRate:
    """One tax.

    Attributes:
        tax_rate_id: names the tax in the result.
        percent: 0..1000 with at most 12 fractional digits.
        inclusive: whether amounts contain the tax; default False: it comes on top.
        compound: whether it is also charged on the taxes before it in the profile; default False: on the net only.

    Raises:
        PriceError: with every problem of the values.
    """

    tax_rate_id: str
    percent: Decimal
    inclusive: bool = False
    compound: bool = False

    def __post_init__(self) -> None:
        refuse(_rate_problems(vars(self)))


class InclusiveReverseCharge(StrEnum):
    """What a price that contains taxes comes to when the customer owes them (reverse charge)."""

    KEEP = "keep"
    """The price stays as it is and is the net."""
    STRIP = "strip"
    """The contained taxes are taken out; what remains is the net."""


@dataclass(frozen=True, kw_only=True)
class TaxProfile:
    """The taxes of a kind of line for a kind of customer, in order. No rates: exempt.

    Attributes:
        rates: at most 10, each id once. An inclusive compound rate comes before all exclusive ones: an amount can't
            contain a tax on a tax that it doesn't contain.
        reverse_charge: the customer owes the taxes: they are recorded with 0 and flagged; default False.
        inclusive_reverse_charge: what becomes of contained taxes then; default keep.

    Raises:
        PriceError: with every problem of the values.
    """

    rates: tuple[TaxRate, ...] = ()
    reverse_charge: bool = False
    inclusive_reverse_charge: InclusiveReverseCharge = InclusiveReverseCharge.KEEP

    def __post_init__(self) -> None:
        refuse(_profile_problems(vars(self)))

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
class TaxRounding:
    """How taxes are rounded to minor units; default half_up (half away from zero), on each line."""

    mode: RoundingMode = RoundingMode.HALF_UP
    scope: TaxScope = TaxScope.LINE

    def __post_init__(self) -> None:
        values = vars(self)
        refuse(
            problem
            for name, kind in (("mode", RoundingMode), ("scope", TaxScope))
            for problem in type_problems(values, name, kind)
        )


def read_tax_rate(fields: Mapping[str, object]) -> TaxRate:
    """A rate from untrusted fields, named as the attributes of `TaxRate`.

    Raises:
        PriceError: with every problem.
    """
    return read_terms(TaxRate, _RATE_PARSERS, _rate_problems, fields)


def read_tax_profile(fields: Mapping[str, object]) -> TaxProfile:
    """A profile from untrusted fields, named as the attributes of `TaxProfile`; `rates` is a list of mappings.

    Raises:
        PriceError: with every problem.
    """
    return read_terms(TaxProfile, _PROFILE_PARSERS, _profile_problems, fields)


def _parse_rates(value: object) -> tuple[TaxRate, ...]:
    return parse_each(value, read_tax_rate)


_RATE_PARSERS: Mapping[str, Parser] = {
    "tax_rate_id": parse_text,
    "percent": parse_decimal,
    "inclusive": parse_bool,
    "compound": parse_bool,
}
_PROFILE_PARSERS: Mapping[str, Parser] = {
    "rates": _parse_rates,
    "reverse_charge": parse_bool,
    "inclusive_reverse_charge": parse_choice(InclusiveReverseCharge),
}


def _rate_problems(values: Values) -> Iterator[Problem]:
    yield from text_problems(values, "tax_rate_id")
    yield from number_problems(values, "percent", Decimal(0), PERCENT_MAX)
    yield from type_problems(values, "inclusive", bool)
    yield from type_problems(values, "compound", bool)


def _profile_problems(values: Values) -> Iterator[Problem]:
    yield from type_problems(values, "reverse_charge", bool)
    yield from type_problems(values, "inclusive_reverse_charge", InclusiveReverseCharge)
    rates = values.get("rates", ())
    if not isinstance(rates, tuple) or not all(isinstance(rate, TaxRate) for rate in rates):
        yield Problem(("rates",), f"must be a tuple of tax rates, is {rates!r}")
        return
    if len(rates) > RATES_MAX:
        yield Problem(("rates",), f"must be at most {RATES_MAX}, are {len(rates)}")
    seen: set[str] = set()
    exclusive = False
    for index, rate in enumerate(rates):
        if rate.tax_rate_id in seen:
            yield Problem(("rates", index, "tax_rate_id"), f"is there twice: {rate.tax_rate_id}")
        if rate.inclusive and rate.compound and exclusive:
            yield Problem(
                ("rates", index, "compound"), "an inclusive compound rate must precede exclusive ones"
            )
        seen.add(rate.tax_rate_id)
        exclusive |= not rate.inclusive
