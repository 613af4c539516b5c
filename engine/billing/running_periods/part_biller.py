"""One run that bills usage and fees in advance of billing periods that run: rated, settled, booked, issued, some subscriptions at a time.

Rules:
1. A run has one watermark and one revision of the catalog. Nothing of it is kept before it issues: whoever is broken off begins
   again, at a newer watermark, and finds what is issued already.
2. Invoices are computed from a version of the tenant's invoices, and issued only if it is still the same: so two at once, or a close
   beside, bill nothing twice.
3. Each step that issues is noted among the runs that close, with a span of nothing, before its lines are written: lines that it
   left behind, broken off, are told from others by it.
4. Customers are looked at in two steps: without digests of events, which cost more than all else, and then with them, those alone
   that are billed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow as pa
import structlog

from engine.billing.accounts.amounts import fits_entry
from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.closing.assembled import ToIssue, assembled
from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.invoice import Close, Invoice
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.closing.settled_lines import settled_lines
from engine.billing.holds.held_periods import CustomerPeriod
from engine.billing.line_item import LineItem
from engine.billing.rated import Rated
from engine.billing.rater import Rater, Snapshot, rows_of_customer
from engine.billing.running_periods.fees_in_advance import lines_in_advance, may_have_fees
from engine.billing.running_periods.invoicing_thresholds import running_rows, thresholds_at
from engine.billing.running_periods.part_lines import RunningSubscription, part_invoices
from engine.billing.segments import Index, periods_of_rows
from engine.billing.terms.grants import NEVER_US
from engine.billing.terms.history import ended_before
from engine.billing.terms.places import CustomerNumbers
from engine.billing.terms.reach import reached_back
from engine.billing.terms.settled import settled_invoices
from engine.billing.terms.unrateable import of_fitting, unrateable_customers
from engine.errors import StaleError

_ATTEMPTS: Final = 5
_LOGGED_MAX: Final = 20
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WantedParts:
    """What a run bills. customer_id: of one customer alone. regardless: whatever usage and fees in advance
    are not billed yet, thresholds or none. anew: also in
    periods of which a part was made void.
    """

    customer_id: str = ""
    regardless: bool = False
    anew: bool = True


@dataclass(slots=True)
class PartsBilled:
    """What a step did. `unrateable`: of each customer that is left alone one line that can't be rated. `inconsistent`: customers that are
    left alone since their commitments don't fit together, and why. `next_row`: of the catalog's columns, where the next step begins; 0
    behind the last.
    """

    subscription_count: int = 0
    issued: list[Invoice] = field(default_factory=list)
    unrateable: list[LineItem] = field(default_factory=list)
    inconsistent: dict[str, str] = field(default_factory=dict)
    next_row: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """`version`: of the tenant's invoices, from which it was computed."""

    version: int
    to_issue: ToIssue
    unrateable: Sequence[LineItem]


