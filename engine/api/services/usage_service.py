"""UsageService: requests in, verdicts out, acknowledged only when durable."""

import queue
import threading
from collections.abc import Iterator
from contextvars import copy_context
from typing import TypeVar, cast

import grpc
import numpy as np
from numpy.typing import NDArray

from engine.api.operation import Call
from engine.times import to_timestamp
from engine.usage.recording.committer import Recorded
from engine.usage.recording.problem_log import SentRequest
from engine.usage.recording.recorder import Recorder, Submitted
from ingest import RequestKind
from meterline.v1 import usage_pb2
from meterline.v1.usage_pb2 import (
    RecordUsageColumnsResponse,
    RecordUsageResponse,
    StreamUsageResponse,
)

# Requests of one stream that may wait for their acknowledgement: enough to keep inserts busy while bounding
# what one connection can hold in memory.
_STREAM_WINDOW = 8
# A batch of bad events must not make an answer that the client refuses: 4 MiB by default.
_MESSAGES_MAX = 1_000
# protobuf's wire type of a packed field.
_LENGTH_DELIMITED = 2


Answer = TypeVar("Answer", RecordUsageResponse, RecordUsageColumnsResponse, StreamUsageResponse)


class UsageService:
    """Takes usage events. Requests stay bytes up to the intake."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def record_usage(self, request: bytes, call: Call) -> RecordUsageResponse:
        recorded = self._recorder.recorded(self._submit(RequestKind.RECORD, request, call))
        return _answered(RecordUsageResponse(), recorded)

    def record_usage_columns(self, request: bytes, call: Call) -> RecordUsageColumnsResponse:
        recorded = self._recorder.recorded(self._submit(RequestKind.COLUMNS, request, call))
        return _answered(RecordUsageColumnsResponse(), recorded)

    def stream_usage(self, requests: Iterator[bytes], call: Call) -> Iterator[StreamUsageResponse]:
        """Reads ahead up to a window, so that the inserts of one stream overlap with its requests."""
        window: queue.Queue[Submitted | Exception | None] = queue.Queue(_STREAM_WINDOW)
        closed = threading.Event()

        def read() -> None:
            end: Exception | None = None
            try:
                for request in requests:
                    if closed.is_set():
                        return
                    _put(window, self._submit(RequestKind.STREAM, request, call), closed)
            except grpc.RpcError:
                # The client has gone; there is nobody to tell.
                end = None
            except Exception as error:  # noqa: BLE001 - raised again by the thread that answers
                end = error
            _put(window, end, closed)

        # What it logs belongs to the call.
        reader = threading.Thread(
            target=copy_context().run, args=(read,), name="meterline-stream-reader", daemon=True
        )
        reader.start()
        try:
            while (entry := window.get()) is not None:
                if isinstance(entry, Exception):
                    raise entry
                recorded = self._recorder.recorded(entry)
                yield _answered(StreamUsageResponse(sequence=recorded.sequence), recorded)
        finally:
            closed.set()

    def _submit(self, kind: RequestKind, request: bytes, call: Call) -> Submitted:
        return self._recorder.submit(
            SentRequest(tenant=call.tenant, credential=call.caller.credential, kind=kind, data=request)
        )


def _put(
    window: queue.Queue[Submitted | Exception | None],
    entry: Submitted | Exception | None,
    closed: threading.Event,
) -> None:
    """Waits for a place in the window, unless the stream has ended."""
    while not closed.is_set():
        try:
            window.put(entry, timeout=1)
        except queue.Full:
            continue
        return


def _answered(answer: Answer, recorded: Recorded) -> Answer:
    """The answer with its verdicts, problems and watermark."""
    answer.MergeFromString(_packed(answer.DESCRIPTOR.fields_by_name["verdicts"].number, recorded.verdicts))
    for number, (index, problem) in enumerate(recorded.problems):
        answer.problems.add(
            index=index,
            field=problem.field,
            reason=cast("usage_pb2.ProblemReason", problem.reason),
            retryable=problem.retryable,
            message=problem.message if number < _MESSAGES_MAX else "",
        )
    answer.as_of.CopyFrom(to_timestamp(recorded.as_of_us))
    return answer


def _packed(field_number: int, verdicts: NDArray[np.uint8]) -> bytes:
    """The verdicts as the packed field: each is one byte of it, so that none is handled by itself. The numbers of
    the two enums are the same; a test holds it.
    """
    data = verdicts.tobytes()
    head = [field_number << 3 | _LENGTH_DELIMITED]
    size = len(data)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + data
