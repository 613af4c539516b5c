"""What billing is judged beside: a bare aggregation of the same usage, and the rating kernel on ready columns.

The aggregation is one statement a meter over the events, which it deduplicates with FINAL, in the periods that the
subscriptions have; it knows no rollups, no voids, no order of ingestion and no prices. The kernel rates the quantities
that came out of it, all charges of all customers at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.billing_world import EVENT_TYPE, METERS, PRICES, World, period, periods_table
from rating import Charges, DecimalColumn, Price, rate

_RUNS: Final = 3
_AGGREGATES: Final = {
    "calls": "count()",
    "tokens": "sum(toInt64(properties['tokens']))",
    "bytes": "sum(toInt64(properties['bytes']))",
    "seats": "max(toInt64(properties['seats']))",
}
_SETTINGS: Final = {"do_not_merge_across_partitions_select_final": 1, "max_threads": 2}
_PERIODS: Final = "bench_periods"


@dataclass(frozen=True, slots=True)
class Baseline:
    """Seconds, wall and CPU of the whole process, and what everybody owes."""

    aggregation_s: float
    aggregation_cpu_s: float
    kernel_s: float
    kernel_cpu_s: float
    total: Decimal

    @property
    def wall_s(self) -> float:
        return self.aggregation_s + self.kernel_s

    @property
    def cpu_s(self) -> float:
        return self.aggregation_cpu_s + self.kernel_cpu_s


def baselines(path: Path, world: World, cases: list[tuple[str, bool]]) -> dict[tuple[str, bool], Baseline]:
    """For each case, which is the anchors and whether there is usage. In a process of its own: chDB holds one store."""
    import clickhouse_connect  # noqa: PLC0415 - chDB lives in this process alone

    from engine.usage.store.tables.schema import DATABASE, EVENTS_TABLE  # noqa: PLC0415

    client = clickhouse_connect.get_client(interface="chdb", path=str(path))
    client.database = DATABASE
    found = {}
    for anchors, has_usage in cases:
        client.command(f"DROP TABLE IF EXISTS {_PERIODS}")
        client.command(
            f"CREATE TABLE {_PERIODS} (customer_id String, start_us Int64, end_us Int64) ENGINE = Memory"
        )
        client.insert_arrow(_PERIODS, periods_table(world, anchors))
        event_type = EVENT_TYPE if has_usage else "bench.nothing"
        statements = {name: _aggregation_sql(EVENTS_TABLE, name, anchors, event_type) for name in METERS}

        def aggregated(
            statements: dict[str, str] = statements,
        ) -> dict[str, npt.NDArray[np.int64]]:
            return {name: _quantities(client, sql, world) for name, sql in statements.items()}

        aggregation_s, aggregation_cpu_s, quantities = _timed(aggregated)
        charges = _charges(quantities, world)
        kernel_s, kernel_cpu_s, amounts = _timed(lambda charges=charges: rate(_fresh(charges)).amount)
        found[anchors, has_usage] = Baseline(
            aggregation_s, aggregation_cpu_s, kernel_s, kernel_cpu_s, amounts.total()
        )
    client.close()
    return found


def _aggregation_sql(table: str, meter: str, anchors: str, event_type: str) -> str:
    start, end = period(0, anchors)
    joined, bounds = "", f"event_time >= '{start:%Y-%m-%d}' AND event_time < '{end:%Y-%m-%d}'"
    if anchors != "one day":
        joined = f"INNER JOIN {_PERIODS} USING (customer_id)"
        bounds = (
            "event_time >= fromUnixTimestamp64Micro(start_us, 'UTC') "
            "AND event_time < fromUnixTimestamp64Micro(end_us, 'UTC')"
        )
    return (
        f"SELECT toInt64(substring(customer_id, 5)) AS number, toInt64({_AGGREGATES[meter]}) AS quantity "
        f"FROM {table} FINAL {joined} WHERE event_type = '{event_type}' AND {bounds} GROUP BY customer_id"
    )


def _quantities(client: Any, sql: str, world: World) -> npt.NDArray[np.int64]:  # noqa: ANN401 - the driver's client
    rows = client.query_arrow(sql, settings=_SETTINGS)
    quantities = np.zeros(world.customers, dtype=np.int64)
    if len(rows):
        quantities[rows["number"].to_numpy()] = rows["quantity"].to_numpy()
    return quantities


def _charges(quantities: dict[str, npt.NDArray[np.int64]], world: World) -> Charges:
    nothing = np.zeros(world.customers, dtype=np.int64)
    columns = [quantities.get(name, nothing) for name in PRICES]
    return Charges(
        prices=[Price.read({"currency": "USD", **fields}) for fields in PRICES.values()],
        price_index=np.tile(np.arange(len(PRICES)), world.customers),
        quantity=DecimalColumn(np.column_stack(columns).ravel(), 0),
    )


def _fresh(charges: Charges) -> Charges:
    """The same charges from the bare arrays: nothing remembered from the run before."""
    return replace(charges, quantity=DecimalColumn(charges.quantity.mantissa, charges.quantity.scale))


def _timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Medians of wall and CPU seconds, after a first run that warms up, and the result."""
    result = work()
    walls, cpus = [], []
    for _ in range(_RUNS):
        began, spent = perf_counter(), process_time()
        work()
        walls.append(perf_counter() - began)
        cpus.append(process_time() - spent)
    return median(walls), median(cpus), result
