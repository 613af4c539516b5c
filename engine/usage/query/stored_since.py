"""Whose events were stored between two instants, among some customers."""

from collections.abc import Sequence

import pyarrow as pa

from engine.usage.store.query import Query
from engine.usage.store.tables.schema import EVENTS_TABLE
from engine.usage.store.usage_store import UsageStore

# Stamps descend in the index as instants ascend.
_STORED_SQL = (
    f"SELECT DISTINCT tenant, customer_id FROM {EVENTS_TABLE} "  # noqa: S608 - own names
    "WHERE ingest_rank >= bitNot(toUInt64({until_us:Int64})) AND ingest_rank < bitNot(toUInt64({after_us:Int64})) "
    "AND (tenant, customer_id) IN (SELECT tenant, customer_id FROM asked_names)"
)


def stored_between_query(after_us: int, until_us: int, names: Sequence[tuple[str, str]]) -> Query:
    """Those of these tenants and names with events of stamps after the one instant, up to the other."""
    asked = pa.table(
        {
            "tenant": pa.array([tenant for tenant, _ in names], pa.string()),
            "customer_id": pa.array([name for _, name in names], pa.string()),
        }
    )
    return Query(_STORED_SQL, {"after_us": after_us, "until_us": until_us}, {"asked_names": asked})


def stored_between(
    store: UsageStore, after_us: int, until_us: int, names: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Raises StoreUnavailableError."""
    found = store.query_columns(stored_between_query(after_us, until_us, names)).to_pylist()
    return {(each["tenant"], each["customer_id"]) for each in found}
