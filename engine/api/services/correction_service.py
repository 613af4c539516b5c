"""CorrectionService: reused ids settled on demand, and what was voided, listed. Corrections: correct_usage_service."""

from collections.abc import Callable

from engine.api.correction_messages import conflict_message
from engine.api.messages import fitting
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened_at, sealed
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, to_timestamp
from engine.usage.corrections.conflict_list import list_conflicts
from engine.usage.corrections.reconciler import Reconciler
from engine.usage.store.usage_store import UsageStore
from ingest import IngestOrder
from meterline.v1.correction_pb2 import (
    ListConflictsRequest,
    ListConflictsResponse,
    ReconcileUsageRequest,
    ReconcileUsageResponse,
)

_PAGE_SIZE_DEFAULT = 100
# Two keys of at most 384 bytes each are bound for a conflict, in one statement of at most some 128 KiB a column.
_PAGE_SIZE_MAX = 250


class CorrectionService:
    """Settles and lists."""

    def __init__(
        self, usage: UsageStore, reconciler: Reconciler, clock: IngestOrder, now_us: Callable[[], int]
    ) -> None:
        self._usage = usage
        self._reconciler = reconciler
        self._clock = clock
        self._now_us = now_us

    def list_conflicts(self, request: ListConflictsRequest, call: Call) -> ListConflictsResponse:
        page_size = checked_size(request.page_size, _PAGE_SIZE_DEFAULT, _PAGE_SIZE_MAX)
        newest_us = self._clock.watermark(self._now_us())
        as_of_us, skip = opened_at(request.page_token, request.event_id, newest_us)
        # One more than the page tells whether there is another.
        found = list_conflicts(self._usage, call.tenant, request.event_id, as_of_us, (skip, page_size + 1))
        page = fitting(map(conflict_message, found[:page_size]))
        more = len(page) < len(found)
        return ListConflictsResponse(
            conflicts=page,
            as_of=to_timestamp(as_of_us),
            next_page_token=sealed(request.event_id, as_of_us, skip + len(page)) if more else "",
        )

    def reconcile_usage(self, request: ReconcileUsageRequest, call: Call) -> ReconcileUsageResponse:
        start_us, end_us = optional_us(request, "period_start"), optional_us(request, "period_end")
        if start_us is None or end_us is None:
            missing = "period_start" if start_us is None else "period_end"
            raise InvalidRequestError(FieldMistake(missing, "is not set: name the period to look at"))
        if end_us <= start_us:
            raise InvalidRequestError(FieldMistake("period_end", "must be later than period_start"))
        done = self._reconciler.reconcile(call.tenant, start_us, end_us)
        return ReconcileUsageResponse(
            event_count=done.events, voided_event_count=done.voided, as_of=to_timestamp(done.until_us)
        )
