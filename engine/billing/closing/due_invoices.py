"""Which invoices a run issues of some customers, and their lines. Pure.

Rules:
1. A customer's lines in one currency of one billing period are one invoice. It is due when its period ended a grace before the
   watermark. One that stands already is left alone, and so is one that this run issued and is void now.
2. What the customer's earlier closed periods come to at the watermark, less what is booked of them, is on the first invoice of the
   run in that currency, behind its own lines. Where there is none, they wait for the next run while an invoice stands or isn't due,
   or the customer goes on (engine.billing.closing.going_on); else they have an invoice of their own.
3. Adjustments are of periods that ended before the span: what changes inside it waits for the next run. Invoices from before an
   erasure stay as they are, and so do lines of subscriptions that the catalog doesn't have.
4. A run that was begun before another one that has billed the customer since adjusts nothing: it would undo what came in
   meanwhile.
5. A customer with a line that its price can't rate is left open, and named: also where the line is in an earlier period that is
   closed, or in which its credit was drawn. So is one whose invoice would be of more than an account holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.accounts.amounts import fits_entry
from engine.billing.accounts.invoice_states import state_of
from engine.billing.closing.adjustments import adjustments
from engine.billing.closing.booked_lines import INVOICE_LINE_ROWS
from engine.billing.closing.going_on import GoingOn
from engine.billing.closing.invoice import SUMS, Close, Invoice, InvoiceKey
from engine.billing.closing.invoice_terms import DAY_US, invoice_terms
from engine.billing.closing.settled_lines import LINE_ROWS, SettledLines, settled_lines
from engine.billing.line_item import LineItem
from engine.billing.rated import Rated
from engine.billing.segments import Index
from engine.billing.terms.places import CustomerNumbers
from engine.billing.terms.settled import Settled
from engine.billing.terms.settled_amounts import AMOUNTS
from engine.billing.terms.unrateable import unrateable_customers
from engine.catalog.snapshots.snapshot import Catalog
from engine.decimal_texts import combined, decimal128_column
from engine.errors import MeterlineError
from engine.times import datetime_us
from rating import DecimalColumn, minor_unit_digits

_NONE: Final = -1


@dataclass(frozen=True, slots=True)
class DueInvoices:
    """What to issue: headers without numbers, in order, and all their lines (INVOICE_LINE_ROWS).

    unrateable: of each customer that is left open one line that can't be rated.
    too_large: customers that are left open since an invoice would be of more than an account holds.
    """

    invoices: Sequence[Invoice]
    rows: pa.Table
    adjusted_count: int
    standing_count: int
    not_due_count: int
    unrateable: Sequence[LineItem] = ()
    too_large: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RunCustomers:
    """Some customers of a run, by number: their ids, their invoices that stand, and what the run billed that is void now.

    version: of the tenant's invoices, from which this is computed.
    going_on: who of them has a later billing period, in which currencies.
    unchanged: whose closed periods need no adjustments; of these `standing` has no invoice from before the span.
    """

    close: Close
    version: int
    catalog: Catalog
    numbers: CustomerNumbers
    ids: Sequence[str]
    going_on: GoingOn
    standing: Mapping[InvoiceKey, Invoice]
    voided: frozenset[InvoiceKey]
    unchanged: frozenset[str]


def due_invoices(
    of: RunCustomers, found: Settled, parts: Sequence[Rated], booked: pa.Table, now_us: int
) -> DueInvoices:
    """`found` is made from `parts`; `booked`: all lines of the invoices that stand."""
    lines, keys = settled_lines(found, parts), _keys(of, found)
    unrateable = unrateable_customers(of.numbers, parts)
    refused = frozenset(unrateable)
    made = _without(of, lines, keys, booked, refused, now_us)
    too_large = frozenset(
        each.key.customer_id for each in made.invoices if not fits_entry(each.sums["due"], each.key.currency)
    )
    if too_large:
        made = _without(of, lines, keys, booked, refused | too_large, now_us)
    return replace(made, unrateable=list(unrateable.values()), too_large=too_large)


def _without(
    of: RunCustomers,
    lines: SettledLines,
    keys: Sequence[InvoiceKey],
    booked: pa.Table,
    refused: frozenset[str],
    now_us: int,
) -> DueInvoices:
    """`refused`: customers that are left open."""
    status = [_status(of, key, refused) for key in keys]
    issued = [number for number, each in enumerate(status) if each == "due"]
    code = np.full(len(keys), _NONE, dtype=np.int64)
    code[issued] = np.arange(len(issued))
    issued_keys = [keys[number] for number in issued]
    adjusted = _adjustments(of, lines, keys, booked, refused | of.unchanged | _known_later(of))
    issued_keys, target = _targets(of, keys, issued_keys, adjusted)
    own = np.flatnonzero(code[lines.invoice] >= 0)
    rows = pa.concat_tables([lines.rows.take(pa.array(own)), adjusted.rows.filter(pa.array(target >= 0))])
    invoice = np.concatenate([code[lines.invoice[own]], target[target >= 0]])
    corrects = [""] * len(own) + [
        each for each, place in zip(adjusted.corrects, target.tolist(), strict=True) if place >= 0
    ]
    invoices, ordered = _assembled(of, issued_keys, rows, invoice, corrects, now_us)
    return DueInvoices(
        invoices,
        ordered,
        adjusted_count=int((target >= 0).sum()),
        standing_count=status.count("stands"),
        not_due_count=status.count("not due"),
    )


def _keys(of: RunCustomers, found: Settled) -> list[InvoiceKey]:
    """Of each settled invoice."""
    invoices, currencies = found.invoiced.invoices, found.invoiced.currencies
    columns = (invoices.customer, invoices.currency, invoices.start_us, invoices.end_us)
    return [
        InvoiceKey(of.ids[customer], currencies[currency], start_us, end_us)
        for customer, currency, start_us, end_us in zip(*(each.tolist() for each in columns), strict=True)
    ]


def _status(of: RunCustomers, key: InvoiceKey, refused: frozenset[str]) -> str:
    close = of.close
    if not key.ends_in(close):
        return "earlier"
    if key in of.standing or key in of.voided:
        return "stands"
    if key.end_us + close.grace_us > close.as_of_us:
        return "not due"
    return "refused" if key.customer_id in refused else "due"


@dataclass(frozen=True, eq=False, slots=True)
class _Adjusted:
    """Signed lines (LINE_ROWS), whose they are, and which invoice each corrects."""

    rows: pa.Table
    customer: Sequence[str]
    corrects: Sequence[str]


def _adjustments(
    of: RunCustomers,
    lines: SettledLines,
    keys: Sequence[InvoiceKey],
    booked: pa.Table,
    left_alone: frozenset[str],
) -> _Adjusted:
    """Of all closed periods that ended before the span, but those of some customers (rule 3)."""
    until_us = of.close.from_us
    counts = [
        _is_adjusted(of.standing.get(key)) and key.end_us <= until_us and key.customer_id not in left_alone
        for key in keys
    ]
    now = lines.rows.filter(pa.array(np.array(counts, dtype=np.bool_)[lines.invoice]))
    known = {each: owner for each, owner in _subscriptions(of).items() if owner not in left_alone}
    is_known = pc.is_in(booked["subscription_id"], value_set=pa.array(list(known), pa.string()))
    has_ended = pc.less_equal(booked["period_end"].cast(pa.int64()), until_us)
    rows = adjustments(now, booked.filter(pc.and_(is_known, has_ended)))
    owners = [known[each] for each in rows["subscription_id"].to_pylist()]
    corrected = []
    for owner, row in zip(
        owners, rows.select(["currency", "period_start", "period_end"]).to_pylist(), strict=True
    ):
        key = InvoiceKey(
            owner, row["currency"], datetime_us(row["period_start"]), datetime_us(row["period_end"])
        )
        standing = of.standing.get(key)
        corrected.append("" if standing is None else standing.invoice_id)
    return _Adjusted(rows, owners, corrected)


def _known_later(of: RunCustomers) -> frozenset[str]:
    """The customers of whom a run with a later watermark has billed: what it knew would be given back."""
    return frozenset(
        key.customer_id for key, each in of.standing.items() if each.as_of_us > of.close.as_of_us
    )


def _is_adjusted(standing: Invoice | None) -> bool:
    return standing is not None and not standing.is_erased


def _subscriptions(of: RunCustomers) -> dict[str, str]:
    """The customers' subscriptions: id -> customer."""
    columns = of.catalog.subscription_columns
    rows = pa.array(of.numbers.rows(np.arange(len(of.ids))))
    ids, owners = columns.subscription_id.take(rows), columns.customer_id.take(rows)
    return dict(zip(ids.to_pylist(), owners.to_pylist(), strict=True))


