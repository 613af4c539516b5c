"""Customers found by the beginning of their id, page by page."""

from typing import Final
from urllib.parse import urlencode

from engine.api.pages.operator.look import Look, Row, customer_address
from engine.api.pages.operator.sections import TableCell, section
from engine.api.pages.operator.sign_in import BASE
from meterline.v1.customers_pb2 import ListCustomersRequest, ListCustomersResponse

_ROWS_MAX: Final = 50


async def read_customers(look: Look) -> Row:
    """What the template shows. Raises Refusal."""
    begins = look.given("q")
    found = await look.ask(
        "CustomerService.ListCustomers",
        ListCustomersRequest(id_prefix=begins, page_size=_ROWS_MAX, page_token=look.given("page")),
        ListCustomersResponse,
    )
    lines = [
        (TableCell(each.id, customer_address(each.id)), each.name, TableCell(each.parent_id, _parent_address(each.parent_id)))
        for each in found.customers
    ]  # fmt: skip
    return {
        "begins": begins,
        "section": section(
            "customers", "Found", ("Customer", "Name", "Below"), lines, empty="No customer's id begins so."
        ),
        "next": ""
        if not found.next_page_token
        else f"{BASE}/customers?{urlencode({'q': begins, 'page': found.next_page_token})}",
    }


def _parent_address(parent_id: str) -> str:
    return customer_address(parent_id) if parent_id else ""
