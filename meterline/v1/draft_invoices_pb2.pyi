import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from meterline.v1 import billing_pb2 as _billing_pb2
from meterline.v1 import invoices_pb2 as _invoices_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DraftInvoiceFilter(_message.Message):
    __slots__ = ("customer_ids", "period_end_after", "period_end_until", "period_start")
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_AFTER_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_UNTIL_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    customer_ids: _containers.RepeatedScalarFieldContainer[str]
    period_end_after: _timestamp_pb2.Timestamp
    period_end_until: _timestamp_pb2.Timestamp
    period_start: _timestamp_pb2.Timestamp
    def __init__(self, customer_ids: _Optional[_Iterable[str]] = ..., period_end_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DraftInvoice(_message.Message):
    __slots__ = ("customer_id", "currency", "period_start", "period_end", "amounts", "line_count", "hold")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    HOLD_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    currency: str
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    amounts: _invoices_pb2.InvoiceAmounts
    line_count: int
    hold: DraftHold
    def __init__(self, customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., amounts: _Optional[_Union[_invoices_pb2.InvoiceAmounts, _Mapping]] = ..., line_count: _Optional[int] = ..., hold: _Optional[_Union[DraftHold, _Mapping]] = ...) -> None: ...

class DraftHold(_message.Message):
    __slots__ = ("reason", "held_at", "held_by")
    REASON_FIELD_NUMBER: _ClassVar[int]
    HELD_AT_FIELD_NUMBER: _ClassVar[int]
    HELD_BY_FIELD_NUMBER: _ClassVar[int]
    reason: str
    held_at: _timestamp_pb2.Timestamp
    held_by: str
    def __init__(self, reason: _Optional[str] = ..., held_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., held_by: _Optional[str] = ...) -> None: ...

class ListDraftInvoicesRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    filter: DraftInvoiceFilter
    page_size: int
    page_token: str
    def __init__(self, filter: _Optional[_Union[DraftInvoiceFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDraftInvoicesResponse(_message.Message):
    __slots__ = ("draft_invoices", "totals", "open_customer_ids", "as_of", "catalog_revision", "next_page_token")
    DRAFT_INVOICES_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    OPEN_CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    draft_invoices: _containers.RepeatedCompositeFieldContainer[DraftInvoice]
    totals: _containers.RepeatedCompositeFieldContainer[_invoices_pb2.InvoiceTotal]
    open_customer_ids: _containers.RepeatedScalarFieldContainer[str]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    next_page_token: str
    def __init__(self, draft_invoices: _Optional[_Iterable[_Union[DraftInvoice, _Mapping]]] = ..., totals: _Optional[_Iterable[_Union[_invoices_pb2.InvoiceTotal, _Mapping]]] = ..., open_customer_ids: _Optional[_Iterable[str]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetDraftInvoiceRequest(_message.Message):
    __slots__ = ("customer_id", "currency", "period_start", "period_end", "page_size", "page_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    currency: str
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetDraftInvoiceResponse(_message.Message):
    __slots__ = ("draft_invoice", "lines", "as_of", "catalog_revision", "next_page_token")
    DRAFT_INVOICE_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    draft_invoice: DraftInvoice
    lines: _containers.RepeatedCompositeFieldContainer[_invoices_pb2.InvoiceLine]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    next_page_token: str
    def __init__(self, draft_invoice: _Optional[_Union[DraftInvoice, _Mapping]] = ..., lines: _Optional[_Iterable[_Union[_invoices_pb2.InvoiceLine, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class HoldDraftInvoiceRequest(_message.Message):
    __slots__ = ("customer_id", "period_start", "period_end", "reason")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    reason: str
    def __init__(self, customer_id: _Optional[str] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class HoldDraftInvoiceResponse(_message.Message):
    __slots__ = ("hold",)
    HOLD_FIELD_NUMBER: _ClassVar[int]
    hold: DraftHold
    def __init__(self, hold: _Optional[_Union[DraftHold, _Mapping]] = ...) -> None: ...

class ReleaseDraftInvoiceRequest(_message.Message):
    __slots__ = ("customer_id", "period_start", "period_end", "reason")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    reason: str
    def __init__(self, customer_id: _Optional[str] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class ReleaseDraftInvoiceResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ApproveDraftInvoicesRequest(_message.Message):
    __slots__ = ("filter", "reason", "approval_id", "page_token", "page_size")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    filter: DraftInvoiceFilter
    reason: str
    approval_id: str
    page_token: str
    page_size: int
    def __init__(self, filter: _Optional[_Union[DraftInvoiceFilter, _Mapping]] = ..., reason: _Optional[str] = ..., approval_id: _Optional[str] = ..., page_token: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class ApproveDraftInvoicesResponse(_message.Message):
    __slots__ = ("approval_id", "as_of", "catalog_revision", "issued_invoice_count", "issued_totals", "issued", "held_invoice_count", "open_customer_count", "unrateable_customers", "next_page_token")
    APPROVAL_ID_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    ISSUED_INVOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    ISSUED_TOTALS_FIELD_NUMBER: _ClassVar[int]
    ISSUED_FIELD_NUMBER: _ClassVar[int]
    HELD_INVOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    OPEN_CUSTOMER_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNRATEABLE_CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    approval_id: str
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    issued_invoice_count: int
    issued_totals: _containers.RepeatedCompositeFieldContainer[_invoices_pb2.InvoiceTotal]
    issued: _containers.RepeatedCompositeFieldContainer[_invoices_pb2.Invoice]
    held_invoice_count: int
    open_customer_count: int
    unrateable_customers: _containers.RepeatedCompositeFieldContainer[_billing_pb2.UnrateableCustomer]
    next_page_token: str
    def __init__(self, approval_id: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., issued_invoice_count: _Optional[int] = ..., issued_totals: _Optional[_Iterable[_Union[_invoices_pb2.InvoiceTotal, _Mapping]]] = ..., issued: _Optional[_Iterable[_Union[_invoices_pb2.Invoice, _Mapping]]] = ..., held_invoice_count: _Optional[int] = ..., open_customer_count: _Optional[int] = ..., unrateable_customers: _Optional[_Iterable[_Union[_billing_pb2.UnrateableCustomer, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
