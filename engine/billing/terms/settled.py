"""What customers' lines come to: the one step after the rating path. Pure.

    found = settled(rated)     # None: no customer of these has terms of money, and what is due are the lines
    found.sums                 # by customer and currency
    found.settlement           # what each term did to which line (engine.spend.applied_terms shows it)

Rules:
1. Lines go through the stages of rating.settlement in their order, those of a customer together.
2. Customers without terms are left out before anything is computed. Where the catalog has no terms at all, nothing is
   looked up.
3. What is due is in minor units: a customer with a price that rounds finer is settled as well, terms or none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from engine.billing.rated import Rated
from engine.billing.segments import Index
from engine.billing.terms.commitments.committed import (
    PeriodCommitments,
    committing_places,
    period_commitments,
    settled_commitments,
)
from engine.billing.terms.coupons import CouponsOff, Redeemed, coupons_off, redeemed
from engine.billing.terms.grants import NEVER_US, Occurrence, credit_columns
from engine.billing.terms.history import History
from engine.billing.terms.invoices import InvoicedLines, invoiced
from engine.billing.terms.places import CustomerNumbers, PeriodPlaces
from engine.billing.terms.plan_discounts import PlansOff, discounted_places, plans_off
from engine.billing.terms.price_names import PriceNames
from engine.billing.terms.reach import reached_back
from engine.billing.terms.splits import RevenueSplits, revenue_splits, split_customers
from engine.billing.terms.taxes import Taxed, invoice_taxes, line_taxes, taxed
from engine.catalog.snapshots.snapshot import Catalog
from rating import (
    CreditsApply,
    DecimalColumn,
    LineKind,
    Settlement,
    SettlementTerms,
    SplitScope,
    minor_unit_digits,
    settle,
)


@dataclass(frozen=True, eq=False, slots=True)
class SettledSums:
    """n sums of settled lines, in units of their currencies.

    after_discounts: of the amounts, less discounts; rounded to minor units where prices round finer.
    included_tax: what taxes the amounts contained. due = after_discounts + commitments - credits - included_tax + tax.
    """

    discounts: DecimalColumn
    after_discounts: DecimalColumn
    commitments: DecimalColumn
    credits: DecimalColumn
    included_tax: DecimalColumn
    tax: DecimalColumn
    due: DecimalColumn

    @classmethod
    def without_terms(cls, amount: DecimalColumn) -> "SettledSums":
        nothing = DecimalColumn.zeros(len(amount))
        return cls(nothing, amount, nothing, nothing, nothing, nothing, amount)

    def columns(self) -> Mapping[str, DecimalColumn]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def sum_by_group(self, group: Index, groups: int) -> "SettledSums":
        return SettledSums(
            **{name: column.sum_by_group(group, groups) for name, column in self.columns().items()}
        )


@dataclass(frozen=True, eq=False, slots=True)
class Settled:
    """The settled lines of some customers.

    Attributes:
        customer: int64[k], numbers among the customers of the rated lines, rising; `currencies`, `currency`: int64[k].
        digits: int64[k], of the currencies' minor units.
        sums: of the k pairs of customer and currency.
        invoiced, settlement, plans, coupons, commitments, grants, splits: what they were made from; of earlier periods, too.
        part: int64, of each settled line which of the rated parts it is of; 0 for the periods that were asked for.
        uncertain: int64, the customers with a line in an earlier period that its price can't rate: what they drew isn't known.
        current: int64, the invoices of the periods that were asked for.
    """

    catalog: Catalog
    customer: Index
    currencies: tuple[str, ...]
    currency: Index
    digits: Index
    sums: SettledSums
    invoiced: InvoicedLines
    settlement: Settlement
    plans: PlansOff | None
    coupons: CouponsOff
    commitments: PeriodCommitments
    grants: Sequence[Occurrence]
    splits: RevenueSplits
    part: Index
    uncertain: Index
    current: Index

    def subscription_id(self, place: int) -> str:
        """The subscription of a place among the lines'."""
        ids = self.catalog.subscription_columns.subscription_id
        return str(ids[int(self.invoiced.places.row[place])].as_py())


