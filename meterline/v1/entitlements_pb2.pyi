import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from meterline.v1 import usage_pb2 as _usage_pb2
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

class ReservationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RESERVATION_STATE_UNSPECIFIED: _ClassVar[ReservationState]
    RESERVATION_STATE_PENDING: _ClassVar[ReservationState]
    RESERVATION_STATE_COMMITTING: _ClassVar[ReservationState]
    RESERVATION_STATE_COMMITTED: _ClassVar[ReservationState]
    RESERVATION_STATE_RELEASED: _ClassVar[ReservationState]
    RESERVATION_STATE_EXPIRED: _ClassVar[ReservationState]
ACCESS_REFUSAL_UNSPECIFIED: AccessRefusal
ACCESS_REFUSAL_UNKNOWN_FEATURE: AccessRefusal
ACCESS_REFUSAL_NO_SUBSCRIPTION: AccessRefusal
ACCESS_REFUSAL_NOT_INCLUDED: AccessRefusal
ACCESS_REFUSAL_LIMIT_REACHED: AccessRefusal
ACCESS_REFUSAL_SPEND_UNKNOWN: AccessRefusal
ENFORCEMENT_UNSPECIFIED: Enforcement
ENFORCEMENT_HARD: Enforcement
ENFORCEMENT_SOFT: Enforcement
RESERVATION_STATE_UNSPECIFIED: ReservationState
RESERVATION_STATE_PENDING: ReservationState
RESERVATION_STATE_COMMITTING: ReservationState
RESERVATION_STATE_COMMITTED: ReservationState
RESERVATION_STATE_RELEASED: ReservationState
RESERVATION_STATE_EXPIRED: ReservationState

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

class Reservation(_message.Message):
    __slots__ = ("reservation_id", "customer_id", "limit", "state", "quantity", "committed_quantity", "reserved_at", "expires_at")
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    COMMITTED_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    RESERVED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    reservation_id: str
    customer_id: str
    limit: str
    state: ReservationState
    quantity: str
    committed_quantity: str
    reserved_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    def __init__(self, reservation_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., limit: _Optional[str] = ..., state: _Optional[_Union[ReservationState, str]] = ..., quantity: _Optional[str] = ..., committed_quantity: _Optional[str] = ..., reserved_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ReserveUsageRequest(_message.Message):
    __slots__ = ("reservation_id", "customer_id", "limit", "quantity", "ttl_s")
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    TTL_S_FIELD_NUMBER: _ClassVar[int]
    reservation_id: str
    customer_id: str
    limit: str
    quantity: str
    ttl_s: int
    def __init__(self, reservation_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., limit: _Optional[str] = ..., quantity: _Optional[str] = ..., ttl_s: _Optional[int] = ...) -> None: ...

class ReserveUsageResponse(_message.Message):
    __slots__ = ("granted", "reservation", "access")
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    ACCESS_FIELD_NUMBER: _ClassVar[int]
    granted: bool
    reservation: Reservation
    access: FeatureAccess
    def __init__(self, granted: _Optional[bool] = ..., reservation: _Optional[_Union[Reservation, _Mapping]] = ..., access: _Optional[_Union[FeatureAccess, _Mapping]] = ...) -> None: ...

class CommitReservationRequest(_message.Message):
    __slots__ = ("reservation_id", "event")
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    reservation_id: str
    event: _usage_pb2.UsageEvent
    def __init__(self, reservation_id: _Optional[str] = ..., event: _Optional[_Union[_usage_pb2.UsageEvent, _Mapping]] = ...) -> None: ...

class CommitReservationResponse(_message.Message):
    __slots__ = ("reservation",)
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    reservation: Reservation
    def __init__(self, reservation: _Optional[_Union[Reservation, _Mapping]] = ...) -> None: ...

class ReleaseReservationRequest(_message.Message):
    __slots__ = ("reservation_id",)
    RESERVATION_ID_FIELD_NUMBER: _ClassVar[int]
    reservation_id: str
    def __init__(self, reservation_id: _Optional[str] = ...) -> None: ...

class ReleaseReservationResponse(_message.Message):
    __slots__ = ("reservation",)
    RESERVATION_FIELD_NUMBER: _ClassVar[int]
    reservation: Reservation
    def __init__(self, reservation: _Optional[_Union[Reservation, _Mapping]] = ...) -> None: ...

class ListReservationsRequest(_message.Message):
    __slots__ = ("customer_id", "states", "page_size", "page_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    states: _containers.RepeatedScalarFieldContainer[ReservationState]
    page_size: int
    page_token: str
    def __init__(self, customer_id: _Optional[str] = ..., states: _Optional[_Iterable[_Union[ReservationState, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListReservationsResponse(_message.Message):
    __slots__ = ("reservations", "next_page_token")
    RESERVATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    reservations: _containers.RepeatedCompositeFieldContainer[Reservation]
    next_page_token: str
    def __init__(self, reservations: _Optional[_Iterable[_Union[Reservation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
