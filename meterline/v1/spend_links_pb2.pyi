import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateSpendLinkRequest(_message.Message):
    __slots__ = ("customer_id", "valid_for_s", "may_set_budget")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    VALID_FOR_S_FIELD_NUMBER: _ClassVar[int]
    MAY_SET_BUDGET_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    valid_for_s: int
    may_set_budget: bool
    def __init__(self, customer_id: _Optional[str] = ..., valid_for_s: _Optional[int] = ..., may_set_budget: _Optional[bool] = ...) -> None: ...

class CreateSpendLinkResponse(_message.Message):
    __slots__ = ("token", "url", "expires_at")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    token: str
    url: str
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, token: _Optional[str] = ..., url: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
