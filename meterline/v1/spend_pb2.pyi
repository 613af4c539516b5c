import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from meterline.v1 import billing_pb2 as _billing_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetSpendRequest(_message.Message):
    __slots__ = ("customer_id", "at", "as_of", "catalog_revision")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    at: _timestamp_pb2.Timestamp
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    def __init__(self, customer_id: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ...) -> None: ...

class GetSpendResponse(_message.Message):
    __slots__ = ("spends", "line_items", "as_of", "catalog_revision")
    SPENDS_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    spends: _containers.RepeatedCompositeFieldContainer[Spend]
    line_items: _containers.RepeatedCompositeFieldContainer[_billing_pb2.LineItem]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    def __init__(self, spends: _Optional[_Iterable[_Union[Spend, _Mapping]]] = ..., line_items: _Optional[_Iterable[_Union[_billing_pb2.LineItem, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ...) -> None: ...

class ListSpendRequest(_message.Message):
    __slots__ = ("at", "as_of", "limit", "catalog_revision")
    AT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    as_of: _timestamp_pb2.Timestamp
    limit: int
    catalog_revision: int
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limit: _Optional[int] = ..., catalog_revision: _Optional[int] = ...) -> None: ...

class ListSpendResponse(_message.Message):
    __slots__ = ("spends", "totals", "as_of", "catalog_revision", "unrateable_customers")
    SPENDS_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    UNRATEABLE_CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    spends: _containers.RepeatedCompositeFieldContainer[Spend]
    totals: _containers.RepeatedCompositeFieldContainer[Spend]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    unrateable_customers: _containers.RepeatedCompositeFieldContainer[_billing_pb2.UnrateableCustomer]
    def __init__(self, spends: _Optional[_Iterable[_Union[Spend, _Mapping]]] = ..., totals: _Optional[_Iterable[_Union[Spend, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., unrateable_customers: _Optional[_Iterable[_Union[_billing_pb2.UnrateableCustomer, _Mapping]]] = ...) -> None: ...

class Spend(_message.Message):
    __slots__ = ("customer_id", "currency", "amount", "line_item_count", "event_count", "incomplete")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    currency: str
    amount: str
    line_item_count: int
    event_count: int
    incomplete: bool
    def __init__(self, customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., line_item_count: _Optional[int] = ..., event_count: _Optional[int] = ..., incomplete: _Optional[bool] = ...) -> None: ...
