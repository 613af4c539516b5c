"""Discounts of whole invoices (coupons): percentages first, then amounts.

Rules:
1. A discount is for the lines of one invoice: all of them, or those of one subscription, and for all prices or
   certain ones. An amount is for lines in its currency alone.
2. On an invoice the percentages come before the amounts, each of them in the order given. Each takes from what those
   before it left, and from positive lines only.
3. A percentage is taken of the sum of its lines: exact, rounded once to a minor unit, half away from zero, and shared
   out over the lines by the largest remainder. Three lines of 0.05 at 10 % are 0.015 off: 0.02.
4. An amount is at most what its lines come to, and is shared out in proportion to them by the largest remainder.
5. Each part of a discount is a row: discount, line, amount. So no line becomes negative, and the rows explain it.

How: a pass settles one discount of every invoice; there are as many passes as the invoice with the most discounts
has. A pass is O(n log n) in the lines.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Self

import numpy as np

from fields import DecimalNumber, Problem, Record, rule
from rating.numbers.allocate import allocate, round_to_total
from rating.numbers.currency import CurrencyCode, minor_unit_digits, whole_minor_units
from rating.numbers.decimals import DecimalColumn, scaled_int
from rating.numbers.rounding import RoundingMode, divide_rounded
from rating.settlement.invoice_lines import NONE, Flags, Ids, InvoiceLines, check_columns, check_ids, codes_of
from rating.settlement.scopes import in_scope, scope_pairs


@dataclass(frozen=True, kw_only=True)
class Discount(Record):
    """A percentage or an amount off.

    Attributes:
        percent_off: above 0, at most 100, with at most 12 fractional digits.
        amount_off: above 0, in units of `currency` (ISO 4217), in whole minor units.

    Raises:
        FieldsError: with every problem of the values.
    """

    percent_off: Annotated[Decimal | None, DecimalNumber(positive=True, at_most=100, fraction_digits=12)] = (
        None
    )
    amount_off: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    currency: Annotated[str | None, CurrencyCode()] = None

    @rule("percent_off", "amount_off", "currency")
    def _is_one_of_both(self) -> Iterator[Problem]:
        yield from discount_problems(self.percent_off, self.amount_off, self.currency)

    @property
    def amount_minor(self) -> int:
        """0 for a percentage."""
        if self.amount_off is None or self.currency is None:
            return 0
        return scaled_int(self.amount_off, minor_unit_digits(self.currency))


def discount_problems(
    percent_off: Decimal | None, amount_off: Decimal | None, currency: str | None
) -> Iterator[Problem]:
    """What is wrong between the terms of a discount."""
    if (percent_off is None) == (amount_off is None):
        yield Problem((), "needs either percent_off or amount_off")
    elif amount_off is None:
        if currency is not None:
            yield Problem(("currency",), "does not belong to a percentage: remove it")
    elif currency is None:
        yield Problem(("currency",), "is missing: amount_off is an amount in a currency")
    else:
        yield from whole_minor_units("amount_off", amount_off, currency)


@dataclass(frozen=True, eq=False, kw_only=True)
class Discounts:
    """K discounts of invoices, as columns.

    Attributes:
        terms: the distinct discounts; `terms_index`: index into it, int64[K].
        invoice: whose it is, int64[K] ids as in the lines.
        subscription: the one whose lines it is for, ids as in the lines, or -1 for the whole invoice, int64[K].
        scopes: the distinct scopes as tuples of price ids; `scope`: index into it, or -1 for all prices.
    """

    terms: tuple[Discount, ...]
    terms_index: Ids
    invoice: Ids
    subscription: Ids
    scopes: tuple[tuple[str, ...], ...]
    scope: Ids

    def __post_init__(self) -> None:
        check_columns(self, len(self))
        check_ids("terms_index", self.terms_index, 0, len(self.terms) - 1)
        check_ids("invoice", self.invoice, 0)
        check_ids("subscription", self.subscription, NONE)
        check_ids("scope", self.scope, NONE, len(self.scopes) - 1)

    def __len__(self) -> int:
        return len(self.terms_index)

    @classmethod
    def of(
        cls,
        terms: Sequence[Discount],
        invoice: Sequence[int],
        *,
        subscription: Sequence[int] | None = None,
        price_ids: Sequence[tuple[str, ...] | None] | None = None,
    ) -> Self:
        """One row for each of the terms; for whole invoices and all prices unless said otherwise."""
        scoped = [None] * len(terms) if price_ids is None else price_ids
        scopes = codes_of(each for each in scoped if each is not None)
        return cls(
            terms=tuple(terms),
            terms_index=np.arange(len(terms), dtype=np.int64),
            invoice=np.array(invoice, dtype=np.int64),
            subscription=np.array(
                [NONE] * len(terms) if subscription is None else subscription, dtype=np.int64
            ),
            scopes=tuple(scopes),
            scope=np.array([NONE if each is None else scopes[each] for each in scoped], dtype=np.int64),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class DiscountResult:
    """m parts of discounts and their sums; amounts in minor units at scale 0.

    Attributes:
        discount, line: rows of the discounts and of the lines, int64[m], ordered by line, then as they were taken.
        amount_minor: m amounts, all positive.
        discounted_minor: what was taken off each of the n lines.
        left_minor: what each of the n lines comes to after it.
    """

    discount: Ids
    line: Ids
    amount_minor: DecimalColumn
    discounted_minor: DecimalColumn
    left_minor: DecimalColumn


def apply_discounts(lines: InvoiceLines, discounts: Discounts) -> DiscountResult:
    """What each discount takes off which line."""
    left = lines.amount_minor
    rows, places, amounts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [DecimalColumn.zeros(0)]
    invoices = int(max(lines.invoice.max(initial=-1), discounts.invoice.max(initial=-1))) + 1
    pairs = scope_pairs(discounts.scopes, lines.price_ids)
    for own in _passes(discounts):
        of_invoice = np.full(invoices, NONE, dtype=np.int64)
        of_invoice[discounts.invoice[own]] = own
        of_line = of_invoice[lines.invoice]
        place = np.flatnonzero((of_line != NONE) & np.asarray(left.mantissa > 0, dtype=np.bool_))
        place = place[_fits(lines, discounts, pairs, place, of_line[place])]
        if not len(place):
            continue
        discount, group = np.unique(of_line[place], return_inverse=True)
        off = _off(discounts, discount, left.take(place), group)
        takes = np.flatnonzero(off.mantissa != 0)
        place, off = place[takes], off.take(takes)
        rows.append(discount[group[takes]])
        places.append(place)
        amounts.append(off)
        left = left.subtract(DecimalColumn.scattered([off], [place], len(lines))).narrowed()
    line = np.concatenate(places)
    order = np.argsort(line, kind="stable")
    return DiscountResult(
        discount=np.concatenate(rows)[order],
        line=line[order],
        amount_minor=DecimalColumn.concatenate(amounts).take(order),
        discounted_minor=lines.amount_minor.subtract(left).narrowed(),
        left_minor=left,
    )


def _passes(discounts: Discounts) -> Iterator[Ids]:
    """The rows of each pass: the first discount of every invoice, the second, and so on (rule 2)."""
    is_amount = np.array([each.amount_off is not None for each in discounts.terms], dtype=np.bool_)
    order = np.lexsort((is_amount[discounts.terms_index], discounts.invoice))
    invoice = discounts.invoice[order]
    first = np.flatnonzero(np.r_[True, invoice[1:] != invoice[:-1]][: len(invoice)])
    turn = np.arange(len(order)) - np.repeat(first, np.diff(np.r_[first, len(order)]))
    for number in range(int(turn.max(initial=-1)) + 1):
        yield order[turn == number]


def _off(discounts: Discounts, discount: Ids, left: DecimalColumn, group: Ids) -> DecimalColumn:
    """What each line has taken off, by the rules 3 and 4. `discount`: the row of each group."""
    index = discounts.terms_index[discount]
    percents = DecimalColumn.of([each.percent_off or 0 for each in discounts.terms])
    percent = DecimalColumn(percents.mantissa, percents.scale + 2).take(index)
    exact = left.multiply(percent.take(group))
    by = 10**exact.scale
    sums = exact.sum_by_group(group, len(discount))
    wide = by > 2**62 or sums.is_wide
    rounded = divide_rounded(sums.widened().mantissa if wide else sums.mantissa, by, RoundingMode.HALF_UP)
    divisor = np.full(len(discount), by, dtype=object if wide else np.int64)
    share = round_to_total(DecimalColumn(exact.mantissa, 0), divisor, group, DecimalColumn(rounded, 0))
    amount = DecimalColumn.of_ints([each.amount_minor for each in discounts.terms]).take(index)
    amount = amount.minimum(left.sum_by_group(group, len(discount))).narrowed()
    return share.add(allocate(amount, left, group)).narrowed()


def _fits(lines: InvoiceLines, discounts: Discounts, pairs: Ids, place: Ids, discount: Ids) -> Flags:
    """Whether each of these lines is one of its discount's, by rule 1."""
    codes = codes_of(lines.currencies)
    own = [NONE if each.currency is None else codes.get(each.currency, -2) for each in discounts.terms]
    currency = np.array(own, dtype=np.int64)[discounts.terms_index[discount]]
    subscription = discounts.subscription[discount]
    fits = in_scope(pairs, discounts.scope[discount], lines.price[place], len(lines.price_ids))
    fits &= (subscription == NONE) | (subscription == lines.subscription[place])
    fits &= (currency == NONE) | (currency == lines.currency[place])
    return fits
