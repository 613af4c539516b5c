"""What the billing bench bills: subscriptions on one plan of five prices, and their events of March 2026."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.usage_pb2 import VERDICT_ACCEPTED, RecordUsageColumnsRequest
from meterline.v1.usage_pb2_grpc import UsageServiceStub

EVENT_TYPE: Final = "bench.call"
PLAN: Final = "standard"
AT: Final = datetime(2026, 3, 28, 12, tzinfo=UTC)
"""By then the March period of every anchor has begun."""
ANCHORS: Final = {"one day": 1, "28 days": 28}
"""How many days of the month subscriptions start on."""
TIMEOUT_S: Final = 900
_FIRST: Final = datetime(2026, 2, 28, tzinfo=UTC)
# With phases and coupons some 250 bytes each: a request has 4 MiB at most.
_PIECE: Final = 10_000
_REQUEST_EVENTS: Final = 20_000
_CALLERS: Final = 3
_ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024

METERS: Final = {
    "calls": {"aggregation": "count"},
    "tokens": {"aggregation": "sum", "value": "tokens"},
    "bytes": {"aggregation": "sum", "value": "bytes"},
    "seats": {"aggregation": "max", "value": "seats"},
}
PRICES: Final[dict[str, dict[str, Any]]] = {
    "fee": {"model": "flat", "flat_amount": "20"},
    "calls": {"model": "package", "package_size": "10", "package_amount": "0.05"},
    "tokens": {
        "model": "graduated",
        "tiers": [
            {"up_to": "50000", "unit_amount": "0.000015"},
            {"up_to": "100000", "unit_amount": "0.000012"},
            {"unit_amount": "0.00001"},
        ],
    },
    "bytes": {"model": "overage", "included_units": "1000000", "unit_amount": "0.00000009"},
    "seats": {
        "model": "volume",
        "tiers": [{"up_to": "50", "unit_amount": "0.5"}, {"unit_amount": "0.4", "flat_amount": "1"}],
    },
}

# The fee goes back to the plan's in that phase: three prices change.
CHEAPER: Final = {"calls": {"package_amount": "0.04"}, "tokens": {"percent_off": "5"}}

_CHANGES_EVERY: Final = 10


@dataclass(frozen=True, slots=True)
class World:
    """So many customers, each with a subscription, and so many events."""

    customers: int
    events: int

    @property
    def lines(self) -> int:
        return self.customers * len(PRICES)


def customer(number: int) -> str:
    return f"cus_{number:06d}"


def period(number: int, anchors: str) -> tuple[datetime, datetime]:
    """The billing period of a customer that contains AT."""
    day = number % ANCHORS[anchors] + 1
    return datetime(2026, 3, day, tzinfo=UTC), datetime(2026, 4, day, tzinfo=UTC)


def channel(engine: EngineProcess) -> grpc.Channel:
    return open_channel(
        engine.target,
        api_key=engine.api_key,
        options=[("grpc.max_receive_message_length", _ANSWER_BYTES_MAX)],
    )


def apply_plan(engine: EngineProcess, world: World) -> None:
    """The plan with its meters, and the customers; nobody subscribes yet."""
    customers = [{"id": customer(n), "name": f"Customer {n}"} for n in range(world.customers)]
    apply_documents(engine, [plan_document(), *_pieces("customers", customers)])


def plan_document() -> dict[str, Any]:
    """The plan and its meters."""
    return {
        "meters": [{"id": name, "event_type": EVENT_TYPE, **fields} for name, fields in METERS.items()],
        "plans": [
            {
                "id": PLAN,
                "name": "Standard",
                "currency": "USD",
                "prices": [
                    {"id": name, **({"meter": name} if name in METERS else {}), **fields}
                    for name, fields in PRICES.items()
                ],
            }
        ],
    }


def subscribe(engine: EngineProcess, world: World, anchors: str) -> None:
    """Everybody's subscription starts in January, on one of so many days."""
    subscriptions = [
        {"customer": customer(n), "plan": PLAN, "start": f"2026-01-{n % ANCHORS[anchors] + 1:02}"}
        for n in range(world.customers)
    ]
    apply_documents(engine, _pieces("subscriptions", subscriptions))


def let_change(engine: EngineProcess, world: World, anchors: str) -> None:
    """Everybody has a trial behind it, a fee of its own and a coupon; every tenth changes its terms inside March."""
    apply_documents(engine, [{"coupons": [{"id": "tenth", "name": "A tenth off", "percent_off": "10"}]}])
    customers = [
        {"id": customer(n), "name": f"Customer {n}", "coupons": [{"coupon": "tenth", "start": "2026-01-01"}]}
        for n in range(world.customers)
    ]
    subscriptions = [
        {
            "customer": customer(n),
            "plan": PLAN,
            "start": f"2026-01-{n % ANCHORS[anchors] + 1:02}",
            "phases": [
                {"start": "2026-02-01", "trial": "free"},
                {"start": "2026-02-08", "overrides": {"fee": {"flat_amount": f"{15 + n % 8}"}}},
                *(
                    []
                    if n % _CHANGES_EVERY
                    else [{"start": f"2026-03-{_change_day(n)}", "overrides": CHEAPER}]
                ),
            ],
        }
        for n in range(world.customers)
    ]
    apply_documents(engine, [*_pieces("customers", customers), *_pieces("subscriptions", subscriptions)])


