"""What customers spend in some billing periods: sums of their lines, as SpendService has them of one instant."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import MAX_PREC, Context, Decimal, localcontext
from typing import Any

from meterline.v1.billing_pb2 import ListLineItemsResponse, UnrateableCustomer
from meterline.v1.spend_pb2 import ListSpendResponse, Spend

_COLUMNS = ("customer_id", "currency", "amount", "event_count")


@dataclass(slots=True)
class _Sum:
    """Of some lines; `flagged` ones have no amount, and are in nothing else."""

    amount: Decimal = Decimal(0)
    lines: int = 0
    events: int = 0
    flagged: int = 0

    def add(self, amount: Decimal, lines: int, events: int, flagged: int) -> None:
        self.amount += amount
        self.lines += lines
        self.events += events
        self.flagged += flagged

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
    unrateable: dict[str, UnrateableCustomer] = {}
    response = ListSpendResponse()
    # Sums of decimals are exact.
    with localcontext(Context(prec=MAX_PREC)):
        for page in answer:
            for customer_id, currency, amount, events in _rows(page):
                line = (Decimal(0), 0, 0, 1) if amount is None else (Decimal(amount), 1, events or 0, 0)
                customers[customer_id, currency].add(*line)
                currencies[currency].add(*line)
            for each in page.unrateable_customers:
                unrateable.setdefault(each.customer_id, each)
            response.as_of.CopyFrom(page.as_of)
            response.catalog_revision = page.catalog_revision
        for currency in sorted(currencies):
            own = [(-found.amount, who) for (who, its), found in customers.items() if its == currency]
            response.spends.extend(
                customers[who, currency].message(who, currency) for _, who in sorted(own)[:top]
            )
            if of_all:
                response.totals.append(currencies[currency].message("", currency))
    response.unrateable_customers.extend(unrateable.values() if of_all else ())
    return response


def _rows(page: ListLineItemsResponse) -> Iterator[tuple[Any, ...]]:
    import pyarrow as pa  # noqa: PLC0415 - its parts take as long to load as all the rest

    table: Any = pa.ipc.open_stream(page.arrow).read_all()
    return zip(*(table[name].to_pylist() for name in _COLUMNS), strict=True)
