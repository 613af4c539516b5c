"""What all customers spend in one currency, by exchange rates of the catalog: for reports. It changes nothing that is due. Pure.

Rules:
1. A line is converted at the rate that holds at the last instant of its billing period; what is due of an invoice likewise.
2. Of each currency the exact sum of what lines (and what is due) come to at their rates is rounded once, half away from zero, to
   the minor unit of the reporting currency. The total of all is the sum of these, so it adds up.
3. Without a rate nothing is reported: a sum that lacks a part would pass for the whole.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final

import numpy as np

from engine.billing.periods import Instants
from engine.billing.rated import Rated
from engine.billing.segments import Index
from engine.billing.terms.places import CustomerNumbers
from engine.billing.terms.settled import Settled
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import datetime_us, us_datetime
from rating import DecimalColumn, minor_unit_digits

_EXACT: Final = Context(prec=400, traps=[Inexact, InvalidOperation])
_ONE: Final = Decimal(1)
_AMOUNT, _DUE = 0, 1


@dataclass(frozen=True, slots=True)
class ReportedTotal:
    """What all customers' spend in a currency comes to in the reporting currency; `currency` None: in all currencies."""

    currency: str | None
    amount: Decimal
    due: Decimal


@dataclass(frozen=True, slots=True)
class UsedRate:
    """A rate that something was converted at."""

    from_currency: str
    rate: Decimal
    effective_from: datetime


class ReportedTotals:
    """Sums over some customers after others."""

    def __init__(self, catalog: Catalog, to_currency: str) -> None:
        self._to = to_currency
        self._rates = {
            currency: catalog.exchange_rates.get((currency, to_currency), ())
            for currency in catalog.currencies
        }
        # (currency, place among its rates) -> the sums of lines and of what is due.
        self._sums: dict[tuple[str, int], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])

    def add(self, rated: Rated, terms: Settled | None) -> None:
        """The lines of some more whole customers, and what they were settled to.

        Raises:
            InvalidRequestError: a rate is missing.
        """
        charges = rated.charges
        names = [billed.effective.currency for billed in charges.prices]
        currencies = tuple(sorted(set(names)))
        code = np.array([currencies.index(each) for each in names], dtype=np.int64)
        currency = code[charges.price[rated.charge]]
        place = charges.place[rated.charge]
        last_us = charges.periods.period_end_us[place] - 1
        self._add(_AMOUNT, rated.amount, currencies, currency, last_us)
        if terms is None:
            self._add(_DUE, rated.amount, currencies, currency, last_us)
            return
        customer = CustomerNumbers.of(charges.periods).numbers(charges.periods.row)[place]
        rest = np.flatnonzero(~np.isin(customer, terms.customer))
        self._add(_DUE, rated.amount.take(rest), currencies, currency[rest], last_us[rest])
        lines = terms.settlement.lines
        shown = np.flatnonzero(terms.part == 0)
        due, own, at_us = terms.settlement.due_minor.take(shown), lines.currency[shown], lines.at_us[shown]
        for number, name in enumerate(lines.currencies):
            rows = np.flatnonzero(own == number)
            amount = DecimalColumn(due.take(rows).mantissa, minor_unit_digits(name))
            self._add(_DUE, amount, (name,), np.zeros(len(rows), dtype=np.int64), at_us[rows])

    def totals(self) -> list[ReportedTotal]:
        """One for each currency with a line, in alphabetical order, and the total of all behind them."""
        exact: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
        for (currency, place), sums in sorted(self._sums.items()):
            rate = _ONE if currency == self._to else self._rates[currency][place].rate
            for kind, amount in enumerate(sums):
                exact[currency][kind] = _EXACT.add(exact[currency][kind], _EXACT.multiply(amount, rate))
        found = [ReportedTotal(currency, *map(self._rounded, sums)) for currency, sums in exact.items()]
        amount, due = self._rounded(Decimal(0)), self._rounded(Decimal(0))
        for each in found:
            amount, due = _EXACT.add(amount, each.amount), _EXACT.add(due, each.due)
        return [*found, ReportedTotal(None, amount, due)]

    def used_rates(self) -> list[UsedRate]:
        """By currency, then by when they are effective."""
        used = sorted(key for key in self._sums if key[0] != self._to)
        rates = [(currency, self._rates[currency][place]) for currency, place in used]
        return [UsedRate(currency, each.rate, each.effective_from) for currency, each in rates]

    def _add(
        self, kind: int, amount: DecimalColumn, currencies: Sequence[str], currency: Index, last_us: Instants
    ) -> None:
        for code, name in enumerate(currencies):
            rows = np.flatnonzero(currency == code)
            places, group = np.unique(self._places(name, last_us[rows]), return_inverse=True)
            sums = amount.take(rows).sum_by_group(group, len(places))
            for place, more in zip(places.tolist(), sums.to_decimals(), strict=True):
                known = self._sums[name, place]
                known[kind] = _EXACT.add(known[kind], more)

    def _places(self, currency: str, last_us: Instants) -> Index:
        """Which of the currency's rates holds at each instant."""
        if currency == self._to:
            return np.zeros(len(last_us), dtype=np.int64)
        effective_us = [datetime_us(each.effective_from) for each in self._rates[currency]]
        places = np.searchsorted(np.array(effective_us, dtype=np.int64), last_us, side="right") - 1
        if (places < 0).any():
            day = us_datetime(int(last_us[places < 0].min()))
            message = (
                f"there is no exchange rate from {currency} to {self._to} on {day:%Y-%m-%d}, the last day of a billing "
                "period: apply one that is effective by then (exchange_rates)"
            )
            raise InvalidRequestError(FieldMistake("reporting_currency", message))
        return places

    def _rounded(self, amount: Decimal) -> Decimal:
        return DecimalColumn.of([amount]).round(minor_unit_digits(self._to)).decimal(0)
