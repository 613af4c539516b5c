"""What was billed of periods while they ran (engine.billing.running_periods), set against the invoices that close them. Pure.

Rules:
1. The invoice that closes a period bills what its lines come to, less what the invoices of its parts that stand have billed of them,
   by subscription and start of the period: also where its end has moved since. A part never moves a period's start.
2. Of a period that is closed, parts count as booked, as its own lines do: what comes late is measured against both.
3. Parts of a period that isn't closed yet, and isn't by this run, are left alone: they wait for the invoice that closes it. Where
   nothing is left of the period, since its subscription has none there any more, they are given back once it would have ended. The
   same where the invoice that closed it is void, also if one in another currency stands: it will be made anew, beside the parts.
4. Lines of a part from before an erasure don't say what they are of: the invoice that closes the period bills its lines whole, and
   gives back those of the part, each as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.closing.adjustments import rest
from engine.billing.closing.invoice import InvoiceKey
from engine.billing.closing.run_customers import RunCustomers
from engine.billing.closing.settled_lines import LINE_ROWS
from engine.billing.segments import Index, periods_of_rows
from engine.decimal_texts import combined
from engine.times import datetime_us

_NONE = -1


@dataclass(frozen=True, eq=False, slots=True)
class PlacedParts:
    """Of n booked rows.

    is_closed: bool[n], whether they count as booked of closed periods (rule 2).
    rows, invoice: those of parts whose period is due now, and which of the due invoices they are taken off.
    """

    is_closed: npt.NDArray[np.bool_]
    rows: pa.Table
    invoice: Index


def placed_parts(
    of: RunCustomers, due: Sequence[InvoiceKey], keys: Sequence[InvoiceKey], booked: pa.Table
) -> PlacedParts:
    """`due`: of the invoices that the run issues; `keys`: of all that were settled; `booked`: INVOICE_LINE_ROWS."""
    end_us = np.asarray(combined(booked["period_end"].cast(pa.int64())), dtype=np.int64)
    is_closed = end_us <= of.close.from_us
    target = np.full(len(booked), _NONE, dtype=np.int64)
    ids = pa.array([each.invoice_id for each in of.parts], pa.string())
    is_part = np.asarray(combined(pc.is_in(booked["invoice_id"], value_set=ids)), dtype=np.bool_)
    places = np.flatnonzero(is_part)
    if len(places):
        is_closed[places], target[places] = _placed(of, due, keys, booked.take(pa.array(places)))
    own = np.flatnonzero(target >= 0)
    return PlacedParts(is_closed, booked.take(pa.array(own)), target[own])


def less_parts(
    due: Sequence[InvoiceKey], rows: pa.Table, invoice: Index, placed: PlacedParts
) -> tuple[pa.Table, Index]:
    """Lines of due invoices (LINE_ROWS), without what is billed of them already; and which invoice each is on."""
    if not len(placed.rows):
        return rows, invoice
    has_parts = np.isin(invoice, placed.invoice)
    found, place = rest(rows.filter(pa.array(has_parts)), placed.rows)
    of_rest = np.concatenate([placed.invoice, invoice[has_parts]])[place]
    # What is given back has the period that it had when it was billed, whose end may have moved.
    for name in ("period_start", "period_end"):
        at_us = np.array([each.start_us if name == "period_start" else each.end_us for each in due])
        column = pa.array(at_us[of_rest]).cast(LINE_ROWS.field(name).type)
        found = found.set_column(LINE_ROWS.get_field_index(name), LINE_ROWS.field(name), column)
    others = rows.filter(pa.array(~has_parts))
    return pa.concat_tables([others, found]), np.concatenate([invoice[~has_parts], of_rest])


def _placed(
    of: RunCustomers, due: Sequence[InvoiceKey], keys: Sequence[InvoiceKey], parts: pa.Table
) -> tuple[npt.NDArray[np.bool_], Index]:
    """Of rows of parts whether they count as booked of a closed period, and the due invoice that bills the rest of theirs."""
    codes = {key: number for number, key in enumerate(due)}
    erased = {each.invoice_id: codes.get(each.key, _NONE) for each in of.parts if each.is_erased}
    due_periods, now, standing = (
        {(each.customer_id, each.start_us, each.end_us) for each in some} for some in (due, keys, of.standing)
    )
    waiting = (of.ever_voided - of.standing.keys()) & set(keys)
    subscriptions = of.subscriptions()
    rows = parts.select(
        ["invoice_id", "subscription_id", "currency", "period_start", "period_end"]
    ).to_pylist()
    known = [each for each in rows if each["subscription_id"] in subscriptions]
    ends = _ends(of, {(each["subscription_id"], datetime_us(each["period_start"])) for each in known})
    is_closed, target = np.zeros(len(rows), dtype=np.bool_), np.full(len(rows), _NONE, dtype=np.int64)
    for number, row in enumerate(rows):
        if row["invoice_id"] in erased:
            target[number] = erased[row["invoice_id"]]
        if row["subscription_id"] not in subscriptions:
            continue
        customer, _ = subscriptions[row["subscription_id"]]
        start_us = datetime_us(row["period_start"])
        end_us = ends.get((row["subscription_id"], start_us))
        if end_us is None:
            is_closed[number] = datetime_us(row["period_end"]) <= of.close.from_us
            continue
        period, key = (customer, start_us, end_us), InvoiceKey(customer, row["currency"], start_us, end_us)
        if end_us <= of.close.from_us:
            is_closed[number] = (period in standing or period not in now) and key not in waiting
        elif period in due_periods:
            target[number] = codes.get(key, _NONE)
    return is_closed, target


def _ends(of: RunCustomers, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """When billing periods end, by subscription and start; of those that there still are."""
    subscriptions, listed = of.subscriptions(), sorted(wanted)
    rows = np.array([subscriptions[each][1] for each, _ in listed], dtype=np.int64)
    starts_us = np.array([start_us for _, start_us in listed], dtype=np.int64)
    found = periods_of_rows(of.catalog, rows, starts_us)
    is_there = found.exists & (found.start_us == starts_us)
    return {
        each: end_us
        for each, end_us, there in zip(listed, found.end_us.tolist(), is_there.tolist(), strict=True)
        if there
    }
