"""What a customer has spent: SpendService's answer as frozen values with exact Decimals."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from meterline.arguments import asked_text, epoch_us, set_snapshot
from meterline.errors import NoSingleCurrencyError
from meterline.reads.lines import LineItem, line_item
from meterline.v1 import spend_pb2


@dataclass(frozen=True, slots=True)
class CurrencySpend:
    """The sum of a customer's line items in one currency; `incomplete` if some line can't be rated, and is not in it."""

    currency: str
    amount: Decimal
    line_item_count: int
    event_count: int
    incomplete: bool


@dataclass(frozen=True, slots=True)
class Spend:
    """A customer's spend in the current or asked billing period.

    It holds exactly the events that had been ingested at `as_of`, rated with revision `catalog_revision`
    of the catalog. Most customers have one currency: `amount` and `currency` are then at hand.
    """

    customer_id: str
    totals: tuple[CurrencySpend, ...]
    line_items: tuple[LineItem, ...]
    as_of: datetime
    catalog_revision: int

    @property
    def amount(self) -> Decimal:
        """The amount, for a customer with one currency. Raises NoSingleCurrencyError otherwise."""
        return self._only_total().amount

    @property
    def incomplete(self) -> bool:
        """Whether some line can't be rated, so that a total lacks it."""
        return any(total.incomplete for total in self.totals)

    @property
    def currency(self) -> str:
        """The currency, for a customer with one. Raises NoSingleCurrencyError otherwise."""
        return self._only_total().currency

    def _only_total(self) -> CurrencySpend:
        if not self.totals:
            raise NoSingleCurrencyError(
                f"customer {self.customer_id} has no line item in this period, so no currency and no amount: "
                "does a subscription cover it? `totals` is empty"
            )
        if len(self.totals) > 1:
            currencies = ", ".join(total.currency for total in self.totals)
            raise NoSingleCurrencyError(
                f"customer {self.customer_id} has {len(self.totals)} currencies ({currencies}): read `totals`"
            )
        return self.totals[0]


def spend_request(
    customer_id: str, at: datetime | None, as_of: datetime | None, catalog_revision: int | None
) -> bytes:
    """A serialized GetSpendRequest. Raises InvalidArgumentError."""
    request = spend_pb2.GetSpendRequest(customer_id=asked_text("customer_id", customer_id))
    if at is not None:
        request.at.FromMicroseconds(epoch_us(at, "at"))
    set_snapshot(request, as_of, catalog_revision)
    return request.SerializeToString()


def read_spend(customer_id: str, response: spend_pb2.GetSpendResponse) -> Spend:
    """The answer as values, exact."""
    return Spend(
        customer_id=customer_id,
        totals=tuple(
            CurrencySpend(
                total.currency,
                Decimal(total.amount),
                total.line_item_count,
                total.event_count,
                total.incomplete,
            )
            for total in response.spends
        ),
        line_items=tuple(map(line_item, response.line_items)),
        as_of=response.as_of.ToDatetime(tzinfo=UTC),
        catalog_revision=response.catalog_revision,
    )
