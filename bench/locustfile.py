"""Users for locust (https://locust.io): `locust -f bench/locustfile.py --host 127.0.0.1:7070`.

Each user is a product service: it sends batches of 100 events, and now and then a single one, as fast as they are
acknowledged, and checks the verdicts. The engine needs the catalog of `bench/ingest_events.py`;
`make bench-ingest` sees to that and runs this file without its web page.
"""

import grpc.experimental.gevent as grpc_gevent

grpc_gevent.init_gevent()

import itertools  # noqa: E402 - gevent comes first
import os  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

import grpc  # noqa: E402
from locust import User, constant, task  # noqa: E402

from bench.ingest_events import Events  # noqa: E402
from meterline import open_channel  # noqa: E402
from meterline.v1.usage_pb2 import VERDICT_ACCEPTED, RecordUsageResponse  # noqa: E402

_runs = itertools.count(int.from_bytes(os.urandom(3), "big") << 8)


class ProductService(User):
    """Sends RecordUsage in a closed loop."""

    wait_time = constant(0)

    def on_start(self) -> None:
        self._channel = open_channel(self.host)
        self._record: Callable[..., bytes] = self._channel.unary_unary(
            "/meterline.v1.UsageService/RecordUsage"
        )
        self._events = Events(next(_runs) & 0xFFFF_FFFF, time.time_ns() // 1_000 - 3_600_000_000)
        self._next = 0

    def on_stop(self) -> None:
        self._channel.close()

    @task(10)
    def batch(self) -> None:
        self._send(100)

    @task(1)
    def single(self) -> None:
        self._send(1)

    def _send(self, size: int) -> None:
        (data,) = self._events.requests("RecordUsage", self._next, size, size)
        self._next += size
        error: Exception | None = None
        began_s = time.perf_counter()
        try:
            answer = RecordUsageResponse.FromString(self._record(data, timeout=30))
            if set(answer.verdicts) != {VERDICT_ACCEPTED}:
                error = RuntimeError(f"not accepted: {answer.problems[:1]}")
        except grpc.RpcError as failed:
            error = failed
        self.environment.events.request.fire(
            request_type="gRPC",
            name=f"RecordUsage of {size}",
            response_time=(time.perf_counter() - began_s) * 1_000,
            response_length=len(data),
            exception=error,
            context={},
        )
