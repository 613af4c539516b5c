"""Lines explained: drafts as they are rated, lines of invoices as they were.

Rules:
1. A line of an invoice is rated as of the invoice's watermark and with its revision of the catalog, by the one rating path. What
   was booked stands beside it, and is never computed.
2. A line of a part of its period is rated as such, at the watermark (engine.billing.running_periods.part_lines). What parts billed before,
   of the same period, belongs to the line of the invoice that closes it, as what was booked before belongs to one that corrects.
3. Terms of money are settled for the customer alone, at the last instant of the line's billing period: what drew on its credit
   before is there, and nothing that comes later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import pyarrow.compute as pc

from engine.billing.closing.booked_lines import BookedLines
from engine.billing.closing.invoice import Invoice
from engine.billing.closing.invoice_store import InvoiceStore
from engine.billing.explaining.booked_before import booked_sum, rows_of_line, stood_before
from engine.billing.explaining.explanation import (
    Adjustment,
    FactsBetween,
    InvoiceRow,
    LineExplanation,
    SettledLine,
)
from engine.billing.explaining.facts_between import facts_between
from engine.billing.explaining.settled_line import settled_line
from engine.billing.line_item import LineItem
from engine.billing.line_table import line_table
from engine.billing.meter_usage import measure_of
from engine.billing.rated import Rated
from engine.billing.rater import Rater, Snapshot, rows_of_customer
from engine.billing.running_periods.invoicing_thresholds import running_rows
from engine.billing.terms.grants import NEVER_US
from engine.billing.terms.history import History
from engine.billing.terms.places import CustomerNumbers
from engine.billing.terms.reach import reached_back
from engine.billing.terms.settled import settled_invoices
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError
from engine.times import datetime_us, us_datetime
from engine.usage.facts.listed_events import MeterGroup
from engine.usage.store.usage_store import UsageStore

SUBSCRIPTIONS_MAX: Final = 10_000
"""Of a tenant whose drafts are looked through for a line: some seconds of rating."""
_ERASED = (
    "the customer's personal data was erased: the line stands as it was booked, and can't be rated again"
)
_GONE = (
    "the line is not there any more as of this watermark and revision: what was billed of it is given back"
)


@dataclass(frozen=True, slots=True)
class _Found:
    """One line among rated ones."""

    snapshot: Snapshot
    rated: Rated
    line: int

    @property
    def item(self) -> LineItem:
        return self.rated.line_items(np.array([self.line]))[0]

    @property
    def row(self) -> int:
        """Its subscription, by its row in the catalog's columns."""
        return int(self.rated.charges.row[self.rated.charge[self.line]])


