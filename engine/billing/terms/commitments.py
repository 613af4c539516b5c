"""What subscriptions committed to spend in their billing periods. Pure.

Rules:
1. A subscription has its own commitments, or those of its plan's version. None hold in a trial or while it is paused.
2. Where terms change inside a period, commitments for the same prices in one currency are one: its amount is the sum of the
   shares of the stretches in which each holds, by the second, rounded once; all else is as it is last. Commitments for other
   prices in that currency than those that hold last don't count in that period: a line would count twice, or nowhere.
3. A period counts in full as it will have ended: a draft has the true-up that would be due if nothing more were used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from engine.billing.segments import Index
from engine.billing.terms.invoices import Flags, InvoicedLines, MoreInvoices
from engine.billing.terms.places import PeriodPlaces
from engine.billing.terms.price_names import bare_name
from engine.billing.terms.stretches import listed, stretches_of
from engine.catalog.kinds.commitment import SpendCommitment
from engine.catalog.kinds.terms import SubscriptionTerms
from engine.catalog.snapshots.snapshot import Catalog
from rating import Commitment, Commitments, DecimalColumn, LineColumns, minor_unit_digits, prorated_minor


@dataclass(frozen=True, eq=False, slots=True)
class PeriodCommitments:
    """K commitments, each of one billing period, by place.

    Attributes:
        place: int64[K], a billing period by its place.
        terms: int64[K], a place in `commitments`, and in `currencies`.
        committed_minor: what is committed in the period.
    """

    place: Index
    terms: Index
    commitments: Sequence[SpendCommitment]
    currencies: Sequence[str]
    committed_minor: DecimalColumn

    def __len__(self) -> int:
        return len(self.place)

    @property
    def invoices(self) -> MoreInvoices:
        """Those that they are on."""
        return MoreInvoices(self.place, self.currencies, self.terms)


def committing_places(catalog: Catalog, places: PeriodPlaces) -> Index:
    """The places of subscriptions that have commitments at some time."""
    columns = catalog.subscription_columns
    if not catalog.committing_terms.any():
        return np.zeros(0, dtype=np.int64)
    commits = np.append(0, np.cumsum(catalog.committing_terms[columns.step_terms]))
    first, behind = columns.step_offsets[places.row], columns.step_offsets[places.row + 1]
    return np.flatnonzero(commits[behind] > commits[first])


def period_commitments(catalog: Catalog, places: PeriodPlaces, committing: Index) -> PeriodCommitments:
    """The commitments of these places, which rise (rules 1 and 2)."""
    stretches = stretches_of(catalog, places, committing)
    terms: dict[tuple[SpendCommitment, str], int] = {}
    slots: dict[tuple[frozenset[str], str], int] = {}
    used, number = stretches.distinct_terms()
    found: list[list[tuple[int, int]]] = []
    for each_terms, version in used:
        commitments, currency = _commitments(catalog, each_terms, version)
        found.append(
            [
                (
                    terms.setdefault((each, currency), len(terms)),
                    slots.setdefault((frozenset(each.prices), currency), len(slots)),
                )
                for each in commitments
            ]
        )
    stretch, entry = listed([len(each) for each in found], number)
    flat = np.array([pair for each in found for pair in each], dtype=np.int64).reshape(-1, 2)
    of_stretch, slot = flat[entry].T
    keys, owner = np.unique(stretches.place[stretch] * max(len(slots), 1) + slot, return_inverse=True)
    # Of each the last stretch: later ones overwrite.
    by_end = np.argsort(stretches.end_us[stretch], kind="stable")
    last = np.zeros(len(keys), dtype=np.int64)
    last[owner[by_end]] = by_end
    amounts = DecimalColumn.of(
        [each.amount.scaleb(minor_unit_digits(currency)) for each, currency in terms]
    ).trimmed()
    committed = prorated_minor(
        amounts.take(of_stretch),
        stretches.seconds()[stretch],
        owner,
        stretches.whole_seconds()[stretch[last]],
    )
    place, end_us = stretches.place[stretch[last]], stretches.end_us[stretch[last]]
    currencies = {
        currency: number for number, currency in enumerate(dict.fromkeys(each for _, each in slots))
    }
    currency_of = np.array([currencies[each] for _, each in slots], dtype=np.int64)
    in_currency = place * max(len(currencies), 1) + currency_of[keys % max(len(slots), 1)]
    holds_last = np.flatnonzero(end_us == _latest_of_each(in_currency, end_us))
    return PeriodCommitments(
        place=place[holds_last],
        terms=of_stretch[last[holds_last]],
        commitments=[each for each, _ in terms],
        currencies=[currency for _, currency in terms],
        committed_minor=committed.take(holds_last),
    )


def _latest_of_each(key: Index, end_us: Index) -> Index:
    """For each row the latest end among those with its key."""
    keys, group = np.unique(key, return_inverse=True)
    latest = np.zeros(len(keys), dtype=np.int64)
    np.maximum.at(latest, group, end_us)
    found: Index = latest[group]
    return found


def settled_commitments(
    found: PeriodCommitments, invoiced: InvoicedLines, tax_profile: Index, is_final: Flags
) -> tuple[Commitments, LineColumns] | tuple[None, None]:
    """As rating takes them, with what their adjustments belong to. `tax_profile`: of each invoice; `is_final`: of each commitment
    whether its period is billed to the end.
    """
    if not len(found):
        return None, None
    invoice = invoiced.invoice_of(found.place, found.currencies, found.terms)
    nothing = DecimalColumn.zeros(len(found))
    commitments = Commitments(
        terms=tuple(
            _as_rated(each, currency)
            for each, currency in zip(found.commitments, found.currencies, strict=True)
        ),
        terms_index=found.terms,
        subscription=found.place,
        final=is_final,
        spent_minor=nothing,
        overage_minor=nothing,
        true_up_minor=nothing,
        committed_minor=found.committed_minor,
        price_names=tuple(bare_name(name) for name in invoiced.lines.price_ids),
    )
    columns = LineColumns(
        customer=invoiced.invoices.customer[invoice],
        invoice=invoice,
        at_us=invoiced.invoices.end_us[invoice] - 1,
        tax_profile=tax_profile[invoice],
        split=np.full(len(found), -1, dtype=np.int64),
    )
    return commitments, columns


def _as_rated(commitment: SpendCommitment, currency: str) -> Commitment:
    return Commitment(
        currency=currency,
        # What is committed in each period is given besides.
        amount=Decimal(0),
        overage_factor=commitment.overage_factor,
        true_up=commitment.true_up,
        price_ids=commitment.prices or None,
    )


def _commitments(catalog: Catalog, terms: int, version: int) -> tuple[Sequence[SpendCommitment], str]:
    """Those of terms and of a version of their plan, and the plan's currency (rule 1)."""
    found = SubscriptionTerms.read(catalog.subscription_columns.terms[terms])
    plan = catalog.plan_versions[found.plan].versions[version].resource
    if found.trial or found.paused:
        return (), plan.currency
    return found.commitments or plan.all_commitments, plan.currency
