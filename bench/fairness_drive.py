"""The client processes of the fairness bench: a tenant that floods, and one that sends and reads at a modest rate."""

import contextlib
import http.client
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import grpc

from bench.ingest_events import Events
from meterline import open_channel
from meterline.v1.spend_pb2 import GetSpendRequest

# Others' machines have processors of their own: on this one they give way to the engine and to who is measured.
_FLOOD_NICE = 5
_RECORD, _SPEND = "UsageService/RecordUsage", "SpendService/GetSpend"
_ANY_RUN, _REQUESTS = b"feedface", 20
Send = Callable[[str, bytes], bool]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tenant calls: `face` is "grpc" or "http"."""

    face: str
    target: str
    http_port: int
    key: str


@dataclass(frozen=True, slots=True)
class Flood:
    """What one process sends until the time is over: so many requests a second in all, or as many as it can (None)."""

    place: Place
    run: int
    until_s: float
    callers: int
    size: int
    requests_per_s: float | None


@dataclass(frozen=True, slots=True)
class Modest:
    """`size` events every `every_s`, and a look at the spend of one customer every `every_s`, for so many seconds."""

    place: Place
    run: int
    seconds: float
    every_s: float
    size: int
    customer_id: str


@dataclass(slots=True)
class Sent:
    """What became of the requests of one process, and the seconds that those took which were measured."""

    accepted: int = 0
    refused: int = 0
    record_s: list[float] = field(default_factory=list)
    spend_s: list[float] = field(default_factory=list)


def prepare(size: int) -> None:
    """Makes what a flood sends: for each process, before anything is measured."""
    _flood_requests(size)


@cache
def _flood_requests(size: int) -> list[bytes]:
    """To be told apart by the eight digits that all their ids begin with."""
    events = Events(int(_ANY_RUN, 16), time.time_ns() // 1_000 - 3_600_000_000)
    return list(events.requests("RecordUsage", 0, _REQUESTS * size, size))


def flood(load: Flood) -> Sent:
    """Comes at once again, whatever it is told. Every event is new."""
    os.nice(_FLOOD_NICE)
    found = Sent()
    counting = threading.Lock()
    requests = _flood_requests(load.size)
    first = load.run << 20
    pace_s = None if load.requests_per_s is None else load.callers / load.requests_per_s

    def work(number: int) -> None:
        with _sender(load.place) as send:
            next_s, index = time.monotonic() + number * (pace_s or 0) / load.callers, number
            while (now_s := time.monotonic()) < load.until_s:
                if pace_s is not None and now_s < next_s:
                    time.sleep(min(next_s - now_s, load.until_s - now_s))
                    continue
                # Who falls behind does not catch up.
                next_s = max(next_s, now_s - (pace_s or 0)) + (pace_s or 0)
                data = requests[index % len(requests)].replace(
                    _ANY_RUN, b"%08x" % (first + index & 0xFFFF_FFFF)
                )
                taken = send(_RECORD, data)
                index += load.callers
                with counting:
                    found.accepted += taken
                    found.refused += not taken

    _together([lambda number=number: work(number) for number in range(load.callers)])
    return found


def modest(load: Modest) -> Sent:
    """Measures every call; one that is refused counts with the time until it was."""
    found = Sent()
    started_us = time.time_ns() // 1_000 - 3_600_000_000
    count = 2 + int(load.seconds / load.every_s)
    requests = iter(
        list(Events(load.run, started_us).requests("RecordUsage", 0, count * load.size, load.size))
    )
    read = GetSpendRequest(customer_id=load.customer_id).SerializeToString()
    until_s = time.monotonic() + load.seconds

    def every(call: Callable[[], tuple[str, bytes]], times: list[float]) -> None:
        with _sender(load.place) as send:
            next_s = time.monotonic()
            while (now_s := time.monotonic()) < until_s:
                if now_s < next_s:
                    time.sleep(next_s - now_s)
                    continue
                next_s = max(next_s + load.every_s, now_s)
                method, data = call()
                began_s = time.perf_counter()
                taken = send(method, data)
                times.append(time.perf_counter() - began_s)
                if times is found.record_s:
                    found.accepted += taken
                    found.refused += not taken

    _together(
        [
            lambda: every(lambda: (_RECORD, next(requests)), found.record_s),
            lambda: every(lambda: (_SPEND, read), found.spend_s),
        ]
    )
    return found


def _together(works: list[Callable[[], None]]) -> None:
    failures: list[BaseException] = []

    def kept(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised below, by the thread that waits
            failures.append(error)

    threads = [threading.Thread(target=kept, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _sender(place: Place) -> contextlib.AbstractContextManager[Send]:
    return _over_grpc(place) if place.face == "grpc" else _over_http(place)


@contextlib.contextmanager
def _over_grpc(place: Place):  # noqa: ANN202 - a Send
    # A connection for each caller, as processes on other machines would have.
    with open_channel(
        place.target, api_key=place.key, options=[("grpc.use_local_subchannel_pool", 1)]
    ) as opened:
        calls = {name: opened.unary_unary(f"/meterline.v1.{name}") for name in (_RECORD, _SPEND)}

        def send(method: str, data: bytes) -> bool:
            try:
                calls[method](data, timeout=60)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                    return False
                raise
            return True

        yield send


@contextlib.contextmanager
def _over_http(place: Place):  # noqa: ANN202 - a Send
    headers = {"authorization": f"Bearer {place.key}", "content-type": "application/protobuf"}
    connection = http.client.HTTPConnection("127.0.0.1", place.http_port, timeout=60)

    def send(method: str, data: bytes) -> bool:
        try:
            connection.request("POST", f"/meterline.v1.{method}", data, headers)
            response = connection.getresponse()
            response.read()
        except (ConnectionError, http.client.HTTPException):
            # The engine closes behind a refusal, perhaps before all was sent.
            connection.close()
            return False
        if response.status not in (200, 429):
            raise RuntimeError(f"{method}: HTTP {response.status}")
        return response.status == 200

    with contextlib.closing(connection):
        yield send
