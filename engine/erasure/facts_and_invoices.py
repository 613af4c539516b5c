"""What an erasure does in the catalog database beside the catalog: to facts of the outbox, and to invoices.

Rules:
1. Facts that name the customer name the pseudonym.
2. Invoices stay: they are what was owed. The header names the pseudonym in the place of the customer, and so does a reason for which
   it is void.
3. Its lines keep every amount, quantity, count and digest, and lose what could name somebody: the subscription, the values of
   dimensions, and the id that was made from both.
4. So nothing can be held against these lines any more: what is recorded or corrected later of periods that were closed before the
   erasure is not billed (engine.billing.closing.due_invoices).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, or_, select, update

from engine.catalog.kinds import json_text
from engine.erasure.naming import Naming
from engine.sql.invoice_tables import INVOICES
from engine.sql.schema import OUTBOX
from engine.usage.store.query import Query
from engine.usage.store.tables.booked_schema import BOOKED_LINES_TABLE
from fields import Json

# Their text stays below what a server takes as a parameter.
_INVOICES_AT_ONCE: Final = 1_000


def naming_facts(connection: Connection, tenant: str, naming: Naming) -> Sequence[Row[Any]]:
    """The rows that name the customer."""
    columns = OUTBOX.c
    looked_for = (
        *(columns.object_id.icontains(each, autoescape=True) for each in naming.texts),
        # As JSON has it.
        *(columns.payload.icontains(json_text(each)[1:-1], autoescape=True) for each in naming.texts),
    )
    wanted = select(OUTBOX).where(columns.tenant == tenant, or_(*looked_for)).order_by(columns.number)
    return [
        row
        for row in connection.execute(wanted)
        if any(map(naming.is_in, (row.object_id, *_texts(json.loads(row.payload)))))
    ]


def change_facts(
    connection: Connection,
    rows: Sequence[Row[Any]],
    naming: Naming,
    new_ids: Mapping[str, str],
    pseudonym: str,
) -> None:
    """Whole ids become what took their place (`new_ids`); elsewhere the pseudonym stands where the customer was named."""

    def text(each: str) -> str:
        return new_ids.get(each) or naming.replaced(each, pseudonym)

    def changed(value: Json) -> Json:
        if isinstance(value, str):
            return text(value)
        if isinstance(value, dict):
            return {name: changed(each) for name, each in value.items()}
        return [changed(each) for each in value] if isinstance(value, list) else value

    for row in rows:
        payload = json_text(changed(json.loads(row.payload)))
        connection.execute(
            update(OUTBOX)
            .where(OUTBOX.c.number == row.number)
            .values(object_id=text(row.object_id), payload=payload)
        )


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def invoices_naming(connection: Connection, tenant: str, naming: Naming) -> Sequence[Row[Any]]:
    """The customer's invoices, and those whose reason of being void names it."""
    columns = INVOICES.c
    looked_for = [columns.void_reason.icontains(each, autoescape=True) for each in naming.texts]
    is_hers = columns.customer_id == naming.customer_id
    wanted = (
        select(INVOICES).where(columns.tenant == tenant, or_(is_hers, *looked_for)).order_by(columns.number)
    )
    return [
        row
        for row in connection.execute(wanted)
        if row.customer_id == naming.customer_id or naming.is_in(row.void_reason)
    ]


def change_invoices(
    connection: Connection, rows: Sequence[Row[Any]], naming: Naming, pseudonym: str, now_us: int
) -> None:
    """Rule 2."""
    for row in rows:
        values: dict[str, Any] = {"void_reason": naming.replaced(row.void_reason, pseudonym)}
        if row.customer_id == naming.customer_id:
            values |= {"customer_id": pseudonym, "erased_at_us": now_us}
        connection.execute(
            update(INVOICES)
            .where(INVOICES.c.tenant == row.tenant, INVOICES.c.invoice_id == row.invoice_id)
            .values(**values)
        )


def erased_invoice_ids(connection: Connection, tenant: str, pseudonym: str) -> list[str]:
    """Of the invoices whose lines rule 3 is about."""
    columns = INVOICES.c
    return list(
        connection.scalars(
            select(columns.invoice_id).where(
                columns.tenant == tenant, columns.customer_id == pseudonym, columns.erased_at_us.is_not(None)
            )
        )
    )


def bare_lines_statements(tenant: str, invoice_ids: Sequence[str]) -> Iterator[Query]:
    """Rule 3. They name invoices, and never the customer."""
    for first in range(0, len(invoice_ids), _INVOICES_AT_ONCE):
        yield Query(
            f"ALTER TABLE {BOOKED_LINES_TABLE} UPDATE subscription_id = '', line_item_id = '', dimensions = map() "
            "WHERE tenant = {tenant:String} AND invoice_id IN {invoices:Array(String)}",
            {"tenant": tenant, "invoices": list(invoice_ids[first : first + _INVOICES_AT_ONCE])},
        )
