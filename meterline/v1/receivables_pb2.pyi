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

class PaymentState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAYMENT_STATE_UNSPECIFIED: _ClassVar[PaymentState]
    PAYMENT_STATE_SUCCEEDED: _ClassVar[PaymentState]
    PAYMENT_STATE_FAILED: _ClassVar[PaymentState]

class AccountEntryKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_ENTRY_KIND_UNSPECIFIED: _ClassVar[AccountEntryKind]
    ACCOUNT_ENTRY_KIND_INVOICE: _ClassVar[AccountEntryKind]
    ACCOUNT_ENTRY_KIND_INVOICE_VOID: _ClassVar[AccountEntryKind]
    ACCOUNT_ENTRY_KIND_CREDIT_NOTE: _ClassVar[AccountEntryKind]
    ACCOUNT_ENTRY_KIND_CREDIT_NOTE_VOID: _ClassVar[AccountEntryKind]
    ACCOUNT_ENTRY_KIND_PAYMENT: _ClassVar[AccountEntryKind]
    ACCOUNT_ENTRY_KIND_REFUND: _ClassVar[AccountEntryKind]
    ACCOUNT_ENTRY_KIND_WRITE_OFF: _ClassVar[AccountEntryKind]
    ACCOUNT_ENTRY_KIND_RECOVERY: _ClassVar[AccountEntryKind]
PAYMENT_STATE_UNSPECIFIED: PaymentState
PAYMENT_STATE_SUCCEEDED: PaymentState
PAYMENT_STATE_FAILED: PaymentState
ACCOUNT_ENTRY_KIND_UNSPECIFIED: AccountEntryKind
ACCOUNT_ENTRY_KIND_INVOICE: AccountEntryKind
ACCOUNT_ENTRY_KIND_INVOICE_VOID: AccountEntryKind
ACCOUNT_ENTRY_KIND_CREDIT_NOTE: AccountEntryKind
ACCOUNT_ENTRY_KIND_CREDIT_NOTE_VOID: AccountEntryKind
ACCOUNT_ENTRY_KIND_PAYMENT: AccountEntryKind
ACCOUNT_ENTRY_KIND_REFUND: AccountEntryKind
ACCOUNT_ENTRY_KIND_WRITE_OFF: AccountEntryKind
ACCOUNT_ENTRY_KIND_RECOVERY: AccountEntryKind

class Payment(_message.Message):
    __slots__ = ("payment_id", "state", "customer_id", "currency", "amount", "invoices", "method", "reference", "failure_reason", "received_at", "recorded_at", "applied", "balance", "refunded")
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    INVOICES_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_REASON_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    REFUNDED_FIELD_NUMBER: _ClassVar[int]
    payment_id: str
    state: PaymentState
    customer_id: str
    currency: str
    amount: str
    invoices: _containers.RepeatedScalarFieldContainer[str]
    method: str
    reference: str
    failure_reason: str
    received_at: _timestamp_pb2.Timestamp
    recorded_at: _timestamp_pb2.Timestamp
    applied: _containers.RepeatedCompositeFieldContainer[AppliedPayment]
    balance: str
    refunded: str
    def __init__(self, payment_id: _Optional[str] = ..., state: _Optional[_Union[PaymentState, str]] = ..., customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., invoices: _Optional[_Iterable[str]] = ..., method: _Optional[str] = ..., reference: _Optional[str] = ..., failure_reason: _Optional[str] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., applied: _Optional[_Iterable[_Union[AppliedPayment, _Mapping]]] = ..., balance: _Optional[str] = ..., refunded: _Optional[str] = ...) -> None: ...

class AppliedPayment(_message.Message):
    __slots__ = ("invoice", "amount")
    INVOICE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    invoice: str
    amount: str
    def __init__(self, invoice: _Optional[str] = ..., amount: _Optional[str] = ...) -> None: ...

class RecordPaymentRequest(_message.Message):
    __slots__ = ("payment_id", "customer_id", "currency", "amount", "invoices", "received_at", "method", "reference")
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    INVOICES_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    payment_id: str
    customer_id: str
    currency: str
    amount: str
    invoices: _containers.RepeatedScalarFieldContainer[str]
    received_at: _timestamp_pb2.Timestamp
    method: str
    reference: str
    def __init__(self, payment_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., invoices: _Optional[_Iterable[str]] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., method: _Optional[str] = ..., reference: _Optional[str] = ...) -> None: ...

class RecordPaymentResponse(_message.Message):
    __slots__ = ("payment",)
    PAYMENT_FIELD_NUMBER: _ClassVar[int]
    payment: Payment
    def __init__(self, payment: _Optional[_Union[Payment, _Mapping]] = ...) -> None: ...