def changing_lines(world: World, anchors: str) -> int:
    """How many lines of March there are after `let_change`: the three prices that change in a period have two each."""
    in_march = (
        period(n, anchors)[0] < datetime(2026, 3, _change_day(n), tzinfo=UTC)
        for n in range(0, world.customers, _CHANGES_EVERY)
    )
    return world.lines + 3 * sum(in_march)


def _change_day(number: int) -> int:
    """On what day of March the terms of a customer change."""
    return 15 + number // _CHANGES_EVERY % 14


def _pieces(kind: str, resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{kind: resources[first : first + _PIECE]} for first in range(0, len(resources), _PIECE)]


def apply_documents(engine: EngineProcess, documents: list[dict[str, Any]]) -> None:
    """Documents of a catalog, one after the other."""
    with channel(engine) as opened:
        for document in documents:
            request = ApplyCatalogRequest(document=json.dumps(document), file_name="bench.json")
            CatalogServiceStub(opened).ApplyCatalog(request, timeout=TIMEOUT_S)


def record(engine: EngineProcess, world: World, said: Callable[[int], None]) -> None:
    """Sends every event once, as a loader of history does.

    Raises:
        RuntimeError: one was not accepted.
    """
    with channel(engine) as opened, ThreadPoolExecutor(_CALLERS) as pool:
        stub = UsageServiceStub(opened)

        def send(first: int) -> int:
            count = min(_REQUEST_EVENTS, world.events - first)
            request = RecordUsageColumnsRequest(arrow_ipc=_columns(first, count, world))
            answer = stub.RecordUsageColumns(request, timeout=TIMEOUT_S)
            if set(answer.verdicts) != {VERDICT_ACCEPTED}:
                raise RuntimeError(f"an event of the bench was not accepted: {answer.problems[:1]}")
            return count

        sent = 0
        for count in pool.map(send, range(0, world.events, _REQUEST_EVENTS)):
            sent += count
            said(sent)


def _columns(first: int, count: int, world: World) -> bytes:
    """Events `first` to `first + count` as an Arrow stream; each customer has as many, spread over 28 days."""
    i = np.arange(first, first + count, dtype=np.int64)
    start_us = int(_FIRST.timestamp()) * 1_000_000
    span_us = 28 * 86_400_000_000
    values = [i * 7907 % 4_001, i * 104_729 % 99_991, i * 31 % 89]
    flat = pa.concat_arrays([pc.cast(pa.array(each), pa.string()) for each in values])
    interleaved = pa.array(np.arange(3 * count).reshape(3, count).T.ravel())
    names = pa.array(["tokens", "bytes", "seats"])
    table = pa.table(
        {
            "event_id": pc.binary_join_element_wise(
                # In no order, as ids are.
                pc.cast(pa.array(i * 2_654_435_761 % 2**32), pa.string()),
                pc.cast(pa.array(i), pa.string()),
                "-",
            ),
            "event_type": pa.array([EVENT_TYPE]).take(pa.array(np.zeros(count, dtype=np.int64))),
            "customer_id": pa.array(map(customer, (i * 7919 % world.customers).tolist())),
            "event_time": pa.array(start_us + i * (span_us // world.events), pa.timestamp("us", "UTC")),
            "properties": pa.MapArray.from_arrays(
                pa.array(np.arange(count + 1, dtype=np.int32) * 3),
                names.take(pa.array(np.tile(np.arange(3), count))),
                flat.take(interleaved),
            ),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def periods_table(world: World, anchors: str) -> pa.Table:
    """customer_id, start_us, end_us."""
    bounds = [period(n, anchors) for n in range(world.customers)]
    return pa.table(
        {
            "customer_id": [customer(n) for n in range(world.customers)],
            "start_us": [int(start.timestamp()) * 1_000_000 for start, _ in bounds],
            "end_us": [int(end.timestamp()) * 1_000_000 for _, end in bounds],
        }
    )


def usage_path(data: Path) -> Path:
    """Where an engine keeps the embedded events of its data directory."""
    return data / "usage"


def numbers(world: World, count: int, dice: np.random.Generator) -> Iterator[int]:
    """Customers at random."""
    return iter(dice.integers(0, world.customers, count).tolist())
