"""What the spend bench sends and waits for: watches of many customers, and callers that reserve and commit, by threads of one process."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import grpc

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.entitlements_pb2 import (
    CommitReservationRequest,
    ReleaseReservationRequest,
    ReserveUsageRequest,
)
from meterline.v1.entitlements_pb2_grpc import EntitlementServiceStub
from meterline.v1.spend_pb2 import WatchSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from meterline.v1.usage_pb2 import PropertyValue, RecordUsageRequest, UsageEvent
from meterline.v1.usage_pb2_grpc import UsageServiceStub

TIMEOUT_S: Final = 120
# Streams of one connection that a server takes by default; more of them share none.
_STREAMS: Final = 50


@dataclass(slots=True)
class Watched:
    """What became of one customer's watch. seen: when the spend was pushed that had so many events more than the first."""

    customer_id: str
    first: int | None = None
    pushes: int = 0
    seen: dict[int, float] = field(default_factory=dict)
    acked_s: list[float] = field(default_factory=list)

    def delays_ms(self) -> list[float]:
        """Of each event that was acknowledged: until a spend that has it was pushed."""
        found, waiting = [], list(enumerate(self.acked_s, start=1))
        for count, at_s in sorted(self.seen.items()):
            while waiting and waiting[0][0] <= count:
                # A push may overtake the answer to its own event.
                found.append(max(0.0, at_s - waiting.pop(0)[1]) * 1_000)
        return found


class Watches:
    """One watch for each customer, all at once. `meters`: how many of the prices count an event."""

    def __init__(self, engine: EngineProcess, customers: Sequence[str], meters: int) -> None:
        self._meters = meters
        self.watched = {each: Watched(each) for each in customers}
        self._channels = [
            open_channel(
                engine.target, api_key=engine.api_key, options=[("grpc.use_local_subchannel_pool", 1)]
            )
            for _ in range(-(-len(customers) // _STREAMS))
        ]
        self._calls: list[grpc.Future] = []
        self._threads = []
        for place, watched in enumerate(self.watched.values()):
            stub = SpendServiceStub(self._channels[place // _STREAMS])
            call = stub.WatchSpend(WatchSpendRequest(customer_id=watched.customer_id))
            self._calls.append(call)
            self._threads.append(threading.Thread(target=self._follow, args=(call, watched), daemon=True))
            self._threads[-1].start()

    def wait_for_first(self) -> None:
        """Until each has its first spend. Raises TimeoutError."""
        self._wait(lambda each: each.first is not None)

    def wait_for_all(self) -> None:
        """Until each has what was acknowledged. Raises TimeoutError."""
        self._wait(lambda each: not each.acked_s or max(each.seen, default=0) >= len(each.acked_s))

    def close(self) -> None:
        for call in self._calls:
            call.cancel()
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        for channel in self._channels:
            channel.close()

    def _wait(self, holds) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a predicate of Watched
        until_s = time.monotonic() + TIMEOUT_S
        while not all(map(holds, self.watched.values())):
            if time.monotonic() > until_s:
                raise TimeoutError("a watch was not told of what was acknowledged")
            time.sleep(0.01)

    def _follow(self, call, watched: Watched) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a call of grpc
        try:
            for answer in call:
                at_s = time.monotonic()
                if not answer.HasField("spend"):
                    continue
                events = sum(each.event_count for each in answer.spend.spends) // self._meters
                if watched.first is None:
                    watched.first = events
                    continue
                watched.pushes += 1
                watched.seen.setdefault(events - watched.first, at_s)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.CANCELLED:
                print(f"a watch ended: {error.details()}", flush=True)


class Recorder:
    """Sends events of now, each of another id."""

    def __init__(self, channel: grpc.Channel, event_type: str, run: str) -> None:
        self._stub = UsageServiceStub(channel)
        self._type, self._run, self._count = event_type, run, 0

    def record(self, watched: Sequence[Watched]) -> None:
        """One event of each of these customers in one request."""
        request = RecordUsageRequest()
        for each in watched:
            self._count += 1
            request.events.append(bench_event(self._type, each.customer_id, f"{self._run}-{self._count}"))
        self._stub.RecordUsage(request, timeout=TIMEOUT_S)
        at_s = time.monotonic()
        for each in watched:
            each.acked_s.append(at_s)


@dataclass(frozen=True, slots=True)
class Reserved:
    """Milliseconds of each call, and of both together; and how many pairs there were in how many seconds."""

    reserve_ms: list[float]
    commit_ms: list[float]
    both_ms: list[float]
    seconds: float


def reserve_and_commit(
    engine: EngineProcess,
    customers: Sequence[str],
    limit: str,
    event_type: str,
    callers: int,
    seconds: float,
    run: str,
) -> Reserved:
    """So many callers, each of a customer of its own in turn: reserve one, commit one, again and again."""
    until_s = time.monotonic() + seconds
    began_s = time.monotonic()

    def work(caller: int) -> tuple[list[float], list[float]]:
        reserves, commits = [], []
        number = 0
        while time.monotonic() < until_s:
            customer_id = customers[(caller + callers * number) % len(customers)]
            number += 1
            name = f"{run}-{caller}-{number}"
            asked = ReserveUsageRequest(
                reservation_id=name, customer_id=customer_id, limit=limit, quantity="1"
            )
            event = bench_event(event_type, customer_id, name)
            start_s = time.perf_counter()
            answer = stub.ReserveUsage(asked, timeout=TIMEOUT_S)
            middle_s = time.perf_counter()
            if not answer.granted:
                stub.ReleaseReservation(ReleaseReservationRequest(reservation_id=name), timeout=TIMEOUT_S)
                raise RuntimeError(f"a reservation of the bench was refused: {answer.access}")
            stub.CommitReservation(
                CommitReservationRequest(reservation_id=name, event=event), timeout=TIMEOUT_S
            )
            commits.append((time.perf_counter() - middle_s) * 1_000)
            reserves.append((middle_s - start_s) * 1_000)
        return reserves, commits

    with open_channel(engine.target, api_key=engine.api_key) as channel:
        stub = EntitlementServiceStub(channel)
        with ThreadPoolExecutor(callers) as pool:
            found = list(pool.map(work, range(callers)))
    took_s = time.monotonic() - began_s
    reserve_ms = [each for some, _ in found for each in some]
    commit_ms = [each for _, some in found for each in some]
    both_ms = [sum(each) for each in zip(reserve_ms, commit_ms, strict=True)]
    return Reserved(reserve_ms, commit_ms, both_ms, took_s)


def bench_event(event_type: str, customer_id: str, event_id: str) -> UsageEvent:
    event = UsageEvent(event_id=event_id, event_type=event_type, customer_id=customer_id)
    event.event_time.GetCurrentTime()
    for name in ("tokens", "bytes", "seats"):
        event.properties[name].CopyFrom(PropertyValue(string_value="3"))
    return event
