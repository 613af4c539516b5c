"""Revenue: fees by month, usage so far, and what was collected in each month.

Rules:
1. Amounts are those of ListSpend by price and of ListPayments; how they are added up is in engine.api.pages.operator.run_rate.
2. What is read is bounded: _PLANS_MAX plans, the groups that one answer has, the newest payments. Where something is left out the page says
   so.
"""

from decimal import Decimal
from typing import Final

from engine.api.pages.operator.look import Look, PagePart, Row
from engine.api.pages.operator.run_rate import (
    FeePrices,
    MonthlyFee,
    by_currency,
    collected,
    fee_prices,
    monthly_fees,
)
from engine.api.pages.operator.sections import refused_section, section
from engine.api.pages.operator.top_spend import at_of
from meterline.v1.receivables_pb2 import ListPaymentsRequest, ListPaymentsResponse, Payment
from meterline.v1.resources_pb2 import ListResourcesRequest, ListResourcesResponse
from meterline.v1.spend_pb2 import SPEND_GROUPING_PRICE, ListSpendRequest, ListSpendResponse

_PLANS_MAX: Final = 10_000
_PAGE_SIZE: Final = 1_000
_PAYMENT_PAGES_MAX: Final = 3
_FEES_SHOWN_MAX: Final = 100


async def read_revenue(look: Look) -> Row:
    """What the template shows. Raises Refusal, and InvalidRequestError for a date that is none."""
    asked = ListSpendRequest(at=at_of(look), limit=1, group_by=SPEND_GROUPING_PRICE)
    spend = await look.ask("SpendService.ListSpend", asked, ListSpendResponse)
    fees = monthly_fees(spend.groups, await _plans(look))
    return {
        "at": look.given("at"),
        "as_of": look.instant(spend.as_of),
        "is_whole": spend.group_count == len(spend.groups),
        "is_incomplete": any(each.incomplete for each in spend.groups),
        "sums": _sums(spend, fees, look),
        "fees": _fees(fees, look),
        "collected": await _collected(look),
    }


async def _plans(look: Look) -> dict[str, FeePrices]:
    found: dict[str, FeePrices] = {}
    token = ""
    while len(found) < _PLANS_MAX:
        answer = await look.ask(
            "ResourceService.ListResources",
            ListResourcesRequest(kind="plan", include_archived=True, page_size=_PAGE_SIZE, page_token=token),
            ListResourcesResponse,
        )
        found |= {each.id: fee_prices(each) for each in answer.resources}
        token = answer.next_page_token
        if not token:
            break
    return found


def _sums(spend: ListSpendResponse, fees: list[MonthlyFee], look: Look) -> Row:
    """Of each currency. What is no fee is usage, and one-off items: the rest of the total."""
    money = look.words.money
    monthly = by_currency((each.currency, each.monthly) for each in fees)
    billed = by_currency((each.currency, each.amount) for each in fees)
    lines = []
    for each in spend.totals:
        currency, zero = each.currency, Decimal(0)
        rest = Decimal(each.amount) - billed.get(currency, zero)
        lines.append(
            (
                currency,
                money(format(monthly.get(currency, zero), "f"), currency),
                money(format(billed.get(currency, zero), "f"), currency),
                money(format(rest, "f"), currency),
            )
        )
    columns = ("Currency", "#Fees a month (MRR)", "#Fees in these periods", "#Usage and items so far")
    return section("run-rate", "Run rate", columns, lines, empty="Nothing is billed in these periods.")


def _fees(fees: list[MonthlyFee], look: Look) -> Row:
    money = look.words.money
    largest = sorted(fees, key=lambda each: (each.currency, -each.monthly))
    lines = [
        (
            each.plan_id,
            each.price_id,
            money(format(each.amount, "f"), each.currency),
            money(format(each.monthly, "f"), each.currency),
        )
        for each in largest[:_FEES_SHOWN_MAX]
    ]
    more = "There are more, which the sums contain." if len(fees) > _FEES_SHOWN_MAX else ""
    columns = ("Plan", "Price", "#In these periods", "#A month")
    return section("fees", "Fees by price", columns, lines, empty="No price is a fee.", note=more)


async def _collected(look: Look) -> Row:
    name, title = "collected", "Collected by month"
    payments: list[Payment] = []
    token = ""
    for _ in range(_PAYMENT_PAGES_MAX):
        part: PagePart[ListPaymentsResponse] = await look.part(
            "ReceivablesService.ListPayments",
            ListPaymentsRequest(page_size=_PAGE_SIZE, page_token=token),
            ListPaymentsResponse,
        )
        if part.answer is None:
            return refused_section(name, title, part.refused)
        payments += part.answer.payments
        token = part.answer.next_page_token
        if not token:
            break
    sums = collected(payments)
    note = ""
    if token:
        # Of the oldest months that were read there may be more.
        note = f"Of the newest {len(payments):,} payments that were recorded: earlier ones are not in these sums."
    lines = [
        (month, currency, look.words.money(format(amount, "f"), currency))
        for (month, currency), amount in sums.items()
    ]
    columns = ("Month", "Currency", "#Collected")
    return section(name, title, columns, lines, empty="No payment is recorded.", note=note)
