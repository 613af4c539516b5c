"""The event of a commit, as admission reads it and as it is recorded."""

from collections.abc import Callable

import pyarrow as pa

from engine.api.operation import Call
from engine.entitlements.reservations import SentEvent, StoredEvent
from engine.errors import FieldMistake, InvalidRequestError
from engine.usage.recording.problem_log import SentRequest
from engine.usage.recording.recorder import Recorder
from ingest import Admission, Limits, RequestKind, Verdict, decode
from meterline.v1.usage_pb2 import RecordUsageRequest, UsageEvent


class CommitEvents:
    """Reads events, and records them through the one way in."""

    def __init__(
        self,
        recorder: Recorder,
        admission_for: Callable[[str], Admission],
        limits: Limits,
        now_us: Callable[[], int],
    ) -> None:
        self._recorder = recorder
        self._admission_for = admission_for
        self._limits = limits
        self._now_us = now_us

    def read(self, event: UsageEvent, call: Call) -> SentEvent:
        """Raises InvalidRequestError for one that admission refuses, with all that is wrong."""
        tenant, credential = call.tenant, call.caller.credential
        request = RecordUsageRequest(events=[event]).SerializeToString(deterministic=True)
        decoded = decode(RequestKind.RECORD, [request], self._limits)
        if mistake := decoded.mistakes.get(0):
            raise InvalidRequestError(FieldMistake(f"event.{mistake.field}", mistake.message))
        admitted = self._admission_for(tenant).admit(tenant, decoded.events, self._now_us())
        if problems := admitted.problems.get(0):
            self._recorder.rejected(_sent(tenant, request, credential), problems)
            raise InvalidRequestError(
                *(FieldMistake(f"event.{each.field}", each.message) for each in problems)
            )
        row = admitted.events.slice(0, 1)
        (properties,) = row.column("properties").to_pylist()
        return SentEvent(
            request,
            row.column("customer_id")[0].as_py(),
            row.column("event_type")[0].as_py(),
            int(row.column("event_time").cast(pa.int64())[0].as_py()),
            dict(properties),
            credential,
        )

    def record(self, tenant: str, request: bytes, credential: str) -> StoredEvent:
        """Raises RetryLaterError where it is not known to be stored."""
        submitted = self._recorder.submit(_sent(tenant, request, credential))
        recorded = self._recorder.recorded(submitted)
        if all(verdict <= Verdict.DUPLICATE for verdict in recorded.verdicts.tolist()):
            return StoredEvent(recorded.as_of_us)
        return StoredEvent(
            recorded.as_of_us,
            [FieldMistake(f"event.{each.field}", each.message) for _, each in recorded.problems],
        )


def _sent(tenant: str, request: bytes, credential: str) -> SentRequest:
    return SentRequest(tenant=tenant, credential=credential, kind=RequestKind.RECORD, data=request)