def _targets(
    of: RunCustomers, keys: Sequence[InvoiceKey], issued: Sequence[InvoiceKey], adjusted: _Adjusted
) -> tuple[list[InvoiceKey], npt.NDArray[np.int64]]:
    """The invoices with those of adjustments alone, and on which of them each adjustment is; -1: on none (rule 2)."""
    close, found = of.close, list(issued)
    places: dict[tuple[str, str], int] = {}
    for place, key in enumerate(issued):
        places.setdefault((key.customer_id, key.currency), place)
    waits = {(key.customer_id, key.currency) for key in keys if key.ends_in(close)} - places.keys()
    target = []
    for customer, currency in zip(adjusted.customer, adjusted.rows["currency"].to_pylist(), strict=True):
        whose = (customer, currency)
        if whose not in places and whose not in waits and whose not in of.going_on:
            alone = InvoiceKey(customer, currency, close.before_us, close.before_us)
            if alone in of.standing or alone in of.voided:
                waits.add(whose)
            else:
                places[whose] = len(found)
                found.append(alone)
        target.append(places.get(whose, _NONE))
    return found, np.array(target, dtype=np.int64)


def _assembled(
    of: RunCustomers,
    keys: Sequence[InvoiceKey],
    rows: pa.Table,
    invoice: Index,
    corrects: Sequence[str],
    now_us: int,
) -> tuple[list[Invoice], pa.Table]:
    """Headers, and the lines by invoice, each numbered from 1."""
    close = of.close
    ids = [close.invoice_id(key, of.version) for key in keys]
    order = np.argsort(invoice, kind="stable")
    invoice = invoice[order]
    counts = np.bincount(invoice, minlength=len(keys))
    number = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    rows = rows.take(pa.array(order))
    columns: dict[str, Any] = {
        "invoice_id": pa.array(ids, pa.string()).take(pa.array(invoice)),
        "line_number": pa.array(number.astype(np.uint32)),
        "corrects_invoice_id": pa.array(corrects, pa.string()).take(pa.array(order)),
        **{name: rows[name] for name in LINE_ROWS.names},
    }
    sums, terms = _sums(rows, invoice, keys), invoice_terms(of.catalog, keys, rows, invoice)
    invoices = [
        Invoice(
            tenant=close.tenant,
            invoice_id=ids[place],
            number=0,
            # One that gives back, or comes to nothing, is owed nothing of.
            state=state_of(max(0, sums[place]["due"]), 0, 0),
            key=key,
            close_id=close.close_id,
            as_of_us=close.as_of_us,
            catalog_revision=close.catalog_revision,
            issued_at_us=now_us,
            line_count=int(counts[place]),
            sums=sums[place],
            payment_terms_days=terms[place][0],
            due_at_us=now_us + terms[place][0] * DAY_US,
            billing_details=terms[place][1],
        )
        for place, key in enumerate(keys)
    ]
    return invoices, pa.table([columns[name] for name in INVOICE_LINE_ROWS.names], schema=INVOICE_LINE_ROWS)


