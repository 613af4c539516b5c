import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AccessRefusal(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCESS_REFUSAL_UNSPECIFIED: _ClassVar[AccessRefusal]
    ACCESS_REFUSAL_UNKNOWN_FEATURE: _ClassVar[AccessRefusal]
    ACCESS_REFUSAL_NO_SUBSCRIPTION: _ClassVar[AccessRefusal]
    ACCESS_REFUSAL_NOT_INCLUDED: _ClassVar[AccessRefusal]
    ACCESS_REFUSAL_LIMIT_REACHED: _ClassVar[AccessRefusal]
    ACCESS_REFUSAL_SPEND_UNKNOWN: _ClassVar[AccessRefusal]

class Enforcement(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENFORCEMENT_UNSPECIFIED: _ClassVar[Enforcement]
    ENFORCEMENT_HARD: _ClassVar[Enforcement]
    ENFORCEMENT_SOFT: _ClassVar[Enforcement]
ACCESS_REFUSAL_UNSPECIFIED: AccessRefusal
ACCESS_REFUSAL_UNKNOWN_FEATURE: AccessRefusal
ACCESS_REFUSAL_NO_SUBSCRIPTION: AccessRefusal
ACCESS_REFUSAL_NOT_INCLUDED: AccessRefusal
ACCESS_REFUSAL_LIMIT_REACHED: AccessRefusal
ACCESS_REFUSAL_SPEND_UNKNOWN: AccessRefusal
ENFORCEMENT_UNSPECIFIED: Enforcement
ENFORCEMENT_HARD: Enforcement
ENFORCEMENT_SOFT: Enforcement

class CheckAccessRequest(_message.Message):
    __slots__ = ("customer_id", "features")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    features: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, customer_id: _Optional[str] = ..., features: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckAccessResponse(_message.Message):
    __slots__ = ("features", "as_of", "catalog_revision")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedCompositeFieldContainer[FeatureAccess]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    def __init__(self, features: _Optional[_Iterable[_Union[FeatureAccess, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ...) -> None: ...

class FeatureAccess(_message.Message):
    __slots__ = ("feature", "allowed", "refusal", "value", "limits", "allowed_when_unreachable")
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_WHEN_UNREACHABLE_FIELD_NUMBER: _ClassVar[int]
    feature: str
    allowed: bool
    refusal: AccessRefusal
    value: str
    limits: _containers.RepeatedCompositeFieldContainer[LimitStatus]
    allowed_when_unreachable: bool
    def __init__(self, feature: _Optional[str] = ..., allowed: _Optional[bool] = ..., refusal: _Optional[_Union[AccessRefusal, str]] = ..., value: _Optional[str] = ..., limits: _Optional[_Iterable[_Union[LimitStatus, _Mapping]]] = ..., allowed_when_unreachable: _Optional[bool] = ...) -> None: ...

class LimitStatus(_message.Message):
    __slots__ = ("subscription_id", "meter", "currency", "enforcement", "limit", "used", "reserved", "remaining", "reached", "period_start", "resets_at")
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    ENFORCEMENT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    REACHED_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    RESETS_AT_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    meter: str
    currency: str
    enforcement: Enforcement
    limit: str
    used: str
    reserved: str
    remaining: str
    reached: bool
    period_start: _timestamp_pb2.Timestamp
    resets_at: _timestamp_pb2.Timestamp
    def __init__(self, subscription_id: _Optional[str] = ..., meter: _Optional[str] = ..., currency: _Optional[str] = ..., enforcement: _Optional[_Union[Enforcement, str]] = ..., limit: _Optional[str] = ..., used: _Optional[str] = ..., reserved: _Optional[str] = ..., remaining: _Optional[str] = ..., reached: _Optional[bool] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., resets_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
