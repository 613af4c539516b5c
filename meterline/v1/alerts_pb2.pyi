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

class ListCustomerAlertsRequest(_message.Message):
    __slots__ = ("customer_id",)
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    def __init__(self, customer_id: _Optional[str] = ...) -> None: ...

class ListCustomerAlertsResponse(_message.Message):
    __slots__ = ("alerts", "budget_currencies")
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_CURRENCIES_FIELD_NUMBER: _ClassVar[int]
    alerts: _containers.RepeatedCompositeFieldContainer[CustomerAlert]
    budget_currencies: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, alerts: _Optional[_Iterable[_Union[CustomerAlert, _Mapping]]] = ..., budget_currencies: _Optional[_Iterable[str]] = ...) -> None: ...

class CustomerAlert(_message.Message):
    __slots__ = ("alert_id", "name", "measure", "currency", "meter_id", "budget", "thresholds", "set_by_customer", "etag")
    ALERT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    SET_BY_CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    alert_id: str
    name: str
    measure: str
    currency: str
    meter_id: str
    budget: str
    thresholds: _containers.RepeatedCompositeFieldContainer[CustomerThreshold]
    set_by_customer: bool
    etag: str
    def __init__(self, alert_id: _Optional[str] = ..., name: _Optional[str] = ..., measure: _Optional[str] = ..., currency: _Optional[str] = ..., meter_id: _Optional[str] = ..., budget: _Optional[str] = ..., thresholds: _Optional[_Iterable[_Union[CustomerThreshold, _Mapping]]] = ..., set_by_customer: _Optional[bool] = ..., etag: _Optional[str] = ...) -> None: ...

class CustomerThreshold(_message.Message):
    __slots__ = ("threshold", "reached", "reached_at")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    REACHED_AT_FIELD_NUMBER: _ClassVar[int]
    threshold: str
    reached: bool
    reached_at: _timestamp_pb2.Timestamp
    def __init__(self, threshold: _Optional[str] = ..., reached: _Optional[bool] = ..., reached_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SetCustomerBudgetRequest(_message.Message):
    __slots__ = ("customer_id", "currency", "amount", "thresholds", "etag")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    currency: str
    amount: str
    thresholds: _containers.RepeatedScalarFieldContainer[str]
    etag: str
    def __init__(self, customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., thresholds: _Optional[_Iterable[str]] = ..., etag: _Optional[str] = ...) -> None: ...

class SetCustomerBudgetResponse(_message.Message):
    __slots__ = ("budget", "revision")
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    budget: CustomerAlert
    revision: int
    def __init__(self, budget: _Optional[_Union[CustomerAlert, _Mapping]] = ..., revision: _Optional[int] = ...) -> None: ...
