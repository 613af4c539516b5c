"""Usage of closed periods from the log of events alone: one plain aggregation a meter and watermark.

Rules:
1. No rollup, no view and no FINAL: the rows of an event are grouped here, and count from the first of them on.
2. Of what was decided on a version of an event by the watermark the newest decides; an `id_reused` only where there is nothing
   else. 1: it is void. 0: it counts, from the log, or with the properties of its replacement. 2: as the log says.
3. Of an id that several versions count of, nobody has said which one stands: usage with such events is `unsettled`.
4. Quantities come back as texts, exact, and become fractions.
"""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

import pyarrow as pa

from engine.billing.reconciliation.price_arithmetic import NotJudgedError, converted, rounded
from engine.billing.reconciliation.raw_filters import BoundTexts, decimal_sql, passes_sql
from engine.catalog.kinds.meter import Meter
from engine.usage.store.query import Parameters, Query
from engine.usage.store.tables.retention_schema import EXPIRED_CUSTOMERS_TABLE
from engine.usage.store.tables.schema import EVENTS_TABLE, VOIDS_TABLE
from engine.usage.store.usage_store import UsageStore

_PLACES: Final = "reconciled_places"
_DIGITS: Final = 12
_KEY: Final = "customer_id, event_type, event_time, event_id, content_hash"
_OF_PLACES: Final = (
    "tenant = {tenant:String} AND customer_id IN (SELECT customer_id FROM reconciled_places) "
    "AND event_time >= fromUnixTimestamp64Micro({first_us:Int64}, 'UTC') "
    "AND event_time < fromUnixTimestamp64Micro({last_us:Int64}, 'UTC')"
)
_OF_TYPE: Final = f"{_OF_PLACES} AND event_type = {{event_type:String}}"
_WATERMARK: Final = "fromUnixTimestamp64Micro({as_of_us:Int64}, 'UTC')"
_STATE: Final = (
    "toInt16(if(countIf(kind != 'id_reused') > 0, argMaxIf(voided, recorded_at, kind != 'id_reused'), "
    "argMax(voided, recorded_at)))"
)
# Every version of an event that counts, once (rules 1 and 2).
_COUNTING: Final = f"""
SELECT customer_id, event_time, event_id, anyIf(content, has_content = 1) AS kept FROM (
    SELECT {_KEY}, any(properties) AS content, 1 AS has_content, 1 AS is_logged, 0 AS is_made, toInt16(-1) AS state
    FROM {EVENTS_TABLE} WHERE {_OF_TYPE} GROUP BY {_KEY} HAVING min(ingested_at) <= {_WATERMARK}
    UNION ALL
    SELECT {_KEY}, anyIf(properties, is_replacement = 1) AS content, max(is_replacement) AS has_content, 0 AS is_logged,
        max(is_replacement) AS is_made, {_STATE} AS state
    FROM {VOIDS_TABLE} WHERE {_OF_TYPE} AND recorded_at <= {_WATERMARK} GROUP BY {_KEY}
) GROUP BY {_KEY} HAVING (max(is_logged) = 1 AND max(state) != 1) OR (max(is_made) = 1 AND max(state) = 0)
"""
# With how many of one id count (rule 3).
_EVENTS: Final = f"""
SELECT version.1 AS customer_id, version.2 AS event_us, version.3 AS kept, event_id, length(versions) > 1 AS is_unsettled FROM (
    SELECT event_id, groupArray((customer_id, toUnixTimestamp64Micro(event_time), kept)) AS versions
    FROM ({_COUNTING}) GROUP BY event_id
) ARRAY JOIN versions AS version
"""
_LATE: Final = f"""
SELECT place, uniqExact(event_id) AS late_count FROM (
    SELECT customer_id, event_time, event_id, min(ingested_at) AS known_at FROM {EVENTS_TABLE}
    WHERE {_OF_PLACES} AND event_type IN {{event_types:Array(String)}} GROUP BY {_KEY}
    UNION ALL
    SELECT customer_id, event_time, event_id, recorded_at AS known_at FROM {VOIDS_TABLE}
    WHERE {_OF_PLACES} AND event_type IN {{event_types:Array(String)}}
) AS event INNER JOIN {_PLACES} AS place_of ON event.customer_id = place_of.customer_id
WHERE toUnixTimestamp64Micro(event_time) >= start_us AND toUnixTimestamp64Micro(event_time) < end_us
AND toUnixTimestamp64Micro(known_at) > after_us AND known_at <= {_WATERMARK} GROUP BY place
"""
_EXPIRED: Final = (
    f"SELECT customer_id, event_type, toString(max(toUnixTimestamp64Micro(expired_before))) FROM {EXPIRED_CUSTOMERS_TABLE} "
    "WHERE tenant = {tenant:String} AND customer_id IN {customers:Array(String)} GROUP BY customer_id, event_type"
)
Dimensions = tuple[tuple[str, str], ...]
"""Name and value of each that a group has, by name."""


class UsagePlace(NamedTuple):
    """Whose usage in [start, end). `ids`: the customer and its aliases. `after_us`: of late events, since when they are late."""

    ids: tuple[str, ...]
    start_us: int
    end_us: int
    after_us: int = 0


@dataclass(frozen=True, slots=True)
class RawGroup:
    """A group of usage: in the meter's unit, after its conversion."""

    quantity: Fraction
    event_count: int
    is_unsettled: bool


