import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InvoiceItem(_message.Message):
    __slots__ = ("invoice_item_id", "customer_id", "description", "currency", "amount", "product", "untaxed", "service_start", "service_end", "period_start", "period_end", "invoice")
    INVOICE_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    UNTAXED_FIELD_NUMBER: _ClassVar[int]
    SERVICE_START_FIELD_NUMBER: _ClassVar[int]
    SERVICE_END_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    INVOICE_FIELD_NUMBER: _ClassVar[int]
    invoice_item_id: str
    customer_id: str
    description: str
    currency: str
    amount: str
    product: str
    untaxed: bool
    service_start: _timestamp_pb2.Timestamp
    service_end: _timestamp_pb2.Timestamp
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    invoice: str
    def __init__(self, invoice_item_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., description: _Optional[str] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., product: _Optional[str] = ..., untaxed: _Optional[bool] = ..., service_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., service_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., invoice: _Optional[str] = ...) -> None: ...

class CreateInvoiceItemRequest(_message.Message):
    __slots__ = ("invoice_item_id", "customer_id", "description", "currency", "amount", "product", "untaxed", "service_start", "service_end", "idempotency_key")
    INVOICE_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    UNTAXED_FIELD_NUMBER: _ClassVar[int]
    SERVICE_START_FIELD_NUMBER: _ClassVar[int]
    SERVICE_END_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    invoice_item_id: str
    customer_id: str
    description: str
    currency: str
    amount: str
    product: str
    untaxed: bool
    service_start: _timestamp_pb2.Timestamp
    service_end: _timestamp_pb2.Timestamp
    idempotency_key: str
    def __init__(self, invoice_item_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., description: _Optional[str] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., product: _Optional[str] = ..., untaxed: _Optional[bool] = ..., service_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., service_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class CreateInvoiceItemResponse(_message.Message):
    __slots__ = ("invoice_item", "revision")
    INVOICE_ITEM_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    invoice_item: InvoiceItem
    revision: int
    def __init__(self, invoice_item: _Optional[_Union[InvoiceItem, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...

class DeleteInvoiceItemRequest(_message.Message):
    __slots__ = ("invoice_item_id", "idempotency_key")
    INVOICE_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    invoice_item_id: str
    idempotency_key: str
    def __init__(self, invoice_item_id: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class DeleteInvoiceItemResponse(_message.Message):
    __slots__ = ("revision",)
    REVISION_FIELD_NUMBER: _ClassVar[int]
    revision: int
    def __init__(self, revision: _Optional[int] = ...) -> None: ...

class GetInvoiceItemRequest(_message.Message):
    __slots__ = ("invoice_item_id", "customer_id")
    INVOICE_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    invoice_item_id: str
    customer_id: str
    def __init__(self, invoice_item_id: _Optional[str] = ..., customer_id: _Optional[str] = ...) -> None: ...

class GetInvoiceItemResponse(_message.Message):
    __slots__ = ("invoice_item",)
    INVOICE_ITEM_FIELD_NUMBER: _ClassVar[int]
    invoice_item: InvoiceItem
    def __init__(self, invoice_item: _Optional[_Union[InvoiceItem, _Mapping]] = ...) -> None: ...

class ListInvoiceItemsRequest(_message.Message):
    __slots__ = ("customer_id", "page_size", "page_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    page_size: int
    page_token: str
    def __init__(self, customer_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListInvoiceItemsResponse(_message.Message):
    __slots__ = ("invoice_items", "next_page_token")
    INVOICE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    invoice_items: _containers.RepeatedCompositeFieldContainer[InvoiceItem]
    next_page_token: str
    def __init__(self, invoice_items: _Optional[_Iterable[_Union[InvoiceItem, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
