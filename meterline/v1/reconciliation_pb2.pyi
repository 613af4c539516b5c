import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReconcileBillingRequest(_message.Message):
    __slots__ = ("period_end_after", "period_end_until", "page_size", "page_token")
    PERIOD_END_AFTER_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_UNTIL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    period_end_after: _timestamp_pb2.Timestamp
    period_end_until: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, period_end_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ReconcileBillingResponse(_message.Message):
    __slots__ = ("checks", "differences", "difference_count", "late_event_count", "late_customer_count", "customer_count", "as_of", "next_page_token")
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    LATE_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    LATE_CUSTOMER_COUNT_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_COUNT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    checks: _containers.RepeatedCompositeFieldContainer[ReconciliationCheck]
    differences: _containers.RepeatedCompositeFieldContainer[BillingDifference]
    difference_count: int
    late_event_count: int
    late_customer_count: int
    customer_count: int
    as_of: _timestamp_pb2.Timestamp
    next_page_token: str
    def __init__(self, checks: _Optional[_Iterable[_Union[ReconciliationCheck, _Mapping]]] = ..., differences: _Optional[_Iterable[_Union[BillingDifference, _Mapping]]] = ..., difference_count: _Optional[int] = ..., late_event_count: _Optional[int] = ..., late_customer_count: _Optional[int] = ..., customer_count: _Optional[int] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReconciliationCheck(_message.Message):
    __slots__ = ("check", "judged_count", "not_judged")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    JUDGED_COUNT_FIELD_NUMBER: _ClassVar[int]
    NOT_JUDGED_FIELD_NUMBER: _ClassVar[int]
    check: str
    judged_count: int
    not_judged: _containers.RepeatedCompositeFieldContainer[NotJudged]
    def __init__(self, check: _Optional[str] = ..., judged_count: _Optional[int] = ..., not_judged: _Optional[_Iterable[_Union[NotJudged, _Mapping]]] = ...) -> None: ...

class NotJudged(_message.Message):
    __slots__ = ("reason", "count")
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    reason: str
    count: int
    def __init__(self, reason: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class BillingDifference(_message.Message):
    __slots__ = ("kind", "customer_id", "invoice_id", "invoice_number", "line_number", "what", "expected", "found")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_ID_FIELD_NUMBER: _ClassVar[int]
    INVOICE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LINE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    kind: str
    customer_id: str
    invoice_id: str
    invoice_number: str
    line_number: int
    what: str
    expected: str
    found: str
    def __init__(self, kind: _Optional[str] = ..., customer_id: _Optional[str] = ..., invoice_id: _Optional[str] = ..., invoice_number: _Optional[str] = ..., line_number: _Optional[int] = ..., what: _Optional[str] = ..., expected: _Optional[str] = ..., found: _Optional[str] = ...) -> None: ...
