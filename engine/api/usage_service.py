"""UsageService: requests in, verdicts out, acknowledged only when durable."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import cast

import grpc

from engine.api.rpc import Call
from engine.errors import (
    FieldMistake,
    InvalidRequestError,
    StoreUnavailableError,
    TooManyStreamsError,
)
from engine.metrics import METRICS
from engine.times import to_timestamp
from engine.usage.committer import Committer, Recorded
from ingest import Admission, Limits, Outcome, Problem, Verdict
from meterline.v1 import usage_pb2
from meterline.v1.usage_pb2 import (
    EventProblem,
    RecordUsageRequest,
    RecordUsageResponse,
    StreamUsageRequest,
    StreamUsageResponse,
    UsageEvent,
)

# Longer than any healthy insert; a caller that waits longer does better to ask again.
_COMMIT_TIMEOUT_S = 60
# A stream holds a server thread for as long as it is open; half of the threads stay free for other calls.
STREAMS_MAX = 32
_STREAM_RETRY_AFTER_MS = 1_000
# Requests of one stream that may wait for their acknowledgement: enough to keep inserts busy while bounding
# what one connection can hold in memory.
_STREAM_WINDOW = 8
# A batch of bad events must not make an answer that the client refuses: 4 MiB by default.
_MESSAGES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class _Verdicts:
    verdicts: list[usage_pb2.Verdict]
    problems: list[EventProblem]


class UsageService:
    """Takes usage events."""

    def __init__(
        self,
        committer: Committer,
        limits: Limits,
        admission_for: Callable[[str], Admission],
        now_us: Callable[[], int],
    ) -> None:
        self._committer = committer
        self._limits = limits
        self._admission_for = admission_for
        self._now_us = now_us
        self._stream_places = threading.BoundedSemaphore(STREAMS_MAX)

    def record_usage(self, request: RecordUsageRequest, call: Call) -> RecordUsageResponse:
        recorded = _wait(self._submit(request.events, call))
        answer = _answer(recorded.outcomes)
        return RecordUsageResponse(
            verdicts=answer.verdicts, problems=answer.problems, as_of=to_timestamp(recorded.as_of_us)
        )

    def stream_usage(
        self, requests: Iterator[StreamUsageRequest], call: Call
    ) -> Iterator[StreamUsageResponse]:
        """Reads ahead up to a window, so that the inserts of one stream overlap with its requests."""
        if not self._stream_places.acquire(blocking=False):
            raise TooManyStreamsError(
                f"{STREAMS_MAX} streams are open, the most that this engine serves: share one among your threads",
                retry_after_ms=_STREAM_RETRY_AFTER_MS,
            )
        try:
            yield from self._acknowledge(requests, call)
        finally:
            self._stream_places.release()

    def _acknowledge(
        self, requests: Iterator[StreamUsageRequest], call: Call
    ) -> Iterator[StreamUsageResponse]:
        window: queue.Queue[tuple[int, Future[Recorded]] | Exception | None] = queue.Queue(_STREAM_WINDOW)
        closed = threading.Event()

        def read() -> None:
            end: Exception | None = None
            try:
                for request in requests:
                    if closed.is_set():
                        return
                    _put(window, (request.sequence, self._submit(request.events, call)), closed)
            except grpc.RpcError:
                # The client has gone; there is nobody to tell.
                end = None
            except Exception as error:  # noqa: BLE001 - raised again by the thread that answers
                end = error
            _put(window, end, closed)

        reader = threading.Thread(target=read, name="meterline-stream-reader", daemon=True)
        reader.start()
        try:
            while (entry := window.get()) is not None:
                if isinstance(entry, Exception):
                    raise entry
                sequence, future = entry
                recorded = _wait(future)
                answer = _answer(recorded.outcomes)
                yield StreamUsageResponse(
                    sequence=sequence,
                    verdicts=answer.verdicts,
                    problems=answer.problems,
                    as_of=to_timestamp(recorded.as_of_us),
                )
        finally:
            closed.set()

    def _submit(self, events: Sequence[UsageEvent], call: Call) -> "Future[Recorded]":
        events_max = self._limits.request_events_max
        if not 1 <= len(events) <= events_max:
            raise InvalidRequestError(
                FieldMistake(
                    "events", f"has {len(events)} events: send 1 to {events_max} (request_events_max)"
                )
            )
        return self._committer.submit(
            self._admission_for(call.tenant).admit(call.tenant, events, self._now_us())
        )


def _put(
    window: "queue.Queue[tuple[int, Future[Recorded]] | Exception | None]",
    entry: tuple[int, "Future[Recorded]"] | Exception | None,
    closed: threading.Event,
) -> None:
    """Waits for a place in the window, unless the stream has ended."""
    while not closed.is_set():
        try:
            window.put(entry, timeout=1)
        except queue.Full:
            continue
        return


def _wait(future: "Future[Recorded]") -> Recorded:
    try:
        return future.result(_COMMIT_TIMEOUT_S)
    except FutureTimeoutError as error:
        raise StoreUnavailableError(
            f"the usage store took longer than {_COMMIT_TIMEOUT_S} s", retry_after_ms=1_000
        ) from error


def _answer(outcomes: Sequence[Outcome]) -> _Verdicts:
    verdicts: list[Verdict] = []
    problems: list[EventProblem] = []
    for index, outcome in enumerate(outcomes):
        if isinstance(outcome, Problem):
            verdicts.append(outcome.verdict)
            problems.append(
                EventProblem(
                    index=index,
                    field=outcome.field,
                    reason=cast("usage_pb2.ProblemReason", outcome.reason),
                    retryable=outcome.retryable,
                    message=outcome.message if len(problems) < _MESSAGES_MAX else "",
                )
            )
        else:
            verdicts.append(outcome)
    for verdict in Verdict:
        METRICS.events.labels(verdict.name.lower()).inc(verdicts.count(verdict))
    # The numbers of the two enums are the same; a test holds it.
    return _Verdicts(cast("list[usage_pb2.Verdict]", verdicts), problems)
