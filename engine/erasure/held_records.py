"""All that is held about a customer, for that person to read: record by record, in pages.

Rules:
1. Sections come one after the other; a page begins at a place in one of them. Events are those up to one watermark.
2. A key is told without its secret, of which only a hash is held.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row

from engine.erasure.catalog_erasure import HeldInCatalog, held_in_catalog
from engine.erasure.held_queries import ROW_SECTIONS, events_page_query, rows_page_query
from engine.errors import NotFoundError
from engine.sql.database import Database
from engine.times import rfc3339_us
from engine.usage.store.query import number
from engine.usage.store.usage_store import Row as UsageRow
from engine.usage.store.usage_store import UsageStore

_EVENTS: Final = "events"
_OF_CATALOG: Final = (
    "catalog",
    "api_keys",
    "audit_records",
    "outbox",
    "invoices",
    "accounts",
    "reservations",
)
SECTIONS: Final = (*_OF_CATALOG, _EVENTS, *ROW_SECTIONS)
# Also what says of an open reservation that no watermark ends it yet.
_UNTOLD: Final = ("secret_hash", "open_until_us")


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Behind which record a page begins: so many of the section are told; of events, the last one."""

    section: int = 0
    skip: int = 0
    customer_id: str = ""
    event_type: str = ""
    time_us: int = 0
    event_id: str = ""
    content_hash: int = 0


@dataclass(frozen=True, slots=True)
class HeldRecord:
    """`following`: the place behind it. `text`: a JSON object."""

    section: str
    text: str
    following: RecordPlace


class HeldRecords:
    """Reads what is held."""

    def __init__(self, database: Database, usage: UsageStore) -> None:
        self._database = database
        self._usage = usage

    def page(
        self, tenant: str, customer_id: str, place: RecordPlace, as_of_us: int, records_max: int
    ) -> Sequence[HeldRecord]:
        """The next records behind a place, at most so many; none at the end.

        Raises:
            NotFoundError: nothing is held about the customer.
            StoreUnavailableError: a store does not answer.
        """
        found: list[HeldRecord] = []
        at: RecordPlace | None = place
        while at is not None and len(found) < records_max:
            wanted = records_max - len(found)
            some = self._some(tenant, customer_id, at, as_of_us, wanted)
            found += some
            at = some[-1].following if len(some) == wanted else _next_section(at)
        if not found and place == RecordPlace():
            raise NotFoundError(f"nothing is held about customer {customer_id!r}")
        return found

    def _some(
        self, tenant: str, customer_id: str, place: RecordPlace, as_of_us: int, count: int
    ) -> list[HeldRecord]:
        section = SECTIONS[place.section]
        with self._database.reading() as connection:
            held = held_in_catalog(connection, tenant, customer_id)
        if section == _EVENTS:
            after = (place.customer_id, place.event_type, place.time_us, place.event_id, place.content_hash)
            rows = self._usage.query(events_page_query(tenant, held.ids, as_of_us, after, count))
            return [_event(place, row) for row in rows]
        if section in ROW_SECTIONS:
            rows = self._usage.query(rows_page_query(section, tenant, held.ids, place.skip, count))
            texts = [str(text) for (text,) in rows]
        else:
            texts = list(_catalog_texts(held, section))[place.skip : place.skip + count]
        return [
            HeldRecord(section, text, RecordPlace(place.section, place.skip + i))
            for i, text in enumerate(texts, start=1)
        ]


def _next_section(place: RecordPlace) -> RecordPlace | None:
    return RecordPlace(place.section + 1) if place.section + 1 < len(SECTIONS) else None


def _event(place: RecordPlace, row: UsageRow) -> HeldRecord:
    customer_id, event_type, time_us, event_id, content_hash, ingested_us, properties = row
    if not isinstance(properties, Mapping):
        raise TypeError(f"the usage store returned properties of type {type(properties).__name__}")
    fields = {
        "customer_id": str(customer_id),
        "event_type": str(event_type),
        "event_time": rfc3339_us(number(time_us)),
        "event_id": str(event_id),
        "ingested_at": rfc3339_us(number(ingested_us)),
        "properties": dict(properties),
    }
    following = RecordPlace(
        section=place.section,
        customer_id=str(customer_id),
        event_type=str(event_type),
        time_us=number(time_us),
        event_id=str(event_id),
        content_hash=number(content_hash),
    )
    return HeldRecord(_EVENTS, _text(fields), following)


def _catalog_texts(held: HeldInCatalog, section: str) -> Iterator[str]:
    if section == "api_keys":
        yield from (_row_text(row) for row in held.keys)
    elif section == "audit_records":
        yield from (_row_text(row) for row in held.audit_records)
    elif section == "outbox":
        yield from (_row_text(row) for row in held.facts)
    elif section == "invoices":
        yield from (_row_text(row) for row in held.invoices)
    elif section == "accounts":
        yield from (_row_text(each.row, record=each.table.name) for each in held.account_rows)
    elif section == "reservations":
        yield from (_row_text(row) for row in held.reservations)
    else:
        for row in (*held.customers, *held.subscriptions, *held.others):
            fields = {"kind": row.kind, "version": row.version, "applied_at": row.applied_at}
            yield _text(fields | {"resource": json.loads(row.definition)})


def _row_text(row: Row[Any], **more: str) -> str:
    fields: dict[str, Any] = dict(more)
    for name, value in row._mapping.items():  # noqa: SLF001 - SQLAlchemy's name for what all may use
        if name in _UNTOLD:
            continue
        is_instant = name.endswith("_us") and value is not None
        fields[name.removesuffix("_us") if is_instant else name] = rfc3339_us(value) if is_instant else value
    return _text(fields)


def _text(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False)
