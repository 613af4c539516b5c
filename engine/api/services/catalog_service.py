"""CatalogService: documents in, differences out."""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain
from typing import Final

from engine.api.messages import ANSWER_BYTES_MAX, effect_message
from engine.api.operation import Call
from engine.api.page_tokens import opened, sealed
from engine.api.services.resources.catalog_messages import change_message, once_of, resource_message, write_of
from engine.api.services.resources.sent_documents import document_changes
from engine.billing.rater import Rater
from engine.catalog.documents.changes import Applied
from engine.catalog.store import CatalogStore
from engine.errors import FieldMistake, InvalidRequestError
from engine.spend.catalog_effect import catalog_effect
from engine.times import us_datetime
from meterline.v1.catalog_pb2 import (
    ApplyCatalogPiecesRequest,
    ApplyCatalogPiecesResponse,
    ApplyCatalogRequest,
    ApplyCatalogResponse,
    GetCatalogRequest,
    GetCatalogResponse,
)

_LISTING: Final = "catalog"
# Those that a person looks at; the others are counted.
_EFFECTS_MAX: Final = 100


class CatalogService:
    """Applies and shows the catalog."""

    def __init__(self, catalog: CatalogStore, rater: Rater, now_us: Callable[[], int]) -> None:
        self._catalog = catalog
        self._rater = rater
        self._now_us = now_us

    def apply_catalog(self, request: ApplyCatalogRequest, call: Call) -> ApplyCatalogResponse:
        if request.dry_run:
            return self._tried(request, call)
        return self._apply(request, call)

    def _tried(self, request: ApplyCatalogRequest, call: Call) -> ApplyCatalogResponse:
        snapshot = self._rater.snapshot(call.tenant, None, None)
        catalog = snapshot.catalog
        found = document_changes(request, self._now())(catalog)
        response = _applied_message(found.at(catalog.revision))
        if request.with_effect:
            after = found.applied_to(catalog)
            effect = catalog_effect(self._rater, snapshot, after, None, _EFFECTS_MAX)
            response.effect.CopyFrom(effect_message(effect))
        return response

    def apply_catalog_pieces(
        self, requests: Iterator[ApplyCatalogPiecesRequest], call: Call
    ) -> Iterator[ApplyCatalogPiecesResponse]:
        sent = (request.piece for request in requests)
        first = next(sent, None)
        if first is None:
            return
        pieces = (_same_kind(each, first) for each in chain([first], sent))
        applied = self._compare(pieces, call) if first.dry_run else self._apply_each(pieces, call)
        yield from (ApplyCatalogPiecesResponse(piece=each) for each in applied)

    def _apply_each(
        self, pieces: Iterator[ApplyCatalogRequest], call: Call
    ) -> Iterator[ApplyCatalogResponse]:
        return (self._apply(piece, call) for piece in pieces)

    def _compare(self, pieces: Iterator[ApplyCatalogRequest], call: Call) -> Iterator[ApplyCatalogResponse]:
        """Each with the catalog as the pieces before it would leave it."""
        catalog = self._catalog.snapshot(call.tenant)
        revision = catalog.revision
        for piece in pieces:
            found = document_changes(piece, self._now())(catalog)
            catalog = found.applied_to(catalog)
            yield _applied_message(found.at(revision))

    def _apply(self, request: ApplyCatalogRequest, call: Call) -> ApplyCatalogResponse:
        write = write_of(call, self._now_us(), request, once_of(request, request.idempotency_key))
        return _applied_message(self._catalog.write(call.tenant, document_changes(request, write.at), write))

    def _now(self) -> datetime:
        return us_datetime(self._now_us())

    def get_catalog(self, request: GetCatalogRequest, call: Call) -> GetCatalogResponse:
        revision, first = None, 0
        if request.page_token:
            revision, first = map(int, opened(request.page_token, _LISTING, int, int))
        catalog = self._catalog.snapshot(call.tenant, revision)
        response = GetCatalogResponse(revision=catalog.revision)
        size_bytes = 0
        for index, each in enumerate(catalog.listed(first), start=first):
            resource = resource_message(each)
            size_bytes += resource.ByteSize()
            if response.resources and size_bytes > ANSWER_BYTES_MAX:
                response.next_page_token = sealed(_LISTING, catalog.revision, index)
                break
            response.resources.append(resource)
        return response


def _same_kind(piece: ApplyCatalogRequest, first: ApplyCatalogRequest) -> ApplyCatalogRequest:
    if piece.dry_run != first.dry_run:
        raise InvalidRequestError(FieldMistake("dry_run", "must be the same in every piece"))
    return piece


def _applied_message(applied: Applied) -> ApplyCatalogResponse:
    return ApplyCatalogResponse(
        revision=applied.revision,
        unchanged_count=applied.unchanged_count,
        changes=map(change_message, applied.changes),
    )
