import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from meterline.v1 import billing_pb2 as _billing_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class InvoiceState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INVOICE_STATE_UNSPECIFIED: _ClassVar[InvoiceState]
    INVOICE_STATE_ISSUED: _ClassVar[InvoiceState]
    INVOICE_STATE_VOID: _ClassVar[InvoiceState]
    INVOICE_STATE_PARTLY_PAID: _ClassVar[InvoiceState]
    INVOICE_STATE_PAID: _ClassVar[InvoiceState]
    INVOICE_STATE_OVERDUE: _ClassVar[InvoiceState]
    INVOICE_STATE_UNCOLLECTIBLE: _ClassVar[InvoiceState]

class DocumentFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DOCUMENT_FORMAT_UNSPECIFIED: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_PDF: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_HTML: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_JSON: _ClassVar[DocumentFormat]
    DOCUMENT_FORMAT_CSV: _ClassVar[DocumentFormat]
INVOICE_STATE_UNSPECIFIED: InvoiceState
INVOICE_STATE_ISSUED: InvoiceState
INVOICE_STATE_VOID: InvoiceState
INVOICE_STATE_PARTLY_PAID: InvoiceState
INVOICE_STATE_PAID: InvoiceState
INVOICE_STATE_OVERDUE: InvoiceState
INVOICE_STATE_UNCOLLECTIBLE: InvoiceState
DOCUMENT_FORMAT_UNSPECIFIED: DocumentFormat
DOCUMENT_FORMAT_PDF: DocumentFormat
DOCUMENT_FORMAT_HTML: DocumentFormat
DOCUMENT_FORMAT_JSON: DocumentFormat
DOCUMENT_FORMAT_CSV: DocumentFormat

