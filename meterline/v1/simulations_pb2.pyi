import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from meterline.v1 import billing_pb2 as _billing_pb2
from meterline.v1 import catalog_pb2 as _catalog_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SimulateCatalogRequest(_message.Message):
    __slots__ = ("pieces", "period_end_after", "period_end_until", "as_of", "catalog_revision", "page_size", "page_token", "form")
    PIECES_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_AFTER_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_UNTIL_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    pieces: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.ApplyCatalogRequest]
    period_end_after: _timestamp_pb2.Timestamp
    period_end_until: _timestamp_pb2.Timestamp
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    page_size: int
    page_token: str
    form: _billing_pb2.LineItemForm
    def __init__(self, pieces: _Optional[_Iterable[_Union[_catalog_pb2.ApplyCatalogRequest, _Mapping]]] = ..., period_end_after: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end_until: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., form: _Optional[_Union[_billing_pb2.LineItemForm, str]] = ...) -> None: ...

class SimulateCatalogResponse(_message.Message):
    __slots__ = ("totals", "customers", "arrow", "unrateable_customers", "unrateable_before_customers", "unrateable_customer_count", "changes", "as_of", "catalog_revision", "next_page_token", "simulated_subscription_count", "subscription_count")
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    UNRATEABLE_CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    UNRATEABLE_BEFORE_CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    UNRATEABLE_CUSTOMER_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SIMULATED_SUBSCRIPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    totals: _containers.RepeatedCompositeFieldContainer[SimulatedSums]
    customers: _containers.RepeatedCompositeFieldContainer[SimulatedSums]
    arrow: bytes
    unrateable_customers: _containers.RepeatedCompositeFieldContainer[_billing_pb2.UnrateableCustomer]
    unrateable_before_customers: _containers.RepeatedCompositeFieldContainer[_billing_pb2.UnrateableCustomer]
    unrateable_customer_count: int
    changes: _containers.RepeatedCompositeFieldContainer[_catalog_pb2.ResourceChange]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    next_page_token: str
    simulated_subscription_count: int
    subscription_count: int
    def __init__(self, totals: _Optional[_Iterable[_Union[SimulatedSums, _Mapping]]] = ..., customers: _Optional[_Iterable[_Union[SimulatedSums, _Mapping]]] = ..., arrow: _Optional[bytes] = ..., unrateable_customers: _Optional[_Iterable[_Union[_billing_pb2.UnrateableCustomer, _Mapping]]] = ..., unrateable_before_customers: _Optional[_Iterable[_Union[_billing_pb2.UnrateableCustomer, _Mapping]]] = ..., unrateable_customer_count: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[_catalog_pb2.ResourceChange, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., next_page_token: _Optional[str] = ..., simulated_subscription_count: _Optional[int] = ..., subscription_count: _Optional[int] = ...) -> None: ...

class SimulatedSums(_message.Message):
    __slots__ = ("customer_id", "currency", "before", "after")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    currency: str
    before: SimulatedAmounts
    after: SimulatedAmounts
    def __init__(self, customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., before: _Optional[_Union[SimulatedAmounts, _Mapping]] = ..., after: _Optional[_Union[SimulatedAmounts, _Mapping]] = ...) -> None: ...

class SimulatedAmounts(_message.Message):
    __slots__ = ("amount", "discount", "credit", "included_tax", "tax", "due")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_TAX_FIELD_NUMBER: _ClassVar[int]
    TAX_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    amount: str
    discount: str
    credit: str
    included_tax: str
    tax: str
    due: str
    def __init__(self, amount: _Optional[str] = ..., discount: _Optional[str] = ..., credit: _Optional[str] = ..., included_tax: _Optional[str] = ..., tax: _Optional[str] = ..., due: _Optional[str] = ...) -> None: ...
