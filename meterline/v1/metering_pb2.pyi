import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class UsageWindow(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USAGE_WINDOW_UNSPECIFIED: _ClassVar[UsageWindow]
    USAGE_WINDOW_MINUTE: _ClassVar[UsageWindow]
    USAGE_WINDOW_HOUR: _ClassVar[UsageWindow]
    USAGE_WINDOW_DAY: _ClassVar[UsageWindow]
    USAGE_WINDOW_WEEK: _ClassVar[UsageWindow]
    USAGE_WINDOW_MONTH: _ClassVar[UsageWindow]

class UsageSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    USAGE_SOURCE_UNSPECIFIED: _ClassVar[UsageSource]
    USAGE_SOURCE_RAW: _ClassVar[UsageSource]
USAGE_WINDOW_UNSPECIFIED: UsageWindow
USAGE_WINDOW_MINUTE: UsageWindow
USAGE_WINDOW_HOUR: UsageWindow
USAGE_WINDOW_DAY: UsageWindow
USAGE_WINDOW_WEEK: UsageWindow
USAGE_WINDOW_MONTH: UsageWindow
USAGE_SOURCE_UNSPECIFIED: UsageSource
USAGE_SOURCE_RAW: UsageSource

class QueryUsageRequest(_message.Message):
    __slots__ = ("meter_id", "period_start", "period_end", "window", "time_zone", "group_by", "filters", "customer_ids", "as_of", "catalog_revision", "page_size", "page_token", "source")
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    meter_id: str
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    window: UsageWindow
    time_zone: str
    group_by: UsageGrouping
    filters: _containers.RepeatedCompositeFieldContainer[UsageFilter]
    customer_ids: _containers.RepeatedScalarFieldContainer[str]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    page_size: int
    page_token: str
    source: UsageSource
    def __init__(self, meter_id: _Optional[str] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., window: _Optional[_Union[UsageWindow, str]] = ..., time_zone: _Optional[str] = ..., group_by: _Optional[_Union[UsageGrouping, _Mapping]] = ..., filters: _Optional[_Iterable[_Union[UsageFilter, _Mapping]]] = ..., customer_ids: _Optional[_Iterable[str]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., source: _Optional[_Union[UsageSource, str]] = ...) -> None: ...

class UsageGrouping(_message.Message):
    __slots__ = ("customer", "properties")
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    customer: bool
    properties: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, customer: _Optional[bool] = ..., properties: _Optional[_Iterable[str]] = ...) -> None: ...

class UsageFilter(_message.Message):
    __slots__ = ("property", "values")
    PROPERTY_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    property: str
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, property: _Optional[str] = ..., values: _Optional[_Iterable[str]] = ...) -> None: ...

class QueryUsageResponse(_message.Message):
    __slots__ = ("rows", "as_of", "catalog_revision", "meter_version", "group_by", "next_page_token")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    METER_VERSION_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[UsageRow]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    meter_version: int
    group_by: UsageGrouping
    next_page_token: str
    def __init__(self, rows: _Optional[_Iterable[_Union[UsageRow, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., meter_version: _Optional[int] = ..., group_by: _Optional[_Union[UsageGrouping, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UsageRow(_message.Message):
    __slots__ = ("customer_id", "dimensions", "window_start", "window_end", "quantity", "event_count", "unreadable_event_count", "missing_value_event_count", "event_digest")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    MISSING_VALUE_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    dimensions: _containers.ScalarMap[str, str]
    window_start: _timestamp_pb2.Timestamp
    window_end: _timestamp_pb2.Timestamp
    quantity: str
    event_count: int
    unreadable_event_count: int
    missing_value_event_count: int
    event_digest: str
    def __init__(self, customer_id: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., window_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., window_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., quantity: _Optional[str] = ..., event_count: _Optional[int] = ..., unreadable_event_count: _Optional[int] = ..., missing_value_event_count: _Optional[int] = ..., event_digest: _Optional[str] = ...) -> None: ...
