"""What each term of money did to a customer's lines, for who shows it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np

from engine.billing.periods import Period
from engine.billing.terms.grants import NEVER_US
from engine.billing.terms.settled import Settled
from engine.times import us_datetime
from rating import DecimalColumn, GrantCategory, minor_unit_digits, tax_totals


@dataclass(frozen=True, slots=True)
class AppliedDiscount:
    """What a coupon, or a plan, takes off an invoice; `subscription_id` is empty for a coupon of the customer. One of `coupon_id`
    and `plan_id` is empty.
    """

    coupon_id: str
    plan_id: str
    subscription_id: str
    period: Period
    currency: str
    amount: Decimal


def applied_discounts(terms: Settled | None) -> list[AppliedDiscount]:
    """Of plans by subscription, then of coupons by invoice, in the order in which they are taken off; without those that take
    nothing.
    """
    if terms is None or terms.settlement.discounts is None:
        return []
    applied = _by_plans(terms)
    found, result = terms.coupons, terms.settlement.discounts
    discounts = found.discounts
    amount = result.amount_minor.sum_by_group(result.discount, len(discounts))
    is_amount = np.array([each.amount_off is not None for each in discounts.terms], dtype=np.bool_)
    order = np.lexsort((is_amount[discounts.terms_index], discounts.invoice))
    order = order[np.isin(discounts.invoice[order], terms.current)]
    for row in order[np.asarray(amount.mantissa[order] != 0, dtype=np.bool_)].tolist():
        invoice, place = int(discounts.invoice[row]), int(discounts.subscription[row])
        currency, period = _invoice(terms, invoice)
        applied.append(
            AppliedDiscount(
                coupon_id=found.coupon_ids[row],
                plan_id="",
                subscription_id=terms.subscription_id(place) if place >= 0 else "",
                period=period,
                currency=currency,
                amount=minor_decimal(int(amount.mantissa[row]), currency),
            )
        )
    return applied


def _by_plans(terms: Settled) -> list[AppliedDiscount]:
    found, result, places = terms.plans, terms.settlement.plan_discounts, terms.invoiced.places
    if found is None or result is None:
        return []
    takes = np.asarray(result.amount_minor.mantissa != 0, dtype=np.bool_)
    applied = []
    for row in np.flatnonzero(takes & (places.part[found.place] == 0)).tolist():
        place, currency = int(found.place[row]), found.discounts.terms[int(found.plan[row])].currency
        applied.append(
            AppliedDiscount(
                coupon_id="",
                plan_id=found.plan_ids[int(found.plan[row])],
                subscription_id=terms.subscription_id(place),
                period=_period(int(places.start_us[place]), int(places.end_us[place])),
                currency=currency,
                amount=minor_decimal(int(result.amount_minor.mantissa[row]), currency),
            )
        )
    return applied


@dataclass(frozen=True, slots=True)
class AppliedCommitment:
    """What a commitment of a subscription comes to in a billing period; `prices`: those whose lines count, none for all.

    term: the period, or of a commitment over several the term that it is of.
    amount: what is committed in the term. spend: what counts toward it, up to and with the period. overage, true_up: what the period
        adds, any sign. drawn: what of the amount the period's spend uses; left: what of it is left then.
    rolled_over: what earlier periods left that this one may use; carried: what of it its spend uses.
    """

    subscription_id: str
    prices: Sequence[str]
    period: Period
    term: Period
    currency: str
    amount: Decimal
    spend: Decimal
    overage: Decimal
    true_up: Decimal
    drawn: Decimal
    left: Decimal
    rolled_over: Decimal
    carried: Decimal


def applied_commitments(terms: Settled | None) -> list[AppliedCommitment]:
    """By subscription, then as they hold; also those that add nothing."""
    if terms is None or terms.settlement.commitments is None:
        return []
    places = terms.invoiced.places
    current = np.flatnonzero(places.part[terms.commitments.place] == 0)
    return [applied_commitment(terms, row) for row in current.tolist()]


def applied_commitment(terms: Settled, row: int) -> AppliedCommitment:
    """One of them, by its row.

    Raises:
        ValueError: there are none.
    """
    found, result, places = terms.commitments, terms.settlement.commitments, terms.invoiced.places
    if result is None:
        raise ValueError("nothing was committed")
    place, of = int(found.place[row]), int(found.terms[row])
    currency = found.currencies[of]

    def units(column: DecimalColumn) -> Decimal:
        return minor_decimal(int(column.mantissa[row]), currency)

    zeros = DecimalColumn.zeros(len(found))
    left, left_before = (
        result.committed_minor.subtract(each).maximum(zeros)
        for each in (result.spend_minor.subtract(result.carried_minor), result.before_minor)
    )
    terms_of = found.of_terms
    return AppliedCommitment(
        subscription_id=terms.subscription_id(place),
        prices=found.commitments[of].prices,
        period=_period(int(places.start_us[place]), int(places.end_us[place])),
        term=_period(int(terms_of.start_us[row]), int(terms_of.end_us[row])),
        currency=currency,
        amount=units(result.committed_minor),
        spend=units(result.spend_minor),
        overage=units(result.overage_minor),
        true_up=units(result.true_up_minor),
        drawn=units(left_before.subtract(left)),
        left=units(left),
        rolled_over=units(result.rolled_minor),
        carried=units(result.carried_minor),
    )


@dataclass(frozen=True, slots=True)
class AppliedTax:
    """A tax of an invoice; nothing under reverse charge."""

    tax_id: str
    percent: Decimal
    included: bool
    reverse_charge: bool
    period: Period
    currency: str
    taxable_amount: Decimal
    amount: Decimal


def applied_taxes(terms: Settled | None) -> list[AppliedTax]:
    """By invoice, then in the order in which they are charged."""
    if terms is None:
        return []
    taxes, applied = terms.settlement.taxes, []
    totals = tax_totals(terms.settlement.lines, taxes)
    for row, (invoice, rate) in enumerate(zip(totals.invoice.tolist(), totals.rate.tolist(), strict=True)):
        if invoice not in terms.current:
            continue
        currency, period = _invoice(terms, invoice)
        applied.append(
            AppliedTax(
                tax_id=taxes.rates[rate].tax_rate_id,
                percent=taxes.rates[rate].percent,
                included=taxes.rates[rate].inclusive,
                reverse_charge=bool(taxes.reverse[rate]),
                period=period,
                currency=currency,
                taxable_amount=minor_decimal(int(totals.taxable_minor.mantissa[row]), currency),
                amount=minor_decimal(int(totals.amount_minor.mantissa[row]), currency),
            )
        )
    return applied


@dataclass(frozen=True, slots=True)
class AppliedCredit:
    """What a credit grant pays of the invoices, and what is left of it; one each time that it recurs."""

    credit_grant_id: str
    category: GrantCategory
    currency: str
    effective_at: datetime
    expires_at: datetime | None
    amount: Decimal
    balance: Decimal


def applied_credits(terms: Settled | None) -> list[AppliedCredit]:
    """The grants that are valid for one of the invoices, in the order of their creation."""
    if terms is None:
        return []
    credit, invoiced = terms.settlement.credits, terms.invoiced
    instants = invoiced.invoices.end_us[terms.current] - 1
    is_current = terms.part[credit.line] == 0
    drawn = credit.amount_minor.take(is_current).sum_by_group(credit.grant[is_current], len(terms.grants))
    return [
        AppliedCredit(
            credit_grant_id=each.grant.id,
            category=each.grant.category,
            currency=each.grant.currency,
            effective_at=us_datetime(each.effective_us),
            expires_at=None if each.expires_us == NEVER_US else us_datetime(each.expires_us),
            amount=minor_decimal(int(drawn.mantissa[row]), each.grant.currency),
            balance=minor_decimal(int(credit.balance_minor.mantissa[row]), each.grant.currency),
        )
        for row, each in enumerate(terms.grants)
        if ((each.effective_us <= instants) & (instants < each.expires_us)).any()
    ]


def _invoice(terms: Settled, invoice: int) -> tuple[str, Period]:
    """The currency and the period of one."""
    invoices = terms.invoiced.invoices
    period = _period(int(invoices.start_us[invoice]), int(invoices.end_us[invoice]))
    return terms.invoiced.lines.currencies[int(invoices.currency[invoice])], period


def minor_decimal(minor: int, currency: str) -> Decimal:
    """Minor units in units of the currency; exact, however many digits they have."""
    return DecimalColumn.of_ints([minor], minor_unit_digits(currency)).decimal(0)


def _period(start_us: int, end_us: int) -> Period:
    return Period(us_datetime(start_us), us_datetime(end_us))
