"""InvoiceItemService: creates invoice items, shows and deletes them."""

import hashlib
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

from engine.api.messages import fitting
from engine.api.mistakes import raise_all, stored_text_mistakes
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.api.services.resources.catalog_messages import once_of, write_of
from engine.billing.items.billed_items import BilledItems
from engine.billing.items.invoice_items import InvoiceItems
from engine.catalog.kinds import read_definition
from engine.catalog.kinds.items.invoice_item import InvoiceItem
from engine.catalog.limits import ID_BYTES_MAX
from engine.catalog.store import CatalogStore
from engine.errors import FieldMistake, InvalidRequestError, MeterlineError, NotFoundError
from engine.times import datetime_us, optional_us, rfc3339_us, to_timestamp
from meterline.v1 import invoice_items_pb2 as pb
from rating import minor_unit_digits

_CALLED: Final = {"id": "invoice_item_id", "customer": "customer_id"}
_PAGE_SIZES: Final = (250, 1_000)


class InvoiceItemService:
    """What is charged once."""

    def __init__(
        self,
        catalog: CatalogStore,
        items: InvoiceItems,
        billed: BilledItems,
        now_us: Callable[[], int],
        draw: Callable[[], str],
    ) -> None:
        """`draw`: an id at random, for an item without one."""
        self._catalog = catalog
        self._items = items
        self._billed = billed
        self._now_us = now_us
        self._draw = draw

    def create_invoice_item(
        self, request: pb.CreateInvoiceItemRequest, call: Call
    ) -> pb.CreateInvoiceItemResponse:
        item_id = request.invoice_item_id or self._made_up_id(call.tenant, request.idempotency_key)
        now_us = self._now_us()
        write = write_of(call, now_us, request, once_of(request, request.idempotency_key))
        at_us = optional_us(request, "service_start")
        at_us = now_us if at_us is None else at_us
        try:
            applied = self._items.create(call.tenant, _fields(request, item_id, at_us), at_us, write)
        except InvalidRequestError as error:
            raise InvalidRequestError(*map(_as_asked, error.mistakes)) from None
        call.is_about(item_id)
        # Of a request that was sent again what it made then, whatever it is by now.
        made = self._catalog.version_at(call.tenant, InvoiceItem.kind, item_id, applied.revision)
        if made is None:
            raise MeterlineError(f"the invoice item {item_id!r} was created and is not there: report it")
        item = read_definition(InvoiceItem.kind, made.definition)
        return pb.CreateInvoiceItemResponse(
            invoice_item=self._messages(call.tenant, [item])[0], revision=applied.revision
        )

    def delete_invoice_item(
        self, request: pb.DeleteInvoiceItemRequest, call: Call
    ) -> pb.DeleteInvoiceItemResponse:
        write = write_of(call, self._now_us(), request, once_of(request, request.idempotency_key))
        applied = self._items.delete(call.tenant, request.invoice_item_id, write)
        return pb.DeleteInvoiceItemResponse(revision=applied.revision)

    def get_invoice_item(self, request: pb.GetInvoiceItemRequest, call: Call) -> pb.GetInvoiceItemResponse:
        found = self._catalog.snapshot(call.tenant).invoice_items.get(request.invoice_item_id)
        if found is None or request.customer_id not in ("", found.resource.customer):
            raise NotFoundError(f"there is no invoice item {request.invoice_item_id[:ID_BYTES_MAX]!r}")
        return pb.GetInvoiceItemResponse(invoice_item=self._messages(call.tenant, [found.resource])[0])

    def list_invoice_items(
        self, request: pb.ListInvoiceItemsRequest, call: Call
    ) -> pb.ListInvoiceItemsResponse:
        size = checked_size(request.page_size, *_PAGE_SIZES)
        customer = request.customer_id
        raise_all(stored_text_mistakes("customer_id", customer, ID_BYTES_MAX, may_be_empty=True))
        listing = question_digest(request)
        revision, skipped = None, 0
        if request.page_token:
            revision, skipped = map(int, opened(request.page_token, listing, int, int))
        catalog = self._catalog.snapshot(call.tenant, revision)
        newest = reversed([each.resource for each in catalog.invoice_items.values()])
        of_all = (each for each in newest if customer in ("", each.customer))
        # One more says whether there is another page.
        found = list(islice(of_all, skipped, skipped + size + 1))
        messages = fitting(iter(self._messages(call.tenant, found[:size])))
        response = pb.ListInvoiceItemsResponse(invoice_items=messages)
        if len(found) > len(messages):
            response.next_page_token = sealed(listing, catalog.revision, skipped + len(messages))
        return response

    def _messages(self, tenant: str, items: list[Any]) -> list[pb.InvoiceItem]:
        """Of InvoiceItems."""
        invoices = self._billed.on_invoices(tenant, items)
        return [_message(each, invoices) for each in items]

    def _made_up_id(self, tenant: str, key: str) -> str:
        """The same for the same key, so that a request that is sent again is the same."""
        if not key:
            return f"ii-{self._draw()}"
        digest = hashlib.sha256(f"{tenant}\0{key}".encode("utf-8", "surrogatepass")).hexdigest()
        return f"ii-{digest[:16]}"


def _fields(request: pb.CreateInvoiceItemRequest, item_id: str, at_us: int) -> dict[str, Any]:
    """As a document has them."""
    fields: dict[str, Any] = {
        "id": item_id,
        "customer": request.customer_id,
        "description": request.description,
        "currency": request.currency,
        "amount": request.amount,
        "taxed": not request.untaxed,
        "service_start": rfc3339_us(at_us),
    }
    if request.product:
        fields["product"] = request.product
    if (end_us := optional_us(request, "service_end")) is not None:
        fields["service_end"] = rfc3339_us(end_us)
    return fields


def _as_asked(mistake: FieldMistake) -> FieldMistake:
    """Of the catalog's field as the request calls it."""
    return FieldMistake(_CALLED.get(mistake.field, mistake.field), mistake.message)


def _message(item: InvoiceItem, invoices: Mapping[str, str]) -> pb.InvoiceItem:
    start, end = item.service
    digits = minor_unit_digits(item.currency)
    return pb.InvoiceItem(
        invoice_item_id=item.id,
        customer_id=item.customer,
        description=item.description,
        currency=item.currency,
        amount=f"{item.amount:.{digits}f}",
        product=item.product or "",
        untaxed=not item.taxed,
        service_start=to_timestamp(datetime_us(start)),
        service_end=to_timestamp(datetime_us(end)),
        period_start=to_timestamp(datetime_us(item.period_start)),
        period_end=to_timestamp(datetime_us(item.period_end)),
        invoice=invoices.get(item.id, ""),
    )
