"""What a fact is, and how the transaction that makes it true records it.

    record_facts(connection, tenant, [Fact(FactType.CATALOG_CHANGED, "catalog", "catalog", {"revision": 7})], now_us)

1. `connection` is the transaction of the cause, of a Database whose writers take turns (Writers.CATALOG): only so do
   numbers rise in the order of commits.
2. Each call deletes facts past their age, of all tenants: no more than a bounded number, and more than it adds.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from engine.outbox.fact_types import FactType
from engine.sql.schema import OUTBOX
from fields import Json

# A month: longer than any retry of a delivery, and than a receiver that nobody looked after over the holidays.
KEPT_US: Final = 30 * 86_400 * 1_000_000
# A message of a fact stays below the 20 kB that Standard Webhooks advises.
PAYLOAD_BYTES_MAX: Final = 16_384
# Above what a call adds.
_PURGED_MIN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Fact:
    """What happened to one object. `object_kind`, `object_id`: the object whose facts are told in their order.
    `payload`: ids and figures, none of them a binary float; the customer's id, if there is one, is `customer_id`.
    """

    type: FactType
    object_kind: str
    object_id: str
    payload: Mapping[str, Json]

    def payload_text(self) -> str:
        """The canonical JSON text. Raises ValueError for one that is too large for a message."""
        text = json.dumps(dict(self.payload), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if len(text.encode()) > PAYLOAD_BYTES_MAX:
            raise ValueError(
                f"the payload of {self.type} has more than {PAYLOAD_BYTES_MAX} bytes: tell ids, not contents"
            )
        return text


def record_facts(connection: Connection, tenant: str, facts: Sequence[Fact], now_us: int) -> None:
    """Adds facts to the outbox, in this order. Raises ValueError for a payload that is too large."""
    if not facts:
        return
    rows = [
        {
            "tenant": tenant,
            "fact_type": each.type.value,
            "object_kind": each.object_kind,
            "object_id": each.object_id,
            "payload": each.payload_text(),
            "recorded_at_us": now_us,
        }
        for each in facts
    ]
    connection.execute(insert(OUTBOX), rows)
    _purge(connection, now_us - KEPT_US, _PURGED_MIN + len(rows))


def _purge(connection: Connection, before_us: int, rows_max: int) -> None:
    """Looks at the first rows alone, so that it costs nothing while none is old; the newest row stays."""
    columns = OUTBOX.c
    first = select(columns.number, columns.recorded_at_us).order_by(columns.number).limit(rows_max).subquery()
    old = select(first.c.number).where(
        first.c.recorded_at_us < before_us,
        first.c.number < select(func.max(columns.number)).scalar_subquery(),
    )
    connection.execute(delete(OUTBOX).where(columns.number.in_(old)))
