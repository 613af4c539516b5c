"""The lines that commitments add to an invoice, and how each explains itself."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from rating.lines.formula import TIMES, plain
from rating.numbers.currency import minor_unit_digits
from rating.numbers.decimals import DecimalColumn, decimal_of
from rating.settlement.commitments import CommitmentResult, Commitments, apply_commitments
from rating.settlement.invoice_lines import NONE, Ids, InvoiceLines, LineColumns, codes_of


class LineKind(IntEnum):
    """What a line of a settlement is."""

    RATED = 0
    OVERAGE = 1
    TRUE_UP = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class AdjustedLines:
    """The n given lines and after them the adjustments, by commitment, its overage before its true-up.

    Attributes:
        lines: N lines in all.
        kind: `LineKind` of each, int64[N].
        commitment: row of the commitment of an adjustment, -1 for a rated line, int64[N].
        found: what each commitment comes to; None without commitments.
    """

    lines: InvoiceLines
    kind: Ids
    commitment: Ids
    found: CommitmentResult | None


def without_commitments(lines: InvoiceLines) -> AdjustedLines:
    rated = np.full(len(lines), LineKind.RATED, dtype=np.int64)
    return AdjustedLines(
        lines=lines, kind=rated, commitment=np.full(len(lines), NONE, dtype=np.int64), found=None
    )


def with_adjustments(lines: InvoiceLines, commitments: Commitments, columns: LineColumns) -> AdjustedLines:
    """The lines with an adjustment for every amount of a commitment that isn't 0.

    An adjustment has the subscription and the currency of its commitment and no price, so only grants for all
    prices pay for it; `columns` has K rows and says what else it belongs to.
    """
    found = apply_commitments(lines, commitments)
    amounts = DecimalColumn.concatenate([found.overage_minor, found.true_up_minor])
    size = max(len(commitments), 1)
    rows = np.flatnonzero(amounts.mantissa != 0)
    rows = rows[np.argsort(rows % size, kind="stable")]
    commitment = rows % size
    kinds = np.where(rows < size, LineKind.OVERAGE, LineKind.TRUE_UP)
    given = without_commitments(lines)
    return AdjustedLines(
        lines=_joined_lines(lines, commitments, columns, commitment, amounts.take(rows)),
        kind=np.concatenate([given.kind, kinds]),
        commitment=np.concatenate([given.commitment, commitment]),
        found=found,
    )


def adjustment_formula(commitments: Commitments, found: CommitmentResult, row: int, kind: LineKind) -> str:
    """How an adjustment of commitment `row` came about, in one legible line.

    `(SPEND - COMMITTED) TIMES (FACTOR - 1) = EXACT → AMOUNT CURRENCY` or `COMMITTED - SPEND = AMOUNT CURRENCY`, and for
    a period billed in parts `; less BOOKED booked = DUE CURRENCY`. Of a term SPEND is that of its periods so far; where the earlier
    ones have spent more than is COMMITTED, what they have spent stands in its place. SPEND is less what was rolled over; of that
    ` - PAID` follows, what earlier periods made up for.

    Raises:
        ValueError: a rated line is not an adjustment.
    """
    terms = commitments.terms[int(commitments.terms_index[row])]
    digits = minor_unit_digits(terms.currency)

    def money(column: DecimalColumn) -> str:
        return f"{decimal_of(int(column.mantissa[row]), digits):f}"

    # What was rolled over pays for spend.
    spent = found.spend_minor.subtract(found.carried_minor)
    spend, committed = money(spent), money(found.committed_minor)
    if kind is LineKind.OVERAGE:
        due, booked = found.overage_minor, commitments.overage_minor
        # Of a term what its earlier periods have had beyond it, too, is theirs.
        reached, from_which = (
            int(each.maximum(found.committed_minor).mantissa[row]) for each in (spent, found.before_minor)
        )
        over = reached - from_which
        extra = DecimalColumn.of([terms.overage_factor]).subtract(DecimalColumn.of_ints([1]))
        exact = DecimalColumn.of_ints([over], digits).multiply(extra).decimal(0)
        shown = [f"{decimal_of(each, digits):f}" for each in (reached, from_which)]
        beyond = f"({shown[0]} - {shown[1]})" if over else "0"
        text = f"{beyond} {TIMES} ({plain(terms.overage_factor)} - 1) = {plain(exact)} →"
    elif kind is LineKind.TRUE_UP:
        due, booked = found.true_up_minor, commitments.true_up_minor
        short = found.committed_minor.subtract(spent).maximum(DecimalColumn.zeros(len(spent)))
        text = f"{committed} - {spend}" if short.mantissa[row] else "0"
        paid = short.subtract(due).subtract(booked)
        text += f" - {money(paid)} =" if terms.true_up and paid.mantissa[row] else " ="
    else:
        raise ValueError("a rated line is not an adjustment")
    text += f" {money(due.add(booked))} {terms.currency}"
    if booked.mantissa[row]:
        text += f"; less {money(booked)} booked = {money(due)} {terms.currency}"
    return text


def _joined_lines(
    lines: InvoiceLines,
    commitments: Commitments,
    columns: LineColumns,
    commitment: Ids,
    amounts: DecimalColumn,
) -> InvoiceLines:
    """The lines with one more for each amount; they belong where their commitments say."""
    currencies = codes_of([*lines.currencies, *(each.currency for each in commitments.terms)])
    codes = np.array([currencies[each.currency] for each in commitments.terms], dtype=np.int64)

    def joined(own: Ids, of_commitments: Ids) -> Ids:
        return np.concatenate([own, of_commitments[commitment]])

    none = np.full(len(commitments), NONE, dtype=np.int64)
    return InvoiceLines(
        amount_minor=DecimalColumn.concatenate([lines.amount_minor, amounts]),
        currencies=tuple(currencies),
        currency=joined(lines.currency, codes[commitments.terms_index]),
        customer=joined(lines.customer, columns.customer),
        invoice=joined(lines.invoice, columns.invoice),
        subscription=joined(lines.subscription, commitments.subscription),
        price_ids=lines.price_ids,
        price=joined(lines.price, none),
        at_us=joined(lines.at_us, columns.at_us),
        tax_profile=joined(lines.tax_profile, columns.tax_profile),
        split=joined(lines.split, columns.split),
    )
