import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from meterline.v1 import usage_pb2 as _usage_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListEventsRequest(_message.Message):
    __slots__ = ("customer_ids", "event_type", "event_ids", "start", "end", "meter", "correction_id", "include_voided", "as_of", "page_size", "page_token")
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_VOIDED_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_ids: _containers.RepeatedScalarFieldContainer[str]
    event_type: str
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    meter: MeterEvents
    correction_id: str
    include_voided: bool
    as_of: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, customer_ids: _Optional[_Iterable[str]] = ..., event_type: _Optional[str] = ..., event_ids: _Optional[_Iterable[str]] = ..., start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., meter: _Optional[_Union[MeterEvents, _Mapping]] = ..., correction_id: _Optional[str] = ..., include_voided: _Optional[bool] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class MeterEvents(_message.Message):
    __slots__ = ("meter_id", "catalog_revision", "group")
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    meter_id: str
    catalog_revision: int
    group: EventGroup
    def __init__(self, meter_id: _Optional[str] = ..., catalog_revision: _Optional[int] = ..., group: _Optional[_Union[EventGroup, _Mapping]] = ...) -> None: ...

class EventGroup(_message.Message):
    __slots__ = ("dimensions",)
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    dimensions: _containers.ScalarMap[str, str]
    def __init__(self, dimensions: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "as_of", "catalog_revision", "next_page_token", "expired")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[RecordedEvent]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    next_page_token: str
    expired: _containers.RepeatedCompositeFieldContainer[ExpiredEvents]
    def __init__(self, events: _Optional[_Iterable[_Union[RecordedEvent, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., next_page_token: _Optional[str] = ..., expired: _Optional[_Iterable[_Union[ExpiredEvents, _Mapping]]] = ...) -> None: ...

class RecordedEvent(_message.Message):
    __slots__ = ("event_id", "event_type", "customer_id", "event_time", "ingested_at", "properties", "voided")
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    INGESTED_AT_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    VOIDED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    event_type: str
    customer_id: str
    event_time: _timestamp_pb2.Timestamp
    ingested_at: _timestamp_pb2.Timestamp
    properties: _containers.ScalarMap[str, str]
    voided: EventVoiding
    def __init__(self, event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., customer_id: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ingested_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., properties: _Optional[_Mapping[str, str]] = ..., voided: _Optional[_Union[EventVoiding, _Mapping]] = ...) -> None: ...

class EventVoiding(_message.Message):
    __slots__ = ("correction_id", "voided_at")
    CORRECTION_ID_FIELD_NUMBER: _ClassVar[int]
    VOIDED_AT_FIELD_NUMBER: _ClassVar[int]
    correction_id: str
    voided_at: _timestamp_pb2.Timestamp
    def __init__(self, correction_id: _Optional[str] = ..., voided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ExpiredEvents(_message.Message):
    __slots__ = ("event_type", "expired_before", "customer_count")
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    EXPIRED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_COUNT_FIELD_NUMBER: _ClassVar[int]
    event_type: str
    expired_before: _timestamp_pb2.Timestamp
    customer_count: int
    def __init__(self, event_type: _Optional[str] = ..., expired_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., customer_count: _Optional[int] = ...) -> None: ...

class ListProblemsRequest(_message.Message):
    __slots__ = ("reasons", "customer_id", "start", "end", "page_size", "page_token")
    REASONS_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    reasons: _containers.RepeatedScalarFieldContainer[_usage_pb2.ProblemReason]
    customer_id: str
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, reasons: _Optional[_Iterable[_Union[_usage_pb2.ProblemReason, str]]] = ..., customer_id: _Optional[str] = ..., start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListProblemsResponse(_message.Message):
    __slots__ = ("problems", "counts", "next_page_token")
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    problems: _containers.RepeatedCompositeFieldContainer[LoggedProblem]
    counts: _containers.RepeatedCompositeFieldContainer[ProblemCount]
    next_page_token: str
    def __init__(self, problems: _Optional[_Iterable[_Union[LoggedProblem, _Mapping]]] = ..., counts: _Optional[_Iterable[_Union[ProblemCount, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class LoggedProblem(_message.Message):
    __slots__ = ("received_at", "verdict", "reason", "field", "event_id", "event_type", "customer_id", "event_time", "credential")
    RECEIVED_AT_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    CREDENTIAL_FIELD_NUMBER: _ClassVar[int]
    received_at: _timestamp_pb2.Timestamp
    verdict: _usage_pb2.Verdict
    reason: _usage_pb2.ProblemReason
    field: str
    event_id: str
    event_type: str
    customer_id: str
    event_time: _timestamp_pb2.Timestamp
    credential: str
    def __init__(self, received_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., verdict: _Optional[_Union[_usage_pb2.Verdict, str]] = ..., reason: _Optional[_Union[_usage_pb2.ProblemReason, str]] = ..., field: _Optional[str] = ..., event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., customer_id: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., credential: _Optional[str] = ...) -> None: ...

class ProblemCount(_message.Message):
    __slots__ = ("reason", "problem_count", "logged_count")
    REASON_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    LOGGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    reason: _usage_pb2.ProblemReason
    problem_count: int
    logged_count: int
    def __init__(self, reason: _Optional[_Union[_usage_pb2.ProblemReason, str]] = ..., problem_count: _Optional[int] = ..., logged_count: _Optional[int] = ...) -> None: ...