def settled(rated: Rated, history: History | None = None) -> Settled | None:
    """What the lines of whole customers come to; None if no customer has terms, and all are in minor units.

    history: of what was rated; needed where customers have credit, or commitments over several periods.
    """
    catalog = rated.charges.periods.catalog
    finer = _finer_than_minor_units(rated)
    if not _has_terms(catalog) and not len(finer):
        return None
    customers = CustomerNumbers.of(rated.charges.periods)
    found, since_us = reached_back(catalog, customers, *_spans(rated, customers))
    reaching = np.flatnonzero(since_us < NEVER_US)
    earlier = _earlier(catalog, customers, reaching, since_us, history)
    parts = [rated, *earlier]
    terms = _CustomersTerms.of(parts, customers)
    of_plans = terms.places.row[np.concatenate([terms.committing, terms.discounted])]
    chosen = np.unique(
        np.concatenate(
            [
                terms.redemptions.customer,
                terms.payers.customer,
                reaching,
                split_customers(catalog, rated, customers),
                customers.numbers(of_plans),
                customers.numbers(finer),
            ]
        )
    )
    if not len(chosen):
        return None
    return _settled(parts, customers, chosen, terms, found)


def settled_invoices(
    parts: Sequence[Rated],
    customers: CustomerNumbers,
    grants: Sequence[Occurrence],
    *,
    running: int = 0,
) -> Settled:
    """What the lines of these customers come to, of the first part and of earlier periods: of all of them, also of those without
    terms. The invoices of a customer that are closed are these (engine.billing.closing).

    grants: of these customers; `parts` reach back to where they began.
    running: the periods of so many parts, the first ones, are billed before they are over: for less than is committed nothing is
        added.
    """
    terms = _CustomersTerms.of(parts, customers)
    return _settled(parts, customers, np.arange(len(customers)), terms, grants, running=running)


@dataclass(frozen=True, eq=False, slots=True)
class _CustomersTerms:
    """What is known of some customers' terms before any line is looked at. `committing`, `discounted`: int64, some of `places`."""

    places: PeriodPlaces
    redemptions: Redeemed
    payers: Taxed
    committing: Index
    discounted: Index

    @classmethod
    def of(cls, parts: Sequence[Rated], customers: CustomerNumbers) -> "_CustomersTerms":
        catalog, places = parts[0].charges.periods.catalog, PeriodPlaces.of(parts)
        return cls(
            places,
            redeemed(catalog, customers, np.unique(places.row)),
            taxed(catalog, customers),
            committing_places(catalog, places),
            discounted_places(parts, places),
        )


def _settled(
    parts: Sequence[Rated],
    customers: CustomerNumbers,
    chosen: Index,
    terms: _CustomersTerms,
    grants: Sequence[Occurrence],
    *,
    running: int = 0,
) -> Settled:
    catalog, places = parts[0].charges.periods.catalog, terms.places
    commitments = period_commitments(catalog, places, terms.committing)
    lines = invoiced(parts, places, customers, chosen, commitments.invoices)
    plans = plans_off(catalog, lines, terms.discounted)
    coupons = coupons_off(catalog, terms.redemptions, lines)
    taxes = invoice_taxes(catalog, terms.payers, lines)
    splits = revenue_splits(catalog, lines)
    is_final = places.part[commitments.place] >= running
    committed, adjustments = settled_commitments(commitments, lines, taxes.profile, is_final)
    settlement = settle(
        replace(lines.lines, tax_profile=line_taxes(taxes, lines), split=splits.line_split),
        SettlementTerms(
            plan_discounts=None if plans is None else plans.discounts,
            discounts=coupons.discounts,
            commitments=committed,
            adjustments=adjustments,
            grants=credit_columns(grants, PriceNames(lines.lines.price_ids)),
            tax_profiles=taxes.profiles,
            tax_rounding=taxes.rounding,
            splits=splits.terms,
            split_scope=SplitScope.INVOICE,
            credits_apply=catalog.seller.credits_apply if catalog.seller else CreditsApply.BEFORE_TAX,
        ),
    )
    part = np.concatenate([lines.part, places.part[commitments.place][settlement.commitment[len(lines) :]]])
    sums = _Sums.of(settlement, part)
    return Settled(
        catalog=catalog,
        customer=sums.customer,
        currencies=settlement.lines.currencies,
        currency=sums.currency,
        digits=sums.digits,
        sums=sums.sums,
        invoiced=lines,
        settlement=settlement,
        plans=plans,
        coupons=coupons,
        commitments=commitments,
        grants=grants,
        splits=splits,
        part=part,
        uncertain=_uncertain(customers, parts[1:]),
        current=np.unique(settlement.lines.invoice[part == 0]),
    )


