"""Tax regions: which taxes are charged there, from when until when."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.coupon import INSTANT
from engine.catalog.kinds.resource import Id, Name, Resource
from fields import DecimalNumber, FieldsError, ListOf, Nested, Problem, Record, Text, rule
from rating import TaxProfile, TaxRate


@dataclass(frozen=True, kw_only=True)
class RegionTax(Record, called="rate"):
    """A tax of a region over [start, end); without one of them from ever, or for ever. A new percentage is another entry.

    inclusive: prices contain it. compound: it is also charged on the taxes before it.
    """

    id: Id
    percent: Annotated[Decimal, DecimalNumber(at_most=1000, fraction_digits=12)]
    inclusive: bool = False
    compound: bool = False
    start: Annotated[datetime | None, INSTANT] = None
    end: Annotated[datetime | None, INSTANT] = None

    @rule("start", "end")
    def _ends_after_start(self) -> Iterator[Problem]:
        if self.start is not None and self.end is not None and self.end <= self.start:
            yield Problem(("end",), "must be after start")

    def holds(self, at: datetime) -> bool:
        return (self.start is None or at >= self.start) and (self.end is None or at < self.end)


@dataclass(frozen=True, kw_only=True)
class TaxRegion(Resource, section="tax_regions", count_max=limits.TAX_REGIONS_MAX, called="tax_region"):
    """Where customers are taxed alike.

    country: ISO 3166, two letters; union: of regions that trade without borders, such as EU. Between regions of one union in
    two countries a customer with a valid VAT id owes the taxes (reverse charge).
    rates: in the order in which they are charged.
    """

    name: Name
    country: Annotated[str | None, Text(2, allowed="A-Z")] = None
    union: Id | None = None
    rates: Annotated[tuple[RegionTax, ...], ListOf(Nested(RegionTax), 0, limits.TAX_RATES_MAX)] = ()

    @rule("rates")
    def _each_tax_has_one_rate_at_a_time(self) -> Iterator[Problem]:
        known: dict[str, list[RegionTax]] = defaultdict(list)
        for number, each in enumerate(self.rates):
            if any(_overlap(each, other) for other in known[each.id]):
                yield Problem(
                    ("rates", number, "start"), f"overlaps another rate of {each.id!r}: end that one by it"
                )
            known[each.id].append(each)

    @rule("rates")
    def _rates_go_together(self) -> Iterator[Problem]:
        starts = {each.start for each in self.rates if each.start is not None}
        for at in sorted(starts) or [_ANY_TIME]:
            try:
                self.profile(at)
            except FieldsError as error:
                yield Problem(("rates",), f"from {at:%Y-%m-%d} on: {error.problems[0].message}")
                return

    def rates_at(self, at: datetime) -> tuple[TaxRate, ...]:
        """Those that hold at an instant."""
        return tuple(
            TaxRate(
                tax_rate_id=each.id, percent=each.percent, inclusive=each.inclusive, compound=each.compound
            )
            for each in self.rates
            if each.holds(at)
        )

    def profile(self, at: datetime) -> TaxProfile:
        """As rating takes it."""
        return TaxProfile(rates=self.rates_at(at))


_ANY_TIME = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


def _overlap(one: RegionTax, other: RegionTax) -> bool:
    begins_before_end = one.start is None or other.end is None or one.start < other.end
    ends_after_start = one.end is None or other.start is None or other.start < one.end
    return begins_before_end and ends_after_start