class RawUsage:
    """Thread-safe. Every method raises StoreUnavailableError when the store doesn't answer."""

    def __init__(self, store: UsageStore) -> None:
        self._store = store

    def groups(
        self, tenant: str, meter: Meter, places: Sequence[UsagePlace], as_of_us: int
    ) -> list[dict[Dimensions, RawGroup]]:
        """Of each place the groups of its usage at a watermark.

        Raises:
            NotJudgedError: the meter measures what this code doesn't.
        """
        found: list[dict[Dimensions, RawGroup]] = [{} for _ in places]
        if not places:
            return found
        rows = self._store.query_columns(_usage_query(tenant, meter, places, as_of_us))
        for row in rows.to_pylist():
            place = places[row["place"]]
            dimensions = zip(meter.group_by, row["dimensions"], strict=True)
            key = tuple(sorted((name, value) for name, value in dimensions if value is not None))
            quantity = _quantity(meter, row, place.end_us - place.start_us)
            found[row["place"]][key] = RawGroup(
                converted(meter.conversion, quantity), row["event_count"], bool(row["unsettled"])
            )
        return found

    def late_counts(
        self, tenant: str, event_types: Sequence[str], places: Sequence[UsagePlace], as_of_us: int
    ) -> list[int]:
        """Of each place how many events came in, or were corrected, after its `after_us`, and by a watermark."""
        counts = [0] * len(places)
        if places and event_types:
            parameters = _bounds(tenant, places, as_of_us) | {"event_types": list(event_types)}
            found = self._store.query_columns(Query(_LATE, parameters, {_PLACES: _table(places)}))
            for row in found.to_pylist():
                counts[row["place"]] = row["late_count"]
        return counts

    def expired_before(self, tenant: str, customers: Sequence[str]) -> Mapping[tuple[str, str], int]:
        """(customer, event type) -> before when their events have expired."""
        rows = self._store.query(Query(_EXPIRED, {"tenant": tenant, "customers": list(customers)}))
        return {(str(customer), str(of)): int(str(before)) for customer, of, before in rows}


def _usage_query(tenant: str, meter: Meter, places: Sequence[UsagePlace], as_of_us: int) -> Query:
    if meter.carries_over:
        raise NotJudgedError("a meter that carries over")
    if meter.value is not None and not isinstance(meter.value, str):
        raise NotJudgedError("a meter of an expression")
    parameters = _bounds(tenant, places, as_of_us) | {"event_type": meter.event_type}
    texts = BoundTexts(parameters)
    names = [texts.sql(name) for name in meter.group_by]
    dimensions = ", ".join(f"if(mapContains(kept, {name}), kept[{name}], NULL)" for name in names)
    total, value_count = _aggregates(meter, texts)
    sql = (
        f"SELECT place, [{dimensions}]::Array(Nullable(String)) AS dimensions, toInt64(count()) AS event_count, "
        f"{total} AS total, {value_count} AS value_count, max(is_unsettled) AS unsettled "
        f"FROM ({_EVENTS}) AS event INNER JOIN {_PLACES} AS place_of ON event.customer_id = place_of.customer_id "
        f"WHERE event_us >= start_us AND event_us < end_us AND {passes_sql(meter.filters, 'kept', texts)} "
        "GROUP BY place, dimensions"
    )
    return Query(sql, parameters, {_PLACES: _table(places)})


def _aggregates(meter: Meter, texts: BoundTexts) -> tuple[str, str]:
    """A text of the number that the quantity is made of, and how many values it is made from."""
    if meter.aggregation == "count" or not isinstance(meter.value, str):
        return "toString(count())", "toInt64(count())"
    if meter.aggregation == "unique_count":
        name = texts.sql(meter.value)
        has = f"mapContains(kept, {name})"
        return f"toString(uniqExactIf(kept[{name}], {has}))", f"toInt64(countIf({has}))"
    value = decimal_sql("kept", meter.value, texts)
    rank = f"intDiv({int((meter.percentile or Decimal(0)) * 1000)} * countIf(isNotNull({value})) + 99999, 100000)"
    found = {
        "sum": f"sum({value})",
        "avg": f"sum({value})",
        "min": f"min({value})",
        "max": f"max({value})",
        "latest": f"argMaxIf({value}, (event_us, event_id), isNotNull({value}))",
        "time_weighted": f"sum({value} * toDecimal256(end_us - event_us, 0))",
        "percentile": f"arrayElementOrNull(arraySort(groupArrayIf(assumeNotNull({value}), isNotNull({value}))), {rank})",
    }[meter.aggregation]
    return f"ifNull(toString({found}), '0')", f"toInt64(countIf(isNotNull({value})))"


def _quantity(meter: Meter, row: Mapping[str, object], length_us: int) -> Fraction:
    total, count = Fraction(str(row["total"])), int(str(row["value_count"]))
    if meter.aggregation == "avg":
        return rounded(total / count, _DIGITS, "half_even") if count else Fraction(0)
    if meter.aggregation == "time_weighted":
        return rounded(total / length_us, _DIGITS, "half_even")
    return total


def _bounds(tenant: str, places: Sequence[UsagePlace], as_of_us: int) -> Parameters:
    return {
        "tenant": tenant,
        "as_of_us": as_of_us,
        "first_us": min(each.start_us for each in places),
        "last_us": max(each.end_us for each in places),
    }


def _table(places: Sequence[UsagePlace]) -> pa.Table:
    rows = [(number, name, *each[1:]) for number, each in enumerate(places) for name in each.ids]
    number, ids, start, end, after = zip(*rows, strict=True)
    return pa.table(
        {
            "place": pa.array(number, pa.int64()),
            "customer_id": pa.array(ids, pa.string()),
            "start_us": pa.array(start, pa.int64()),
            "end_us": pa.array(end, pa.int64()),
            "after_us": pa.array(after, pa.int64()),
        }
    )
