"""Taxes on lines: several rates on each, on top or contained, compound, reverse charge.

Rules:
1. A tax's exact amount is the line's amount times the rate's factor in its profile (`TaxProfile.factors`): an
   exact fraction, also through compounding. It is rounded once.
2. Scope line (default): each tax of each line is rounded. Scope invoice: each tax is summed exactly over the lines
   of an invoice, rounded there, and allocated back to the lines by the largest remainder.
3. net = amount - the contained (inclusive) taxes, gross = net + all taxes. So net + tax = gross exactly, and the
   gross of a line with contained taxes only is its amount.
4. Reverse charge: the taxes are recorded with 0, the line is flagged, and gross = net.
5. A negative line is taxed as the mirror image of the positive one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np

from rating.numbers.allocate import round_to_total
from rating.numbers.decimals import DecimalColumn
from rating.numbers.rounding import RoundingMode, divide_rounded
from rating.settlement.invoice_lines import NONE, Flags, Ids, InvoiceLines, check_ids, codes_of, expanded
from rating.settlement.tax_rates import InclusiveReverseCharge, TaxProfile, TaxRate, TaxRounding, TaxScope


@dataclass(frozen=True, eq=False, kw_only=True)
class TaxResult:
    """m taxes of n lines; amounts in minor units at scale 0.

    Attributes:
        rates: the R distinct rates; one that occurs both normally and under reverse charge is there twice.
        reverse: which of them are under reverse charge, bool[R].
        line: row of the line of each tax, int64[m]; by line, then in the profile's order.
        rate: index into `rates`, int64[m].
        taxable_minor: what each tax is charged on: the line's net, with the taxes before it if it compounds.
        amount_minor: m taxes; 0 under reverse charge.
        net_minor, tax_minor, gross_minor: of each of the n lines; net + tax = gross.
        included_minor: of each of the n lines, what was taken out of its amount; amount - included = net.
        reverse_charge: bool[n].
    """

    rates: tuple[TaxRate, ...]
    reverse: Flags
    line: Ids
    rate: Ids
    taxable_minor: DecimalColumn
    amount_minor: DecimalColumn
    net_minor: DecimalColumn
    tax_minor: DecimalColumn
    gross_minor: DecimalColumn
    included_minor: DecimalColumn
    reverse_charge: Flags


@dataclass(frozen=True, eq=False, kw_only=True)
class TaxTotals:
    """Each tax of each invoice: int64 ids and indices, and sums over the invoice's lines in minor units."""

    invoice: Ids
    rate: Ids
    taxable_minor: DecimalColumn
    amount_minor: DecimalColumn


@dataclass(frozen=True, eq=False)
class _Table:
    """All rates of all profiles, one after another: a profile's are at start[p]:start[p] + count[p]."""

    rates: tuple[TaxRate, ...]
    reverse: Flags
    start: Ids
    count: Ids
    rate: Ids
    numerator: DecimalColumn
    denominator: tuple[int, ...]
    inclusive: Flags
    compound: Flags

    @classmethod
    def of(cls, profiles: Sequence[TaxProfile]) -> "_Table":
        keys = [(rate, profile.reverse_charge) for profile in profiles for rate in profile.rates]
        distinct = codes_of(keys)
        factors = [factor for profile in profiles for factor in profile.factors()]
        count = np.array([len(profile.rates) for profile in profiles], dtype=np.int64)
        return cls(
            rates=tuple(rate for rate, _ in distinct),
            reverse=np.array([reverse for _, reverse in distinct], dtype=np.bool_),
            start=np.cumsum(count) - count,
            count=count,
            rate=np.array([distinct[key] for key in keys], dtype=np.int64),
            numerator=DecimalColumn.of_ints([factor.numerator for factor in factors]),
            denominator=tuple(factor.denominator for factor in factors),
            inclusive=np.array([rate.inclusive for rate, _ in keys], dtype=np.bool_),
            compound=np.array([rate.compound for rate, _ in keys], dtype=np.bool_),
        )


def apply_taxes(
    lines: InvoiceLines, profiles: Sequence[TaxProfile], rounding: TaxRounding | None = None
) -> TaxResult:
    """The taxes of n lines by their profiles. O(n x rates); scope invoice sorts them, O(n log n).

    Products stay in int64 while the largest amount x the largest numerator of a factor does (8.875 % is 71/800);
    past it they are Python ints.

    Raises:
        ValueError: a line's profile isn't there.
    """
    check_ids("tax_profile", lines.tax_profile, NONE, len(profiles) - 1)
    rounding = rounding or TaxRounding()
    table = _Table.of(profiles)
    taxed = lines.tax_profile != NONE
    profile = np.where(taxed, lines.tax_profile, 0)
    line, within = expanded(np.where(taxed, table.count[profile], 0) if len(profiles) else profile)
    entry = table.start[profile[line]] + within if len(profiles) else line
    settle = _by_line if rounding.scope is TaxScope.LINE else _by_invoice
    nominal = settle(lines, table, line, entry, rounding.mode)
    reverse_charge = np.array([each.reverse_charge for each in profiles] or [False], dtype=np.bool_)[profile]
    reverse_charge &= taxed
    return _result(lines, profiles, table, (line, entry), nominal, reverse_charge)