def _sums(rows: pa.Table, invoice: Index, keys: Sequence[InvoiceKey]) -> list[dict[str, Any]]:
    """SUMS of each invoice. Raises MeterlineError for one that doesn't add up."""
    is_charge = np.asarray(combined(pc.equal(rows["kind"], "charge")), dtype=np.bool_)
    amounts = {name: decimal128_column(combined(rows[name]), 0) for name in AMOUNTS}
    nothing = DecimalColumn.zeros(len(invoice))
    columns = {
        "amount": amounts["amount_minor"].where(is_charge, nothing),
        "discounts": amounts["discount_minor"],
        "commitments": nothing.where(is_charge, amounts["amount_minor"]),
        "credits": amounts["credit_minor"],
        "included_tax": amounts["included_tax_minor"],
        "tax": amounts["tax_minor"],
        "due": amounts["due_minor"],
    }
    sums = {name: columns[name].sum_by_group(invoice, len(keys)) for name in SUMS}
    due = sums["amount"].subtract(sums["discounts"]).add(sums["commitments"]).subtract(sums["credits"])
    wrong = due.subtract(sums["included_tax"]).add(sums["tax"]).compare(sums["due"]) != 0
    if wrong.any():
        raise MeterlineError(
            f"the invoice of {keys[int(np.argmax(wrong))]} does not add up: nothing was issued"
        )
    digits = np.array([minor_unit_digits(key.currency) for key in keys], dtype=np.int64)
    found: list[dict[str, Any]] = [{} for _ in keys]
    for each in np.unique(digits).tolist():
        places = np.flatnonzero(digits == each)
        for name in SUMS:
            decimals = DecimalColumn(sums[name].take(places).mantissa, each).to_decimals()
            for place, amount in zip(places.tolist(), decimals, strict=True):
                found[place][name] = amount
    return found
