import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClosingMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CLOSING_MODE_UNSPECIFIED: _ClassVar[ClosingMode]
    CLOSING_MODE_MANUAL: _ClassVar[ClosingMode]
    CLOSING_MODE_AUTOMATIC: _ClassVar[ClosingMode]
CLOSING_MODE_UNSPECIFIED: ClosingMode
CLOSING_MODE_MANUAL: ClosingMode
CLOSING_MODE_AUTOMATIC: ClosingMode

class BillingSettings(_message.Message):
    __slots__ = ("closing_mode", "grace_s", "closed_until", "open_customer_count", "open_since", "review", "draft_count")
    CLOSING_MODE_FIELD_NUMBER: _ClassVar[int]
    GRACE_S_FIELD_NUMBER: _ClassVar[int]
    CLOSED_UNTIL_FIELD_NUMBER: _ClassVar[int]
    OPEN_CUSTOMER_COUNT_FIELD_NUMBER: _ClassVar[int]
    OPEN_SINCE_FIELD_NUMBER: _ClassVar[int]
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    DRAFT_COUNT_FIELD_NUMBER: _ClassVar[int]
    closing_mode: ClosingMode
    grace_s: int
    closed_until: _timestamp_pb2.Timestamp
    open_customer_count: int
    open_since: _timestamp_pb2.Timestamp
    review: bool
    draft_count: int
    def __init__(self, closing_mode: _Optional[_Union[ClosingMode, str]] = ..., grace_s: _Optional[int] = ..., closed_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., open_customer_count: _Optional[int] = ..., open_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., review: _Optional[bool] = ..., draft_count: _Optional[int] = ...) -> None: ...

class GetBillingSettingsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetBillingSettingsResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: BillingSettings
    def __init__(self, settings: _Optional[_Union[BillingSettings, _Mapping]] = ...) -> None: ...

class UpdateBillingSettingsRequest(_message.Message):
    __slots__ = ("closing_mode", "grace_s", "closed_since", "review")
    CLOSING_MODE_FIELD_NUMBER: _ClassVar[int]
    GRACE_S_FIELD_NUMBER: _ClassVar[int]
    CLOSED_SINCE_FIELD_NUMBER: _ClassVar[int]
    REVIEW_FIELD_NUMBER: _ClassVar[int]
    closing_mode: ClosingMode
    grace_s: int
    closed_since: _timestamp_pb2.Timestamp
    review: bool
    def __init__(self, closing_mode: _Optional[_Union[ClosingMode, str]] = ..., grace_s: _Optional[int] = ..., closed_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., review: _Optional[bool] = ...) -> None: ...

class UpdateBillingSettingsResponse(_message.Message):
    __slots__ = ("settings",)
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    settings: BillingSettings
    def __init__(self, settings: _Optional[_Union[BillingSettings, _Mapping]] = ...) -> None: ...
