"""CorrectionService: usage corrected, tried before, undone after, and looked at."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from engine.api.correction_messages import corrected_event_message, correction_message, effect_message
from engine.api.correction_requests import (
    Rules,
    check_amended,
    check_not_expired,
    read_correction,
    read_undoing,
)
from engine.api.messages import fitting
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened_at, sealed
from engine.billing.rater import Rater
from engine.errors import NotFoundError
from engine.spend.correction_effect import correction_effect
from engine.times import to_timestamp, us_datetime
from engine.usage.corrections.correction import Correction, Signature
from engine.usage.corrections.correction_list import find_correction, list_corrected_events, list_corrections
from engine.usage.corrections.corrections import Check, Corrections
from engine.usage.corrections.voids import Void
from engine.usage.store.usage_store import UsageStore
from ingest import Admission, IngestOrder
from meterline.v1.correction_pb2 import (
    CorrectionEffect,
    CorrectUsageRequest,
    CorrectUsageResponse,
    GetCorrectionRequest,
    GetCorrectionResponse,
    ListCorrectionsRequest,
    ListCorrectionsResponse,
    UndoCorrectionRequest,
    UndoCorrectionResponse,
)

_PAGE_SIZE_DEFAULT = 100
# As of conflicts: two keys of at most 384 bytes each are bound for an event.
_PAGE_SIZE_MAX = 250


@contextlib.contextmanager
def _perhaps_expired(expired_before_us: int) -> Iterator[None]:
    """An event that is not in the log may have been there: nothing remembers the ids of what has expired."""
    try:
        yield
    except NotFoundError as error:
        if not expired_before_us:
            raise
        before = us_datetime(expired_before_us).date()
        raise NotFoundError(f"{error}, or has expired: events before {before} can't be corrected") from error


class CorrectUsageService:
    """Corrects, and lists corrections."""

    def __init__(
        self,
        corrections: Corrections,
        usage: UsageStore,
        rater: Rater,
        clock: IngestOrder,
        admission_for: Callable[[str], Admission],
        now_us: Callable[[], int],
    ) -> None:
        self._corrections = corrections
        self._usage = usage
        self._rater = rater
        self._clock = clock
        self._admission_for = admission_for
        self._now_us = now_us

    def correct_usage(self, request: CorrectUsageRequest, call: Call) -> CorrectUsageResponse:
        admission = self._admission_for(call.tenant)
        rules = Rules(admission.limits, admission.value_properties, self._now_us())
        correction, signature = read_correction(request, rules)
        check = self._check(call.tenant, correction, rules)
        with _perhaps_expired(admission.expired_before_us):
            if request.dry_run:
                effect, as_of_us = self._tried(call.tenant, correction, signature, check)
                return CorrectUsageResponse(effect=effect, as_of=to_timestamp(as_of_us))
            expected = request.expected_event_count if request.HasField("expected_event_count") else None
            recorded = self._corrections.record(call.tenant, correction, signature, expected, check)
        return CorrectUsageResponse(
            correction=correction_message(recorded), as_of=to_timestamp(recorded.recorded_at_us)
        )

    def undo_correction(self, request: UndoCorrectionRequest, call: Call) -> UndoCorrectionResponse:
        correction, signature = read_undoing(request)
        check = self._check(call.tenant, correction, None)
        if request.dry_run:
            effect, as_of_us = self._tried(call.tenant, correction, signature, check)
            return UndoCorrectionResponse(effect=effect, as_of=to_timestamp(as_of_us))
        expected = request.expected_event_count if request.HasField("expected_event_count") else None
        recorded = self._corrections.record(call.tenant, correction, signature, expected, check)
        return UndoCorrectionResponse(
            correction=correction_message(recorded), as_of=to_timestamp(recorded.recorded_at_us)
        )

    def list_corrections(self, request: ListCorrectionsRequest, call: Call) -> ListCorrectionsResponse:
        page_size = checked_size(request.page_size, _PAGE_SIZE_DEFAULT, _PAGE_SIZE_MAX)
        as_of_us, skip = opened_at(request.page_token, "corrections", self._clock.watermark(self._now_us()))
        # One more than the page tells whether there is another.
        found = list_corrections(self._usage, call.tenant, as_of_us, (skip, page_size + 1))
        more = len(found) > page_size
        return ListCorrectionsResponse(
            corrections=map(correction_message, found[:page_size]),
            as_of=to_timestamp(as_of_us),
            next_page_token=sealed("corrections", as_of_us, skip + page_size) if more else "",
        )

    def get_correction(self, request: GetCorrectionRequest, call: Call) -> GetCorrectionResponse:
        page_size = checked_size(request.page_size, _PAGE_SIZE_DEFAULT, _PAGE_SIZE_MAX)
        listed = f"events of {request.correction_id}"
        as_of_us, skip = opened_at(request.page_token, listed, self._clock.watermark(self._now_us()))
        found = find_correction(self._usage, call.tenant, request.correction_id, as_of_us)
        if not request.correction_id or found is None:
            raise NotFoundError(f"correction {request.correction_id!r} was never recorded")
        page = (skip, page_size + 1)
        events = list_corrected_events(self._usage, call.tenant, found.correction_id, as_of_us, page)
        messages = fitting(map(corrected_event_message, events[:page_size]))
        more = len(messages) < len(events)
        return GetCorrectionResponse(
            correction=correction_message(found),
            events=messages,
            as_of=to_timestamp(as_of_us),
            next_page_token=sealed(listed, as_of_us, skip + len(messages)) if more else "",
        )

    def _tried(
        self, tenant: str, correction: Correction, signature: Signature, check: Check
    ) -> tuple[CorrectionEffect, int]:
        plan = self._corrections.plan(tenant, correction, signature, check)
        with self._corrections.draft(plan) as draft_id:
            effect = correction_effect(self._rater, tenant, plan, draft_id)
        return effect_message(plan, effect), plan.as_of_us

    def _check(self, tenant: str, correction: Correction, rules: Rules | None) -> Check:
        expired_before_us = self._admission_for(tenant).expired_before_us

        def check(facts: Sequence[Void]) -> None:
            check_not_expired(correction, facts, expired_before_us)
            if correction.amendment is not None and rules is not None:
                check_amended(facts, correction.amendment, rules)

        return check
