import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from meterline.v1 import billing_pb2 as _billing_pb2
from meterline.v1 import events_pb2 as _events_pb2
from meterline.v1 import invoices_pb2 as _invoices_pb2
from meterline.v1 import spend_pb2 as _spend_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExplainLineItemRequest(_message.Message):
    __slots__ = ("line_item_id", "invoice_number", "line_number", "customer_id", "at", "as_of", "catalog_revision", "replay")
    LINE_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LINE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    line_item_id: str
    invoice_number: str
    line_number: int
    customer_id: str
    at: _timestamp_pb2.Timestamp
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    replay: bool
    def __init__(self, line_item_id: _Optional[str] = ..., invoice_number: _Optional[str] = ..., line_number: _Optional[int] = ..., customer_id: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., replay: _Optional[bool] = ...) -> None: ...

class ExplainLineItemResponse(_message.Message):
    __slots__ = ("sentences", "line_item", "steps", "metered_by", "invoice_line", "invoice_number", "invoice_state", "amounts", "terms", "commitment", "adjustment", "as_of", "catalog_revision", "events", "unexplained_reason", "replay")
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEM_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    METERED_BY_FIELD_NUMBER: _ClassVar[int]
    INVOICE_LINE_FIELD_NUMBER: _ClassVar[int]
    INVOICE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    INVOICE_STATE_FIELD_NUMBER: _ClassVar[int]
    AMOUNTS_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    COMMITMENT_FIELD_NUMBER: _ClassVar[int]
    ADJUSTMENT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    UNEXPLAINED_REASON_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    sentences: _containers.RepeatedScalarFieldContainer[str]
    line_item: _billing_pb2.LineItem
    steps: _containers.RepeatedCompositeFieldContainer[LineStep]
    metered_by: MeteredBy
    invoice_line: _invoices_pb2.InvoiceLine
    invoice_number: str
    invoice_state: _invoices_pb2.InvoiceState
    amounts: LineAmounts
    terms: _containers.RepeatedCompositeFieldContainer[LineTerm]
    commitment: _spend_pb2.AppliedCommitment
    adjustment: LineAdjustment
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    events: _events_pb2.ListEventsRequest
    unexplained_reason: str
    replay: LineReplay
    def __init__(self, sentences: _Optional[_Iterable[str]] = ..., line_item: _Optional[_Union[_billing_pb2.LineItem, _Mapping]] = ..., steps: _Optional[_Iterable[_Union[LineStep, _Mapping]]] = ..., metered_by: _Optional[_Union[MeteredBy, _Mapping]] = ..., invoice_line: _Optional[_Union[_invoices_pb2.InvoiceLine, _Mapping]] = ..., invoice_number: _Optional[str] = ..., invoice_state: _Optional[_Union[_invoices_pb2.InvoiceState, str]] = ..., amounts: _Optional[_Union[LineAmounts, _Mapping]] = ..., terms: _Optional[_Iterable[_Union[LineTerm, _Mapping]]] = ..., commitment: _Optional[_Union[_spend_pb2.AppliedCommitment, _Mapping]] = ..., adjustment: _Optional[_Union[LineAdjustment, _Mapping]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., events: _Optional[_Union[_events_pb2.ListEventsRequest, _Mapping]] = ..., unexplained_reason: _Optional[str] = ..., replay: _Optional[_Union[LineReplay, _Mapping]] = ...) -> None: ...

class LineReplay(_message.Message):
    __slots__ = ("is_same", "differences", "impossible_reason")
    IS_SAME_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    IMPOSSIBLE_REASON_FIELD_NUMBER: _ClassVar[int]
    is_same: bool
    differences: _containers.RepeatedCompositeFieldContainer[ReplayDifference]
    impossible_reason: str
    def __init__(self, is_same: _Optional[bool] = ..., differences: _Optional[_Iterable[_Union[ReplayDifference, _Mapping]]] = ..., impossible_reason: _Optional[str] = ...) -> None: ...

class ReplayDifference(_message.Message):
    __slots__ = ("field", "booked", "replayed")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    BOOKED_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    field: str
    booked: str
    replayed: str
    def __init__(self, field: _Optional[str] = ..., booked: _Optional[str] = ..., replayed: _Optional[str] = ...) -> None: ...

class LineStep(_message.Message):
    __slots__ = ("step", "term", "quantity", "amount", "from_quantity", "up_to", "flat_amount")
    STEP_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    FROM_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    FLAT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    step: str
    term: str
    quantity: str
    amount: str
    from_quantity: str
    up_to: str
    flat_amount: str
    def __init__(self, step: _Optional[str] = ..., term: _Optional[str] = ..., quantity: _Optional[str] = ..., amount: _Optional[str] = ..., from_quantity: _Optional[str] = ..., up_to: _Optional[str] = ..., flat_amount: _Optional[str] = ...) -> None: ...

class MeteredBy(_message.Message):
    __slots__ = ("meter_id", "version", "event_type", "aggregation", "value", "percentile", "carries_over", "filters", "group_by", "conversion", "unit")
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PERCENTILE_FIELD_NUMBER: _ClassVar[int]
    CARRIES_OVER_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    CONVERSION_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    meter_id: str
    version: int
    event_type: str
    aggregation: str
    value: str
    percentile: str
    carries_over: bool
    filters: str
    group_by: _containers.RepeatedScalarFieldContainer[str]
    conversion: _billing_pb2.Conversion
    unit: str
    def __init__(self, meter_id: _Optional[str] = ..., version: _Optional[int] = ..., event_type: _Optional[str] = ..., aggregation: _Optional[str] = ..., value: _Optional[str] = ..., percentile: _Optional[str] = ..., carries_over: _Optional[bool] = ..., filters: _Optional[str] = ..., group_by: _Optional[_Iterable[str]] = ..., conversion: _Optional[_Union[_billing_pb2.Conversion, _Mapping]] = ..., unit: _Optional[str] = ...) -> None: ...

class LineAmounts(_message.Message):
    __slots__ = ("amount", "discount", "credit", "included_tax", "tax", "due")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_TAX_FIELD_NUMBER: _ClassVar[int]
    TAX_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    amount: str
    discount: str
    credit: str
    included_tax: str
    tax: str
    due: str
    def __init__(self, amount: _Optional[str] = ..., discount: _Optional[str] = ..., credit: _Optional[str] = ..., included_tax: _Optional[str] = ..., tax: _Optional[str] = ..., due: _Optional[str] = ...) -> None: ...

class LineTerm(_message.Message):
    __slots__ = ("kind", "id", "amount", "percent", "included", "reverse_charge")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_FIELD_NUMBER: _ClassVar[int]
    REVERSE_CHARGE_FIELD_NUMBER: _ClassVar[int]
    kind: str
    id: str
    amount: str
    percent: str
    included: bool
    reverse_charge: bool
    def __init__(self, kind: _Optional[str] = ..., id: _Optional[str] = ..., amount: _Optional[str] = ..., percent: _Optional[str] = ..., included: _Optional[bool] = ..., reverse_charge: _Optional[bool] = ...) -> None: ...

class LineAdjustment(_message.Message):
    __slots__ = ("quantity_before", "event_count_before", "before", "booked_on", "quantity_now", "event_count_now", "now", "changed_after", "late_event_count", "voided_event_count", "amended_event_count", "restored_event_count", "reused_id_count", "catalog_revision_before")
    QUANTITY_BEFORE_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    BOOKED_ON_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_NOW_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_NOW_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AFTER_FIELD_NUMBER: _ClassVar[int]
    LATE_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    VOIDED_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    AMENDED_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    RESTORED_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    REUSED_ID_COUNT_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_BEFORE_FIELD_NUMBER: _ClassVar[int]
    quantity_before: str
    event_count_before: int
    before: LineAmounts
    booked_on: _containers.RepeatedScalarFieldContainer[str]
    quantity_now: str
    event_count_now: int
    now: LineAmounts
    changed_after: _timestamp_pb2.Timestamp
    late_event_count: int
    voided_event_count: int
    amended_event_count: int
    restored_event_count: int
    reused_id_count: int
    catalog_revision_before: int
    def __init__(self, quantity_before: _Optional[str] = ..., event_count_before: _Optional[int] = ..., before: _Optional[_Union[LineAmounts, _Mapping]] = ..., booked_on: _Optional[_Iterable[str]] = ..., quantity_now: _Optional[str] = ..., event_count_now: _Optional[int] = ..., now: _Optional[_Union[LineAmounts, _Mapping]] = ..., changed_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., late_event_count: _Optional[int] = ..., voided_event_count: _Optional[int] = ..., amended_event_count: _Optional[int] = ..., restored_event_count: _Optional[int] = ..., reused_id_count: _Optional[int] = ..., catalog_revision_before: _Optional[int] = ...) -> None: ...