def _by_line(lines: InvoiceLines, table: _Table, line: Ids, entry: Ids, mode: RoundingMode) -> DecimalColumn:
    product = lines.amount_minor.take(line).multiply(table.numerator.take(entry))
    divisor = DecimalColumn.of_ints(table.denominator)
    if divisor.is_wide:
        product = product.widened()
    return DecimalColumn(divide_rounded(product.mantissa, divisor.mantissa[entry], mode), 0).narrowed()


def _by_invoice(
    lines: InvoiceLines, table: _Table, line: Ids, entry: Ids, mode: RoundingMode
) -> DecimalColumn:
    """Shares of one rate get one denominator, whatever the profiles, so that they can be summed exactly."""
    common = [1] * len(table.rates)
    for rate, denominator in zip(table.rate.tolist(), table.denominator, strict=True):
        common[rate] = lcm(common[rate], denominator)
    scaled = [
        numerator * common[rate] // denominator
        for numerator, rate, denominator in zip(
            table.numerator.mantissa.tolist(), table.rate.tolist(), table.denominator, strict=True
        )
    ]
    shares = lines.amount_minor.take(line).multiply(DecimalColumn.of_ints(scaled).take(entry))
    key = lines.invoice[line] * max(len(common), 1) + table.rate[entry]
    keys, group = np.unique(key, return_inverse=True)
    divisor = DecimalColumn.of_ints(common).mantissa[keys % max(len(common), 1)]
    exact = shares.sum_by_group(group, len(keys))
    if divisor.dtype == np.object_:
        exact = exact.widened()
    total = DecimalColumn(divide_rounded(exact.mantissa, divisor, mode), 0)
    return round_to_total(shares, divisor, group, total).narrowed()


def _result(
    lines: InvoiceLines,
    profiles: Sequence[TaxProfile],
    table: _Table,
    rows: tuple[Ids, Ids],
    nominal: DecimalColumn,
    reverse_charge: Flags,
) -> TaxResult:
    """Nets and grosses from the nominal taxes, which reverse charge turns to 0."""
    line, entry = rows
    keeps = [each.inclusive_reverse_charge is InclusiveReverseCharge.KEEP for each in profiles] or [True]
    kept = reverse_charge & np.array(keeps, dtype=np.bool_)[np.maximum(lines.tax_profile, 0)]
    none = DecimalColumn.zeros(len(nominal))
    contained = nominal.where(table.inclusive[entry] & ~kept[line], none)
    included = contained.sum_by_group(line, len(lines))
    net = lines.amount_minor.subtract(included).narrowed()
    amount = nominal.where(~reverse_charge[line], none)
    tax = amount.sum_by_group(line, len(lines))
    taxable = net.take(line).add(_taxes_before(amount, line, table.compound[entry]))
    return TaxResult(
        rates=table.rates,
        reverse=table.reverse,
        line=line,
        rate=table.rate[entry],
        taxable_minor=taxable.narrowed(),
        amount_minor=amount,
        net_minor=net,
        tax_minor=tax.narrowed(),
        gross_minor=net.add(tax).narrowed(),
        included_minor=included.narrowed(),
        reverse_charge=reverse_charge,
    )


def _taxes_before(amount: DecimalColumn, line: Ids, compound: Flags) -> DecimalColumn:
    """For a compound tax the taxes before it on its line; 0 for others."""
    none = DecimalColumn.zeros(len(amount))
    if not compound.any():
        return none
    same_line = np.concatenate([[False], line[1:] == line[:-1]])
    back_one = np.maximum(np.arange(len(line)) - 1, 0)
    before, earlier = none, amount
    for _ in range(int(np.bincount(line).max()) - 1):
        earlier = earlier.take(back_one).where(same_line, none)
        before = before.add(earlier)
    return before.where(compound, none)


def tax_totals(lines: InvoiceLines, taxes: TaxResult) -> TaxTotals:
    """Each tax of each invoice, for its summary: by invoice, then by rate."""
    rates = max(len(taxes.rates), 1)
    keys, group = np.unique(lines.invoice[taxes.line] * rates + taxes.rate, return_inverse=True)
    return TaxTotals(
        invoice=keys // rates,
        rate=keys % rates,
        taxable_minor=taxes.taxable_minor.sum_by_group(group, len(keys)),
        amount_minor=taxes.amount_minor.sum_by_group(group, len(keys)),
    )
