"""Simulated rows as messages of the wire contract, and as an Arrow stream."""

from collections.abc import Iterator
from typing import Any, Final

import pyarrow as pa

from engine.billing.simulation.side_by_side import NUMBER_NAMES, SIDES
from engine.decimal_texts import currency_texts, exact_sums
from meterline.v1 import simulations_pb2 as pb

_AMOUNTS: Final = tuple(name for name in NUMBER_NAMES if name != "quantity")
_COLUMNS: Final = [f"{name}_{side}" for name in _AMOUNTS for side in SIDES]
_ARROW_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression="zstd")


def total_messages(rows: pa.Table) -> list[pb.SimulatedSums]:
    """Of all rows (COMPARED_ROWS), by currency."""
    return list(_messages(exact_sums(rows, ["currency"], _COLUMNS).sort_by("currency")))


def customer_messages(rows: pa.Table) -> list[pb.SimulatedSums]:
    """Of each customer of the rows in each currency."""
    sums = exact_sums(rows, ["customer_id", "currency"], _COLUMNS)
    return list(_messages(sums.sort_by([("customer_id", "ascending"), ("currency", "ascending")])))


def arrow_stream(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=_ARROW_OPTIONS) as writer:
        writer.write_table(rows.combine_chunks())
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _messages(sums: pa.Table) -> Iterator[pb.SimulatedSums]:
    currencies = sums["currency"].to_pylist()
    customers = sums["customer_id"].to_pylist() if "customer_id" in sums.column_names else [""] * len(sums)
    texts = {name: currency_texts(sums[name], sums["currency"]).to_pylist() for name in _COLUMNS}
    for row, (customer, currency) in enumerate(zip(customers, currencies, strict=True)):
        sides: dict[str, Any] = {
            side: pb.SimulatedAmounts(**{name: texts[f"{name}_{side}"][row] for name in _AMOUNTS})
            for side in SIDES
        }
        yield pb.SimulatedSums(customer_id=customer, currency=currency, **sides)
