"""Revenue splits: what other parties have of what customers pay for a plan; the rest is the platform's."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.coupon import INSTANT, Prices
from engine.catalog.kinds.resource import Id, Name, Reference, Resource
from fields import BAD, DecimalNumber, ListOf, Nested, Path, Problem, Record, rule
from rating import CurrencyCode, RoundingMode, Share, Split, SplitBase, whole_minor_units

_PERCENT = DecimalNumber(positive=True, at_most=100, fraction_digits=12)
_ALL = Decimal(100)


@dataclass(frozen=True, kw_only=True)
class RevenueShare(Record, called="share"):
    """A recipient's part of an invoice: `amount`, or `percent`, or both.

    percent: of what the shares' amounts leave; all percentages bear `platform_amount`, in proportion.
    amount: before percentages and the platform's part; at most what is left.
    """

    recipient: Id
    percent: Annotated[Decimal | None, _PERCENT] = None
    amount: Annotated[Decimal | None, DecimalNumber(positive=True)] = None

    @rule("percent", "amount")
    def _is_something(self) -> Iterator[Problem]:
        if self.percent is None and self.amount is None:
            yield Problem(("percent",), "is missing: a share is a percentage, or an amount")


@dataclass(frozen=True, kw_only=True)
class RevenueSplit(
    Resource, section="revenue_splits", count_max=limits.REVENUE_SPLITS_MAX, called="revenue_split"
):
    """How the prices of plans are divided, for billing periods whose last instant is in [start, end).

    prices: those of the plans with these ids; all, without.
    shares: percentages come to at most 100; the platform has the rest.
    split_base: of which amount of the lines.
    platform_amount: what the platform has of each invoice besides its percentage, which is 100 % less those of
    the shares, of what the shares' amounts leave. Both are rounded once, together.
    currency: of amounts; the plans are in it.
    platform_rounding: of the platform's part, to minor units.
    """

    name: Name
    plans: Annotated[
        tuple[str, ...], ListOf(Reference(to="plan"), 1, limits.SCOPE_ENTRIES_MAX, distinct=True)
    ]
    prices: Prices = ()
    shares: Annotated[
        tuple[RevenueShare, ...],
        ListOf(Nested(RevenueShare), 1, limits.SPLIT_SHARES_MAX, unique="recipient"),
    ]
    split_base: SplitBase = SplitBase.NET
    platform_amount: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    currency: Annotated[str | None, CurrencyCode()] = None
    platform_rounding: RoundingMode = RoundingMode.HALF_UP
    start: Annotated[datetime | None, INSTANT] = None
    end: Annotated[datetime | None, INSTANT] = None

    @rule(partly=("shares",))
    def _percentages_are_at_most_all(self) -> Iterator[Problem]:
        total = sum((share.percent or 0 for share in self.shares if share is not BAD), Decimal(0))
        if total > _ALL:
            yield Problem(("shares",), f"come to {total} %: at most 100")

    @rule("currency", "platform_amount", partly=("shares",))
    def _amounts_are_in_its_currency(self) -> Iterator[Problem]:
        amounts: list[tuple[Path, Decimal]] = [
            (("shares", place, "amount"), share.amount)
            for place, share in enumerate(self.shares)
            if share is not BAD and share.amount is not None
        ]
        if self.platform_amount is not None:
            amounts.append((("platform_amount",), self.platform_amount))
        if amounts and self.currency is None:
            yield Problem(("currency",), "is missing: amounts are in a currency")
        elif not amounts and self.currency is not None and not any(share is BAD for share in self.shares):
            yield Problem(("currency",), "belongs to amounts: remove it, or give a share an amount")
        elif self.currency is not None:
            for path, amount in amounts:
                for problem in whole_minor_units("amount", amount, self.currency):
                    yield Problem(path, problem.message)

    @rule("start", "end")
    def _ends_after_start(self) -> Iterator[Problem]:
        if self.start is not None and self.end is not None and self.end <= self.start:
            yield Problem(("end",), "must be after start")

    @cached_property
    def split(self) -> Split:
        """As rating takes it."""
        percents = [share.percent or Decimal(0) for share in self.shares]
        return Split(
            shares=tuple(
                Share(recipient_id=share.recipient, weight=percent, fixed=share.amount or Decimal(0))
                for share, percent in zip(self.shares, percents, strict=True)
            ),
            platform_percent=_ALL - sum(percents),
            platform_fixed=self.platform_amount or Decimal(0),
            currency=self.currency,
            rounding=self.platform_rounding,
            base=self.split_base,
        )

    def overlaps(self, other: "RevenueSplit") -> bool:
        """Whether both hold at one time for one price of a plan that both are for."""
        begins_before_end = self.start is None or other.end is None or self.start < other.end
        ends_after_start = other.start is None or self.end is None or other.start < self.end
        shares_price = not self.prices or not other.prices or bool({*self.prices} & {*other.prices})
        return begins_before_end and ends_after_start and shares_price
