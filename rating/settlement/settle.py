"""From rated lines to what is due: discounts, commitments, credits, taxes and splits in their one order.

Order: discounts of plans are taken off the lines, then those of invoices; the lines' spend is held against the commitments of their subscriptions, whose adjustments become lines of
their own after the given ones; credit grants pay; taxes are added or found; marketplace revenue is split. By
`CreditsApply` the taxes may come before the credits. Credit pays invoice after invoice, in the order of their ids: of each the given
lines, then its adjustments. Every stage is pure and may also be called by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from rating.numbers.decimals import DecimalColumn
from rating.settlement.adjustments import with_adjustments, without_commitments
from rating.settlement.commitments import CommitmentResult, Commitments
from rating.settlement.credits import CreditResult, apply_credits
from rating.settlement.discounts import DiscountResult, Discounts, apply_discounts
from rating.settlement.grants import CreditGrants
from rating.settlement.invoice_lines import NONE, Ids, InvoiceLines, LineColumns, check_columns
from rating.settlement.plan_discounts import PlanDiscountResult, PlanDiscounts, apply_plan_discounts
from rating.settlement.splits import (
    Split,
    SplitBase,
    SplitResult,
    SplitScope,
    apply_splits,
    lines_together,
)
from rating.settlement.tax import TaxResult, apply_taxes
from rating.settlement.tax_rates import TaxProfile, TaxRounding


class CreditsApply(StrEnum):
    """Whether credit reduces what is taxed."""

    BEFORE_TAX = "before_tax"
    """Credit is a discount: it pays for the lines, and what is left is taxed (default)."""
    AFTER_TAX = "after_tax"
    """Credit is a means of payment: the lines are taxed, and it pays for amounts with their taxes."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SettlementTerms:
    """Everything that settles lines. Left out, a stage changes nothing.

    Attributes:
        plan_discounts: off the lines, before those of their invoices.
        discounts: of the lines' invoices.
        commitments, adjustments: given together; the latter says what the adjustment lines of each belong to.
        grants: of the lines' customers.
        tax_profiles, splits: what the lines' columns `tax_profile` and `split` point to.
        tax_rounding: default half_up on each line.
        credits_apply: default before_tax.
        split_scope: what is split at once; default each line.

    Raises:
        ValueError: commitments without adjustment columns, or of another length.
    """

    plan_discounts: PlanDiscounts | None = None
    discounts: Discounts | None = None
    commitments: Commitments | None = None
    adjustments: LineColumns | None = None
    grants: CreditGrants | None = None
    tax_profiles: Sequence[TaxProfile] = ()
    splits: Sequence[Split] = ()
    tax_rounding: TaxRounding | None = None
    credits_apply: CreditsApply = CreditsApply.BEFORE_TAX
    split_scope: SplitScope = SplitScope.LINE

    def __post_init__(self) -> None:
        if (self.commitments is None) != (self.adjustments is None):
            raise ValueError("commitments and the columns of their adjustments go together")
        if self.commitments is not None and self.adjustments is not None:
            check_columns(self.adjustments, len(self.commitments))


@dataclass(frozen=True, eq=False, kw_only=True)
class Settlement:
    """Settled lines: the n given ones, then the adjustments, N in all; amounts in minor units at scale 0.

    Attributes:
        plan_discounts, discounts: what was taken off the given lines; None without any.
        lines: the N lines with their amounts after discounts, before credits and taxes.
        kind: `LineKind` of each, int64[N].
        commitment: row of the commitment of an adjustment, -1 for a rated line, int64[N].
        commitments, credits, taxes, splits: what each stage found, with its trace.
        due_minor: what each line leaves to pay, after credits and with taxes.
    """

    plan_discounts: PlanDiscountResult | None
    discounts: DiscountResult | None
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
        ValueError: terms that the lines point to and that aren't there, a fixed fee in another currency.
    """
    plan_discount = discount = None
    if terms.plan_discounts is not None:
        plan_discount = apply_plan_discounts(lines, terms.plan_discounts)
        lines = lines.with_amounts(plan_discount.left_minor)
    if terms.discounts is not None:
        discount = apply_discounts(lines, terms.discounts)
        lines = lines.with_amounts(discount.left_minor)
    if terms.commitments is not None and terms.adjustments is not None:
        adjusted = with_adjustments(lines, terms.commitments, terms.adjustments)
    else:
        adjusted = without_commitments(lines)
    lines = adjusted.lines
    grants = terms.grants if terms.grants is not None else CreditGrants.of([], [])
    if terms.credits_apply is CreditsApply.BEFORE_TAX:
        credit = _credits_by_invoice(lines, grants)
        tax = apply_taxes(lines.with_amounts(credit.left_minor), terms.tax_profiles, terms.tax_rounding)
        due = tax.gross_minor
    else:
        tax = apply_taxes(lines, terms.tax_profiles, terms.tax_rounding)
        credit = _credits_by_invoice(lines.with_amounts(tax.gross_minor), grants)
        due = credit.left_minor
    divided = lines.with_amounts(_split_amounts(lines, tax, terms.splits))
    if terms.split_scope is SplitScope.INVOICE:
        divided = lines_together(divided)
    return Settlement(
        plan_discounts=plan_discount,
        discounts=discount,
        lines=lines,
        kind=adjusted.kind,
        commitment=adjusted.commitment,
        commitments=adjusted.found,
        credits=credit,
        taxes=tax,
        splits=apply_splits(divided, terms.splits),
        due_minor=due,
    )


def _split_amounts(lines: InvoiceLines, tax: TaxResult, splits: Sequence[Split]) -> DecimalColumn:
    """Of each line the amount that its split is of; of a line without one any."""
    amounts = tax.net_minor
    for base, own in ((SplitBase.LINE, lines.amount_minor), (SplitBase.GROSS, tax.gross_minor)):
        has_base = np.array([each.base is base for each in splits], dtype=np.bool_)
        if has_base.any():
            amounts = own.where(has_base[lines.split] & (lines.split != NONE), amounts)
    return amounts


def _credits_by_invoice(lines: InvoiceLines, grants: CreditGrants) -> CreditResult:
    """What pays for the lines, in the order of their invoices."""
    if not len(grants) or not (np.diff(lines.invoice) < 0).any():
        return apply_credits(lines, grants)
    order = np.argsort(lines.invoice, kind="stable")
    found = apply_credits(lines.taken(order), grants)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    line = order[found.line]
    by_line = np.argsort(line, kind="stable")
    return CreditResult(
        grant=found.grant[by_line],
        line=line[by_line],
        amount_minor=found.amount_minor.take(by_line),
        credited_minor=found.credited_minor.take(place),
        left_minor=found.left_minor.take(place),
        balance_minor=found.balance_minor,
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
