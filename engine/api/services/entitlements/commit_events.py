"""The event of a commit, as admission reads it and as it is recorded."""

from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

import pyarrow as pa

from engine.entitlements.reservations import SentEvent, StoredEvent
from engine.errors import FieldMistake, InvalidRequestError, StoreUnavailableError
from engine.usage.recording.intake import Intake
from ingest import Admission, Limits, RequestKind, Verdict, decode
from meterline.v1.usage_pb2 import RecordUsageRequest, UsageEvent

# As RecordUsage waits (engine.api.services.usage_service).
_COMMIT_TIMEOUT_S: Final = 60
_RETRY_AFTER_MS: Final = 1_000


class CommitEvents:
    """Reads events, and records them through the one way in."""

    def __init__(
        self,
        intake: Intake,
        admission_for: Callable[[str], Admission],
        limits: Limits,
        now_us: Callable[[], int],
    ) -> None:
        self._intake = intake
        self._admission_for = admission_for
        self._limits = limits
        self._now_us = now_us

    def read(self, tenant: str, event: UsageEvent) -> SentEvent:
        """Raises InvalidRequestError for one that admission refuses, with all that is wrong."""
        request = RecordUsageRequest(events=[event]).SerializeToString(deterministic=True)
        decoded = decode(RequestKind.RECORD, [request], self._limits)
        if mistake := decoded.mistakes.get(0):
            raise InvalidRequestError(FieldMistake(f"event.{mistake.field}", mistake.message))
        admitted = self._admission_for(tenant).admit(tenant, decoded.events, self._now_us())
        if problems := admitted.problems.get(0):
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
        )

    def record(self, tenant: str, request: bytes) -> StoredEvent:
        """Raises RetryLaterError where it is not known to be stored."""
        done = self._intake.submit(tenant, RequestKind.RECORD, request)
        try:
            recorded = done.result(_COMMIT_TIMEOUT_S)
        except FutureTimeoutError:
            raise StoreUnavailableError(
                "the usage store takes too long: send it again", retry_after_ms=_RETRY_AFTER_MS
            ) from None
        if all(verdict <= Verdict.DUPLICATE for verdict in recorded.verdicts.tolist()):
            return StoredEvent(recorded.as_of_us)
        return StoredEvent(
            recorded.as_of_us,
            [FieldMistake(f"event.{each.field}", each.message) for _, each in recorded.problems],
        )
