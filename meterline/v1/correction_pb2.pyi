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

class CorrectionKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CORRECTION_KIND_UNSPECIFIED: _ClassVar[CorrectionKind]
    CORRECTION_KIND_VOID: _ClassVar[CorrectionKind]
    CORRECTION_KIND_AMEND: _ClassVar[CorrectionKind]
    CORRECTION_KIND_RESTORE: _ClassVar[CorrectionKind]
    CORRECTION_KIND_UNDO: _ClassVar[CorrectionKind]
CORRECTION_KIND_UNSPECIFIED: CorrectionKind
CORRECTION_KIND_VOID: CorrectionKind
CORRECTION_KIND_AMEND: CorrectionKind
CORRECTION_KIND_RESTORE: CorrectionKind
CORRECTION_KIND_UNDO: CorrectionKind

class ListConflictsRequest(_message.Message):
    __slots__ = ("event_id", "page_size", "page_token")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    page_size: int
    page_token: str
    def __init__(self, event_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListConflictsResponse(_message.Message):
    __slots__ = ("conflicts", "as_of", "next_page_token")
    CONFLICTS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    conflicts: _containers.RepeatedCompositeFieldContainer[Conflict]
    as_of: _timestamp_pb2.Timestamp
    next_page_token: str
    def __init__(self, conflicts: _Optional[_Iterable[_Union[Conflict, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Conflict(_message.Message):
    __slots__ = ("event_id", "stands", "voided", "voided_at", "restored")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    STANDS_FIELD_NUMBER: _ClassVar[int]
    VOIDED_FIELD_NUMBER: _ClassVar[int]
    VOIDED_AT_FIELD_NUMBER: _ClassVar[int]
    RESTORED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    stands: EventVersion
    voided: EventVersion
    voided_at: _timestamp_pb2.Timestamp
    restored: bool
    def __init__(self, event_id: _Optional[str] = ..., stands: _Optional[_Union[EventVersion, _Mapping]] = ..., voided: _Optional[_Union[EventVersion, _Mapping]] = ..., voided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., restored: _Optional[bool] = ...) -> None: ...

class EventVersion(_message.Message):
    __slots__ = ("customer_id", "event_type", "event_time", "properties", "ingested_at")
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    INGESTED_AT_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    event_type: str
    event_time: _timestamp_pb2.Timestamp
    properties: _containers.ScalarMap[str, str]
    ingested_at: _timestamp_pb2.Timestamp
    def __init__(self, customer_id: _Optional[str] = ..., event_type: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., properties: _Optional[_Mapping[str, str]] = ..., ingested_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReconcileUsageRequest(_message.Message):
    __slots__ = ("period_start", "period_end")
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    def __init__(self, period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReconcileUsageResponse(_message.Message):
    __slots__ = ("event_count", "voided_event_count", "as_of")
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    VOIDED_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    event_count: int
    voided_event_count: int
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, event_count: _Optional[int] = ..., voided_event_count: _Optional[int] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Signature(_message.Message):
    __slots__ = ("correction_id", "recorded_by", "reason")
    CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    RECORDED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    correction_id: str
    recorded_by: str
    reason: str
    def __init__(self, correction_id: _Optional[str] = ..., recorded_by: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CorrectUsageRequest(_message.Message):
    __slots__ = ("signature", "event_refs", "selection", "void", "amend", "restore", "dry_run", "expected_event_count")
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    EVENT_REFS_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    VOID_FIELD_NUMBER: _ClassVar[int]
    AMEND_FIELD_NUMBER: _ClassVar[int]
    RESTORE_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    signature: Signature
    event_refs: EventRefs
    selection: UsageSelection
    void: VoidUsage
    amend: AmendUsage
    restore: RestoreUsage
    dry_run: bool
    expected_event_count: int
    def __init__(self, signature: _Optional[_Union[Signature, _Mapping]] = ..., event_refs: _Optional[_Union[EventRefs, _Mapping]] = ..., selection: _Optional[_Union[UsageSelection, _Mapping]] = ..., void: _Optional[_Union[VoidUsage, _Mapping]] = ..., amend: _Optional[_Union[AmendUsage, _Mapping]] = ..., restore: _Optional[_Union[RestoreUsage, _Mapping]] = ..., dry_run: _Optional[bool] = ..., expected_event_count: _Optional[int] = ...) -> None: ...

class EventRefs(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[EventRef]
    def __init__(self, events: _Optional[_Iterable[_Union[EventRef, _Mapping]]] = ...) -> None: ...

class EventRef(_message.Message):
    __slots__ = ("event_id", "customer_id", "event_type", "event_time", "ingested_at")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    INGESTED_AT_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    customer_id: str
    event_type: str
    event_time: _timestamp_pb2.Timestamp
    ingested_at: _timestamp_pb2.Timestamp
    def __init__(self, event_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., event_type: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ingested_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UsageSelection(_message.Message):
    __slots__ = ("start", "end", "customer_ids", "event_type", "filters")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    customer_ids: _containers.RepeatedScalarFieldContainer[str]
    event_type: str
    filters: _containers.RepeatedCompositeFieldContainer[PropertyMatch]
    def __init__(self, start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., customer_ids: _Optional[_Iterable[str]] = ..., event_type: _Optional[str] = ..., filters: _Optional[_Iterable[_Union[PropertyMatch, _Mapping]]] = ...) -> None: ...

class PropertyMatch(_message.Message):
    __slots__ = ("property", "any_of", "exists")
    PROPERTY_FIELD_NUMBER: _ClassVar[int]
    ANY_OF_FIELD_NUMBER: _ClassVar[int]
    EXISTS_FIELD_NUMBER: _ClassVar[int]
    property: str
    any_of: _containers.RepeatedScalarFieldContainer[str]
    exists: bool
    def __init__(self, property: _Optional[str] = ..., any_of: _Optional[_Iterable[str]] = ..., exists: _Optional[bool] = ...) -> None: ...

class VoidUsage(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RestoreUsage(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AmendUsage(_message.Message):
    __slots__ = ("set_properties", "remove_properties", "customer_id", "event_time")
    class SetPropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SET_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    REMOVE_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    set_properties: _containers.ScalarMap[str, str]
    remove_properties: _containers.RepeatedScalarFieldContainer[str]
    customer_id: str
    event_time: _timestamp_pb2.Timestamp
    def __init__(self, set_properties: _Optional[_Mapping[str, str]] = ..., remove_properties: _Optional[_Iterable[str]] = ..., customer_id: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UndoCorrectionRequest(_message.Message):
    __slots__ = ("signature", "correction_id", "dry_run", "expected_event_count")
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    signature: Signature
    correction_id: str
    dry_run: bool
    expected_event_count: int
    def __init__(self, signature: _Optional[_Union[Signature, _Mapping]] = ..., correction_id: _Optional[str] = ..., dry_run: _Optional[bool] = ..., expected_event_count: _Optional[int] = ...) -> None: ...

class CorrectUsageResponse(_message.Message):
    __slots__ = ("correction", "effect", "as_of")
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    correction: Correction
    effect: CorrectionEffect
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, correction: _Optional[_Union[Correction, _Mapping]] = ..., effect: _Optional[_Union[CorrectionEffect, _Mapping]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UndoCorrectionResponse(_message.Message):
    __slots__ = ("correction", "effect", "as_of")
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    correction: Correction
    effect: CorrectionEffect
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, correction: _Optional[_Union[Correction, _Mapping]] = ..., effect: _Optional[_Union[CorrectionEffect, _Mapping]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Correction(_message.Message):
    __slots__ = ("signature", "kind", "recorded_at", "event_count", "undoes_correction_id", "undone_by_correction_id", "in_effect")
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNDOES_CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    UNDONE_BY_CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    IN_EFFECT_FIELD_NUMBER: _ClassVar[int]
    signature: Signature
    kind: CorrectionKind
    recorded_at: _timestamp_pb2.Timestamp
    event_count: int
    undoes_correction_id: str
    undone_by_correction_id: str
    in_effect: bool
    def __init__(self, signature: _Optional[_Union[Signature, _Mapping]] = ..., kind: _Optional[_Union[CorrectionKind, str]] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., event_count: _Optional[int] = ..., undoes_correction_id: _Optional[str] = ..., undone_by_correction_id: _Optional[str] = ..., in_effect: _Optional[bool] = ...) -> None: ...

class CorrectionEffect(_message.Message):
    __slots__ = ("event_count", "unchanged_event_count", "line_changes", "line_change_count", "totals", "unrateable_customers", "periods_left_out", "catalog_revision")
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    LINE_CHANGES_FIELD_NUMBER: _ClassVar[int]
    LINE_CHANGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    UNRATEABLE_CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    PERIODS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    event_count: int
    unchanged_event_count: int
    line_changes: _containers.RepeatedCompositeFieldContainer[LineChange]
    line_change_count: int
    totals: _containers.RepeatedCompositeFieldContainer[SpendChange]
    unrateable_customers: _containers.RepeatedCompositeFieldContainer[_billing_pb2.UnrateableCustomer]
    periods_left_out: int
    catalog_revision: int
    def __init__(self, event_count: _Optional[int] = ..., unchanged_event_count: _Optional[int] = ..., line_changes: _Optional[_Iterable[_Union[LineChange, _Mapping]]] = ..., line_change_count: _Optional[int] = ..., totals: _Optional[_Iterable[_Union[SpendChange, _Mapping]]] = ..., unrateable_customers: _Optional[_Iterable[_Union[_billing_pb2.UnrateableCustomer, _Mapping]]] = ..., periods_left_out: _Optional[int] = ..., catalog_revision: _Optional[int] = ...) -> None: ...

class LineChange(_message.Message):
    __slots__ = ("customer_id", "subscription_id", "price_id", "meter_id", "dimensions", "period_start", "period_end", "quantity_before", "quantity_after", "event_count_before", "event_count_after", "amount_before", "amount_after", "currency")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_ID_FIELD_NUMBER: _ClassVar[int]
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_BEFORE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_AFTER_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_AFTER_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_AFTER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    subscription_id: str
    price_id: str
    meter_id: str
    dimensions: _containers.ScalarMap[str, str]
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    quantity_before: str
    quantity_after: str
    event_count_before: int
    event_count_after: int
    amount_before: str
    amount_after: str
    currency: str
    def __init__(self, customer_id: _Optional[str] = ..., subscription_id: _Optional[str] = ..., price_id: _Optional[str] = ..., meter_id: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., quantity_before: _Optional[str] = ..., quantity_after: _Optional[str] = ..., event_count_before: _Optional[int] = ..., event_count_after: _Optional[int] = ..., amount_before: _Optional[str] = ..., amount_after: _Optional[str] = ..., currency: _Optional[str] = ...) -> None: ...

class SpendChange(_message.Message):
    __slots__ = ("currency", "amount_before", "amount_after")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_AFTER_FIELD_NUMBER: _ClassVar[int]
    currency: str
    amount_before: str
    amount_after: str
    def __init__(self, currency: _Optional[str] = ..., amount_before: _Optional[str] = ..., amount_after: _Optional[str] = ...) -> None: ...

class ListCorrectionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCorrectionsResponse(_message.Message):
    __slots__ = ("corrections", "as_of", "next_page_token")
    CORRECTIONS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    corrections: _containers.RepeatedCompositeFieldContainer[Correction]
    as_of: _timestamp_pb2.Timestamp
    next_page_token: str
    def __init__(self, corrections: _Optional[_Iterable[_Union[Correction, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetCorrectionRequest(_message.Message):
    __slots__ = ("correction_id", "page_size", "page_token")
    CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    correction_id: str
    page_size: int
    page_token: str
    def __init__(self, correction_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetCorrectionResponse(_message.Message):
    __slots__ = ("correction", "events", "as_of", "next_page_token")
    CORRECTION_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    correction: Correction
    events: _containers.RepeatedCompositeFieldContainer[CorrectedEvent]
    as_of: _timestamp_pb2.Timestamp
    next_page_token: str
    def __init__(self, correction: _Optional[_Union[Correction, _Mapping]] = ..., events: _Optional[_Iterable[_Union[CorrectedEvent, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CorrectedEvent(_message.Message):
    __slots__ = ("event_id", "before", "after")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    before: EventVersion
    after: EventVersion
    def __init__(self, event_id: _Optional[str] = ..., before: _Optional[_Union[EventVersion, _Mapping]] = ..., after: _Optional[_Union[EventVersion, _Mapping]] = ...) -> None: ...
