"""One customer: what the catalog says of it, what it spends, and its invoices."""

from typing import Final

from engine.api.pages.operator.look import Look, Row, part_of
from engine.api.pages.operator.overview import invoice_rows
from engine.api.pages.operator.top_spend import at_of, spend_row
from engine.errors import FieldMistake, InvalidRequestError
from meterline.v1.customers_pb2 import Customer, GetCustomerRequest, GetCustomerResponse
from meterline.v1.invoices_pb2 import ListInvoicesRequest, ListInvoicesResponse
from meterline.v1.spend_pb2 import GetSpendRequest, GetSpendResponse

_ROWS_MAX: Final = 24
_LINES_MAX: Final = 200


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
    return {
        "at": look.given("at"),
        "customer": _customer(customer),
        "spend": part_of(spend, lambda answer: _spend(answer, look)),
        "invoices": part_of(invoices, lambda answer: invoice_rows(answer.invoices, look)),
    }


def _customer(customer: Customer) -> Row:
    return {
        "id": customer.id,
        "name": customer.name or customer.id,
        "parent": customer.parent_id,
        "aliases": ", ".join(customer.aliases),
        "is_archived": customer.archived,
        "more": customer.more,
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
