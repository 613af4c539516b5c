"""One customer's story: what the catalog says of it, what it spends, and what happened to it.

Rules:
1. Each part is the answer of one call, of a bounded number of entries; the page says where there are more.
2. Events are those of the last day, the first ones by their own time, with how late each was stored.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from engine.api.pages.operator.look import Look, PagePart, Row, customer_address, part_of
from engine.api.pages.operator.overview import alert_rows, count_text, invoice_rows, reason_text
from engine.api.pages.operator.sections import Line, TableCell, refused_section, section, section_of
from engine.api.pages.operator.top_spend import at_of, spend_row
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import to_timestamp
from meterline.v1.alerts_pb2 import ListAlertCrossingsRequest, ListAlertCrossingsResponse
from meterline.v1.customers_pb2 import Customer, GetCustomerRequest, GetCustomerResponse
from meterline.v1.events_pb2 import (
    ListEventsRequest,
    ListEventsResponse,
    ListProblemsRequest,
    ListProblemsResponse,
)
from meterline.v1.invoices_pb2 import ListInvoicesRequest, ListInvoicesResponse
from meterline.v1.receivables_pb2 import (
    GetAccountRequest,
    GetAccountResponse,
    ListPaymentsRequest,
    ListPaymentsResponse,
    PaymentState,
)
from meterline.v1.resources_pb2 import ListResourceVersionsRequest, ListResourceVersionsResponse
from meterline.v1.spend_pb2 import GetSpendRequest, GetSpendResponse
from meterline.v1.subscriptions_pb2 import ListSubscriptionsRequest, ListSubscriptionsResponse

_LINES_MAX: Final = 200
_SUBSCRIPTIONS_MAX: Final = 50
_ROWS_MAX: Final = 20
# A customer is rarely billed in more than one.
_CURRENCIES_MAX: Final = 4
_DAY_US: Final = 86_400_000_000
_US: Final = 1_000_000


async def read_story(look: Look) -> Row:
    """What the template shows. Raises Refusal where there is no such customer, and InvalidRequestError."""
    customer_id = look.given("id")
    if not customer_id:
        raise InvalidRequestError(FieldMistake("id", "is empty: name a customer"))
    asked = GetCustomerRequest(customer_id=customer_id)
    customer = (await look.ask("CustomerService.GetCustomer", asked, GetCustomerResponse)).customer
    spend = await look.part(
        "SpendService.GetSpend", GetSpendRequest(customer_id=customer_id, at=at_of(look)), GetSpendResponse
    )
    invoices = await look.part(
        "InvoiceService.ListInvoices",
        ListInvoicesRequest(customer_id=customer_id, page_size=_ROWS_MAX),
        ListInvoicesResponse,
    )
    currencies = _currencies(spend, invoices)
    return {
        "at": look.given("at"),
        "customer": _customer(customer),
        "spend": part_of(spend, lambda answer: _spend(answer, look)),
        "invoices": part_of(invoices, lambda answer: invoice_rows(answer.invoices, look)),
        "sections": [
            await _subscriptions(customer_id, look),
            await _account(customer_id, currencies, look),
            await _payments(customer_id, look),
            await _alerts(customer_id, look),
            await _events(customer_id, look),
            await _problems(customer_id, look),
            await _changes(customer_id, look),
        ],
    }


def _currencies(spend: PagePart[GetSpendResponse], invoices: PagePart[ListInvoicesResponse]) -> list[str]:
    found = [each.currency for each in spend.answer.spends] if spend.answer else []
    found += [each.currency for each in invoices.answer.invoices] if invoices.answer else []
    return list(dict.fromkeys(found))[:_CURRENCIES_MAX]


def _customer(customer: Customer) -> Row:
    return {
        "id": customer.id,
        "name": customer.name or customer.id,
        "parent": customer.parent_id,
        "parent_address": customer_address(customer.parent_id),
        "aliases": ", ".join(customer.aliases),
        "is_archived": customer.archived,
    }


def _spend(answer: GetSpendResponse, look: Look) -> Row:
    words = look.words
    return {
        "as_of": look.instant(answer.as_of),
        "sums": [spend_row(each, look) for each in answer.spends],
        "lines": [
            {
                "subscription": each.subscription_id,
                "name": each.product or each.price_id,
                "dimensions": ", ".join(f"{name}: {value}" for name, value in each.dimensions.items()),
                "quantity": each.quantity,
                "amount": words.money(each.amount, each.currency) if each.amount else "not rated",
            }
            for each in answer.line_items[:_LINES_MAX]
        ],
        "left_out": max(0, sum(each.line_item_count for each in answer.spends) - _LINES_MAX),
    }


async def _subscriptions(customer_id: str, look: Look) -> Row:
    found = await look.part(
        "SubscriptionService.ListSubscriptions",
        ListSubscriptionsRequest(
            fields={"customer": customer_id}, include_archived=True, page_size=_SUBSCRIPTIONS_MAX
        ),
        ListSubscriptionsResponse,
    )

    def lines_of(answer: ListSubscriptionsResponse) -> Sequence[Line]:
        return [
            (
                f"{each.id} (archived)" if each.archived else each.id,
                each.plan_id,
                look.instant(each.start),
                look.instant(each.end) if each.HasField("end") else "open-ended",
            )
            for each in answer.subscriptions
        ]

    return section_of(
        found,
        "subscriptions",
        "Subscriptions",
        ("Subscription", "Plan", "Starts", "Ends"),
        lines_of,
        empty="It has no subscription.",
        note=lambda answer: "There are more, which are not shown here." if answer.next_page_token else "",
    )


async def _account(customer_id: str, currencies: list[str], look: Look) -> Row:
    lines, words = [], look.words
    name, title = "account", "Account"
    for currency in currencies:
        found = await look.part(
            "ReceivablesService.GetAccount",
            GetAccountRequest(customer_id=customer_id, currency=currency),
            GetAccountResponse,
        )
        if found.answer is None:
            return refused_section(name, title, found.refused)
        account = found.answer.account
        amounts = (
            account.balance,
            account.outstanding,
            account.overdue,
            account.unused,
            account.written_off,
        )
        balance, outstanding, overdue, unused, written_off = (words.money(each, currency) for each in amounts)
        is_overdue = Decimal(account.overdue) > 0
        lines.append(
            (currency, balance, outstanding, TableCell(overdue, is_bad=is_overdue), unused, written_off)
        )
    columns = ("Currency", "#Balance", "#Outstanding", "#Overdue", "#Unused", "#Written off")
    return section(name, title, columns, lines, empty="Nothing has been billed in any currency.")


async def _payments(customer_id: str, look: Look) -> Row:
    found = await look.part(
        "ReceivablesService.ListPayments",
        ListPaymentsRequest(customer_id=customer_id, page_size=_ROWS_MAX),
        ListPaymentsResponse,
    )

    def lines_of(answer: ListPaymentsResponse) -> Sequence[Line]:
        lines: list[Line] = []
        for each in answer.payments:
            is_failed = each.state == PaymentState.PAYMENT_STATE_FAILED
            state = f"failed: {each.failure_reason}" if is_failed else "succeeded"
            paid = ", ".join(one.invoice for one in each.applied)
            amount = look.words.money(each.amount, each.currency)
            received = look.instant(each.received_at)
            lines.append((each.payment_id, received, TableCell(state, is_bad=is_failed), amount, paid))
        return lines

    return section_of(
        found,
        "payments",
        "The newest payments",
        ("Payment", "Received", "State", "#Amount", "Pays"),
        lines_of,
        empty="No payment is recorded.",
    )


async def _alerts(customer_id: str, look: Look) -> Row:
    found = await look.part(
        "AlertService.ListAlertCrossings",
        ListAlertCrossingsRequest(customer_id=customer_id, page_size=_ROWS_MAX),
        ListAlertCrossingsResponse,
    )

    def lines_of(answer: ListAlertCrossingsResponse) -> Sequence[Line]:
        return [
            (each["alert"], each["measure"], each["threshold"], each["value"], each["at"], each["recovered"])
            for each in alert_rows(answer, look)
        ]

    return section_of(
        found,
        "alerts",
        "Alerts",
        ("Alert", "Measure", "#Threshold", "#Value", "Reached", "Recovered"),
        lines_of,
        empty="No threshold has been reached.",
    )


async def _events(customer_id: str, look: Look) -> Row:
    found = await look.part(
        "EventService.ListEvents",
        ListEventsRequest(
            customer_ids=[customer_id],
            start=to_timestamp(look.now_us - _DAY_US),
            include_voided=True,
            page_size=_ROWS_MAX,
        ),
        ListEventsResponse,
    )

    def lines_of(answer: ListEventsResponse) -> Sequence[Line]:
        lines: list[Line] = []
        for each in answer.events:
            late_s = max(0, each.ingested_at.ToMicroseconds() - each.event_time.ToMicroseconds()) // _US
            by = each.voided.correction_id or "the engine"
            state = TableCell(f"void, by {by}", is_bad=True) if each.HasField("voided") else "counts"
            lines.append(
                (
                    each.event_id,
                    each.event_type,
                    look.instant(each.event_time),
                    count_text(late_s, look),
                    state,
                )
            )
        return lines

    return section_of(
        found,
        "events",
        "Events of the last 24 hours",
        ("Event", "Type", "Time", "#Stored so many seconds later", "State"),
        lines_of,
        empty="There was none.",
        note=lambda answer: (
            "There are later ones: meterline events --customer lists all." if answer.next_page_token else ""
        ),
    )


async def _problems(customer_id: str, look: Look) -> Row:
    found = await look.part(
        "EventService.ListProblems",
        ListProblemsRequest(customer_id=customer_id, page_size=_ROWS_MAX),
        ListProblemsResponse,
    )

    def lines_of(answer: ListProblemsResponse) -> Sequence[Line]:
        return [
            (look.instant(each.received_at), reason_text(each.reason), each.field, each.event_id)
            for each in answer.problems
        ]

    return section_of(
        found,
        "problems",
        "Refused events of the last 7 days",
        ("Received", "Reason", "Field", "Event"),
        lines_of,
        empty="There is none in the log.",
    )


async def _changes(customer_id: str, look: Look) -> Row:
    found = await look.part(
        "ResourceService.ListResourceVersions",
        ListResourceVersionsRequest(kind="customer", id=customer_id, page_size=_ROWS_MAX),
        ListResourceVersionsResponse,
    )

    def lines_of(answer: ListResourceVersionsResponse) -> Sequence[Line]:
        return [
            (look.instant(each.changed_at), each.changed_by or "not kept", str(each.revision))
            for each in answer.versions
        ]

    return section_of(
        found,
        "changes",
        "Changes of the customer in the catalog",
        ("Changed", "By", "#Revision"),
        lines_of,
        empty="There is none.",
    )
