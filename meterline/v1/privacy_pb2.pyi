import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExportCustomerRequest(_message.Message):
    __slots__ = ("customer_id", "page_size", "page_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    page_size: int
    page_token: str
    def __init__(self, customer_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ExportCustomerResponse(_message.Message):
    __slots__ = ("records", "next_page_token", "as_of")
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[HeldRecord]
    next_page_token: str
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, records: _Optional[_Iterable[_Union[HeldRecord, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class HeldRecord(_message.Message):
    __slots__ = ("section", "json")
    SECTION_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    section: str
    json: str
    def __init__(self, section: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class EraseCustomerRequest(_message.Message):
    __slots__ = ("customer_id", "dry_run", "keep_properties")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    KEEP_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    dry_run: bool
    keep_properties: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, customer_id: _Optional[str] = ..., dry_run: _Optional[bool] = ..., keep_properties: _Optional[_Iterable[str]] = ...) -> None: ...

class EraseCustomerResponse(_message.Message):
    __slots__ = ("pseudonym", "extent")
    PSEUDONYM_FIELD_NUMBER: _ClassVar[int]
    EXTENT_FIELD_NUMBER: _ClassVar[int]
    pseudonym: str
    extent: ErasureExtent
    def __init__(self, pseudonym: _Optional[str] = ..., extent: _Optional[_Union[ErasureExtent, _Mapping]] = ...) -> None: ...

class ErasureExtent(_message.Message):
    __slots__ = ("event_count", "correction_row_count", "problem_count", "rollup_row_count", "catalog_version_count", "api_key_count", "audit_record_count", "kept_properties", "replaced_properties", "dropped_properties")
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    CORRECTION_ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    ROLLUP_ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    CATALOG_VERSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    API_KEY_COUNT_FIELD_NUMBER: _ClassVar[int]
    AUDIT_RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    KEPT_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    REPLACED_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    DROPPED_PROPERTIES_FIELD_NUMBER: _ClassVar[int]
    event_count: int
    correction_row_count: int
    problem_count: int
    rollup_row_count: int
    catalog_version_count: int
    api_key_count: int
    audit_record_count: int
    kept_properties: _containers.RepeatedScalarFieldContainer[str]
    replaced_properties: _containers.RepeatedScalarFieldContainer[str]
    dropped_properties: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, event_count: _Optional[int] = ..., correction_row_count: _Optional[int] = ..., problem_count: _Optional[int] = ..., rollup_row_count: _Optional[int] = ..., catalog_version_count: _Optional[int] = ..., api_key_count: _Optional[int] = ..., audit_record_count: _Optional[int] = ..., kept_properties: _Optional[_Iterable[str]] = ..., replaced_properties: _Optional[_Iterable[str]] = ..., dropped_properties: _Optional[_Iterable[str]] = ...) -> None: ...

class ListErasuresRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListErasuresResponse(_message.Message):
    __slots__ = ("erasures", "next_page_token")
    ERASURES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    erasures: _containers.RepeatedCompositeFieldContainer[Erasure]
    next_page_token: str
    def __init__(self, erasures: _Optional[_Iterable[_Union[Erasure, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Erasure(_message.Message):
    __slots__ = ("pseudonym", "begun_at", "ended_at", "begun_by", "extent")
    PSEUDONYM_FIELD_NUMBER: _ClassVar[int]
    BEGUN_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_AT_FIELD_NUMBER: _ClassVar[int]
    BEGUN_BY_FIELD_NUMBER: _ClassVar[int]
    EXTENT_FIELD_NUMBER: _ClassVar[int]
    pseudonym: str
    begun_at: _timestamp_pb2.Timestamp
    ended_at: _timestamp_pb2.Timestamp
    begun_by: str
    extent: ErasureExtent
    def __init__(self, pseudonym: _Optional[str] = ..., begun_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., ended_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., begun_by: _Optional[str] = ..., extent: _Optional[_Union[ErasureExtent, _Mapping]] = ...) -> None: ...
