"""From rated lines to what is due: commitments, credits, taxes and splits in their one order.

Order: the lines' spend is held against the commitments of their subscriptions, whose adjustments become lines of
their own after the given ones; credit grants pay; taxes are added or found; marketplace revenue is split. By
`CreditsApply` the taxes may come before the credits. Every stage is pure and may also be called by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from rating.numbers.decimals import DecimalColumn
from rating.settlement.adjustments import with_adjustments, without_commitments
from rating.settlement.commitments import CommitmentResult, Commitments
from rating.settlement.credits import CreditResult, apply_credits
from rating.settlement.grants import CreditGrants
from rating.settlement.invoice_lines import Ids, InvoiceLines, LineColumns, check_columns
from rating.settlement.splits import Split, SplitResult, apply_splits
from rating.settlement.tax import TaxResult, apply_taxes
from rating.settlement.tax_rates import TaxProfile, TaxRounding


class CreditsApply(StrEnum):
    """Whether credit reduces what is taxed."""

    BEFORE_TAX = "before_tax"
    """Credit is a discount: it pays for the lines, and what is left is taxed (default)."""
    AFTER_TAX = "after_tax"
    """Credit is a means of payment: the lines are taxed, and it pays for amounts with their taxes."""


class SplitBase(StrEnum):
    """Which amount of a line is split."""

    LINE = "line"
    """The line's own amount, before credits and taxes."""
    NET = "net"
    """What the line comes to without taxes (default)."""
    GROSS = "gross"
    """What the line comes to with taxes."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SettlementTerms:
    """Everything that settles lines. Left out, a stage changes nothing.

    Attributes:
        commitments, adjustments: given together; the latter says what the adjustment lines of each belong to.
        grants: of the lines' customers.
        tax_profiles, splits: what the lines' columns `tax_profile` and `split` point to.
        tax_rounding: default half_up on each line.
        credits_apply: default before_tax.
        split_base: default net.

    Raises:
        ValueError: commitments without adjustment columns, or of another length.
    """

    commitments: Commitments | None = None
    adjustments: LineColumns | None = None
    grants: CreditGrants | None = None
    tax_profiles: Sequence[TaxProfile] = ()
    splits: Sequence[Split] = ()
    tax_rounding: TaxRounding | None = None
    credits_apply: CreditsApply = CreditsApply.BEFORE_TAX
    split_base: SplitBase = SplitBase.NET

    def __post_init__(self) -> None:
        if (self.commitments is None) != (self.adjustments is None):
            raise ValueError("commitments and the columns of their adjustments go together")
        if self.commitments is not None and self.adjustments is not None:
            check_columns(self.adjustments, len(self.commitments))


@dataclass(frozen=True, eq=False, kw_only=True)
class Settlement:
    """Settled lines: the n given ones, then the adjustments, N in all; amounts in minor units at scale 0.

    Attributes:
        lines: the N lines with their amounts before credits and taxes.
        kind: `LineKind` of each, int64[N].
        commitment: row of the commitment of an adjustment, -1 for a rated line, int64[N].
        commitments, credits, taxes, splits: what each stage found, with its trace.
        due_minor: what each line leaves to pay, after credits and with taxes.
    """

    lines: InvoiceLines
    kind: Ids
    commitment: Ids
    commitments: CommitmentResult | None
    credits: CreditResult
    taxes: TaxResult
    splits: SplitResult
    due_minor: DecimalColumn


@dataclass(frozen=True, eq=False, kw_only=True)
class InvoiceTotals:
    """The sums of each invoice's lines, invoices ascending; minor units at scale 0.

    lines - credits (before tax) = what is taxed; due = lines + exclusive taxes - credits.
    """

    invoice: Ids
    lines_minor: DecimalColumn
    credited_minor: DecimalColumn
    net_minor: DecimalColumn
    tax_minor: DecimalColumn
    gross_minor: DecimalColumn
    due_minor: DecimalColumn


def settle(lines: InvoiceLines, terms: SettlementTerms) -> Settlement:
    """Runs the stages in their order. The complexity of each is with it; all are vectorised over the lines.

    Raises:
        ValueError: terms that the lines point to and that aren't there, commitments that overlap, a fixed fee in
            another currency.
    """
    if terms.commitments is not None and terms.adjustments is not None:
        adjusted = with_adjustments(lines, terms.commitments, terms.adjustments)
    else:
        adjusted = without_commitments(lines)
    lines = adjusted.lines
    grants = terms.grants if terms.grants is not None else CreditGrants.of([], [])
    if terms.credits_apply is CreditsApply.BEFORE_TAX:
        credit = apply_credits(lines, grants)
        tax = apply_taxes(lines.with_amounts(credit.left_minor), terms.tax_profiles, terms.tax_rounding)
        due = tax.gross_minor
    else:
        tax = apply_taxes(lines, terms.tax_profiles, terms.tax_rounding)
        credit = apply_credits(lines.with_amounts(tax.gross_minor), grants)
        due = credit.left_minor
    base = {
        SplitBase.LINE: lines.amount_minor,
        SplitBase.NET: tax.net_minor,
        SplitBase.GROSS: tax.gross_minor,
    }[terms.split_base]
    return Settlement(
        lines=lines,
        kind=adjusted.kind,
        commitment=adjusted.commitment,
        commitments=adjusted.found,
        credits=credit,
        taxes=tax,
        splits=apply_splits(lines.with_amounts(base), terms.splits),
        due_minor=due,
    )


def invoice_totals(settled: Settlement) -> InvoiceTotals:
    """The totals of each invoice: sums of its lines, so nothing is rounded again."""
    invoice, group = np.unique(settled.lines.invoice, return_inverse=True)

    def total(column: DecimalColumn) -> DecimalColumn:
        return column.sum_by_group(group, len(invoice))

    return InvoiceTotals(
        invoice=invoice,
        lines_minor=total(settled.lines.amount_minor),
        credited_minor=total(settled.credits.credited_minor),
        net_minor=total(settled.taxes.net_minor),
        tax_minor=total(settled.taxes.tax_minor),
        gross_minor=total(settled.taxes.gross_minor),
        due_minor=total(settled.due_minor),
    )
