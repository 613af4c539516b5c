"""The line of an invoice computed again from stored events, and compared to what was booked.

Rules:
1. The events are those of the log, each once and as corrected at the invoice's watermark: nothing is read from rollups. Where
   events have expired the answer says so, and nothing is called the same.
2. Of a line that corrects, what was booked before and what it bills together are what the line comes to.
3. What the price makes of the quantity is worked out a second time, in fractions, by code that shares nothing with the kernels:
   where the line is for its whole billing period, and the price has no terms per event.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from engine.billing.explaining.explainer import Explainer
from engine.billing.explaining.explanation import InvoiceRow, LineExplanation
from engine.billing.line_item import LineItem
from engine.billing.reconciliation.price_arithmetic import NotJudgedError, exact_amount
from engine.errors import UsageExpiredError
from engine.times import rfc3339
from rating import minor_unit_digits

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one field of a line, what was booked and what comes of the events, as texts."""

    field: str
    booked: str
    replayed: str


@dataclass(frozen=True, slots=True)
class Replay:
    """`impossible`: why the line can't be computed again; empty if it was."""

    differences: tuple[Difference, ...] = ()
    impossible: str = ""

    @property
    def is_same(self) -> bool:
        return not self.differences and not self.impossible


def replayed(from_events: Explainer, booked: InvoiceRow) -> Replay:
    """`from_events`: an explainer whose rater reads events alone.

    Raises:
        StoreUnavailableError: a store does not answer.
    """
    try:
        found = from_events.of_invoice(booked)
    except UsageExpiredError as error:
        return Replay(impossible=f"stored events are gone: {error}")
    if found.settled is None and found.adjustment is None:
        return Replay(impossible=found.unexplained or "its price can't rate the line any more")
    return Replay(differences=tuple(_differences(found, booked)))


def _differences(found: LineExplanation, booked: InvoiceRow) -> Iterator[Difference]:
    row, item, adjustment = booked.row, found.item, found.adjustment
    pairs: list[tuple[str, object, object]] = []
    if adjustment is not None:
        before, amounts = adjustment.now, adjustment.now.amounts
        pairs += [("quantity", before.quantity, item.quantity if item else _NOTHING)]
        pairs += [("event_count", before.event_count, item.event_count if item else 0)]
    else:
        amounts = {
            name: (row[f"{name}_minor"] or _NOTHING).scaleb(-_digits(booked)) for name in _names(found)
        }
        pairs += [("quantity", _decimal(row["quantity"]), item.quantity if item else _NOTHING)]
        pairs += [("event_count", row["event_count"], item.event_count if item else 0)]
        if item is not None and item.rated is not None:
            pairs += [
                ("billable_quantity", _decimal(row["billable_quantity"]), item.rated.billable_quantity),
                ("exact_amount", _decimal(row["exact_amount"]), item.rated.exact_amount),
            ]
    if item is not None:
        service = item.charge.service
        pairs += [
            ("event_digest", row["event_digest"], item.event_digest),
            ("price_version", row["price_version"], item.charge.billed.price_version),
            ("plan_version", row["plan_version"], item.charge.billed.plan_version),
            ("service_start", rfc3339(row["service_start"]), rfc3339(service.start)),
            ("service_end", rfc3339(row["service_end"]), rfc3339(service.end)),
        ]
        pairs += _in_fractions(item, is_part=booked.invoice.part > 0)
    settled = {} if found.settled is None else found.settled.amounts
    pairs += [(name, amounts[name], settled.get(name, _NOTHING)) for name in amounts]
    yield from (Difference(name, _text(one), _text(other)) for name, one, other in pairs if one != other)


def _in_fractions(item: LineItem, *, is_part: bool) -> Iterator[tuple[str, object, object]]:
    """Rule 3. `is_part`: billed while its period ran, so that the price's minimum doesn't count yet."""
    rated, billed = item.rated, item.charge.billed
    if rated is None or billed.part is not None:
        return
    with contextlib.suppress(NotJudgedError):
        price = replace(rated.price, minimum_amount=None) if is_part else rated.price
        found = exact_amount(price, Fraction(item.quantity), item.dimensions)
        if found != Fraction(rated.exact_amount):
            yield "exact_amount in fractions", rated.exact_amount, found


def _names(found: LineExplanation) -> tuple[str, ...]:
    return () if found.settled is None else tuple(found.settled.amounts)


def _digits(booked: InvoiceRow) -> int:
    return minor_unit_digits(booked.currency)


def _decimal(text: str) -> Decimal:
    return Decimal(text or 0)


def _text(value: object) -> str:
    return format(value, "f") if isinstance(value, Decimal) else str(value)
