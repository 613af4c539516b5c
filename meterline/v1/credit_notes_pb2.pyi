import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from meterline.v1 import invoices_pb2 as _invoices_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreditNoteState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CREDIT_NOTE_STATE_UNSPECIFIED: _ClassVar[CreditNoteState]
    CREDIT_NOTE_STATE_ISSUED: _ClassVar[CreditNoteState]
    CREDIT_NOTE_STATE_VOID: _ClassVar[CreditNoteState]
CREDIT_NOTE_STATE_UNSPECIFIED: CreditNoteState
CREDIT_NOTE_STATE_ISSUED: CreditNoteState
CREDIT_NOTE_STATE_VOID: CreditNoteState

class CreditNote(_message.Message):
    __slots__ = ("credit_note_id", "number", "state", "invoice", "invoice_id", "customer_id", "currency", "amounts", "line_count", "reason", "issued_at", "voided_at", "void_reason")
    CREDIT_NOTE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    INVOICE_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_FIELD_NUMBER: _ClassVar[int]
    VOIDED_AT_FIELD_NUMBER: _ClassVar[int]
    VOID_REASON_FIELD_NUMBER: _ClassVar[int]
    credit_note_id: str
    number: str
    state: CreditNoteState
    invoice: str
    invoice_id: str
    customer_id: str
    currency: str
    amounts: _invoices_pb2.InvoiceAmounts
    line_count: int
    reason: str
    issued_at: _timestamp_pb2.Timestamp
    voided_at: _timestamp_pb2.Timestamp
    void_reason: str
    def __init__(self, credit_note_id: _Optional[str] = ..., number: _Optional[str] = ..., state: _Optional[_Union[CreditNoteState, str]] = ..., invoice: _Optional[str] = ..., invoice_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., amounts: _Optional[_Union[_invoices_pb2.InvoiceAmounts, _Mapping]] = ..., line_count: _Optional[int] = ..., reason: _Optional[str] = ..., issued_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., voided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., void_reason: _Optional[str] = ...) -> None: ...

class CreditNoteLine(_message.Message):
    __slots__ = ("line_number", "amount", "discount", "credit", "included_tax", "tax", "due")
    LINE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_TAX_FIELD_NUMBER: _ClassVar[int]
    TAX_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    line_number: int
    amount: str
    discount: str
    credit: str
    included_tax: str
    tax: str
    due: str
    def __init__(self, line_number: _Optional[int] = ..., amount: _Optional[str] = ..., discount: _Optional[str] = ..., credit: _Optional[str] = ..., included_tax: _Optional[str] = ..., tax: _Optional[str] = ..., due: _Optional[str] = ...) -> None: ...

class CreditedLine(_message.Message):
    __slots__ = ("line_number", "amount")
    LINE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    line_number: int
    amount: str
    def __init__(self, line_number: _Optional[int] = ..., amount: _Optional[str] = ...) -> None: ...

class CreateCreditNoteRequest(_message.Message):
    __slots__ = ("invoice_id", "number", "lines", "reason", "idempotency_key")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    number: str
    lines: _containers.RepeatedCompositeFieldContainer[CreditedLine]
    reason: str
    idempotency_key: str
    def __init__(self, invoice_id: _Optional[str] = ..., number: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[CreditedLine, _Mapping]]] = ..., reason: _Optional[str] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class CreateCreditNoteResponse(_message.Message):
    __slots__ = ("credit_note",)
    CREDIT_NOTE_FIELD_NUMBER: _ClassVar[int]
    credit_note: CreditNote
    def __init__(self, credit_note: _Optional[_Union[CreditNote, _Mapping]] = ...) -> None: ...

class VoidCreditNoteRequest(_message.Message):
    __slots__ = ("credit_note_id", "number", "reason")
    CREDIT_NOTE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    credit_note_id: str
    number: str
    reason: str
    def __init__(self, credit_note_id: _Optional[str] = ..., number: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class VoidCreditNoteResponse(_message.Message):
    __slots__ = ("credit_note",)
    CREDIT_NOTE_FIELD_NUMBER: _ClassVar[int]
    credit_note: CreditNote
    def __init__(self, credit_note: _Optional[_Union[CreditNote, _Mapping]] = ...) -> None: ...

class GetCreditNoteRequest(_message.Message):
    __slots__ = ("credit_note_id", "number", "customer_id")
    CREDIT_NOTE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    credit_note_id: str
    number: str
    customer_id: str
    def __init__(self, credit_note_id: _Optional[str] = ..., number: _Optional[str] = ..., customer_id: _Optional[str] = ...) -> None: ...

class GetCreditNoteResponse(_message.Message):
    __slots__ = ("credit_note", "lines")
    CREDIT_NOTE_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    credit_note: CreditNote
    lines: _containers.RepeatedCompositeFieldContainer[CreditNoteLine]
    def __init__(self, credit_note: _Optional[_Union[CreditNote, _Mapping]] = ..., lines: _Optional[_Iterable[_Union[CreditNoteLine, _Mapping]]] = ...) -> None: ...

class GetCreditNoteDocumentRequest(_message.Message):
    __slots__ = ("credit_note_id", "number", "customer_id", "format", "locale")
    CREDIT_NOTE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    credit_note_id: str
    number: str
    customer_id: str
    format: _invoices_pb2.DocumentFormat
    locale: str
    def __init__(self, credit_note_id: _Optional[str] = ..., number: _Optional[str] = ..., customer_id: _Optional[str] = ..., format: _Optional[_Union[_invoices_pb2.DocumentFormat, str]] = ..., locale: _Optional[str] = ...) -> None: ...

class GetCreditNoteDocumentResponse(_message.Message):
    __slots__ = ("content", "content_type", "file_name")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    content_type: str
    file_name: str
    def __init__(self, content: _Optional[bytes] = ..., content_type: _Optional[str] = ..., file_name: _Optional[str] = ...) -> None: ...

class ListCreditNotesRequest(_message.Message):
    __slots__ = ("customer_id", "invoice", "page_size", "page_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    invoice: str
    page_size: int
    page_token: str
    def __init__(self, customer_id: _Optional[str] = ..., invoice: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCreditNotesResponse(_message.Message):
    __slots__ = ("credit_notes", "next_page_token")
    CREDIT_NOTES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    credit_notes: _containers.RepeatedCompositeFieldContainer[CreditNote]
    next_page_token: str
    def __init__(self, credit_notes: _Optional[_Iterable[_Union[CreditNote, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