def _finer_than_minor_units(rated: Rated) -> Index:
    """The subscriptions, by row, with a price that rounds to more digits than their currency has: what they come to is in minor
    units, as on an invoice.
    """
    charges = rated.charges
    is_finer = np.array(
        [
            each.effective.digits > minor_unit_digits(each.effective.currency) and not each.unfit
            for each in charges.prices
        ],
        dtype=np.bool_,
    )
    if not is_finer.any():
        return np.zeros(0, dtype=np.int64)
    return np.unique(charges.row[is_finer[charges.price]])


def _has_terms(catalog: Catalog) -> bool:
    by_customer = (
        catalog.coupons or catalog.tax_regions or catalog.credit_grants_of or catalog.revenue_splits_of
    )
    return bool(by_customer) or catalog.plans_have_discounts or bool(catalog.committing_terms.any())


def _spans(rated: Rated, customers: CustomerNumbers) -> tuple[Index, Index]:
    """Of each customer the last instants of its first and last period."""
    periods = rated.charges.periods
    number, last_us = customers.numbers(periods.row), periods.period_end_us - 1
    first, last = np.full(len(customers), NEVER_US), np.zeros(len(customers), dtype=np.int64)
    np.minimum.at(first, number, last_us)
    np.maximum.at(last, number, last_us)
    return first, last


def _earlier(
    catalog: Catalog, customers: CustomerNumbers, reaching: Index, since_us: Index, history: History | None
) -> list[Rated]:
    """The lines of the earlier periods of these customers that are needed."""
    if not len(reaching):
        return []
    if history is None:
        raise ValueError("customers with credit or a contract need the history of what they were billed")
    rows = customers.rows(reaching)
    return list(history.before(catalog, rows, since_us[customers.numbers(rows)]))


def _uncertain(customers: CustomerNumbers, earlier: Sequence[Rated]) -> Index:
    flagged = [
        each.charges.periods.row[each.charges.place[each.charge[np.flatnonzero(~each.is_rated)]]]
        for each in earlier
    ]
    return np.unique(customers.numbers(np.concatenate([np.zeros(0, dtype=np.int64), *flagged])))


@dataclass(frozen=True, eq=False, slots=True)
class _Sums:
    """By customer and currency, of the periods that were asked for: of earlier ones nothing is shown."""

    customer: Index
    currency: Index
    digits: Index
    sums: SettledSums

    @classmethod
    def of(cls, settlement: Settlement, part: Index) -> "_Sums":
        lines = settlement.lines
        count = max(len(lines.currencies), 1)
        current = np.flatnonzero(part == 0)
        keys, group = np.unique((lines.customer * count + lines.currency)[current], return_inverse=True)
        currency = keys % count
        digits = np.array([minor_unit_digits(name) for name in lines.currencies], dtype=np.int64)[currency]

        def sums(column: DecimalColumn) -> DecimalColumn:
            """In units of each currency."""
            return _in_units(column.take(current).sum_by_group(group, len(keys)), digits)

        is_rated, taxes = settlement.kind == LineKind.RATED, settlement.taxes
        nothing = DecimalColumn.zeros(len(lines))
        discounted = nothing
        for each in (settlement.plan_discounts, settlement.discounts):
            if each is not None:
                found = each.discounted_minor
                discounted = discounted.add(nothing.replaced(np.arange(len(found)), found))
        return cls(
            keys // count,
            currency,
            digits,
            SettledSums(
                discounts=sums(discounted),
                after_discounts=sums(lines.amount_minor.where(is_rated, nothing)),
                commitments=sums(nothing.where(is_rated, lines.amount_minor)),
                credits=sums(settlement.credits.credited_minor),
                included_tax=sums(taxes.included_minor),
                tax=sums(taxes.tax_minor),
                due=sums(settlement.due_minor),
            ),
        )


def _in_units(minor: DecimalColumn, digits: Index) -> DecimalColumn:
    """Minor units of currencies that have so many digits as units."""
    rows = [np.flatnonzero(digits == each) for each in np.unique(digits).tolist()]
    parts = [DecimalColumn(minor.mantissa[own], int(digits[own[0]])) for own in rows]
    return DecimalColumn.scattered(parts, rows, len(minor))
