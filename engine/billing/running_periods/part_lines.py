"""What is to be billed of billing periods while they run: lines on invoices of their own. Pure.

Rules:
1. A part bills usage, which is lines of prices with a meter and what spend beyond a commitment costs more, and fees in advance. Other
   fees are billed with the period, and so is all that is known at its end only: minimums of prices, and what a commitment adds for
   less.
2. A line is what it comes to by the watermark, rated over the whole period from its start, less all that is booked of it: of
   amounts, discounts, credits and taxes alike. So parts, and the invoice that closes the period, add up to what one close at the
   end would have given, whatever the price. A part never moves the period's start.
3. What a subscription has not been billed is the sum of these differences: amounts less discounts and credits, before taxes. Usage
   is invoiced when it comes to the subscription's threshold. Fees in advance, apart from it, are when their amounts come to more than
   is booked, also before they are rounded: at the start of the period, and where a change inside it adds to them. Credit that is
   shared anew is no reason, nor is a cent that lines share. Where less has come of them meanwhile, nothing is: signed lines are on
   the next invoice, be it a part or the one that closes the period.
4. Discounts and credits are those that the lines have on the invoice of the whole period: a coupon for some periods lasts no shorter
   for it, and an amount off is shared with what is billed later.
5. An invoice has the lines of the subscriptions of a customer, in one currency of one billing period, whose usage or fees are to be
   billed: others wait for theirs.
6. Only what has begun by the watermark is billed: a plan that the subscription comes to later in the period is not.
7. In a period of which a part is from before an erasure there is no other: what it billed is not told by line any more.
8. In a period of which a part was made void the engine bills no other by itself: a person does, or the close.
9. A booked fee is one in advance unless its line is there, and of a price that isn't: other fees are on no part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.closing.adjustments import adjustments
from engine.billing.closing.assembled import ToIssue
from engine.billing.closing.invoice import Invoice, InvoiceKey
from engine.billing.closing.settled_lines import LINE_ROWS
from engine.billing.running_periods.invoicing_thresholds import Threshold
from engine.billing.segments import Index
from engine.decimal_texts import combined, decimal128_column
from rating import EXACT

_Owner = tuple[str, str]
"""A subscription, and a currency."""
_COUNTED: Final = (("amount_minor", 1), ("discount_minor", -1), ("credit_minor", -1))


@dataclass(frozen=True, slots=True)
class RunningSubscription:
    """One that runs. `threshold`: from what on its usage may be billed; None for never, or, `regardless`, whatever it comes to, in each
    currency, and fees in advance alike.
    """

    customer_id: str
    start_us: int
    end_us: int
    threshold: Threshold | None
    regardless: bool = False

    def key(self, currency: str) -> InvoiceKey:
        return InvoiceKey(self.customer_id, currency, self.start_us, self.end_us)


def part_invoices(
    of: Mapping[str, RunningSubscription],
    now: pa.Table,
    is_in_advance: npt.NDArray[np.bool_],
    booked: pa.Table,
    invoices: Sequence[Invoice],
    as_of_us: int,
    *,
    bills_void_anew: bool,
) -> ToIssue:
    """What is to be issued.

    Args:
        of: the subscriptions that may be billed now, by their ids.
        now: what the lines of their running periods come to (LINE_ROWS).
        is_in_advance: of each of these lines whether it is of a price in advance.
        booked: the lines of the customers' invoices of these periods that stand (LINE_ROWS).
        invoices: all of these invoices, also void ones.
        as_of_us: the watermark.
        bills_void_anew: False for rule 8.
    """
    begun = pc.less_equal(now["service_start"].cast(pa.int64()), as_of_us)
    usage = adjustments(
        _running(now.filter(pc.and_(_is_usage(now), begun)), of),
        _running(booked.filter(_is_usage(booked)), of),
    )
    fees = adjustments(
        _running(now.filter(pc.and_(pc.and_(_is_fee(now), pa.array(is_in_advance)), begun)), of),
        _running(booked.filter(_is_booked_in_advance(now, is_in_advance, booked)), of),
    )
    differences = pa.concat_tables([usage, fees])
    is_due = [*_usage_due(usage, of), *_fees_due(fees, of)]
    left_out = frozenset(
        each.key
        for each in invoices
        # Closed already, as its end was moved to and fro.
        if (each.state is not InvoiceState.VOID and (not each.part or each.is_erased))
        or (each.state is InvoiceState.VOID and each.part and not bills_void_anew)
    )
    keys: dict[InvoiceKey, int] = {}
    target = _targets(differences, is_due, of, left_out, keys)
    billed = np.flatnonzero(target >= 0)
    last: dict[InvoiceKey, int] = {}
    for each in invoices:
        last[each.key] = max(last.get(each.key, 0), each.part)
    rows = differences.take(pa.array(billed))
    ends_us = np.array([each.end_us for each in keys], dtype=np.int64)
    place = LINE_ROWS.get_field_index("period_end")
    period_end = pa.array(ends_us[target[billed]]).cast(LINE_ROWS.field(place).type)
    rows = rows.set_column(place, LINE_ROWS.field(place), period_end)
    parts = [last.get(each, 0) + 1 for each in keys]
    return ToIssue(list(keys), rows, target[billed], [""] * len(rows), parts)


def _is_usage(rows: pa.Table) -> pa.ChunkedArray:
    """Rule 1."""
    of_meter = pc.and_(pc.equal(rows["kind"], "charge"), pc.not_equal(rows["meter_id"], ""))
    return pc.or_(of_meter, pc.equal(rows["kind"], "overage"))


def _is_fee(rows: pa.Table) -> pa.ChunkedArray:
    return pc.and_(pc.equal(rows["kind"], "charge"), pc.equal(rows["meter_id"], ""))


def _is_booked_in_advance(
    now: pa.Table, is_in_advance: npt.NDArray[np.bool_], booked: pa.Table
) -> pa.ChunkedArray:
    """Rule 9."""
    in_arrears = now.filter(pc.and_(_is_fee(now), pa.array(~is_in_advance)))["line_item_id"]
    is_other = pc.is_in(booked["line_item_id"], value_set=combined(in_arrears))
    return pc.and_(_is_fee(booked), pc.invert(is_other))


def _running(rows: pa.Table, of: Mapping[str, RunningSubscription]) -> pa.Table:
    """Those of the running periods of these subscriptions."""
    found = rows.select(LINE_ROWS.names)
    known = pa.array(list(of), pa.string())
    number = pc.fill_null(pc.index_in(found["subscription_id"], value_set=known), -1)
    starts_us = np.array([*(each.start_us for each in of.values()), -1], dtype=np.int64)
    number_of = np.asarray(combined(number), dtype=np.int64)
    start_us = np.asarray(combined(found["period_start"].cast(pa.int64())), dtype=np.int64)
    return found.filter(pa.array((number_of >= 0) & (starts_us[number_of] == start_us)))


def _targets(
    rows: pa.Table,
    is_due: Sequence[bool],
    of: Mapping[str, RunningSubscription],
    left_out: frozenset[InvoiceKey],
    keys: dict[InvoiceKey, int],
) -> Index:
    """Of each difference the place of its invoice among `keys`, which are found on the way; -1 for what is not billed now."""
    target = np.full(len(rows), -1, dtype=np.int64)
    for place, (subscription_id, currency) in enumerate(_owners(rows)):
        key = of[subscription_id].key(currency)
        if is_due[place] and key not in left_out:
            target[place] = keys.setdefault(key, len(keys))
    return target


def _usage_due(rows: pa.Table, of: Mapping[str, RunningSubscription]) -> list[bool]:
    """Which of these differences of usage rule 3 bills."""
    owners, spend = _owners(rows), dict[_Owner, int]()
    for name, sign in _COUNTED:
        for owner, minor in zip(owners, _minor_amounts(rows, name), strict=True):
            spend[owner] = spend.get(owner, 0) + sign * minor
    return [
        of[each[0]].regardless or _is_reached(of[each[0]].threshold, each[1], spend[each]) for each in owners
    ]


def _fees_due(rows: pa.Table, of: Mapping[str, RunningSubscription]) -> list[bool]:
    """Which of these differences of fees rule 3 bills."""
    owners, minor, exact = _owners(rows), dict[_Owner, int](), dict[_Owner, Decimal]()
    amounts = zip(_minor_amounts(rows, "amount_minor"), rows["exact_amount"].to_pylist(), strict=True)
    for owner, (rounded, unrounded) in zip(owners, amounts, strict=True):
        minor[owner] = minor.get(owner, 0) + rounded
        exact[owner] = EXACT.add(exact.get(owner, Decimal(0)), Decimal(unrounded or 0))
    return [of[each[0]].regardless or (minor[each] > 0 and exact[each] > 0) for each in owners]


def _owners(rows: pa.Table) -> list[_Owner]:
    return list(zip(rows["subscription_id"].to_pylist(), rows["currency"].to_pylist(), strict=True))


def _minor_amounts(rows: pa.Table, name: str) -> list[int]:
    return [int(each) for each in decimal128_column(combined(rows[name]), 0).mantissa.tolist()]


def _is_reached(threshold: Threshold | None, currency: str, spend_minor: int) -> bool:
    return threshold is not None and currency == threshold.currency and spend_minor >= threshold.amount_minor
