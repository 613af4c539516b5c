"""grpc.health.v1.Health: whether the engine is ready (engine.health.condition). All its services are, or none.

Ours, because the service of grpcio-health-checking answers under its one lock: a Watch whose peer takes no
answer would block every Check, and the shutdown of the engine.
"""

import threading
from collections.abc import Callable, Iterator, Sequence

from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from engine.api.operation import Call
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError

NAME = "grpc.health.v1.Health"
# A Watch whose peer has gone gives its thread back within this, and one that lasts is told of a change.
_LOOK_EVERY_S = 5.0


class HealthService:
    """Knows the services by name; the empty name is the engine."""

    def __init__(self, names: Sequence[str], is_ready: Callable[[], bool]) -> None:
        self._names = frozenset({"", *names})
        self._is_ready = is_ready
        self._ended = False
        self._changed = threading.Condition()

    def end(self) -> None:
        """Tells every Watch, and ends it."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def check(self, request: HealthCheckRequest, _call: Call) -> HealthCheckResponse:
        if request.service not in self._names:
            raise NotFoundError(f"service: {request.service!r} is not served here")
        return HealthCheckResponse(status=self._status())

    def watch(self, requests: Iterator[HealthCheckRequest], call: Call) -> Iterator[HealthCheckResponse]:
        request = next(requests, None)
        if request is None:
            raise InvalidRequestError(FieldMistake("request", "Watch takes exactly one"))
        told = None
        while call.is_active():
            status, ended = self._news(request.service, told)
            if status != told:
                yield HealthCheckResponse(status=status)
                told = status
            if ended:
                return

    def _news(self, service: str, told: int | None) -> tuple["HealthCheckResponse.ServingStatus", bool]:
        """The status, as soon as it is another than `told`, or after a while; and whether it is the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._of(service) != told or self._ended, _LOOK_EVERY_S)
            return self._of(service), self._ended

    def _of(self, service: str) -> "HealthCheckResponse.ServingStatus":
        return self._status() if service in self._names else HealthCheckResponse.SERVICE_UNKNOWN

    def _status(self) -> "HealthCheckResponse.ServingStatus":
        ready = not self._ended and self._is_ready()
        return HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
