"""What of which meter is behind which lines of an invoice, day by day.

Rules:
1. It is the usage that the invoice was rated from: the meter as it was at the invoice's revision of the catalog, the customer with its
   aliases, and exactly what had been ingested by the invoice's watermark.
2. Lines that correct an earlier period have none: they are the difference of two invoices.
3. Lines of one meter, group and service period share their usage.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pyarrow as pa

from engine.billing.closing.invoice import Invoice
from engine.billing.documents.catalog_names import CatalogNames
from engine.billing.documents.document_parts import Span
from engine.billing.documents.usage_behind import UsageBehind, UsageDay, relation_of
from engine.billing.meter_usage import find_meter, measure_of
from engine.catalog.kinds.meter import Meter
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.errors import FieldMistake, InvalidRequestError
from engine.time_zones import time_zone
from engine.times import datetime_us
from engine.usage.facts.usage_request import GroupUsage, UsageRequest
from engine.usage.facts.windows import Window, window_bounds_us
from engine.usage.query.usage_reader import UsageReader

# Of groups and days, in one read: some MB.
_CELLS_AT_ONCE: Final = 50_000

_Dimensions = frozenset[tuple[str, str]]


class _Source(NamedTuple):
    """What one read is of."""

    meter_id: str
    service: Span
    zone: str


class _Behind(NamedTuple):
    """What lines share."""

    source: _Source
    dimensions: _Dimensions
    quantity: Decimal


class UsageAnnex:
    """Thread-safe."""

    def __init__(self, reader: UsageReader, catalog: CatalogStore) -> None:
        self._reader = reader
        self._catalog = catalog

    def of_invoice(self, invoice: Invoice, rows: pa.Table, days_max: int) -> list[UsageBehind]:
        """In the order of the lines (INVOICE_LINE_ROWS).

        Raises:
            InvalidRequestError: there are more than `days_max` days in it.
            StoreUnavailableError: a store does not answer.
            UsageExpiredError: the events that an exact answer needs have expired.
        """
        catalog = self._catalog.snapshot(invoice.tenant, invoice.catalog_revision)
        names = CatalogNames(self._catalog.snapshot(invoice.tenant), invoice.key.customer_id)
        read: dict[_Source, Mapping[_Dimensions, Sequence[UsageDay]]] = {}
        found, left = [], days_max
        for behind, numbers in _shared(invoice, rows, names).items():
            source = behind.source
            meter = find_meter(catalog, source.meter_id).resource
            if source not in read:
                read[source] = self._days(invoice, catalog, meter, source, days_max)
            days = read[source].get(behind.dimensions, ())
            left -= len(days)
            if left < 0:
                raise _too_much(invoice, days_max)
            if days or behind.quantity:
                found.append(_usage(behind, numbers, meter, days))
        return found

    def _days(
        self, invoice: Invoice, catalog: Catalog, meter: Meter, source: _Source, days_max: int
    ) -> dict[_Dimensions, list[UsageDay]]:
        bounds_us = window_bounds_us(
            source.service.start_us, source.service.end_us, Window.DAY, time_zone(source.zone)
        )
        customers = catalog.customers.with_aliases((invoice.key.customer_id,))
        asked = measure_of(invoice.tenant, meter).asked(customers, bounds_us, invoice.as_of_us)
        # Events of its aliases are the customer's own.
        request = replace(asked, by_customer=False)
        found: dict[_Dimensions, list[UsageDay]] = {}
        for count, usage in enumerate(self._read(request), 1):
            if count > days_max:
                raise _too_much(invoice, days_max)
            named = zip(meter.group_by, usage.dimensions, strict=True)
            group = frozenset((name, value) for name, value in named if value is not None)
            start_us, end_us = bounds_us[usage.window : usage.window + 2]
            found.setdefault(group, []).append(UsageDay(start_us, end_us, usage.quantity))
        return found

    def _read(self, request: UsageRequest) -> Iterator[GroupUsage]:
        """Some groups after the other."""
        groups_max = max(1, _CELLS_AT_ONCE // len(request.bounds_us))
        states = 0
        while True:
            page = self._reader.read_on(request, groups_max, states)
            for group in page.groups:
                states += group.states
                yield from group.usage
            if not page.more:
                return


def _shared(invoice: Invoice, rows: pa.Table, names: CatalogNames) -> dict[_Behind, list[int]]:
    """The numbers of the lines that bill usage of the invoice's own period, by what they share."""
    own = Span(invoice.key.start_us, invoice.key.end_us)
    found: dict[_Behind, list[int]] = {}
    for row in rows.to_pylist():
        if not row["meter_id"] or _span(row, "period") != own:
            continue
        source = _Source(row["meter_id"], _span(row, "service"), names.zone_of(row["subscription_id"]))
        shared = _Behind(source, frozenset(dict(row["dimensions"]).items()), Decimal(row["quantity"] or 0))
        found.setdefault(shared, []).append(row["line_number"])
    return found


def _usage(behind: _Behind, numbers: Sequence[int], meter: Meter, days: Sequence[UsageDay]) -> UsageBehind:
    relation, days_sum = relation_of(meter, behind.quantity, days)
    return UsageBehind(
        meter_id=behind.source.meter_id,
        aggregation=meter.aggregation,
        carries_over=meter.carries_over,
        unit=meter.unit or "",
        dimensions=dict(sorted(behind.dimensions)),
        service=behind.source.service,
        zone=behind.source.zone,
        line_numbers=numbers,
        quantity=behind.quantity,
        days=days,
        relation=relation,
        days_sum=days_sum,
    )


def _span(row: Mapping[str, Any], name: str) -> Span:
    return Span(datetime_us(row[f"{name}_start"]), datetime_us(row[f"{name}_end"]))


def _too_much(invoice: Invoice, days_max: int) -> InvalidRequestError:
    return InvalidRequestError(
        FieldMistake(
            "with_usage",
            f"{invoice.name} has more than {days_max:,} days of usage, which such a document does not hold: "
            "query the usage of its meters",
        )
    )
