"""PrivacyService: what is held about one customer, exported and erased."""

from collections.abc import Callable
from dataclasses import astuple
from typing import Final

from engine.api.messages import fitting
from engine.api.operation import Call
from engine.api.page_tokens import bad_token, checked_size, opened, question_digest, sealed
from engine.erasure.erasures import Erasures
from engine.erasure.extent import ErasureFindings
from engine.erasure.held_records import SECTIONS, HeldRecords, RecordPlace
from engine.erasure.jobs import ErasureJob
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import to_timestamp
from ingest import IngestOrder
from meterline.v1.privacy_pb2 import (
    EraseCustomerRequest,
    EraseCustomerResponse,
    Erasure,
    ErasureExtent,
    ExportCustomerRequest,
    ExportCustomerResponse,
    HeldRecord,
    ListErasuresRequest,
    ListErasuresResponse,
)

_LISTING: Final = "erasures"
_PAGE_SIZE_MAX: Final = 1_000
_EXPORT_PAGE_SIZE: Final = 500
_ERASURES_PAGE_SIZE: Final = 100
# Of a caller who names hundreds none would be erased.
_KEEP_MAX: Final = 100


class PrivacyService:
    """Exports and erases on demand."""

    def __init__(
        self, held: HeldRecords, erasures: Erasures, order: IngestOrder, now_us: Callable[[], int]
    ) -> None:
        self._held = held
        self._erasures = erasures
        self._order = order
        self._now_us = now_us

    def export_customer(self, request: ExportCustomerRequest, call: Call) -> ExportCustomerResponse:
        if not request.customer_id:
            raise InvalidRequestError(FieldMistake("customer_id", "is empty: name the customer"))
        size = checked_size(request.page_size, _EXPORT_PAGE_SIZE, _PAGE_SIZE_MAX)
        digest = question_digest(request)
        as_of_us, place = self._start(request.page_token, digest)
        found = self._held.page(call.tenant, request.customer_id, place, as_of_us, size)
        if not request.page_token:
            call.is_about(request.customer_id)
        records = fitting(HeldRecord(section=each.section, json=each.text) for each in found)
        response = ExportCustomerResponse(records=records, as_of=to_timestamp(as_of_us))
        if len(records) < len(found) or len(found) == size:
            following = found[len(records) - 1].following
            response.next_page_token = sealed(digest, as_of_us, *astuple(following))
        return response

    def _start(self, token: str, digest: str) -> tuple[int, RecordPlace]:
        newest_us = self._order.watermark(self._now_us())
        if not token:
            return newest_us, RecordPlace()
        parts = opened(token, digest, int, int, int, str, str, int, str, int)
        as_of_us, section, skip, customer_id, event_type, time_us, event_id, content_hash = parts
        if int(as_of_us) > newest_us or int(section) >= len(SECTIONS) or int(content_hash) >= 1 << 32:
            raise bad_token()
        place = RecordPlace(
            section=int(section),
            skip=int(skip),
            customer_id=str(customer_id),
            event_type=str(event_type),
            time_us=int(time_us),
            event_id=str(event_id),
            content_hash=int(content_hash),
        )
        return int(as_of_us), place

    def erase_customer(self, request: EraseCustomerRequest, call: Call) -> EraseCustomerResponse:
        if len(request.keep_properties) > _KEEP_MAX:
            raise InvalidRequestError(
                FieldMistake("keep_properties", f"names {len(request.keep_properties)}: at most {_KEEP_MAX}")
            )
        keep = frozenset(request.keep_properties)
        if request.dry_run:
            extent = self._erasures.examine(call.tenant, request.customer_id, keep)
            return EraseCustomerResponse(extent=_extent_message(extent))
        # What the audit log says of the call: the pseudonym alone.
        job = self._erasures.erase(
            call.tenant, request.customer_id, keep, call.caller.credential, call.is_about
        )
        return EraseCustomerResponse(pseudonym=job.pseudonym, extent=_extent_message(job.extent))

    def list_erasures(self, request: ListErasuresRequest, call: Call) -> ListErasuresResponse:
        size = checked_size(request.page_size, _ERASURES_PAGE_SIZE, _PAGE_SIZE_MAX)
        skip = int(opened(request.page_token, _LISTING, int)[0]) if request.page_token else 0
        # One more says whether there is another page.
        found = self._erasures.jobs.of_tenant(call.tenant, skip, size + 1)
        return ListErasuresResponse(
            erasures=map(_erasure_message, found[:size]),
            next_page_token=sealed(_LISTING, skip + size) if len(found) > size else "",
        )


def _extent_message(extent: ErasureFindings) -> ErasureExtent:
    return ErasureExtent(
        event_count=extent.events,
        correction_row_count=extent.facts,
        problem_count=extent.problems,
        rollup_row_count=extent.rollup_rows,
        catalog_version_count=extent.versions,
        api_key_count=extent.api_keys,
        audit_record_count=extent.audit_records,
        kept_properties=extent.kept,
        replaced_properties=extent.replaced,
        dropped_properties=extent.dropped,
    )


def _erasure_message(job: ErasureJob) -> Erasure:
    return Erasure(
        pseudonym=job.pseudonym,
        begun_at=to_timestamp(job.begun_at_us),
        ended_at=None if job.ended_at_us is None else to_timestamp(job.ended_at_us),
        begun_by=job.begun_by,
        extent=_extent_message(job.extent),
    )
