"""Which invoices a run issues of some customers, and their lines. Pure.

Rules:
1. A customer's lines in one currency of one billing period are one invoice. It is due when its period ended a grace before the
   watermark. One that stands already is left alone, and so is one that this run issued and is void now, and one that is held back
   or not to be billed by this run.
2. What the customer's earlier closed periods come to at the watermark, less what is booked of them, is on the first invoice of the
   run in that currency, behind its own lines. Where there is none, they wait for the next run while an invoice stands or isn't due,
   or the customer goes on (engine.billing.closing.going_on), or the run is of drafts; else they have an invoice of their own.
3. Adjustments are of periods that ended before the span: what changes inside it waits for the next run. Invoices from before an
   erasure stay as they are, and so do lines of subscriptions that the catalog doesn't have.
4. A run that was begun before another one that has billed the customer since adjusts nothing: it would undo what came in
   meanwhile.
5. Of what a due invoice bills, the parts that were billed while its period ran are taken off (engine.billing.closing.billed_parts).
6. A customer with a line that its price can't rate is left open, and named: also where the line is in an earlier period that is
   closed, or in which its credit was drawn. So is one whose invoice would be of more than an account holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.accounts.amounts import fits_entry
from engine.billing.closing.adjustments import adjustments
from engine.billing.closing.assembled import ToIssue, assembled
from engine.billing.closing.billed_parts import less_parts, placed_parts
from engine.billing.closing.invoice import Invoice, InvoiceKey
from engine.billing.closing.run_customers import RunCustomers
from engine.billing.closing.settled_lines import SettledLines, settled_lines
from engine.billing.line_item import LineItem
from engine.billing.rated import Rated
from engine.billing.terms.settled import Settled
from engine.billing.terms.unrateable import unrateable_customers
from engine.times import datetime_us

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
    held_count: int
    unrateable: Sequence[LineItem] = ()
    too_large: frozenset[str] = frozenset()


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
    left_alone = refused | of.unchanged | _known_later(of)
    placed = placed_parts(of, issued_keys, keys, booked)
    adjusted = _adjustments(of, lines, keys, booked.filter(pa.array(placed.is_closed)), left_alone)
    is_own = code[lines.invoice] >= 0
    own, own_code = lines.rows.filter(pa.array(is_own)), code[lines.invoice[is_own]]
    own, own_code = less_parts(issued_keys, own, own_code, placed)
    issued_keys, target = _targets(of, keys, issued_keys, adjusted)
    corrects = [""] * len(own) + [
        each for each, place in zip(adjusted.corrects, target.tolist(), strict=True) if place >= 0
    ]
    to_issue = ToIssue(
        issued_keys,
        pa.concat_tables([own, adjusted.rows.filter(pa.array(target >= 0))]),
        np.concatenate([own_code, target[target >= 0]]),
        corrects,
        [0] * len(issued_keys),
    )
    invoices, ordered = assembled(of.close, of.version, of.catalog, to_issue, now_us)
    return DueInvoices(
        invoices,
        ordered,
        adjusted_count=int((target >= 0).sum()),
        standing_count=status.count("stands"),
        not_due_count=status.count("not due"),
        held_count=status.count("held"),
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
    if not of.selection.takes(key):
        return "not selected"
    if key.begin in of.held:
        return "held"
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
    """Of all closed periods that ended before the span, but those of some customers (rule 3). `booked`: what is booked of these."""
    until_us = of.close.from_us
    counts = [
        _is_adjusted(of.standing.get(key)) and key.end_us <= until_us and key.customer_id not in left_alone
        for key in keys
    ]
    now = lines.rows.filter(pa.array(np.array(counts, dtype=np.bool_)[lines.invoice]))
    known = {each: owner for each, (owner, _) in of.subscriptions().items() if owner not in left_alone}
    is_known = pc.is_in(booked["subscription_id"], value_set=pa.array(list(known), pa.string()))
    rows = adjustments(now, booked.filter(is_known))
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
        waits_for_none = whose not in places and whose not in waits and whose not in of.going_on
        if waits_for_none and not close.of_drafts:
            alone = InvoiceKey(customer, currency, close.before_us, close.before_us)
            if alone in of.standing or alone in of.voided:
                waits.add(whose)
            else:
                places[whose] = len(found)
                found.append(alone)
        target.append(places.get(whose, _NONE))
    return found, np.array(target, dtype=np.int64)