class ClosePeriodsRequest(_message.Message):
    __slots__ = ("period_end_after", "period_end_until", "grace_s", "close_id", "page_token", "page_size")
    PERIOD_END_AFTER_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_UNTIL_FIELD_NUMBER: _ClassVar[int]
    GRACE_S_FIELD_NUMBER: _ClassVar[int]
    CLOSE_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    period_end_after: _timestamp_pb2.Timestamp
    period_end_until: _timestamp_pb2.Timestamp
    grace_s: int
    close_id: str
    page_token: str
    page_size: int
    def __init__(self, period_end_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., grace_s: _Optional[int] = ..., close_id: _Optional[str] = ..., page_token: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class ClosePeriodsResponse(_message.Message):
    __slots__ = ("close_id", "as_of", "catalog_revision", "issued_invoice_count", "issued_totals", "issued", "adjustment_line_count", "standing_invoice_count", "not_due_invoice_count", "open_customer_count", "unrateable_customers", "closed_subscription_count", "subscription_count", "next_page_token", "held_invoice_count")
    CLOSE_ID_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    ISSUED_INVOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    ISSUED_TOTALS_FIELD_NUMBER: _ClassVar[int]
    ISSUED_FIELD_NUMBER: _ClassVar[int]
    ADJUSTMENT_LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    STANDING_INVOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    NOT_DUE_INVOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    OPEN_CUSTOMER_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNRATEABLE_CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    CLOSED_SUBSCRIPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HELD_INVOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    close_id: str
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    issued_invoice_count: int
    issued_totals: _containers.RepeatedCompositeFieldContainer[InvoiceTotal]
    issued: _containers.RepeatedCompositeFieldContainer[Invoice]
    adjustment_line_count: int
    standing_invoice_count: int
    not_due_invoice_count: int
    open_customer_count: int
    unrateable_customers: _containers.RepeatedCompositeFieldContainer[_billing_pb2.UnrateableCustomer]
    closed_subscription_count: int
    subscription_count: int
    next_page_token: str
    held_invoice_count: int
    def __init__(self, close_id: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., issued_invoice_count: _Optional[int] = ..., issued_totals: _Optional[_Iterable[_Union[InvoiceTotal, _Mapping]]] = ..., issued: _Optional[_Iterable[_Union[Invoice, _Mapping]]] = ..., adjustment_line_count: _Optional[int] = ..., standing_invoice_count: _Optional[int] = ..., not_due_invoice_count: _Optional[int] = ..., open_customer_count: _Optional[int] = ..., unrateable_customers: _Optional[_Iterable[_Union[_billing_pb2.UnrateableCustomer, _Mapping]]] = ..., closed_subscription_count: _Optional[int] = ..., subscription_count: _Optional[int] = ..., next_page_token: _Optional[str] = ..., held_invoice_count: _Optional[int] = ...) -> None: ...

class IssueThresholdInvoicesRequest(_message.Message):
    __slots__ = ("customer_id", "regardless", "page_size", "page_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    REGARDLESS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    regardless: bool
    page_size: int
    page_token: str
    def __init__(self, customer_id: _Optional[str] = ..., regardless: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class IssueThresholdInvoicesResponse(_message.Message):
    __slots__ = ("as_of", "catalog_revision", "issued_invoice_count", "issued_totals", "issued", "unrateable_customers", "next_page_token")
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    ISSUED_INVOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    ISSUED_TOTALS_FIELD_NUMBER: _ClassVar[int]
    ISSUED_FIELD_NUMBER: _ClassVar[int]
    UNRATEABLE_CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    issued_invoice_count: int
    issued_totals: _containers.RepeatedCompositeFieldContainer[InvoiceTotal]
    issued: _containers.RepeatedCompositeFieldContainer[Invoice]
    unrateable_customers: _containers.RepeatedCompositeFieldContainer[_billing_pb2.UnrateableCustomer]
    next_page_token: str
    def __init__(self, as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., issued_invoice_count: _Optional[int] = ..., issued_totals: _Optional[_Iterable[_Union[InvoiceTotal, _Mapping]]] = ..., issued: _Optional[_Iterable[_Union[Invoice, _Mapping]]] = ..., unrateable_customers: _Optional[_Iterable[_Union[_billing_pb2.UnrateableCustomer, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class InvoiceTotal(_message.Message):
    __slots__ = ("currency", "invoice_count", "amounts")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    INVOICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    currency: str
    invoice_count: int
    amounts: InvoiceAmounts
    def __init__(self, currency: _Optional[str] = ..., invoice_count: _Optional[int] = ..., amounts: _Optional[_Union[InvoiceAmounts, _Mapping]] = ...) -> None: ...

class InvoiceAmounts(_message.Message):
    __slots__ = ("amount", "discounts", "commitments", "credits", "included_tax", "tax", "due")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNTS_FIELD_NUMBER: _ClassVar[int]
    COMMITMENTS_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_TAX_FIELD_NUMBER: _ClassVar[int]
    TAX_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    amount: str
    discounts: str
    commitments: str
    credits: str
    included_tax: str
    tax: str
    due: str
    def __init__(self, amount: _Optional[str] = ..., discounts: _Optional[str] = ..., commitments: _Optional[str] = ..., credits: _Optional[str] = ..., included_tax: _Optional[str] = ..., tax: _Optional[str] = ..., due: _Optional[str] = ...) -> None: ...

class InvoiceFigures(_message.Message):
    __slots__ = ("paid", "credited", "written_off", "outstanding")
    PAID_FIELD_NUMBER: _ClassVar[int]
    CREDITED_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_OFF_FIELD_NUMBER: _ClassVar[int]
    OUTSTANDING_FIELD_NUMBER: _ClassVar[int]
    paid: str
    credited: str
    written_off: str
    outstanding: str
    def __init__(self, paid: _Optional[str] = ..., credited: _Optional[str] = ..., written_off: _Optional[str] = ..., outstanding: _Optional[str] = ...) -> None: ...

class PostalAddress(_message.Message):
    __slots__ = ("lines", "postal_code", "city", "region", "country")
    LINES_FIELD_NUMBER: _ClassVar[int]
    POSTAL_CODE_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedScalarFieldContainer[str]
    postal_code: str
    city: str
    region: str
    country: str
    def __init__(self, lines: _Optional[_Iterable[str]] = ..., postal_code: _Optional[str] = ..., city: _Optional[str] = ..., region: _Optional[str] = ..., country: _Optional[str] = ...) -> None: ...

class BillingTaxId(_message.Message):
    __slots__ = ("type", "value")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    type: str
    value: str
    def __init__(self, type: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class BillingParty(_message.Message):
    __slots__ = ("name", "address", "email", "tax_ids", "purchase_order")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    TAX_IDS_FIELD_NUMBER: _ClassVar[int]
    PURCHASE_ORDER_FIELD_NUMBER: _ClassVar[int]
    name: str
    address: PostalAddress
    email: str
    tax_ids: _containers.RepeatedCompositeFieldContainer[BillingTaxId]
    purchase_order: str
    def __init__(self, name: _Optional[str] = ..., address: _Optional[_Union[PostalAddress, _Mapping]] = ..., email: _Optional[str] = ..., tax_ids: _Optional[_Iterable[_Union[BillingTaxId, _Mapping]]] = ..., purchase_order: _Optional[str] = ...) -> None: ...

class Invoice(_message.Message):
    __slots__ = ("invoice_id", "number", "state", "customer_id", "currency", "period_start", "period_end", "amounts", "line_count", "issued_at", "close_id", "as_of", "catalog_revision", "voided_at", "void_reason", "due_at", "payment_terms_days", "figures", "customer", "seller", "part")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    ISSUED_AT_FIELD_NUMBER: _ClassVar[int]
    CLOSE_ID_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    VOIDED_AT_FIELD_NUMBER: _ClassVar[int]
    VOID_REASON_FIELD_NUMBER: _ClassVar[int]
    DUE_AT_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_TERMS_DAYS_FIELD_NUMBER: _ClassVar[int]
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    SELLER_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    number: str
    state: InvoiceState
    customer_id: str
    currency: str
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    amounts: InvoiceAmounts
    line_count: int
    issued_at: _timestamp_pb2.Timestamp
    close_id: str
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    voided_at: _timestamp_pb2.Timestamp
    void_reason: str
    due_at: _timestamp_pb2.Timestamp
    payment_terms_days: int
    figures: InvoiceFigures
    customer: BillingParty
    seller: BillingParty
    part: int
    def __init__(self, invoice_id: _Optional[str] = ..., number: _Optional[str] = ..., state: _Optional[_Union[InvoiceState, str]] = ..., customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., amounts: _Optional[_Union[InvoiceAmounts, _Mapping]] = ..., line_count: _Optional[int] = ..., issued_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., close_id: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., voided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., void_reason: _Optional[str] = ..., due_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., payment_terms_days: _Optional[int] = ..., figures: _Optional[_Union[InvoiceFigures, _Mapping]] = ..., customer: _Optional[_Union[BillingParty, _Mapping]] = ..., seller: _Optional[_Union[BillingParty, _Mapping]] = ..., part: _Optional[int] = ...) -> None: ...

class ListInvoicesRequest(_message.Message):
    __slots__ = ("customer_id", "state", "page_size", "page_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    state: InvoiceState
    page_size: int
    page_token: str
    def __init__(self, customer_id: _Optional[str] = ..., state: _Optional[_Union[InvoiceState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListInvoicesResponse(_message.Message):
    __slots__ = ("invoices", "next_page_token")
    INVOICES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    invoices: _containers.RepeatedCompositeFieldContainer[Invoice]
    next_page_token: str
    def __init__(self, invoices: _Optional[_Iterable[_Union[Invoice, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetInvoiceRequest(_message.Message):
    __slots__ = ("invoice_id", "number", "customer_id")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    number: str
    customer_id: str
    def __init__(self, invoice_id: _Optional[str] = ..., number: _Optional[str] = ..., customer_id: _Optional[str] = ...) -> None: ...

class GetInvoiceResponse(_message.Message):
    __slots__ = ("invoice",)
    INVOICE_FIELD_NUMBER: _ClassVar[int]
    invoice: Invoice
    def __init__(self, invoice: _Optional[_Union[Invoice, _Mapping]] = ...) -> None: ...

class ListInvoiceLinesRequest(_message.Message):
    __slots__ = ("invoice_id", "number", "customer_id", "page_size", "page_token", "with_tiers")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    WITH_TIERS_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    number: str
    customer_id: str
    page_size: int
    page_token: str
    with_tiers: bool
    def __init__(self, invoice_id: _Optional[str] = ..., number: _Optional[str] = ..., customer_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., with_tiers: _Optional[bool] = ...) -> None: ...

class ListInvoiceLinesResponse(_message.Message):
    __slots__ = ("lines", "next_page_token")
    LINES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[InvoiceLine]
    next_page_token: str
    def __init__(self, lines: _Optional[_Iterable[_Union[InvoiceLine, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class InvoiceLine(_message.Message):
    __slots__ = ("line_number", "kind", "is_adjustment", "corrects_number", "line_item_id", "subscription_id", "plan_id", "plan_version", "price_id", "price_version", "model", "meter_id", "meter_version", "product", "dimensions", "period_start", "period_end", "service_start", "service_end", "currency", "quantity", "billable_quantity", "exact_amount", "event_count", "event_digest", "amount", "discount", "credit", "included_tax", "tax", "due", "tiers", "conversion", "allowance", "package_size", "block_size")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LINE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    IS_ADJUSTMENT_FIELD_NUMBER: _ClassVar[int]
    CORRECTS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_VERSION_FIELD_NUMBER: _ClassVar[int]
    PRICE_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    METER_VERSION_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    SERVICE_START_FIELD_NUMBER: _ClassVar[int]
    SERVICE_END_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    BILLABLE_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    EXACT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_TAX_FIELD_NUMBER: _ClassVar[int]
    TAX_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    CONVERSION_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    BLOCK_SIZE_FIELD_NUMBER: _ClassVar[int]
    line_number: int
    kind: str
    is_adjustment: bool
    corrects_number: str
    line_item_id: str
    subscription_id: str
    plan_id: str
    plan_version: int
    price_id: str
    price_version: int
    model: str
    meter_id: str
    meter_version: int
    product: str
    dimensions: _containers.ScalarMap[str, str]
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    service_start: _timestamp_pb2.Timestamp
    service_end: _timestamp_pb2.Timestamp
    currency: str
    quantity: str
    billable_quantity: str
    exact_amount: str
    event_count: int
    event_digest: str
    amount: str
    discount: str
    credit: str
    included_tax: str
    tax: str
    due: str
    tiers: _containers.RepeatedCompositeFieldContainer[_billing_pb2.TierAmount]
    conversion: _billing_pb2.Conversion
    allowance: str
    package_size: str
    block_size: str
    def __init__(self, line_number: _Optional[int] = ..., kind: _Optional[str] = ..., is_adjustment: _Optional[bool] = ..., corrects_number: _Optional[str] = ..., line_item_id: _Optional[str] = ..., subscription_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., plan_version: _Optional[int] = ..., price_id: _Optional[str] = ..., price_version: _Optional[int] = ..., model: _Optional[str] = ..., meter_id: _Optional[str] = ..., meter_version: _Optional[int] = ..., product: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., service_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., service_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., currency: _Optional[str] = ..., quantity: _Optional[str] = ..., billable_quantity: _Optional[str] = ..., exact_amount: _Optional[str] = ..., event_count: _Optional[int] = ..., event_digest: _Optional[str] = ..., amount: _Optional[str] = ..., discount: _Optional[str] = ..., credit: _Optional[str] = ..., included_tax: _Optional[str] = ..., tax: _Optional[str] = ..., due: _Optional[str] = ..., tiers: _Optional[_Iterable[_Union[_billing_pb2.TierAmount, _Mapping]]] = ..., conversion: _Optional[_Union[_billing_pb2.Conversion, _Mapping]] = ..., allowance: _Optional[str] = ..., package_size: _Optional[str] = ..., block_size: _Optional[str] = ...) -> None: ...

class GetInvoiceDocumentRequest(_message.Message):
    __slots__ = ("invoice_id", "number", "customer_id", "format", "locale", "with_usage")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    WITH_USAGE_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    number: str
    customer_id: str
    format: DocumentFormat
    locale: str
    with_usage: bool
    def __init__(self, invoice_id: _Optional[str] = ..., number: _Optional[str] = ..., customer_id: _Optional[str] = ..., format: _Optional[_Union[DocumentFormat, str]] = ..., locale: _Optional[str] = ..., with_usage: _Optional[bool] = ...) -> None: ...

class GetInvoiceDocumentResponse(_message.Message):
    __slots__ = ("content", "content_type", "file_name")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    content_type: str
    file_name: str
    def __init__(self, content: _Optional[bytes] = ..., content_type: _Optional[str] = ..., file_name: _Optional[str] = ...) -> None: ...

class VoidInvoiceRequest(_message.Message):
    __slots__ = ("invoice_id", "number", "reason")
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    invoice_id: str
    number: str
    reason: str
    def __init__(self, invoice_id: _Optional[str] = ..., number: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class VoidInvoiceResponse(_message.Message):
    __slots__ = ("invoice",)
    INVOICE_FIELD_NUMBER: _ClassVar[int]
    invoice: Invoice
    def __init__(self, invoice: _Optional[_Union[Invoice, _Mapping]] = ...) -> None: ...
