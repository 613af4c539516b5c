"""The invoices that rated lines are on, as columns. Pure.

Rules:
1. An invoice has the lines of one customer in one currency whose billing periods are the same: the subscriptions of
   a customer that begin their months on one day share it, others have invoices of their own.
2. A customer's invoices come one after another: by the end of their periods, their start, their currency. A line's
   instant is the last one of its period. On an invoice lines are by subscription, whatever is rated beside them: credit pays for
   them in this order.
3. Lines whose price rounds finer than the currency's minor unit are rounded to it together, those of an invoice once,
   half away from zero, and share what it comes to by the largest remainder.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.billing.periods import Instants
from engine.billing.rated import Rated
from engine.billing.segments import Index
from engine.billing.terms.places import CustomerNumbers, PeriodPlaces, distinct
from engine.billing.terms.price_names import price_name
from engine.catalog.kinds.plan import Plan
from rating import DecimalColumn, InvoiceLines, minor_unit_digits, round_to_total

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False, slots=True)
class Invoices:
    """k invoices, in the order of rule 2.

    Attributes:
        customer: int64[k], numbers of customers, rising.
        currency: int64[k], as in the lines.
        start_us, end_us: int64[k], of the billing period.
        row: int64[k], the first subscription that is on it, by its row in the catalog's columns.
    """

    customer: Index
    currency: Index
    start_us: Instants
    end_us: Instants
    row: Index

    def __len__(self) -> int:
        return len(self.customer)


@dataclass(frozen=True, eq=False, slots=True)
class InvoicedLines:
    """n lines, in the order of their invoices.

    Attributes:
        lines: as rating settles them; a `subscription` is a place among all billing periods, `places`.
        invoices: what the lines' `invoice` counts.
        plan: int64[n], of which of `plans`, versions of plans in a currency, each line is.
        part, line: int64[n], where each is among the rated lines that were given.
        pair, pair_place, pair_invoice: int64, each place with each invoice that has lines or commitments of it; `pair` is
            place x currencies + currency, and rises.
    """

    lines: InvoiceLines
    invoices: Invoices
    plans: Sequence[Plan]
    plan: Index
    part: Index
    line: Index
    places: PeriodPlaces
    pair: Index
    pair_place: Index
    pair_invoice: Index

    def __len__(self) -> int:
        return len(self.line)

    def invoice_of(self, place: Index, currencies: Sequence[str], currency: Index) -> Index:
        """The invoices of places in currencies, which they are on."""
        codes = {name: code for code, name in enumerate(self.currencies)}
        own = np.array([codes[name] for name in currencies], dtype=np.int64)[currency]
        return self.pair_invoice[np.searchsorted(self.pair, place * len(codes) + own)]

    @property
    def currencies(self) -> tuple[str, ...]:
        return self.lines.currencies


@dataclass(frozen=True, eq=False, slots=True)
class MoreInvoices:
    """PeriodPlaces that have an invoice in a currency also without a line: int64[m], and `currency`, an index into `currencies`."""

    place: Index
    currencies: Sequence[str]
    currency: Index


@dataclass(frozen=True, eq=False, slots=True)
class _Part:
    line: Index
    amount: DecimalColumn
    place: Index
    price: Index
    plan: Index
    currency: Index


def invoiced(
    parts: Sequence[Rated],
    places: PeriodPlaces,
    customers: CustomerNumbers,
    chosen: Index,
    more: MoreInvoices,
) -> InvoicedLines:
    """The lines of the customers `chosen`, which rise, with their invoices, and invoices for what has no line."""
    names: dict[str, int] = {}
    currencies: dict[str, int] = {}
    plans: dict[tuple[str, int, str], tuple[int, Plan]] = {}
    is_chosen = np.zeros(len(customers), dtype=np.bool_)
    is_chosen[chosen] = True
    found: list[_Part] = []
    for rated, of_period in zip(parts, places.of_periods, strict=True):
        own_places = is_chosen[customers.numbers(rated.charges.periods.row)]
        found.append(_part(rated, own_places, of_period, names, currencies, plans))
    more_codes = [currencies.setdefault(each, len(currencies)) for each in more.currencies]
    row, start_us, end_us = places.row, places.start_us, places.end_us
    place, currency = (
        np.concatenate([getattr(each, name) for each in found]) for name in ("place", "currency")
    )
    # Of each pair of place and currency one invoice; nearly always a place has one currency, and they rise.
    pairs, of_line = distinct(place * max(len(currencies), 1) + currency)
    if len(more.place):
        with_lines = pairs
        pairs = np.union1d(pairs, more.place * len(currencies) + np.array(more_codes)[more.currency])
        of_line = np.searchsorted(pairs, with_lines)[of_line]
    pair_place, pair_currency = pairs // max(len(currencies), 1), pairs % max(len(currencies), 1)
    own = (customers.numbers(row)[pair_place], end_us[pair_place], start_us[pair_place], pair_currency)
    order = np.lexsort(own[::-1])
    is_first = np.zeros(len(order), dtype=np.bool_)
    is_first[:1] = True
    for key in own:
        is_first[1:] |= key[order][1:] != key[order][:-1]
    invoice_of_pair = np.empty(len(order), dtype=np.int64)
    invoice_of_pair[order] = np.cumsum(is_first) - 1
    # Stable, so that the first of an invoice's pairs is its first subscription.
    first = order[is_first]
    invoices = Invoices(own[0][first], own[3][first], own[2][first], own[1][first], row[pair_place[first]])
    invoice = invoice_of_pair[of_line]
    take = (
        np.lexsort((row[place], invoice)) if len(found) > 1 or (np.diff(invoice) < 0).any() else slice(None)
    )
    invoice = invoice[take]
    amount = DecimalColumn.concatenate([each.amount for each in found]).take(take)
    part = np.repeat(np.arange(len(found)), [len(each.line) for each in found])[take]
    return InvoicedLines(
        lines=InvoiceLines(
            amount_minor=_minor(amount, tuple(currencies), currency[take], invoice, len(invoices)),
            currencies=tuple(currencies),
            currency=currency[take],
            customer=invoices.customer[invoice],
            invoice=invoice,
            subscription=place[take],
            price_ids=tuple(names),
            price=np.concatenate([each.price for each in found])[take],
            at_us=invoices.end_us[invoice] - 1,
            tax_profile=np.full(len(invoice), -1, dtype=np.int64),
            split=np.full(len(invoice), -1, dtype=np.int64),
        ),
        invoices=invoices,
        plans=[plan for _, plan in plans.values()],
        plan=np.concatenate([each.plan for each in found])[take],
        part=part,
        line=np.concatenate([each.line for each in found])[take],
        places=places,
        pair=pairs,
        pair_place=pair_place,
        pair_invoice=invoice_of_pair,
    )


def _part(
    rated: Rated,
    chosen: Flags,
    place: Index,
    names: dict[str, int],
    currencies: dict[str, int],
    plans: dict[tuple[str, int, str], tuple[int, Plan]],
) -> _Part:
    charges = rated.charges
    prices, codes, of_plan = [], [], []
    for billed in charges.prices:
        prices.append(names.setdefault(price_name(billed.plan.id, billed.price.id), len(names)))
        key = billed.plan.id, billed.plan_version, billed.plan.currency
        version = plans.setdefault(key, (len(plans), billed.plan))
        of_plan.append(version[0])
        codes.append(currencies.setdefault(billed.effective.currency, len(currencies)))
    charge, line = rated.charge, np.arange(len(rated))
    if not chosen.all():
        line = np.flatnonzero(chosen[charges.place[charge]])
        charge = charge[line]
    price = charges.price[charge]
    return _Part(
        line=line,
        amount=rated.amount if len(line) == len(rated) else rated.amount.take(line),
        place=place[charges.place[charge]],
        price=np.array(prices, dtype=np.int64)[price],
        plan=np.array(of_plan, dtype=np.int64)[price],
        currency=np.array(codes, dtype=np.int64)[price],
    )


def _minor(
    amount: DecimalColumn, currencies: Sequence[str], currency: Index, invoice: Index, invoices: int
) -> DecimalColumn:
    """Amounts in units of their currencies as whole minor units (rule 3)."""
    parts, places = [], []
    for code, name in enumerate(currencies):
        rows = np.flatnonzero(currency == code) if len(currencies) > 1 else np.arange(len(currency))
        digits, own = minor_unit_digits(name), amount.take(rows)
        try:
            whole = DecimalColumn(own.rescale(digits).mantissa, 0)
        except ValueError:
            whole = _rounded_together(own, digits, invoice[rows], invoices)
        parts.append(whole.narrowed())
        places.append(rows)
    return DecimalColumn.scattered(parts, places, len(amount))


def _rounded_together(amount: DecimalColumn, digits: int, invoice: Index, invoices: int) -> DecimalColumn:
    by = 10 ** (amount.scale - digits)
    total = amount.sum_by_group(invoice, invoices).round(digits)
    divisor = np.full(invoices, by, dtype=object if amount.is_wide or by >= 2**62 else np.int64)
    return round_to_total(
        DecimalColumn(amount.mantissa, 0), divisor, invoice, DecimalColumn(total.mantissa, 0)
    )
