import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Verdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERDICT_UNSPECIFIED: _ClassVar[Verdict]
    VERDICT_ACCEPTED: _ClassVar[Verdict]
    VERDICT_DUPLICATE: _ClassVar[Verdict]
    VERDICT_CONFLICT: _ClassVar[Verdict]
    VERDICT_REJECTED: _ClassVar[Verdict]

class ProblemReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROBLEM_REASON_UNSPECIFIED: _ClassVar[ProblemReason]
    PROBLEM_REASON_MISSING: _ClassVar[ProblemReason]
    PROBLEM_REASON_TOO_LONG: _ClassVar[ProblemReason]
    PROBLEM_REASON_UNKNOWN_EVENT_TYPE: _ClassVar[ProblemReason]
    PROBLEM_REASON_TOO_OLD: _ClassVar[ProblemReason]
    PROBLEM_REASON_IN_FUTURE: _ClassVar[ProblemReason]
    PROBLEM_REASON_NOT_DECIMAL: _ClassVar[ProblemReason]
    PROBLEM_REASON_OUT_OF_RANGE: _ClassVar[ProblemReason]
    PROBLEM_REASON_ID_REUSED: _ClassVar[ProblemReason]
    PROBLEM_REASON_MALFORMED: _ClassVar[ProblemReason]
VERDICT_UNSPECIFIED: Verdict
VERDICT_ACCEPTED: Verdict
VERDICT_DUPLICATE: Verdict
VERDICT_CONFLICT: Verdict
VERDICT_REJECTED: Verdict
PROBLEM_REASON_UNSPECIFIED: ProblemReason
PROBLEM_REASON_MISSING: ProblemReason
PROBLEM_REASON_TOO_LONG: ProblemReason
PROBLEM_REASON_UNKNOWN_EVENT_TYPE: ProblemReason
PROBLEM_REASON_TOO_OLD: ProblemReason
PROBLEM_REASON_IN_FUTURE: ProblemReason
PROBLEM_REASON_NOT_DECIMAL: ProblemReason
PROBLEM_REASON_OUT_OF_RANGE: ProblemReason
PROBLEM_REASON_ID_REUSED: ProblemReason
PROBLEM_REASON_MALFORMED: ProblemReason

class UsageEvent(_message.Message):
    __slots__ = ("event_id", "event_type", "customer_id", "event_time", "properties")
    class PropertiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: PropertyValue
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[PropertyValue, _Mapping]] = ...) -> None: ...
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    event_type: str
    customer_id: str
    event_time: _timestamp_pb2.Timestamp
    properties: _containers.MessageMap[str, PropertyValue]
    def __init__(self, event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., customer_id: _Optional[str] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., properties: _Optional[_Mapping[str, PropertyValue]] = ...) -> None: ...

class PropertyValue(_message.Message):
    __slots__ = ("string_value", "int_value", "double_value", "bool_value")
    STRING_VALUE_FIELD_NUMBER: _ClassVar[int]
    INT_VALUE_FIELD_NUMBER: _ClassVar[int]
    DOUBLE_VALUE_FIELD_NUMBER: _ClassVar[int]
    BOOL_VALUE_FIELD_NUMBER: _ClassVar[int]
    string_value: str
    int_value: int
    double_value: float
    bool_value: bool
    def __init__(self, string_value: _Optional[str] = ..., int_value: _Optional[int] = ..., double_value: _Optional[float] = ..., bool_value: _Optional[bool] = ...) -> None: ...

class RecordUsageRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[UsageEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[UsageEvent, _Mapping]]] = ...) -> None: ...

class RecordUsageResponse(_message.Message):
    __slots__ = ("verdicts", "problems", "as_of")
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedScalarFieldContainer[Verdict]
    problems: _containers.RepeatedCompositeFieldContainer[EventProblem]
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, verdicts: _Optional[_Iterable[_Union[Verdict, str]]] = ..., problems: _Optional[_Iterable[_Union[EventProblem, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RecordUsageColumnsRequest(_message.Message):
    __slots__ = ("arrow_ipc",)
    ARROW_IPC_FIELD_NUMBER: _ClassVar[int]
    arrow_ipc: bytes
    def __init__(self, arrow_ipc: _Optional[bytes] = ...) -> None: ...

class RecordUsageColumnsResponse(_message.Message):
    __slots__ = ("verdicts", "problems", "as_of")
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedScalarFieldContainer[Verdict]
    problems: _containers.RepeatedCompositeFieldContainer[EventProblem]
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, verdicts: _Optional[_Iterable[_Union[Verdict, str]]] = ..., problems: _Optional[_Iterable[_Union[EventProblem, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StreamUsageRequest(_message.Message):
    __slots__ = ("sequence", "events")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    events: _containers.RepeatedCompositeFieldContainer[UsageEvent]
    def __init__(self, sequence: _Optional[int] = ..., events: _Optional[_Iterable[_Union[UsageEvent, _Mapping]]] = ...) -> None: ...

class StreamUsageResponse(_message.Message):
    __slots__ = ("sequence", "verdicts", "problems", "as_of")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    PROBLEMS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    verdicts: _containers.RepeatedScalarFieldContainer[Verdict]
    problems: _containers.RepeatedCompositeFieldContainer[EventProblem]
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, sequence: _Optional[int] = ..., verdicts: _Optional[_Iterable[_Union[Verdict, str]]] = ..., problems: _Optional[_Iterable[_Union[EventProblem, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EventProblem(_message.Message):
    __slots__ = ("index", "field", "reason", "retryable", "message")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    index: int
    field: str
    reason: ProblemReason
    retryable: bool
    message: str
    def __init__(self, index: _Optional[int] = ..., field: _Optional[str] = ..., reason: _Optional[_Union[ProblemReason, str]] = ..., retryable: _Optional[bool] = ..., message: _Optional[str] = ...) -> None: ...
