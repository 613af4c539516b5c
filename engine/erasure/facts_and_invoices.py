"""What an erasure does in the catalog database beside the catalog: to facts of the outbox, to invoices, and to accounts.

Rules:
1. Facts that name the customer name the pseudonym.
2. Invoices stay: they are what was owed. The header names the pseudonym in the place of the customer, and so does a reason for which
   it is void.
3. Its lines keep every amount, quantity, count and digest, and lose what could name somebody: the subscription, the values of
   dimensions, the id that was made from both, and the ids of invoice items.
4. Of the billing details that are frozen on it the name becomes the pseudonym, a VAT id is made up, of the address the country stays,
   and all else goes.
5. Entries, payments, refunds, credit notes, crossings of alerts and top-ups name the pseudonym; every amount stays. What the payer wrote with a payment goes. An id
   of a payment or a refund that names the customer is another one then.
6. So nothing can be held against these lines any more: what is recorded or corrected later of periods that were closed before the
   erasure is not billed (engine.billing.closing.due_invoices).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row, Table, or_, select, update

from engine.catalog.kinds import json_text
from engine.catalog.kinds.items.billed_item import NO_ITEM
from engine.erasure.naming import Naming
from engine.erasure.tax_numbers import made_up
from engine.sql.account_tables import ACCOUNT_ENTRIES, CREDIT_NOTES, PAYMENTS, REFUNDS
from engine.sql.alert_tables import ALERT_CROSSINGS
from engine.sql.invoice_tables import DRAFT_HOLDS, INVOICES
from engine.sql.schema import OUTBOX
from engine.sql.top_up_table import TOP_UPS
from engine.usage.store.query import Query
from engine.usage.store.tables.booked_schema import BOOKED_LINES_TABLE
from fields import Json

# The columns in which people write, and the ids that a reporter gives.
_ACCOUNT_TEXTS: Final[Mapping[Table, Sequence[str]]] = {
    ACCOUNT_ENTRIES: ("reason",),
    PAYMENTS: ("method", "reference", "failure_reason"),
    REFUNDS: ("reason",),
    CREDIT_NOTES: ("reason", "void_reason"),
    ALERT_CROSSINGS: ("alert_id",),
    TOP_UPS: ("rule_id", "credit_grant_id"),
    DRAFT_HOLDS: ("reason",),
}
_REPORTED_IDS: Final[Mapping[Table, Sequence[str]]] = {PAYMENTS: ("payment_id",), REFUNDS: ("refund_id",)}
ACCOUNT_TABLES: Final = tuple(each.name for each in _ACCOUNT_TEXTS)
# In place of the id of an invoice item, which may name its customer.
_ITEM: Final = "item"
# Their text stays below what a server takes as a parameter.
_INVOICES_AT_ONCE: Final = 1_000


class AccountRow(NamedTuple):
    """A row of one of ACCOUNT_TABLES; its `is_hers` says whether it is the customer's."""

    table: Table
    row: Row[Any]


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
            details = _pseudonymised(json.loads(row.billing_details), pseudonym)
            values |= {
                "customer_id": pseudonym,
                "erased_at_us": now_us,
                "billing_details": json_text(details),
            }
        connection.execute(
            update(INVOICES)
            .where(INVOICES.c.tenant == row.tenant, INVOICES.c.invoice_id == row.invoice_id)
            .values(**values)
        )


def _pseudonymised(details: dict[str, Any], pseudonym: str) -> dict[str, Any]:
    """Rule 4."""
    if not details:
        return details
    own: dict[str, Any] = {"name": pseudonym}
    if address := details["customer"].get("address"):
        own["address"] = {"country": address["country"]}
    if tax_ids := made_up(details["customer"].get("tax_ids", ())):
        own["tax_ids"] = tax_ids
    return details | {"customer": own}


def account_rows(connection: Connection, tenant: str, naming: Naming) -> Sequence[AccountRow]:
    """Rows of accounts that are the customer's, or whose texts name it."""
    payments = select(PAYMENTS.c.payment_id).where(
        PAYMENTS.c.tenant == tenant, PAYMENTS.c.customer_id == naming.customer_id
    )
    found: list[AccountRow] = []
    for table, texts in _ACCOUNT_TEXTS.items():
        columns = table.c
        is_hers = (
            columns.customer_id == naming.customer_id
            if "customer_id" in columns
            else columns.payment_id.in_(payments)
        )
        named = (columns[each].icontains(text, autoescape=True) for each in texts for text in naming.texts)
        wanted = select(table, is_hers.label("is_hers")).where(columns.tenant == tenant, or_(is_hers, *named))
        found.extend(
            AccountRow(table, row)
            for row in connection.execute(wanted.order_by(*table.primary_key.columns))
            if row.is_hers or any(naming.is_in(getattr(row, each)) for each in texts)
        )
    return found


def change_accounts(
    connection: Connection, rows: Sequence[AccountRow], naming: Naming, pseudonym: str
) -> None:
    """Rule 5."""
    new_ids: dict[str, str] = {}
    for each in rows:
        for name in _REPORTED_IDS.get(each.table, ()):
            old = getattr(each.row, name)
            if each.row.is_hers and naming.is_in(old):
                new_ids.setdefault(old, f"{pseudonym}:{len(new_ids) + 1}")
    for each in rows:
        table, row = each.table, each.row
        values: dict[str, Any] = {
            name: naming.replaced(getattr(row, name), pseudonym) for name in _ACCOUNT_TEXTS[table]
        }
        if row.is_hers:
            values |= {
                name: new_ids.get(getattr(row, name), getattr(row, name))
                for name in ("payment_id", "refund_id", "document_id")
                if name in table.c
            }
            # What was reported can't be told from it any more.
            values |= {name: "" for name in ("digest", "reference") if name in table.c}
            values |= {"customer_id": pseudonym} if "customer_id" in table.c else {}
        own = (column == getattr(row, column.name) for column in table.primary_key.columns)
        connection.execute(update(table).where(*own).values(**values))


def erased_invoice_ids(connection: Connection, tenant: str, pseudonym: str) -> list[str]:
    """Of the invoices whose lines rule 3 is about. Lines of credit notes name nothing but those of their invoice."""
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
            f"ALTER TABLE {BOOKED_LINES_TABLE} UPDATE subscription_id = '', line_item_id = '', dimensions = map(), "
            f"plan_id = if(startsWith(plan_id, '{NO_ITEM}'), '{NO_ITEM}', plan_id), "
            f"price_id = if(startsWith(plan_id, '{NO_ITEM}'), '{_ITEM}', price_id) "
            "WHERE tenant = {tenant:String} AND invoice_id IN {invoices:Array(String)}",
            {"tenant": tenant, "invoices": list(invoice_ids[first : first + _INVOICES_AT_ONCE])},
        )