class Explainer:
    """Explains one line at a time."""

    def __init__(self, rater: Rater, invoices: InvoiceStore, booked: BookedLines, store: UsageStore) -> None:
        self._rater = rater
        self._invoices = invoices
        self._booked = booked
        self._store = store

    def draft(self, snapshot: Snapshot, line_item_id: str, customer_id: str) -> LineExplanation:
        """A line of a billing period that contains the snapshot's instant; `customer_id`: empty to look through all.

        Raises:
            NotFoundError: there is no such line, or customer.
            InvalidRequestError: too many subscriptions to look through.
        """
        found = self._find(snapshot, line_item_id, customer_id)
        item = found.item
        owner = item.charge.subscription.customer
        at_end = replace(snapshot, at_us=datetime_us(item.charge.period.end) - 1)
        rated = self._rater.rate_customer(at_end, owner)
        settled = self._settled(at_end, rated, owner, line_item_id, item.charge.billed.effective.currency)
        return self._explained(found, item, settled)

    def row_of_invoice(self, invoice: Invoice, line_number: int, line_item_id: str) -> InvoiceRow:
        """The booked line with this number, or else the first with this id.

        Raises:
            NotFoundError: the invoice has no such line.
            MeterlineError: the invoice has not the lines that it had when it was issued.
        """
        if line_number:
            if line_number > invoice.line_count:
                raise NotFoundError(
                    f"{invoice.name} has {invoice.line_count} lines, and no line {line_number}"
                )
            rows = self._booked.some_of_invoice(invoice, line_number - 1, 1).to_pylist()
        else:
            rows = rows_of_line(self._booked, [invoice], line_item_id).to_pylist()
            if not rows:
                raise NotFoundError(f"{invoice.name} has no line {line_item_id}")
        return InvoiceRow(invoice, rows[0])

    def of_invoice(self, booked: InvoiceRow) -> LineExplanation:
        """The line of an invoice, as it was at the invoice's watermark."""
        invoice, row = booked.invoice, booked.row
        bare = LineExplanation(
            invoice.key.customer_id, invoice.as_of_us, invoice.catalog_revision, "UTC", booked=booked
        )
        if invoice.is_erased:
            return replace(bare, unexplained=_ERASED)
        at_us = invoice.as_of_us if invoice.part else datetime_us(row["period_end"]) - 1
        snapshot = self._rater.snapshot(invoice.tenant, at_us, invoice.as_of_us, invoice.catalog_revision)
        rated = self._rated(snapshot, invoice)
        settled = self._settled(
            snapshot,
            rated,
            invoice.key.customer_id,
            row["line_item_id"],
            booked.currency,
            is_part=invoice.part > 0,
        )
        line = _line_with(rated, row["line_item_id"])
        explained = bare
        if line is not None:
            found = _Found(snapshot, rated, line)
            explained = replace(self._explained(found, found.item, settled), booked=booked)
        elif settled is not None:
            explained = replace(bare, settled=settled)
        else:
            explained = replace(bare, unexplained=_GONE)
        if (row["period_start"], row["period_end"]) != _period(invoice):
            earlier = stood_before(self._invoices, invoice)
            return replace(explained, adjustment=self._adjustment(explained, booked, earlier))
        parts = self._invoices.parts_before(invoice)
        if not len(rows_of_line(self._booked, parts, row["line_item_id"])):
            return explained
        rest = replace(self._adjustment(explained, booked, parts), is_rest=True)
        return replace(explained, adjustment=rest)

    def _rated(self, snapshot: Snapshot, invoice: Invoice) -> Rated:
        """The lines of the customer in the periods that contain the snapshot's instant (rule 2)."""
        customer_id = invoice.key.customer_id
        if not invoice.part:
            return self._rater.rate_customer(snapshot, customer_id)
        own = rows_of_customer(snapshot.catalog, customer_id)
        rows = running_rows(snapshot.catalog, np.arange(own.start, own.stop), snapshot.at_us)
        at_us = np.full(len(rows), snapshot.at_us, dtype=np.int64)
        # One customer is never rated in pieces.
        (rated,) = self._rater.rate_at(snapshot, rows, at_us, digests=True, is_part=True)
        return rated

    def _find(self, snapshot: Snapshot, line_item_id: str, customer_id: str) -> _Found:
        if customer_id:
            stretches = iter([self._rater.rate_customer(snapshot, customer_id)])
        else:
            count = len(snapshot.catalog.subscription_columns)
            if count > SUBSCRIPTIONS_MAX:
                raise InvalidRequestError(
                    FieldMistake(
                        "customer_id",
                        f"is empty, and there are {count:,} subscriptions: name the customer whose line it is",
                    )
                )
            stretches = self._rater.rate_all(snapshot)
        for rated in stretches:
            if (line := _line_with(rated, line_item_id)) is not None:
                return _Found(snapshot, rated, line)
        whose = f"of {customer_id!r} " if customer_id else ""
        raise NotFoundError(
            f"there is no draft line {line_item_id} {whose}in the billing periods of this instant: name another, or the "
            "invoice that it is on"
        )

    def _explained(self, found: _Found, item: LineItem, settled: SettledLine | None) -> LineExplanation:
        catalog = found.snapshot.catalog
        names, place = catalog.zones_of(np.array([found.row]))
        owner = item.charge.subscription.customer
        return LineExplanation(
            customer_id=owner,
            as_of_us=found.snapshot.as_of_us,
            revision=catalog.revision,
            zone=names[int(place[0])],
            item=item,
            settled=None if item.rated is None else settled,
            aliases=catalog.customers.aliases_of([owner]).get(owner, ()),
        )

    def _settled(
        self,
        snapshot: Snapshot,
        rated: Rated,
        customer_id: str,
        line_item_id: str,
        currency: str,
        *,
        is_part: bool = False,
    ) -> SettledLine | None:
        """Rule 3."""
        catalog = snapshot.catalog
        own = rows_of_customer(catalog, customer_id)
        rows = np.arange(own.start, own.stop)
        if not len(rows):
            return None
        numbers = CustomerNumbers.of_rows(catalog, rows)
        ends_us = rated.charges.periods.period_end_us - 1
        first_us, last_us = np.array([ends_us.min(initial=NEVER_US)]), np.array([ends_us.max(initial=0)])
        grants, since_us = reached_back(catalog, numbers, first_us, last_us)
        history = History(snapshot.at_us, partial(self._rater.rate_at, snapshot, digests=True))
        parts = [rated, *history.before(catalog, rows, since_us[numbers.numbers(rows)])]
        found = settled_invoices(parts, numbers, grants, running=int(is_part))
        return settled_line(found, parts, line_item_id, currency)

    def _adjustment(
        self, explained: LineExplanation, booked: InvoiceRow, earlier: Sequence[Invoice]
    ) -> Adjustment:
        """`earlier`: the invoices on which the line may have been booked before, in order."""
        invoice, line_item_id = booked.invoice, booked.row["line_item_id"]
        rows = rows_of_line(self._booked, earlier, line_item_id).to_pylist()
        names = {each.invoice_id: each.name for each in (*earlier, invoice)}
        with_row = {each["invoice_id"] for each in rows} | {booked.row["corrects_invoice_id"]}
        last = max(
            (each for each in earlier if each.invoice_id in with_row),
            key=lambda each: each.number,
            default=None,
        )
        facts = FactsBetween()
        if last is not None and (of := _usage_of(explained)) is not None:
            facts = facts_between(self._store, of, last.as_of_us)
        return Adjustment(
            before=booked_sum(rows, names, booked.currency),
            now=booked_sum([*rows, booked.row], names, booked.currency),
            changed_after_us=0 if last is None else last.as_of_us,
            revision_before=0 if last is None else last.catalog_revision,
            facts=facts,
        )


def _usage_of(explained: LineExplanation) -> MeterGroup | None:
    """What the line counts; None for one without usage."""
    item, booked = explained.item, explained.booked
    if item is None or booked is None or (meter := item.charge.billed.meter) is None:
        return None
    service = item.charge.service
    usage = measure_of(booked.invoice.tenant, meter.resource).asked(
        [explained.customer_id, *explained.aliases],
        (datetime_us(service.start), datetime_us(service.end)),
        explained.as_of_us,
    )
    return MeterGroup(usage, item.dimensions)


def _line_with(rated: Rated, line_item_id: str) -> int | None:
    """The place of a line."""
    if not len(rated):
        return None
    ids = line_table(rated, np.arange(len(rated))).column("line_item_id")
    place = pc.index(ids, line_item_id).as_py()
    return None if place < 0 else int(place)


def _period(invoice: Invoice) -> Sequence[object]:
    return (us_datetime(invoice.key.start_us), us_datetime(invoice.key.end_us))
