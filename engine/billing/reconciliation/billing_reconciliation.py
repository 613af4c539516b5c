"""Closed periods worked out a second time: one step of customers, and what is of all invoices.

How, for each invoice of a step: its header beside its lines; its own lines beside raw events, prices and terms at its watermark; and
the sums of all documents of its period at the newest watermark among them (engine.billing.reconciliation.last_billed). Of a period of
which parts were billed while it ran, the invoice that closes it is judged together with these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from engine.billing.reconciliation.booked_documents import BookedDocuments, Header
from engine.billing.reconciliation.booked_line import BookedLine, summed_lines
from engine.billing.reconciliation.expected_lines import BillingPeriodKey, ExpectedPeriod, expected_period
from engine.billing.reconciliation.findings import BookedDifference, Check, DifferenceKind, Findings
from engine.billing.reconciliation.judged_lines import JudgedDocument, LineJudge, Usage
from engine.billing.reconciliation.judged_terms import TermsJudge
from engine.billing.reconciliation.last_billed import last_billed
from engine.billing.reconciliation.price_arithmetic import NotJudgedError
from engine.billing.reconciliation.raw_usage import RawUsage, UsagePlace
from engine.catalog.kinds.meter import Meter
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore

CUSTOMERS_AT_ONCE: Final = 500
"""Of a step: an object for each booked line."""
_EXPIRED: Final = "events that have expired"
_ERASED: Final = "a customer whose data was erased"
_PART: Final = "billed while its period ran: judged with the invoice that closes the period"
_MOVED: Final = "a period whose end moved after usage of it was billed"


@dataclass(frozen=True, slots=True)
class ReconciledStep:
    """What a step found. `next_customer`: behind whom the next one begins; empty behind the last."""

    findings: Findings
    customer_count: int
    next_customer: str


@dataclass(slots=True)
class _View:
    """Lines to judge at one watermark and revision. `usage`: of each charge, by subscription and price, when it was read."""

    of: JudgedDocument
    as_of_us: int
    revision: int
    lines: Sequence[BookedLine]
    expected: ExpectedPeriod
    usage: dict[tuple[str, str], Usage] = field(default_factory=dict)


class BillingReconciliation:
    """Thread-safe. Reads, and writes nothing."""

    def __init__(self, catalog: CatalogStore, documents: BookedDocuments, usage: RawUsage) -> None:
        self._catalog = catalog
        self._documents = documents
        self._usage = usage

    def step(
        self, tenant: str, from_us: int, before_us: int, as_of_us: int, after: str, count: int
    ) -> ReconciledStep:
        """Judges periods that end in (from, before] of some customers, behind one in the order of their ids; the first step also what
        is of all invoices. `as_of_us`: up to when what came late is counted.

        Raises:
            StoreUnavailableError: a store does not answer.
        """
        findings = Findings()
        if not after:
            ids = self._catalog.snapshot(tenant).subscription_columns
            of = zip(ids.subscription_id.to_pylist(), ids.customer_id.to_pylist(), strict=True)
            self._documents.judge_tenant(tenant, dict(of), findings)
        customers = self._documents.customers(tenant, after, from_us, before_us, count + 1)
        following = customers[count - 1] if len(customers) > count else ""
        customers = customers[:count]
        headers = self._documents.headers(tenant, customers)
        lines = self._documents.lines(tenant, headers)
        in_span = [each for each in headers if from_us < each.key.end_us <= before_us]
        self._documents.judge_headers(tenant, in_span, findings)
        _judge_arithmetic(in_span, lines, findings)
        views = list(self._views(tenant, in_span, headers, lines, findings))
        self._read_usage(tenant, views)
        for view in views:
            LineJudge(view.of, findings).judge(view.lines, view.expected, view.usage)
            TermsJudge(view.of, self._catalog.snapshot(tenant, view.revision), findings).judge(view.lines)
        self._count_late(tenant, views, as_of_us, findings)
        return ReconciledStep(findings, len(customers), following)

    def _views(
        self,
        tenant: str,
        in_span: Sequence[Header],
        headers: Sequence[Header],
        lines: Mapping[str, Sequence[BookedLine]],
        findings: Findings,
    ) -> "list[_View]":
        """By revision, which each takes a while to bring to mind."""
        of_customer: dict[str, list[Header]] = {}
        rows: dict[BillingPeriodKey, list[BookedLine]] = {}
        for each in headers:
            of_customer.setdefault(each.key.customer_id, []).append(each)
            for line in lines[each.invoice_id]:
                key = BillingPeriodKey(each.key.customer_id, *line.period)
                rows.setdefault(key, []).append(line)
        found: list[_View] = []
        standing = {each.invoice_id for each in headers if not each.is_void}
        for header in in_span:
            if header.is_void or not header.has_period:
                continue
            of_period = _without_moved(
                header, of_customer[header.key.customer_id], lines, rows.get(header.key, [])
            )
            own = [each for each in of_period if each.invoice_id == header.invoice_id]
            if header.is_erased:
                findings.leave(Check.LINES, _ERASED, len(own))
                continue
            own_view = self._own_view(tenant, header, of_customer[header.key.customer_id], lines, of_period)
            if isinstance(own_view, str):
                findings.leave(Check.LINES, own_view, len(own))
                continue
            found.append(own_view)
            last = last_billed(
                header, of_customer[header.key.customer_id], {each.invoice_id for each in of_period}
            )
            booked = summed_lines(each for each in of_period if each.invoice_id in standing)
            if last.open_since:
                findings.leave(Check.CORRECTIONS, last.open_since, len(booked))
            elif last.by.is_erased:
                findings.leave(Check.CORRECTIONS, _ERASED, len(booked))
            elif last.by is not header:
                found.append(self._view(tenant, header, last.by, booked, is_sum=True))
        return sorted(found, key=lambda each: each.revision)

    def _own_view(
        self,
        tenant: str,
        header: Header,
        headers: Sequence[Header],
        lines: Mapping[str, Sequence[BookedLine]],
        of_period: Sequence[BookedLine],
    ) -> "_View | str":
        """An invoice's own lines, together with the parts of its period; or why they are not judged. `headers`: the customer's."""
        if header.part:
            return _PART
        parts = _parts_of(header, headers)
        if reason := _not_judged(header, parts, lines):
            return reason
        ids = {each.invoice_id for each in parts}
        of_parts = [each for each in of_period if each.invoice_id in ids]
        own = [each for each in of_period if each.invoice_id == header.invoice_id]
        if not of_parts:
            return self._view(tenant, header, header, own, is_sum=False)
        return self._view(tenant, header, header, summed_lines([*of_parts, *own]), is_sum=True)

    def _view(
        self, tenant: str, of: Header, by: Header, lines: Sequence[BookedLine], *, is_sum: bool
    ) -> "_View":
        catalog = self._catalog.snapshot(tenant, by.catalog_revision)
        document = JudgedDocument(of.invoice_id, of.number, of.key, is_sum)
        return _View(document, by.as_of_us, by.catalog_revision, lines, expected_period(catalog, of.key))

    def _read_usage(self, tenant: str, views: Sequence[_View]) -> None:
        """One statement a meter, watermark and revision."""
        asked: dict[tuple[int, int, str], list[tuple[_View, Meter, list[tuple[str, str]]]]] = {}
        for view in views:
            of_meter: dict[str, tuple[Meter, list[tuple[str, str]]]] = {}
            for charge in view.expected.charges:
                if charge.meter is not None:
                    _, keys = of_meter.setdefault(charge.meter.id, (charge.meter, []))
                    keys.append((charge.subscription_id, charge.price.id))
            for name, (meter, keys) in of_meter.items():
                asked.setdefault((view.as_of_us, view.revision, name), []).append((view, meter, keys))
        customers = sorted({view.of.key.customer_id for view in views})
        expired = self._usage.expired_before(tenant, customers) if asked else {}
        for (as_of_us, revision, _), wanted in asked.items():
            catalog = self._catalog.snapshot(tenant, revision)
            meter = wanted[0][1]
            places = [_place(catalog, view) for view, _, _ in wanted]
            try:
                groups = self._usage.groups(tenant, meter, places, as_of_us)
            except NotJudgedError as error:
                for view, _, keys in wanted:
                    view.usage.update(dict.fromkeys(keys, str(error)))
                continue
            for (view, _, keys), place, found in zip(wanted, places, groups, strict=True):
                gone = any(expired.get((each, meter.event_type), 0) > place.start_us for each in place.ids)
                view.usage.update(dict.fromkeys(keys, _EXPIRED if gone else found))

    def _count_late(self, tenant: str, views: Sequence[_View], as_of_us: int, findings: Findings) -> None:
        """Of each period from the last watermark on that it was billed at."""
        last: dict[str, _View] = {}
        for view in views:
            before = last.get(view.of.invoice_id)
            if before is None or view.as_of_us > before.as_of_us:
                last[view.of.invoice_id] = view
        catalog = self._catalog.snapshot(tenant)
        types = sorted({each.resource.event_type for each in catalog.meters.values()})
        places = [_place(catalog, view) for view in last.values()]
        counts = self._usage.late_counts(tenant, types, places, as_of_us)
        findings.late_event_count += sum(counts)
        late = {view.of.key.customer_id for view, count in zip(last.values(), counts, strict=True) if count}
        findings.late_customer_count += len(late)


def _parts_of(header: Header, headers: Sequence[Header]) -> list[Header]:
    """Of a customer's invoices the parts of a period that stood when the invoice that closes it was issued: by its start, as its end
    may have moved.
    """
    return [
        each
        for each in headers
        if each.part
        and (each.key.currency, each.key.start_us) == (header.key.currency, header.key.start_us)
        and each.number < header.number
        and not (each.is_void and each.voided_at_us <= header.issued_at_us)
    ]


def _without_moved(
    header: Header,
    headers: Sequence[Header],
    lines: Mapping[str, Sequence[BookedLine]],
    of_period: Sequence[BookedLine],
) -> list[BookedLine]:
    """The rows of a period without those of its parts that an invoice with another end closes: their subscription ended in it."""
    parts = {each.invoice_id for each in headers if each.part}
    moved = {
        line.line_item_id
        for each in headers
        if not each.part
        and each.key != header.key
        and (each.key.currency, each.key.start_us) == (header.key.currency, header.key.start_us)
        for line in lines[each.invoice_id]
    }
    return [each for each in of_period if each.invoice_id not in parts or each.line_item_id not in moved]


def _not_judged(header: Header, parts: Sequence[Header], lines: Mapping[str, Sequence[BookedLine]]) -> str:
    """Why the invoice that closes a period can't be judged together with its parts; empty if it can."""
    if any(each.is_erased for each in parts):
        return _ERASED
    own = {line.line_item_id for line in lines[header.invoice_id]}
    moved = [each for each in parts if each.key != header.key]
    return (
        _MOVED if any(line.line_item_id in own for each in moved for line in lines[each.invoice_id]) else ""
    )


def _place(catalog: Catalog, view: _View) -> UsagePlace:
    key = view.of.key
    ids = catalog.customers.with_aliases((key.customer_id,))
    return UsagePlace(ids, key.start_us, key.end_us, view.as_of_us)


def _judge_arithmetic(
    headers: Sequence[Header], lines: Mapping[str, Sequence[BookedLine]], findings: Findings
) -> None:
    for header in headers:
        for line in lines[header.invoice_id]:
            if not line.adds_up:
                due = line.amount - line.discount - line.credit - line.included_tax + line.tax
                findings.differs(
                    BookedDifference(
                        DifferenceKind.LINE_ARITHMETIC,
                        header.key.customer_id,
                        header.invoice_id,
                        header.number,
                        line.line_number,
                        line.what,
                        str(due),
                        str(line.due),
                    )
                )
