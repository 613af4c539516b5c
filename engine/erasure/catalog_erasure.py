"""What an erasure does in the catalog database, in one transaction: all that names the customer gets the pseudonym.

Rules:
1. Every version of the customer and of its subscriptions is changed where it is stored: revisions, and what they cost, stay.
2. The name becomes the pseudonym, metadata and billing details go (of the address the country stays), aliases have pseudonyms of their own, a VAT id is made up, and the subscriptions get ids in the order of those that they had, so
   that line items keep their order. A subscription that was another customer's in some version keeps its id, and so does
   an alias that another customer has, or had. Customers below this one name the pseudonym as their parent. What else is the
   customer's (credit grants, invoice items, alerts) is the pseudonym's then, and is called by it, also in its description; phases of subscriptions lose their names. An alert
   of all customers that is called by this one's name is called by the pseudonym, as its crossings say.
3. Keys of idempotent writes that name the customer go: such a write, sent again, is a new one.
4. Keys that are bound to the customer are revoked. What people wrote (names of keys, subjects of the audit log) has the
   pseudonym wherever it named the customer (engine.erasure.naming).
5. Facts of the outbox that name the customer, or what is the customer's, name what took its place: who was not told yet
   is told of the pseudonym.
6. Reservations of limits go, with the events of commits that are not stored yet: nothing is recorded of them afterwards.
7. Invoices and what is paid of them stay, and name the pseudonym (engine.erasure.facts_and_invoices).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, func, or_, select, update

from engine.catalog.kinds import KINDS, json_text, owner_field
from engine.erasure.facts_and_invoices import (
    ACCOUNT_TABLES,
    AccountRow,
    account_rows,
    change_accounts,
    change_facts,
    change_invoices,
    invoices_naming,
    naming_facts,
)
from engine.erasure.naming import Naming
from engine.erasure.tax_numbers import made_up
from engine.sql.invoice_tables import INVOICES
from engine.sql.reservation_table import RESERVATIONS
from engine.sql.schema import API_KEYS, AUDIT_RECORDS, IDEMPOTENCY_KEYS, OUTBOX, RESOURCES

_CUSTOMER: Final = "customer"
_SUBSCRIPTION: Final = "subscription"
# Tables that have, or had, what names a customer.
CHANGED_TABLES: Final = (
    *(RESOURCES.name, API_KEYS.name, AUDIT_RECORDS.name),
    *(IDEMPOTENCY_KEYS.name, OUTBOX.name, INVOICES.name, RESERVATIONS.name, *ACCOUNT_TABLES),
)


@dataclass(frozen=True, slots=True)
class HeldInCatalog:
    """What the catalog database has of a customer: rows of RESOURCES, of API_KEYS, of AUDIT_RECORDS, of OUTBOX, of INVOICES, of
    accounts, of RESERVATIONS.
    """

    naming: Naming
    aliases: Sequence[str]
    children: Sequence[Row[Any]]
    customers: Sequence[Row[Any]]
    subscriptions: Sequence[Row[Any]]
    others: Sequence[Row[Any]]
    keys: Sequence[Row[Any]]
    audit_records: Sequence[Row[Any]]
    facts: Sequence[Row[Any]]
    invoices: Sequence[Row[Any]]
    account_rows: Sequence[AccountRow]
    reservations: Sequence[Row[Any]]

    @property
    def versions(self) -> int:
        return len(self.customers) + len(self.subscriptions) + len(self.others)

    @property
    def price_dimensions(self) -> frozenset[str]:
        """Properties that prices of the customer's own subscriptions choose by."""
        return frozenset(
            name for row in self.subscriptions for name in _dimensions(json.loads(row.definition))
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """The customer's own, and the aliases."""
        return (self.naming.customer_id, *self.aliases)

    def pseudonyms(self, pseudonym: str) -> dict[str, str]:
        """What stands in the place of each id."""
        others = {alias: f"{pseudonym}-{place}" for place, alias in enumerate(self.aliases, start=1)}
        return {self.naming.customer_id: pseudonym, **others}


def held_in_catalog(connection: Connection, tenant: str, customer_id: str) -> HeldInCatalog:
    """Reads it all."""
    columns = RESOURCES.c
    of_tenant = select(RESOURCES).where(columns.tenant == tenant).order_by(columns.id, columns.version)
    customers = connection.execute(
        of_tenant.where(columns.kind == _CUSTOMER, columns.id == customer_id)
    ).all()
    # As the text has it; which field that is, is looked at afterwards.
    naming_it = columns.definition.contains(json_text({"customer": customer_id})[1:-1], autoescape=True)
    subscriptions = [
        row
        for row in connection.execute(of_tenant.where(columns.kind == _SUBSCRIPTION, naming_it))
        if json.loads(row.definition)["customer"] == customer_id
    ]
    fields = [json.loads(row.definition) for row in customers]
    aliases = _own_aliases(connection, tenant, customer_id, fields)
    naming = Naming.of(
        customer_id,
        (
            *(
                each[name]
                for each in fields
                for name in ("name", "billing_name", "billing_email")
                if name in each
            ),
            *aliases,
        ),
        (
            *(value for each in fields for value in each.get("metadata", {}).values()),
            *(tax_id["value"] for each in fields for tax_id in each.get("tax_ids", ())),
            *(each["purchase_order"] for each in fields if "purchase_order" in each),
            *(line for each in fields for line in each.get("billing_address", {}).get("lines", ())),
        ),
    )
    return HeldInCatalog(
        naming,
        aliases,
        _naming_customers(connection, tenant, "parent", customer_id),
        customers,
        subscriptions,
        _of_other_kinds(connection, tenant, naming),
        _keys(connection, tenant, naming),
        _naming_rows(connection, tenant, naming),
        naming_facts(connection, tenant, naming),
        invoices_naming(connection, tenant, naming),
        account_rows(connection, tenant, naming),
        _reservations(connection, tenant, naming),
    )


def _dimensions(fields: object) -> Iterator[str]:
    """What stands under `dimensions`, however deep."""
    if isinstance(fields, dict):
        for name, value in fields.items():
            if name == "dimensions" and isinstance(value, list):
                yield from value
            else:
                yield from _dimensions(value)
    elif isinstance(fields, list):
        for each in fields:
            yield from _dimensions(each)


def _own_aliases(
    connection: Connection, tenant: str, customer_id: str, fields: Sequence[dict[str, Any]]
) -> Sequence[str]:
    """The aliases of any version that no version of another customer has, nor its id is."""
    columns = RESOURCES.c
    found = []
    for alias in sorted({alias for each in fields for alias in each.get("aliases", ())}):
        others = connection.scalar(
            select(func.count()).where(
                columns.tenant == tenant, columns.kind == _CUSTOMER, columns.id == alias
            )
        )
        named = columns.definition.contains(json_text(alias), autoescape=True)
        elsewhere = select(RESOURCES).where(
            columns.tenant == tenant, columns.kind == _CUSTOMER, columns.id != customer_id, named
        )
        if not others and not any(
            alias in json.loads(row.definition).get("aliases", ()) for row in connection.execute(elsewhere)
        ):
            found.append(alias)
    return found


def _naming_customers(
    connection: Connection, tenant: str, field: str, customer_id: str
) -> Sequence[Row[Any]]:
    """Versions of customers that have this id in a field."""
    columns = RESOURCES.c
    named = columns.definition.contains(json_text({field: customer_id})[1:-1], autoescape=True)
    rows = connection.execute(
        select(RESOURCES).where(columns.tenant == tenant, columns.kind == _CUSTOMER, named)
    )
    return [row for row in rows if json.loads(row.definition).get(field) == customer_id]


def _of_other_kinds(connection: Connection, tenant: str, naming: Naming) -> Sequence[Row[Any]]:
    """Versions of resources of other kinds that are the customer's, such as credit grants; and of those that may be a
    customer's and are nobody's, such as alerts, the ones that are called by its name.
    """
    columns = RESOURCES.c
    kinds = [name for name in KINDS if name != _SUBSCRIPTION and owner_field(name) is not None]
    # As JSON writes a text: the name of a customer may have characters that it escapes.
    written = [json_text(each)[1:-1] for each in naming.texts]
    rows = connection.execute(
        select(RESOURCES).where(
            columns.tenant == tenant, columns.kind.in_(kinds), _contains_any(columns.definition, written)
        )
    )
    return [row for row in rows if _is_hers(row, naming)]


def _is_hers(row: Row[Any], naming: Naming) -> bool:
    fields = json.loads(row.definition)
    owner = fields.get(owner_field(row.kind))
    if owner is not None:
        return bool(owner == naming.customer_id)
    return naming.is_in(row.id) or naming.is_in(fields.get("name", ""))


def _keys(connection: Connection, tenant: str, naming: Naming) -> Sequence[Row[Any]]:
    columns = API_KEYS.c
    named = _contains_any(columns.name, naming.texts)
    wanted = select(API_KEYS).where(
        columns.tenant == tenant, or_(columns.customer_id == naming.customer_id, named)
    )
    return [
        row
        for row in connection.execute(wanted.order_by(columns.created_at_us, columns.key_id))
        if row.customer_id == naming.customer_id or naming.is_in(row.name)
    ]


def _naming_rows(connection: Connection, tenant: str, naming: Naming) -> Sequence[Row[Any]]:
    columns = AUDIT_RECORDS.c
    wanted = select(AUDIT_RECORDS).where(
        columns.tenant == tenant, _contains_any(columns.subject, naming.texts)
    )
    return [row for row in connection.execute(wanted.order_by(columns.number)) if naming.is_in(row.subject)]


def _contains_any(column: ColumnElement[str], texts: Iterable[str]) -> ColumnElement[bool]:
    return or_(*(column.icontains(each, autoescape=True) for each in texts))


def change_catalog(
    connection: Connection, tenant: str, held: HeldInCatalog, pseudonym: str, now_us: int
) -> None:
    """In a transaction that writes."""
    new_ids = _change_resources(connection, tenant, held, pseudonym)
    change_facts(connection, held.facts, held.naming, new_ids, pseudonym)
    change_invoices(connection, held.invoices, held.naming, pseudonym, now_us)
    change_accounts(connection, held.account_rows, held.naming, pseudonym)
    for row in held.keys:
        values: dict[str, Any] = {"name": held.naming.replaced(row.name, pseudonym)}
        if row.customer_id == held.naming.customer_id:
            revoked_at_us = now_us if row.revoked_at_us is None else row.revoked_at_us
            values = {
                "name": pseudonym,
                "customer_id": pseudonym,
                "certificate_subject": None,
                "revoked_at_us": revoked_at_us,
            }
        connection.execute(update(API_KEYS).where(API_KEYS.c.key_id == row.key_id).values(**values))
    _forget_writes(connection, tenant, held.naming)
    for row in held.reservations:
        of_one = (RESERVATIONS.c.tenant == tenant, RESERVATIONS.c.reservation_id == row.reservation_id)
        connection.execute(delete(RESERVATIONS).where(*of_one))
    for row in held.audit_records:
        subject = held.naming.replaced(row.subject, pseudonym)
        connection.execute(
            update(AUDIT_RECORDS).where(AUDIT_RECORDS.c.number == row.number).values(subject=subject)
        )


def _change_resources(
    connection: Connection, tenant: str, held: HeldInCatalog, pseudonym: str
) -> dict[str, str]:
    """Rules 1 and 2. What stands in the place of each id."""
    new_ids = held.pseudonyms(pseudonym)
    for row in held.customers:
        _set_resource(
            connection, row, pseudonym, _without_details(json.loads(row.definition), pseudonym, new_ids)
        )
    for row in held.children:
        _set_resource(connection, row, row.id, json.loads(row.definition) | {"parent": pseudonym})
    subscription_ids = _subscription_ids(connection, tenant, held, pseudonym)
    for row in held.subscriptions:
        fields = json.loads(row.definition) | {"id": subscription_ids[row.id], "customer": pseudonym}
        for phase in fields.get("phases", ()):
            phase.pop("name", None)
        _set_resource(connection, row, subscription_ids[row.id], fields)
    for row in held.others:
        _change_other(connection, row, held.naming, pseudonym)
    return subscription_ids | new_ids


def _without_details(fields: dict[str, Any], pseudonym: str, new_ids: dict[str, str]) -> dict[str, Any]:
    """The fields of a customer afterwards."""
    fields = fields | {"id": pseudonym, "name": pseudonym}
    for name in ("metadata", "billing_name", "billing_email", "purchase_order"):
        fields.pop(name, None)
    if address := fields.pop("billing_address", None):
        fields["billing_address"] = {"country": address["country"]}
    if "aliases" in fields:
        fields["aliases"] = [new_ids.get(each, each) for each in fields["aliases"]]
    if tax_ids := made_up(fields.pop("tax_ids", ())):
        fields["tax_ids"] = tax_ids
    return fields


def _change_other(connection: Connection, row: Row[Any], naming: Naming, pseudonym: str) -> None:
    own_id = naming.replaced(row.id, pseudonym)
    fields = json.loads(row.definition) | {"id": own_id}
    owner = str(owner_field(row.kind))
    is_own = owner in fields
    if is_own:
        fields[owner] = pseudonym
    for name in {"name", "description"} & fields.keys():
        fields[name] = pseudonym if is_own else naming.replaced(fields[name], pseudonym)
    _set_resource(connection, row, own_id, fields)


def _reservations(connection: Connection, tenant: str, naming: Naming) -> Sequence[Row[Any]]:
    """The customer's own, and those whose id names it."""
    columns = RESERVATIONS.c
    named = _contains_any(columns.reservation_id, naming.texts)
    wanted = select(RESERVATIONS).where(
        columns.tenant == tenant, or_(columns.customer_id == naming.customer_id, named)
    )
    return [
        row
        for row in connection.execute(wanted.order_by(columns.reserved_at_us, columns.reservation_id))
        if row.customer_id == naming.customer_id or naming.is_in(row.reservation_id)
    ]


def _forget_writes(connection: Connection, tenant: str, naming: Naming) -> None:
    """Rule 3."""
    columns = IDEMPOTENCY_KEYS.c
    wanted = select(columns.key).where(columns.tenant == tenant, _contains_any(columns.key, naming.texts))
    for key in connection.scalars(wanted).all():
        if naming.is_in(key):
            connection.execute(delete(IDEMPOTENCY_KEYS).where(columns.tenant == tenant, columns.key == key))


def _subscription_ids(
    connection: Connection, tenant: str, held: HeldInCatalog, pseudonym: str
) -> dict[str, str]:
    """The new id of each: rule 2."""
    ids = sorted({row.id for row in held.subscriptions})
    theirs = {(row.id, row.version) for row in held.subscriptions}
    columns = RESOURCES.c
    versions = {
        each: connection.scalar(
            select(func.count()).where(
                columns.tenant == tenant, columns.kind == _SUBSCRIPTION, columns.id == each
            )
        )
        for each in ids
    }
    digits = len(str(len(ids)))
    return {
        each: f"{pseudonym}:{place:0{digits}d}"
        if sum(known == each for known, _ in theirs) == versions[each]
        else each
        for place, each in enumerate(ids, start=1)
    }


def _set_resource(connection: Connection, row: Row[Any], new_id: str, fields: dict[str, Any]) -> None:
    columns = RESOURCES.c
    connection.execute(
        update(RESOURCES)
        .where(
            and_(
                columns.tenant == row.tenant,
                columns.kind == row.kind,
                columns.id == row.id,
                columns.version == row.version,
            )
        )
        .values(id=bindparam("new_id"), definition=bindparam("new_definition")),
        {"new_id": new_id, "new_definition": json_text(fields)},
    )