class PartBiller:
    """Bills, for one caller of a tenant at a time: others would compute the same, in vain."""

    def __init__(
        self,
        rater: Rater,
        invoices: InvoiceStore,
        booked: BookedLines,
        now_us: Callable[[], int],
        draw: Callable[[int], str],
    ) -> None:
        """`draw`: so many random bytes, in hex."""
        self._rater = rater
        self._invoices = invoices
        self._booked = booked
        self._now_us = now_us
        self._draw = draw

    def begin(self, tenant: str, by: str) -> Close:
        """A run at the newest watermark and revision. Raises StoreUnavailableError."""
        snapshot = self._rater.snapshot(tenant, None, None)
        at_us = snapshot.as_of_us
        revision = snapshot.catalog.revision
        return Close(tenant, self._draw(8), at_us, at_us, 0, at_us, revision, self._now_us(), by)

    def snapshot(self, run: Close) -> Snapshot:
        """What the run is computed from."""
        return self._rater.snapshot(run.tenant, run.as_of_us, run.as_of_us, run.catalog_revision)

    def step(self, run: Close, wanted: WantedParts, first_row: int, subscriptions: int) -> PartsBilled:
        """Bills some subscriptions, of whole customers. `first_row`: the `next_row` of the step before; 0 of the first.

        Raises:
            NotFoundError: the catalog doesn't have the customer.
            StoreUnavailableError, StaleError: a store does not answer, or somebody else issues meanwhile: repeat the step.
            MeterlineError: what is booked is not whole, or a line doesn't add up: nothing was issued.
        """
        snapshot = self.snapshot(run)
        columns = snapshot.catalog.subscription_columns
        own = rows_of_customer(snapshot.catalog, wanted.customer_id) if wanted.customer_id else None
        begin, end = (0, len(columns)) if own is None else (own.start, own.stop)
        first = max(first_row, begin)
        last = min(first + subscriptions, end)
        last = columns.customer_end(last - 1) if last > first else first
        done = self.bill(run, snapshot, wanted, np.arange(first, last))
        done.subscription_count = end - begin
        done.next_row = last if last < end else 0
        return done

    def bill(self, run: Close, snapshot: Snapshot, wanted: WantedParts, rows: Index) -> PartsBilled:
        """Bills these subscriptions, whose rows rise: all of each customer. Raises as `step`."""
        done = PartsBilled()

        def leave(customer: str, reason: str) -> None:
            _log.error("commitments don't fit together", tenant=run.tenant, customer_id=customer)
            done.inconsistent[customer] = reason

        for own in of_fitting(snapshot.catalog, rows, partial(self._billed, run, snapshot, wanted), leave):
            done.issued += own.issued
            done.unrateable += own.unrateable
            done.inconsistent |= own.inconsistent
        return done

    def _billed(self, run: Close, snapshot: Snapshot, wanted: WantedParts, rows: Index) -> PartsBilled:
        done = PartsBilled()
        rows = self._billable(snapshot, wanted, rows)
        if not len(rows):
            return done
        found = self._found(snapshot, wanted, rows, digests=False)
        done.unrateable += found.unrateable
        if not found.to_issue.keys:
            return done
        rows = _rows_of(snapshot, {each.customer_id for each in found.to_issue.keys})
        run = self._invoices.begin(replace(run, close_id=self._draw(8)))
        if run.catalog_revision != snapshot.catalog.revision:
            return self.bill(run, self.snapshot(run), wanted, rows)
        for attempt in range(_ATTEMPTS):
            try:
                done.issued = self._issued(run, snapshot, wanted, rows)
                break
            except StaleError:
                if attempt == _ATTEMPTS - 1:
                    raise
        self._invoices.end(run, self._now_us())
        return done

    def _issued(self, run: Close, snapshot: Snapshot, wanted: WantedParts, rows: Index) -> list[Invoice]:
        """Raises StaleError where somebody else issues meanwhile."""
        too_large: frozenset[str] = frozenset()
        while True:
            found = self._found(snapshot, wanted, rows, digests=True, too_large=too_large)
            invoices, lines = assembled(run, found.version, snapshot.catalog, found.to_issue, self._now_us())
            more = {
                each.key.customer_id
                for each in invoices
                if not fits_entry(each.sums["due"], each.key.currency)
            }
            if not more:
                break
            for customer in sorted(more)[:_LOGGED_MAX]:
                _log.error(
                    "an invoice would be of more than an account holds",
                    tenant=run.tenant,
                    customer_id=customer,
                )
            too_large |= more
        if not invoices:
            return []
        self._booked.write(run.tenant, lines)
        return self._invoices.issue(run.tenant, found.version, invoices, self._now_us())

    def _billable(self, snapshot: Snapshot, wanted: WantedParts, rows: Index) -> Index:
        """All rows of the customers of whom something may be billed."""
        at_us = snapshot.as_of_us
        if wanted.regardless:
            chosen = running_rows(snapshot.catalog, rows, at_us)
        else:
            reached = np.array(sorted(thresholds_at(snapshot.catalog, rows, at_us)), dtype=np.int64)
            chosen = np.union1d(reached, may_have_fees(snapshot.catalog, rows, at_us))
        if not len(chosen):
            return chosen
        numbers = CustomerNumbers.of_rows(snapshot.catalog, chosen)
        return numbers.rows(np.arange(len(numbers)))

    def _found(
        self,
        snapshot: Snapshot,
        wanted: WantedParts,
        rows: Index,
        *,
        digests: bool,
        too_large: frozenset[str] = frozenset(),
    ) -> _Found:
        """`too_large`: customers that are left alone, since an invoice would be of more than an account holds."""
        catalog, at_us = snapshot.catalog, snapshot.as_of_us
        numbers = CustomerNumbers.of_rows(catalog, rows)
        ids = catalog.subscription_columns.customer_id.take(pa.array(numbers.first_row)).to_pylist()
        # In doubt another issues meanwhile, and all of it is computed again: the version is older than what is read of it.
        version = self._invoices.version(snapshot.catalog.tenant)
        held = self._invoices.held(snapshot.catalog.tenant)
        running = running_rows(catalog, rows, at_us)
        rate = partial(self._rater.rate_at, snapshot, digests=digests)
        parts = [
            each.without_events()
            for each in rate(running, np.full(len(running), at_us, dtype=np.int64), is_part=True)
        ]
        grants, since_us = reached_back(catalog, numbers, *_reach(numbers, parts))
        earlier = ended_before(rate, catalog, rows, at_us, since_us[numbers.numbers(rows)])
        all_parts = [*parts, *(each.without_events() for each in earlier)]
        settled = settled_invoices(all_parts, numbers, grants, running=len(parts))
        lines = settled_lines(settled, all_parts)
        unrateable = unrateable_customers(numbers, all_parts)
        refused = too_large | unrateable.keys()
        of = {
            name: each
            for name, each in _running(snapshot, wanted, running).items()
            if each.customer_id not in refused
            and CustomerPeriod(each.customer_id, each.start_us, each.end_us).begin not in held
        }
        starts = {(each.customer_id, each.start_us) for each in of.values()}
        invoices = self._invoices.of_running(catalog.tenant, ids, starts)
        counts = {
            each.invoice_id: each.line_count for each in invoices if each.state is not InvoiceState.VOID
        }
        booked = self._booked.read(catalog.tenant, counts)
        in_advance = lines_in_advance(settled, all_parts)
        to_issue = part_invoices(
            of, lines.rows, in_advance, booked, invoices, at_us, bills_void_anew=wanted.anew
        )
        return _Found(version, to_issue, list(unrateable.values()))


