"""One run that closes billing periods: rated, settled, booked, issued, some subscriptions at a time.

Rules:
1. A run has one watermark and one revision of the catalog (`Close`): whoever repeats a step of it, from the same version of the
   tenant's invoices, makes the same lines, to the byte. Lines are written first; their headers, in one transaction, make them invoices.
2. All periods of a customer that end in the span are settled together, with the earlier ones that are closed, unless they can't
   have changed (engine.billing.closing.unchanged), and those in which its credit was drawn. A customer of whom no period ends in
   the span, and no subscription has ended, is left alone.
3. Invoices are computed from a version of the tenant's invoices, and issued only if it is still the same.
4. A customer whose commitments don't fit together is left open, and named; all others are billed. Who that is is found by halves.
5. What is held back is left open by every run. A run of drafts bills what somebody approved alone. A draft is what the same step
   would issue: computed in the same way, and neither written nor issued.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import structlog

from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.due_invoices import DueInvoices, due_invoices
from engine.billing.closing.going_on import GoingOn, to_be_billed
from engine.billing.closing.invoice import ALL_DUE, Close, Invoice, PeriodSelection
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.closing.run_customers import RunCustomers, step_rows
from engine.billing.closing.unchanged import UnchangedCustomers
from engine.billing.line_item import LineItem
from engine.billing.rated import Rated
from engine.billing.rater import Rater, Snapshot
from engine.billing.segments import Index
from engine.billing.terms.grants import NEVER_US
from engine.billing.terms.history import ended_before, ended_between
from engine.billing.terms.places import CustomerNumbers
from engine.billing.terms.reach import reached_back
from engine.billing.terms.settled import settled_invoices
from engine.billing.terms.unrateable import of_fitting
from engine.errors import FieldMistake, InvalidRequestError, StaleError

SUBSCRIPTIONS_AT_ONCE: Final = 10_000
"""Of one step: some hundred MB of columns, and a transaction of as many headers."""
_ATTEMPTS: Final = 5
_UNRATEABLE_MAX: Final = 1_000
_LOGGED_MAX: Final = 20
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Closed:
    """What a step did. `unrateable`: of each customer that is left open, at most a thousand, one line that can't be rated. `next_row`:
    of the catalog's columns, where the next step begins; 0 behind the last. `inconsistent`: the others that are left open, and why.
    """

    subscription_count: int
    issued: list[Invoice] = field(default_factory=list)
    adjusted_count: int = 0
    standing_count: int = 0
    not_due_count: int = 0
    held_count: int = 0
    open_customer_count: int = 0
    unrateable: list[LineItem] = field(default_factory=list)
    inconsistent: dict[str, str] = field(default_factory=dict)
    next_row: int = 0


@dataclass(slots=True)
class Drafted:
    """What a step would issue: `due` in several pieces, where customers are left open. `open_customers`: who is, and the rest as of Closed."""

    subscription_count: int
    due: list[DueInvoices] = field(default_factory=list)
    open_customers: set[str] = field(default_factory=set)
    next_row: int = 0


class Closer:
    """Closes, for one caller of a tenant at a time: others would compute the same, in vain."""

    def __init__(
        self,
        rater: Rater,
        invoices: InvoiceStore,
        booked: BookedLines,
        unchanged: UnchangedCustomers,
        now_us: Callable[[], int],
        draw: Callable[[int], str],
    ) -> None:
        """`draw`: so many random bytes, in hex."""
        self._rater = rater
        self._invoices = invoices
        self._booked = booked
        self._unchanged = unchanged
        self._now_us = now_us
        self._draw = draw

    def begin(self, tenant: str, from_us: int, before_us: int, grace_us: int, by: str) -> Close:
        """The run of this span that is under way, or a new one, at the newest watermark and revision.

        Raises:
            InvalidRequestError: the span is empty.
            StoreUnavailableError: a store does not answer.
        """
        return self._invoices.begin(self._newest(tenant, from_us, before_us, grace_us, by))

    def begin_approval(self, drafts: Close, by: str) -> Close:
        """A run that issues drafts, at the newest watermark and revision. `drafts`: as of `drafts`. Raises StoreUnavailableError."""
        run = self._newest(drafts.tenant, drafts.from_us, drafts.before_us, drafts.grace_us, by)
        return self._invoices.begin(replace(run, of_drafts=True))

    def drafts(self, tenant: str, from_us: int, before_us: int, grace_us: int) -> Close:
        """What would be approved of a span now, at the newest watermark and revision; it is kept nowhere. Raises as `begin`."""
        return replace(self._newest(tenant, from_us, before_us, grace_us, ""), of_drafts=True)

    def _newest(self, tenant: str, from_us: int, before_us: int, grace_us: int, by: str) -> Close:
        if before_us <= from_us:
            raise InvalidRequestError(FieldMistake("before", "must be after from"))
        snapshot = self._rater.snapshot(tenant, None, None)
        return Close(
            tenant=tenant,
            close_id=self._draw(8),
            from_us=from_us,
            before_us=before_us,
            grace_us=grace_us,
            as_of_us=snapshot.as_of_us,
            catalog_revision=snapshot.catalog.revision,
            begun_at_us=self._now_us(),
            begun_by=by,
        )

    def revision(self, tenant: str) -> int:
        """The newest of the catalog. Raises StoreUnavailableError."""
        return self._rater.snapshot(tenant, None, None).catalog.revision

    def run(self, tenant: str, close_id: str) -> Close:
        """Raises NotFoundError, StoreUnavailableError."""
        return self._invoices.close(tenant, close_id)

    def step(
        self,
        close: Close,
        first_row: int,
        subscriptions: int = SUBSCRIPTIONS_AT_ONCE,
        selection: PeriodSelection = ALL_DUE,
    ) -> Closed:
        """Closes the periods of some subscriptions, of whole customers. `first_row`: the `next_row` of the step before; 0 of the first.
        `selection`: of a run of drafts, the same in all its steps.

        Raises:
            InvalidRequestError: no customer begins there.
            StoreUnavailableError, StaleError: a store does not answer, or somebody else issues meanwhile: repeat the step.
            MeterlineError: what is booked is not whole, or a line doesn't add up: nothing was issued.
        """
        snapshot = self._rater.snapshot(close.tenant, close.from_us, close.as_of_us, close.catalog_revision)
        rows, next_row = step_rows(snapshot.catalog.subscription_columns, selection, first_row, subscriptions)
        done = Closed(len(snapshot.catalog.subscription_columns), next_row=next_row)
        if len(rows):
            self._close_rows(close, snapshot, selection, rows, done)
        if not next_row:
            self._invoices.end(close, self._now_us())
        return done

    def draft(self, close: Close, first_row: int, subscriptions: int, selection: PeriodSelection) -> Drafted:
        """What `step` would issue, held periods too; nothing is written. Raises as `step`."""
        snapshot = self._rater.snapshot(close.tenant, close.from_us, close.as_of_us, close.catalog_revision)
        rows, next_row = step_rows(snapshot.catalog.subscription_columns, selection, first_row, subscriptions)
        done = Drafted(len(snapshot.catalog.subscription_columns), next_row=next_row)

        def work(some: Index) -> None:
            wanted, in_span = self._to_be_billed(close, snapshot, some)
            if len(wanted):
                found = self._due(close, snapshot, selection, wanted, in_span, with_held=True)[1]
                done.due.append(found)
                done.open_customers |= found.too_large
                done.open_customers |= {each.charge.subscription.customer for each in found.unrateable}

        if len(rows):
            of_fitting(snapshot.catalog, rows, work, lambda customer, _: done.open_customers.add(customer))
        return done

    def _close_rows(
        self, close: Close, snapshot: Snapshot, selection: PeriodSelection, rows: Index, done: Closed
    ) -> None:
        """Rule 4."""

        def leave(customer: str, reason: str) -> None:
            if len(done.inconsistent) < _LOGGED_MAX:
                _log.error("commitments don't fit together", tenant=close.tenant, customer_id=customer)
            if len(done.inconsistent) < _UNRATEABLE_MAX:
                done.inconsistent[customer] = reason
            done.open_customer_count += 1

        def work(some: Index) -> None:
            self._close_consistent(close, snapshot, selection, some, done)

        of_fitting(snapshot.catalog, rows, work, leave)

    def _to_be_billed(self, close: Close, snapshot: Snapshot, rows: Index) -> tuple[Index, Sequence[Rated]]:
        """Of these subscriptions those of customers who may have an invoice, and their periods that ended in the span."""
        rate = partial(self._rated, snapshot)
        in_span = list(ended_between(rate, snapshot.catalog, rows, close.from_us, close.before_us))
        return to_be_billed(snapshot.catalog, rows, in_span, close.before_us), in_span

    def _close_consistent(
        self, close: Close, snapshot: Snapshot, selection: PeriodSelection, rows: Index, done: Closed
    ) -> None:
        """Issues what is due of these subscriptions, computed again if somebody else issues meanwhile (rule 3)."""
        rows, in_span = self._to_be_billed(close, snapshot, rows)
        if not len(rows):
            return
        for attempt in range(_ATTEMPTS):
            version, found = self._due(close, snapshot, selection, rows, in_span)
            if found.invoices:
                try:
                    self._booked.write(close.tenant, found.rows)
                    done.issued += self._invoices.issue(close.tenant, version, found.invoices, self._now_us())
                except StaleError:
                    if attempt == _ATTEMPTS - 1:
                        raise
                    continue
            done.adjusted_count += found.adjusted_count
            done.standing_count += found.standing_count
            done.not_due_count += found.not_due_count
            done.held_count += found.held_count
            done.open_customer_count += len(found.unrateable) + len(found.too_large)
            for customer in sorted(found.too_large)[:_LOGGED_MAX]:
                _log.error(
                    "an invoice would be of more than an account holds",
                    tenant=close.tenant,
                    customer_id=customer,
                )
            done.unrateable += found.unrateable[: _UNRATEABLE_MAX - len(done.unrateable)]
            return

    def _due(
        self,
        close: Close,
        snapshot: Snapshot,
        selection: PeriodSelection,
        rows: Index,
        in_span: Sequence[Rated],
        *,
        with_held: bool = False,
    ) -> tuple[int, DueInvoices]:
        """What is to be issued, and of which version of the tenant's invoices. `with_held`: as if nothing were held."""
        catalog = snapshot.catalog
        numbers = CustomerNumbers.of_rows(catalog, rows)
        ids = catalog.subscription_columns.customer_id.take(pa.array(numbers.first_row)).to_pylist()
        # In doubt another issues meanwhile, and all of it is computed again: the version is older than what is read of it.
        version = self._invoices.version(close.tenant)
        unchanged = self._unchanged.among(close, catalog, ids) if version else frozenset()
        standing = self._invoices.standing(close, ids, unchanged, _first_start_us(in_span))
        reach = _Reach.of(close, numbers, ids, in_span, standing.invoices)
        grants, since_us = reached_back(
            catalog, numbers, reach.first_us, reach.last_us, reach.booked_since_us
        )
        rate, of_row = partial(self._rated, snapshot), numbers.numbers(rows)
        parts = [*in_span, *ended_before(rate, catalog, rows, close.from_us, since_us[of_row])]
        counts = {each.invoice_id: each.line_count for each in standing.invoices}
        booked = self._booked.read(close.tenant, counts)
        by_key = {each.key: each for each in standing.invoices if not each.part}
        billed_parts = [each for each in standing.invoices if each.part]
        going_on = GoingOn.of(catalog, numbers, ids, in_span, close.before_us)
        customers = RunCustomers(
            *(close, version, catalog, numbers, ids, going_on, by_key, standing.voided, unchanged),
            *(billed_parts, standing.ever_voided),
            *(frozenset() if with_held else standing.held, selection),
        )
        found = settled_invoices(parts, numbers, grants)
        return version, due_invoices(customers, found, parts, booked, self._now_us())

    def _rated(self, snapshot: Snapshot, rows: Index, at_us: Index) -> Iterator[Rated]:
        found = self._rater.rate_at(snapshot, rows, at_us, digests=True)
        return (each.without_events() for each in found)


