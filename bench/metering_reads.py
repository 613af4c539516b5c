"""One size of the metering bench: a store is filled, rolled up and read; every timed answer is checked."""

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.ingest_events import EVENT_TYPE
from bench.metering_store import (
    CUSTOMERS,
    HOUR_US,
    LARGE,
    MONTH_US,
    PERIOD_US,
    START_US,
    BenchStore,
    customer,
    say,
)
from engine.access.caller import DEFAULT_TENANT
from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.usage.facts.event_source import AFTER_START, BEFORE_END, OF_TENANT_AND_TYPE
from engine.usage.facts.usage_request import GroupUsage, UsageRequest
from engine.usage.query.expiries import Expiries
from engine.usage.query.usage_reader import UsageReader
from engine.usage.rollups.coverage import Coverages
from engine.usage.rollups.rollups import Rollups
from engine.usage.store.query import Query
from engine.usage.store.tables.properties import DECIMAL_PARAMETERS, decimal_sql
from engine.usage.store.tables.schema import EVENTS_TABLE

METERS = {
    each["id"]: Meter.read(each)
    for each in (
        {"id": "sum", "event_type": EVENT_TYPE, "aggregation": "sum", "value": "input_tokens"},
        {"id": "count", "event_type": EVENT_TYPE, "aggregation": "count", "group_by": ["model"]},
    )
}
_ALL = [customer(number) for number in range(CUSTOMERS)]
_GROUPS_MAX = 100_000
_TAIL_EVENTS, _TAIL_INSERTS = 10_000, 10


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often each thing is measured."""

    small: int
    large: int
    raw_large: int
    all_customers: int
    late: int


def measure(path: Path, events: int, repeats: Repeats, seed: int, *, unmerged: bool) -> dict[str, Any]:
    """Everything about one size; `unmerged`: also reads before the first merge.

    Raises:
        SystemExit: two ways to read the same usage disagree.
    """
    bench = BenchStore(path, events)
    say(f"{events:,} events: storing them")
    found: dict[str, Any] = {"events": events, "fill_s": bench.fill()}
    measured = _Size(bench, repeats, random.Random(seed))
    if unmerged:
        say(f"{events:,} events: reading {bench.parts(EVENTS_TABLE)} unmerged parts")
        found["unmerged"] = measured.unmerged()
    say(f"{events:,} events: waiting for merges")
    found["parts"] = bench.settle()
    say(f"{events:,} events: building rollups")
    found["build"] = measured.build()
    bench.settle()
    found["bytes_per_event"] = {table: size / events for table, size in bench.bytes_on_disk().items()}
    say(f"{events:,} events: reading")
    found["one_customer"] = measured.one_customer()
    found["all_customers"] = measured.all_customers()
    say(f"{events:,} events: late events, and a tail")
    found["refresh"] = measured.refresh()
    found["tail"] = measured.tail()
    bench.store.close()
    return found


class _Size:
    """Measurements of one store."""

    def __init__(self, bench: BenchStore, repeats: Repeats, dice: random.Random) -> None:
        self._bench, self._repeats, self._dice = bench, repeats, dice
        # As the engine has it.
        coverages = Coverages(bench.store, time.monotonic_ns)
        expiries = Expiries(bench.store, time.monotonic_ns)
        self._reader = UsageReader(bench.store, coverages, expiries=expiries)
        self._rollups = Rollups(bench.store, bench.clock, bench.now_us)

    def build(self) -> dict[str, Any]:
        """The first pass for each meter: its whole history."""
        found = {}
        for name in METERS:
            with _timed() as taken:
                self._keep_up(name)
            found[name] = {"seconds": taken[0], "events_per_second": self._bench.events / taken[0]}
        return found

    def unmerged(self) -> dict[str, Any]:
        """From events alone, as they were stored: the log in the parts of its inserts."""
        large = [self._read_s("sum", [LARGE], raw=True) for _ in range(self._repeats.raw_large)]
        alls = [self._read_s("sum", _ALL, raw=True) for _ in range(2)]
        scan = [self._scan_s() for _ in range(2)]
        return {"large_raw_ms": _ms(large), "all_raw_ms": _ms(alls), "scan_ms": _ms(scan)}

    def one_customer(self) -> dict[str, Any]:
        """Reads of one customer after the other: any at random, and the large one."""
        some = [[customer(self._dice.randrange(1, CUSTOMERS))] for _ in range(self._repeats.small)]
        self._read("sum", [LARGE])  # the first read of a process warms what every later one finds warm
        found = {
            "any_sum": self._percentiles("sum", some),
            "any_count": self._percentiles("count", some[: len(some) // 3]),
            "large_sum": self._percentiles("sum", [[LARGE]] * self._repeats.large),
            "large_count": self._percentiles("count", [[LARGE]] * (self._repeats.large // 3)),
        }
        raw = [self._read_s("sum", [LARGE], raw=True) for _ in range(self._repeats.raw_large)]
        return found | {"large_raw_ms": _ms(raw)}

    def all_customers(self) -> dict[str, Any]:
        """Everybody's usage in one read, in turn with the scan that it is judged beside."""
        rolled: list[float] = []
        scans: list[float] = []
        grouped: list[float] = []
        for _ in range(self._repeats.all_customers):
            rolled.append(self._read_s("sum", _ALL))
            scans.append(self._scan_s())
            grouped.append(self._read_s("count", _ALL))
        for name in METERS:
            self._check(self._request(name, _ALL), None)
        return {"sum_ms": _ms(rolled), "scan_ms": _ms(scans), "count_ms": _ms(grouped)}

    def refresh(self) -> dict[str, Any]:
        """A pass after one late event, of either kind of customer; after a void; and after nothing."""
        found: dict[str, list[float]] = {"late_large": [], "late_any": [], "void": [], "nothing": []}
        self._keep_up("sum")
        for number in range(self._repeats.late):
            late_us = START_US + MONTH_US // 2 + number * HOUR_US
            event = self._bench.insert([LARGE], late_us)
            found["late_large"].append(self._keep_up_s())
            self._bench.insert([customer(1 + number)], late_us)
            found["late_any"].append(self._keep_up_s())
            self._bench.void(event)
            found["void"].append(self._keep_up_s())
            found["nothing"].append(self._keep_up_s())
            for one in (LARGE, customer(1 + number)):
                self._check(self._request("sum", [one]), None)
        return {f"{name}_ms": _ms(taken) for name, taken in found.items()}

    def tail(self) -> dict[str, Any]:
        """Reads of events of the current hour that no rollup has yet, in unmerged parts; then a pass over them."""
        self._bench.merges("STOP")
        customers = [LARGE, *self._dice.choices(_ALL[1:], k=9)]
        each = _TAIL_EVENTS // _TAIL_INSERTS
        for number in range(_TAIL_INSERTS):
            at_us = START_US + MONTH_US - HOUR_US + number * 1_000_000
            self._bench.insert([customers[place % len(customers)] for place in range(each)], at_us)
        found = {
            "large": self._percentiles("sum", [[LARGE]] * (self._repeats.large // 3)),
            "any": self._percentiles("sum", [[each] for each in customers[1:]] * 5),
            "all_ms": _ms([self._read_s("sum", _ALL) for _ in range(self._repeats.all_customers)]),
            "keep_up_ms": self._keep_up_s() * 1e3,
        }
        self._check(self._request("sum", [LARGE]), None)
        self._bench.merges("START")
        return found

    def _percentiles(self, name: str, asked: Sequence[Sequence[str]]) -> dict[str, float]:
        """Of reads of these customers, one read each; every answer is then compared with the events."""
        seconds, spent_s, answers = [], [], []
        for customers in asked:
            request = self._request(name, customers)
            spent = time.process_time()
            with _timed() as taken:
                answer = self._reader.read(request, _GROUPS_MAX)
            seconds.append(taken[0])
            spent_s.append(time.process_time() - spent)
            answers.append((request, answer))
        known: dict[str, list[GroupUsage]] = {}
        for request, answer in answers:
            (customer_id,) = request.customer_ids
            if customer_id in known:
                # No event was stored in between: the same usage at another watermark.
                _agree(request, answer, known[customer_id])
            else:
                known[customer_id] = self._check(request, answer)
        seconds.sort()
        return {
            "reads": len(seconds),
            "p50_ms": median(seconds) * 1e3,
            "p99_ms": _nearest_rank_ms(seconds, 99),
            "p50_cpu_ms": median(spent_s) * 1e3,
        }

    def _check(self, request: UsageRequest, answer: list[GroupUsage] | None) -> list[GroupUsage]:
        """The usage from events alone, which must be what rollups say."""
        answer = self._reader.read(request, _GROUPS_MAX) if answer is None else answer
        raw = self._reader.read(request, _GROUPS_MAX, raw_only=True)
        _agree(request, answer, raw)
        return raw

    def _request(self, name: str, customers: Sequence[str]) -> UsageRequest:
        """What rating asks, as of now."""
        return measure_of(DEFAULT_TENANT, METERS[name]).asked(
            sorted(customers), PERIOD_US, self._bench.watermark()
        )

    def _read(self, name: str, customers: Sequence[str], *, raw: bool = False) -> None:
        self._reader.read(self._request(name, customers), _GROUPS_MAX, raw_only=raw)

    def _read_s(self, name: str, customers: Sequence[str], *, raw: bool = False) -> float:
        request = self._request(name, customers)
        with _timed() as taken:
            self._reader.read(request, _GROUPS_MAX, raw_only=raw)
        return taken[0]

    def _scan_s(self) -> float:
        """The least that can be asked of the log: no FINAL, no digest, no counts, no watermark."""
        where = " AND ".join([*OF_TENANT_AND_TYPE, AFTER_START, BEFORE_END])
        query = Query(
            f"SELECT customer_id, sum({decimal_sql('property')}) FROM {EVENTS_TABLE} WHERE {where} GROUP BY customer_id",
            {
                "tenant": DEFAULT_TENANT,
                "event_type": EVENT_TYPE,
                "period_start_us": PERIOD_US[0],
                "period_end_us": PERIOD_US[1],
                "property": "input_tokens",
                **DECIMAL_PARAMETERS,
            },
        )
        with _timed() as taken:
            rows = self._bench.store.query(query)
        if not rows:
            raise SystemExit("the scan found no customer")
        return taken[0]

    def _keep_up(self, name: str) -> None:
        self._rollups.keep_up(measure_of(DEFAULT_TENANT, METERS[name]))

    def _keep_up_s(self) -> float:
        with _timed() as taken:
            self._keep_up("sum")
        return taken[0]


def _agree(request: UsageRequest, answer: list[GroupUsage], other: list[GroupUsage]) -> None:
    if answer != other:
        differing = next(iter(set(answer) ^ set(other)), None)
        raise SystemExit(
            f"{request.aggregation} of {request.customer_ids[:3]}: rollups and events disagree, {differing}"
        )


@contextmanager
def _timed() -> Iterator[list[float]]:
    """Seconds of what runs inside, once it has run."""
    taken: list[float] = []
    began = time.perf_counter()
    yield taken
    taken.append(time.perf_counter() - began)


def _ms(seconds: Sequence[float]) -> float:
    return median(seconds) * 1e3


def _nearest_rank_ms(ascending_s: Sequence[float], percent: int) -> float:
    return ascending_s[-(-len(ascending_s) * percent // 100) - 1] * 1e3
