"""What subscriptions committed to spend in their billing periods. Pure.

Rules:
1. Which commitments hold, and which of them count in a period, is said in held.py; what a term of several periods is, in
   contracts.py.
2. A commitment for a single period is the sum of the shares of the stretches in which it holds, by the second, rounded once; all
   else is as it is last. One for several is as it is last in each of them: where its term ends early, the whole, or its share.
3. A period counts in full as it will have ended: a draft has the true-up that would be due if nothing more were used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from engine.billing.segments import Index
from engine.billing.terms.commitments.contracts import ContractPeriods, contract_periods, following_only
from engine.billing.terms.commitments.held import HeldCommitments, held_commitments
from engine.billing.terms.commitments.known import KnownCommitments
from engine.billing.terms.invoices import Flags, InvoicedLines, MoreInvoices
from engine.billing.terms.places import PeriodPlaces
from engine.billing.terms.price_names import bare_name
from engine.catalog.kinds.commitment import EarlyEnd, RolloverOrder, SpendCommitment
from engine.catalog.snapshots.snapshot import Catalog
from rating import Commitment, Commitments, DecimalColumn, LineColumns, minor_unit_digits, prorated_minor

_SECOND_US = 1_000_000


@dataclass(frozen=True, eq=False, slots=True)
class PeriodCommitments:
    """K commitments, each of one billing period, by place.

    Attributes:
        place: int64[K], a billing period by its place.
        terms: int64[K], a place in `commitments`, and in `currencies`.
        committed_minor: what is committed, in the period, or in the term that it is of.
        of_terms: which period of which term each is; a single period is a term of its own.
    """

    place: Index
    terms: Index
    commitments: Sequence[SpendCommitment]
    currencies: Sequence[str]
    committed_minor: DecimalColumn
    of_terms: ContractPeriods

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
    commits = catalog.committing_terms[columns.step_terms]
    return np.flatnonzero(columns.step_counts(places.row, commits))


def period_commitments(catalog: Catalog, places: PeriodPlaces, committing: Index) -> PeriodCommitments:
    """The commitments of these places, which rise."""
    known = KnownCommitments()
    held = held_commitments(catalog, places, committing, known)
    amounts = DecimalColumn.of(
        [each.amount.scaleb(minor_unit_digits(currency)) for each, currency in known.terms]
    ).trimmed()
    committed = _by_shares(held, amounts)
    count = len(held.place)
    of_terms = ContractPeriods(
        np.arange(count),
        np.zeros(count, dtype=np.int64),
        np.ones(count, dtype=np.bool_),
        places.start_us[held.place],
        places.end_us[held.place],
        places.start_us[held.place],
        np.zeros(count, dtype=np.bool_),
    )
    rows = np.flatnonzero(known.follows_earlier[held.slot])
    if len(rows):
        following = following_only(held, known)
        terms = contract_periods(catalog, places, following, known)
        whole = _of_contracts(following, terms, known, amounts)
        committed = committed.replaced(rows, committed.take(rows).where(terms.rolls_over, whole))
        of_terms.term[rows] = count + terms.term
        for name in ("position", "is_last", "start_us", "end_us", "since_us", "rolls_over"):
            getattr(of_terms, name)[rows] = getattr(terms, name)
    return PeriodCommitments(
        place=held.place,
        terms=held.terms,
        commitments=[each for each, _ in known.terms],
        currencies=[currency for _, currency in known.terms],
        committed_minor=committed,
        of_terms=of_terms,
    )


def _by_shares(held: HeldCommitments, amounts: DecimalColumn) -> DecimalColumn:
    """What is committed in single periods (rule 2)."""
    stretches = held.stretches
    whole = np.ones(len(held.place), dtype=np.int64)
    whole[held.owner] = stretches.whole_seconds()[held.of_stretch]
    return prorated_minor(
        amounts.take(held.entry_terms), stretches.seconds()[held.of_stretch], held.owner, whole
    )


def _of_contracts(
    held: HeldCommitments, terms: ContractPeriods, known: KnownCommitments, amounts: DecimalColumn
) -> DecimalColumn:
    """What is committed in terms, as it is last in each of their periods (rule 2)."""
    by_share = np.array([each.early_end is EarlyEnd.PRORATED for each, _ in known.terms], dtype=np.bool_)
    ends_early = terms.is_last & (terms.position < known.periods[held.slot] - 1)
    whole = (terms.end_us - terms.start_us) // _SECOND_US
    counted = np.where(by_share[held.terms] & ends_early, (held.end_us - terms.start_us) // _SECOND_US, whole)
    return prorated_minor(amounts.take(held.terms), counted, np.arange(len(whole)), whole)


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
        final=is_final & found.of_terms.is_last,
        spent_minor=nothing,
        overage_minor=nothing,
        true_up_minor=nothing,
        committed_minor=found.committed_minor,
        term=found.of_terms.term,
        position=found.of_terms.position,
        rolls_over=found.of_terms.rolls_over,
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
        rollover_periods=commitment.rollover_periods,
        rollover_first=commitment.rollover_order is RolloverOrder.FIRST,
    )