def _reach(numbers: CustomerNumbers, parts: Sequence[Rated]) -> tuple[Index, Index]:
    """Of each customer the last instants of its first and last period that runs, as its credit is asked for."""
    first_us = np.full(len(numbers), NEVER_US, dtype=np.int64)
    last_us = np.zeros(len(numbers), dtype=np.int64)
    for rated in parts:
        periods = rated.charges.periods
        number, end_us = numbers.numbers(periods.row), periods.period_end_us - 1
        np.minimum.at(first_us, number, end_us)
        np.maximum.at(last_us, number, end_us)
    return first_us, last_us


def _running(snapshot: Snapshot, wanted: WantedParts, rows: Index) -> dict[str, RunningSubscription]:
    """By their ids, those of which something may be billed."""
    catalog = snapshot.catalog
    columns = catalog.subscription_columns
    thresholds = {} if wanted.regardless else thresholds_at(catalog, rows, snapshot.as_of_us)
    in_advance = set(may_have_fees(catalog, rows, snapshot.as_of_us).tolist())
    periods = periods_of_rows(catalog, rows, snapshot.as_of_us)
    found = {}
    for place, row in enumerate(rows.tolist()):
        if not periods.exists[place] or not (wanted.regardless or row in thresholds or row in in_advance):
            continue
        found[columns.subscription_id[row].as_py()] = RunningSubscription(
            columns.customer_id[row].as_py(),
            int(periods.start_us[place]),
            int(periods.end_us[place]),
            thresholds.get(row),
            wanted.regardless,
        )
    return found


def _rows_of(snapshot: Snapshot, customers: set[str]) -> Index:
    """All their subscriptions, rising."""
    columns = snapshot.catalog.subscription_columns
    bounds = [columns.rows_of(each) for each in sorted(customers)]
    return np.concatenate([np.arange(each.start, each.stop) for each in bounds])
