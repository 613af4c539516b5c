"""CatalogService: documents in, differences out."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from engine.api.messages import ANSWER_BYTES_MAX
from engine.api.operation import Call
from engine.api.page_tokens import opened, sealed
from engine.catalog.documents.changes import Applied
from engine.catalog.documents.document import Document, read_document, read_lines
from engine.catalog.store import CatalogStore
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import us_datetime
from meterline.v1.catalog_pb2 import (
    ApplyCatalogPiecesRequest,
    ApplyCatalogPiecesResponse,
    ApplyCatalogRequest,
    ApplyCatalogResponse,
    FieldChange,
    GetCatalogRequest,
    GetCatalogResponse,
    Resource,
    ResourceChange,
)

_LISTING: Final = "catalog"
# What 31 bits hold.
_FIRST_LINE_MAX: Final = 2_147_483_647


class CatalogService:
    """Applies and shows the catalog."""

    def __init__(self, catalog: CatalogStore, now_us: Callable[[], int]) -> None:
        self._catalog = catalog
        self._now_us = now_us

    def apply_catalog(self, request: ApplyCatalogRequest, call: Call) -> ApplyCatalogResponse:
        document = _document(request)
        if request.dry_run:
            catalog = self._catalog.snapshot(call.tenant)
            return _applied_message(document.changes(catalog).at(catalog.revision))
        return self._apply(document, call)

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
        return (self._apply(_document(piece), call) for piece in pieces)

    def _compare(self, pieces: Iterator[ApplyCatalogRequest], call: Call) -> Iterator[ApplyCatalogResponse]:
        """Each with the catalog as the pieces before it would leave it."""
        catalog = self._catalog.snapshot(call.tenant)
        revision = catalog.revision
        for piece in pieces:
            found = _document(piece).changes(catalog)
            catalog = found.applied_to(catalog)
            yield _applied_message(found.at(revision))

    def _apply(self, document: Document, call: Call) -> ApplyCatalogResponse:
        applied = self._catalog.apply(call.tenant, document, applied_at=us_datetime(self._now_us()))
        return _applied_message(applied)

    def get_catalog(self, request: GetCatalogRequest, call: Call) -> GetCatalogResponse:
        revision, first = None, 0
        if request.page_token:
            revision, first = map(int, opened(request.page_token, _LISTING, int, int))
        catalog = self._catalog.snapshot(call.tenant, revision)
        response = GetCatalogResponse(revision=catalog.revision)
        size_bytes = 0
        for index, each in enumerate(catalog.listed(first), start=first):
            resource = Resource(kind=each.kind, id=each.id, version=each.version, definition=each.definition)
            size_bytes += resource.ByteSize()
            if response.resources and size_bytes > ANSWER_BYTES_MAX:
                response.next_page_token = sealed(_LISTING, catalog.revision, index)
                break
            response.resources.append(resource)
        return response


def _document(request: ApplyCatalogRequest) -> Document:
    """Raises CatalogDocumentError if the text can't be parsed."""
    first_line = request.first_line or 1
    if first_line > _FIRST_LINE_MAX:
        raise InvalidRequestError(
            FieldMistake("first_line", f"is {first_line}: it is at most {_FIRST_LINE_MAX}")
        )
    if request.WhichOneof("text") == "lines":
        return read_lines(request.lines, request.file_name, first_line)
    return read_document(request.document, request.file_name, first_line)


def _same_kind(piece: ApplyCatalogRequest, first: ApplyCatalogRequest) -> ApplyCatalogRequest:
    if piece.dry_run != first.dry_run:
        raise InvalidRequestError(FieldMistake("dry_run", "must be the same in every piece"))
    return piece


def _applied_message(applied: Applied) -> ApplyCatalogResponse:
    return ApplyCatalogResponse(
        revision=applied.revision,
        unchanged_count=applied.unchanged_count,
        changes=[
            ResourceChange(
                action=ResourceChange.ACTION_CREATE if change.version == 1 else ResourceChange.ACTION_UPDATE,
                kind=change.kind,
                id=change.id,
                version=change.version,
                fields=[
                    FieldChange(path=field.path, before=field.before, after=field.after)
                    for field in change.fields
                ],
            )
            for change in applied.changes
        ],
    )
