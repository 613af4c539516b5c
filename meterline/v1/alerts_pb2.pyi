import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AlertCrossingState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ALERT_CROSSING_STATE_UNSPECIFIED: _ClassVar[AlertCrossingState]
    ALERT_CROSSING_STATE_REACHED: _ClassVar[AlertCrossingState]
    ALERT_CROSSING_STATE_RECOVERED: _ClassVar[AlertCrossingState]
ALERT_CROSSING_STATE_UNSPECIFIED: AlertCrossingState
ALERT_CROSSING_STATE_REACHED: AlertCrossingState
ALERT_CROSSING_STATE_RECOVERED: AlertCrossingState

class ListAlertCrossingsRequest(_message.Message):
    __slots__ = ("customer_id", "alert_id", "reached_only", "page_size", "page_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    ALERT_ID_FIELD_NUMBER: _ClassVar[int]
    REACHED_ONLY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    alert_id: str
    reached_only: bool
    page_size: int
    page_token: str
    def __init__(self, customer_id: _Optional[str] = ..., alert_id: _Optional[str] = ..., reached_only: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAlertCrossingsResponse(_message.Message):
    __slots__ = ("alert_crossings", "next_page_token")
    ALERT_CROSSINGS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    alert_crossings: _containers.RepeatedCompositeFieldContainer[AlertCrossing]
    next_page_token: str
    def __init__(self, alert_crossings: _Optional[_Iterable[_Union[AlertCrossing, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AlertCrossing(_message.Message):
    __slots__ = ("alert_id", "customer_id", "state", "measure", "currency", "meter_id", "threshold", "budget", "value", "period_start", "period_end", "as_of", "reached_at", "recovered_at")
    ALERT_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    REACHED_AT_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_AT_FIELD_NUMBER: _ClassVar[int]
    alert_id: str
    customer_id: str
    state: AlertCrossingState
    measure: str
    currency: str
    meter_id: str
    threshold: str
    budget: str
    value: str
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    as_of: _timestamp_pb2.Timestamp
    reached_at: _timestamp_pb2.Timestamp
    recovered_at: _timestamp_pb2.Timestamp
    def __init__(self, alert_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., state: _Optional[_Union[AlertCrossingState, str]] = ..., measure: _Optional[str] = ..., currency: _Optional[str] = ..., meter_id: _Optional[str] = ..., threshold: _Optional[str] = ..., budget: _Optional[str] = ..., value: _Optional[str] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reached_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., recovered_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