def _first_start_us(in_span: Sequence[Rated]) -> int:
    """When the first of these billing periods began; NEVER_US where there are none."""
    return min(
        (int(each.charges.periods.period_start_us.min(initial=NEVER_US)) for each in in_span),
        default=NEVER_US,
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Reach:
    """Of each customer, int64: the last instants of its first and last period that are settled, as its credit is asked for; and
    since when it has closed periods that may need adjustments, NEVER_US for one without.
    """

    first_us: Index
    last_us: Index
    booked_since_us: Index

    @classmethod
    def of(
        cls,
        close: Close,
        numbers: CustomerNumbers,
        ids: Sequence[str],
        in_span: Sequence[Rated],
        standing: Sequence[Invoice],
    ) -> "_Reach":
        first_us = np.full(len(ids), NEVER_US, dtype=np.int64)
        last_us = np.zeros(len(ids), dtype=np.int64)
        since_us = np.full(len(ids), NEVER_US, dtype=np.int64)
        for rated in in_span:
            periods = rated.charges.periods
            number, end_us = numbers.numbers(periods.row), periods.period_end_us - 1
            np.minimum.at(first_us, number, end_us)
            np.maximum.at(last_us, number, end_us)
        place = {each: number for number, each in enumerate(ids)}
        for invoice in standing:
            who, last = place[invoice.key.customer_id], invoice.key.end_us - 1
            if invoice.part and invoice.key.start_us < close.from_us:
                # The end of its period may have moved into the past.
                since_us[who] = min(since_us[who], invoice.key.start_us)
            elif invoice.key.end_us <= close.from_us:
                since_us[who] = min(since_us[who], invoice.key.start_us)
                first_us[who] = min(first_us[who], last)
                last_us[who] = max(last_us[who], last)
        return cls(first_us, last_us, since_us)