class RecordPaymentFailureRequest(_message.Message):
    __slots__ = ("payment_id", "customer_id", "currency", "amount", "invoices", "received_at", "method", "reference", "reason")
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    INVOICES_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    payment_id: str
    customer_id: str
    currency: str
    amount: str
    invoices: _containers.RepeatedScalarFieldContainer[str]
    received_at: _timestamp_pb2.Timestamp
    method: str
    reference: str
    reason: str
    def __init__(self, payment_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., invoices: _Optional[_Iterable[str]] = ..., received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., method: _Optional[str] = ..., reference: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RecordPaymentFailureResponse(_message.Message):
    __slots__ = ("payment",)
    PAYMENT_FIELD_NUMBER: _ClassVar[int]
    payment: Payment
    def __init__(self, payment: _Optional[_Union[Payment, _Mapping]] = ...) -> None: ...

class RecordRefundRequest(_message.Message):
    __slots__ = ("refund_id", "payment_id", "amount", "reason")
    REFUND_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    refund_id: str
    payment_id: str
    amount: str
    reason: str
    def __init__(self, refund_id: _Optional[str] = ..., payment_id: _Optional[str] = ..., amount: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class RecordRefundResponse(_message.Message):
    __slots__ = ("refund", "payment")
    REFUND_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_FIELD_NUMBER: _ClassVar[int]
    refund: Refund
    payment: Payment
    def __init__(self, refund: _Optional[_Union[Refund, _Mapping]] = ..., payment: _Optional[_Union[Payment, _Mapping]] = ...) -> None: ...

class Refund(_message.Message):
    __slots__ = ("refund_id", "payment_id", "customer_id", "currency", "amount", "reason", "recorded_at")
    REFUND_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    refund_id: str
    payment_id: str
    customer_id: str
    currency: str
    amount: str
    reason: str
    recorded_at: _timestamp_pb2.Timestamp
    def __init__(self, refund_id: _Optional[str] = ..., payment_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., reason: _Optional[str] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListPaymentsRequest(_message.Message):
    __slots__ = ("customer_id", "page_size", "page_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    page_size: int
    page_token: str
    def __init__(self, customer_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListPaymentsResponse(_message.Message):
    __slots__ = ("payments", "next_page_token")
    PAYMENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    payments: _containers.RepeatedCompositeFieldContainer[Payment]
    next_page_token: str
    def __init__(self, payments: _Optional[_Iterable[_Union[Payment, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WriteOffInvoiceRequest(_message.Message):
    __slots__ = ("invoice_id", "number", "reason")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    number: str
    reason: str
    def __init__(self, invoice_id: _Optional[str] = ..., number: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class WriteOffInvoiceResponse(_message.Message):
    __slots__ = ("invoice",)
    INVOICE_FIELD_NUMBER: _ClassVar[int]
    invoice: _invoices_pb2.Invoice
    def __init__(self, invoice: _Optional[_Union[_invoices_pb2.Invoice, _Mapping]] = ...) -> None: ...

class Account(_message.Message):
    __slots__ = ("customer_id", "currency", "balance", "outstanding", "overdue", "unused", "written_off", "open_invoice_count")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_FIELD_NUMBER: _ClassVar[int]
    UNUSED_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_OFF_FIELD_NUMBER: _ClassVar[int]
    OPEN_INVOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    currency: str
    balance: str
    outstanding: str
    overdue: str
    unused: str
    written_off: str
    open_invoice_count: int
    def __init__(self, customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., balance: _Optional[str] = ..., outstanding: _Optional[str] = ..., overdue: _Optional[str] = ..., unused: _Optional[str] = ..., written_off: _Optional[str] = ..., open_invoice_count: _Optional[int] = ...) -> None: ...

class GetAccountRequest(_message.Message):
    __slots__ = ("customer_id", "currency")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    currency: str
    def __init__(self, customer_id: _Optional[str] = ..., currency: _Optional[str] = ...) -> None: ...

class GetAccountResponse(_message.Message):
    __slots__ = ("account",)
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    account: Account
    def __init__(self, account: _Optional[_Union[Account, _Mapping]] = ...) -> None: ...

class AccountEntry(_message.Message):
    __slots__ = ("recorded_at", "kind", "document", "invoice", "payment_id", "amount", "balance", "reason")
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    INVOICE_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    recorded_at: _timestamp_pb2.Timestamp
    kind: AccountEntryKind
    document: str
    invoice: str
    payment_id: str
    amount: str
    balance: str
    reason: str
    def __init__(self, recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., kind: _Optional[_Union[AccountEntryKind, str]] = ..., document: _Optional[str] = ..., invoice: _Optional[str] = ..., payment_id: _Optional[str] = ..., amount: _Optional[str] = ..., balance: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ListAccountEntriesRequest(_message.Message):
    __slots__ = ("customer_id", "currency", "recorded_from", "recorded_before", "page_size", "page_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FROM_FIELD_NUMBER: _ClassVar[int]
    RECORDED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    currency: str
    recorded_from: _timestamp_pb2.Timestamp
    recorded_before: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., recorded_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., recorded_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAccountEntriesResponse(_message.Message):
    __slots__ = ("opening_balance", "closing_balance", "entries", "next_page_token")
    OPENING_BALANCE_FIELD_NUMBER: _ClassVar[int]
    CLOSING_BALANCE_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    opening_balance: str
    closing_balance: str
    entries: _containers.RepeatedCompositeFieldContainer[AccountEntry]
    next_page_token: str
    def __init__(self, opening_balance: _Optional[str] = ..., closing_balance: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[AccountEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
