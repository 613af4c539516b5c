"""Sums of listed lines, as SpendService has them of all customers at one instant: of some billing periods, or of one customer."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import MAX_PREC, Context, Decimal, localcontext
from typing import Any

from meterline.v1.billing_pb2 import ListLineItemsResponse, UnrateableCustomer
from meterline.v1.spend_pb2 import ListSpendResponse, Spend

_SUMMED = ("currency", "amount", "event_count")
# What lines are grouped by, and its columns.
GROUPED_BY = {
    "product": ("product",),
    "plan": ("plan_id",),
    "price": ("plan_id", "price_id"),
    "meter": ("meter_id",),
}


@dataclass(slots=True)
class _Sum:
    """Of some lines; `flagged` ones have no amount, and are in nothing else."""

    amount: Decimal = Decimal(0)
    lines: int = 0
    events: int = 0
    flagged: int = 0

    def add(self, amount: str | None, events: int | None) -> None:
        """A line."""
        if amount is None:
            self.flagged += 1
            return
        self.amount += Decimal(amount)
        self.lines += 1
        self.events += events or 0

    def message(self, customer_id: str, currency: str) -> Spend:
        return Spend(
            customer_id=customer_id,
            currency=currency,
            amount=format(self.amount, "f"),
            line_item_count=self.lines,
            event_count=self.events,
            incomplete=bool(self.flagged),
        )


def summed(answer: Iterable[ListLineItemsResponse], top: int, *, of_all: bool) -> ListSpendResponse:
    """The sums of all lines of an answer in Arrow form: at most `top` customers of each currency. `of_all`: what
    all come to, too, and whose lines can't be rated.
    """
    customers: dict[tuple[str, str], _Sum] = defaultdict(_Sum)
    currencies: dict[str, _Sum] = defaultdict(_Sum)
    response = ListSpendResponse()
    # Sums of decimals are exact.
    with localcontext(Context(prec=MAX_PREC)):
        for customer_id, currency, amount, events in _lines(answer, response, "customer_id"):
            customers[customer_id, currency].add(amount, events)
            currencies[currency].add(amount, events)
        for currency in sorted(currencies):
            own = [(-found.amount, who) for (who, its), found in customers.items() if its == currency]
            response.spends.extend(
                customers[who, currency].message(who, currency) for _, who in sorted(own)[:top]
            )
            if of_all:
                response.totals.append(currencies[currency].message("", currency))
    if not of_all:
        response.ClearField("unrateable_customers")
    return response


def grouped(answer: Iterable[ListLineItemsResponse], by: str) -> ListSpendResponse:
    """The sums of all lines of an answer in Arrow form by one of GROUPED_BY: by currency, then descending by amount."""
    names = GROUPED_BY[by]
    found: dict[tuple[str, ...], _Sum] = defaultdict(_Sum)
    response = ListSpendResponse()
    with localcontext(Context(prec=MAX_PREC)):
        for *key, currency, amount, events in _lines(answer, response, *names):
            found[currency, *(each or "" for each in key)].add(amount, events)
        for currency, *key in sorted(found, key=lambda each: (each[0], -found[each].amount, each)):
            its = found[currency, *key]
            response.groups.add(
                **dict(zip(names, key, strict=True)),
                currency=currency,
                amount=format(its.amount, "f"),
                line_item_count=its.lines,
                event_count=its.events,
                incomplete=bool(its.flagged),
            )
    response.group_count = len(response.groups)
    return response


def _lines(
    answer: Iterable[ListLineItemsResponse], response: ListSpendResponse, *names: str
) -> Iterator[tuple[Any, ...]]:
    """Of each line what these columns have, and what is summed. Of which snapshot they are, and whose lines can't be rated, is in the
    response by the last of them.
    """
    unrateable: dict[str, UnrateableCustomer] = {}
    for page in answer:
        yield from _rows(page, *names)
        for each in page.unrateable_customers:
            unrateable.setdefault(each.customer_id, each)
        response.as_of.CopyFrom(page.as_of)
        response.catalog_revision = page.catalog_revision
    response.unrateable_customers.extend(unrateable.values())


def _rows(page: ListLineItemsResponse, *names: str) -> Iterator[tuple[Any, ...]]:
    import pyarrow as pa  # noqa: PLC0415 - its parts take as long to load as all the rest

    table: Any = pa.ipc.open_stream(page.arrow).read_all()
    return zip(*(table[name].to_pylist() for name in (*names, *_SUMMED)), strict=True)
