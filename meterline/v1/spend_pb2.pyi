import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from meterline.v1 import billing_pb2 as _billing_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SpendGrouping(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SPEND_GROUPING_UNSPECIFIED: _ClassVar[SpendGrouping]
    SPEND_GROUPING_PRODUCT: _ClassVar[SpendGrouping]
    SPEND_GROUPING_PLAN: _ClassVar[SpendGrouping]
    SPEND_GROUPING_PRICE: _ClassVar[SpendGrouping]
    SPEND_GROUPING_METER: _ClassVar[SpendGrouping]
SPEND_GROUPING_UNSPECIFIED: SpendGrouping
SPEND_GROUPING_PRODUCT: SpendGrouping
SPEND_GROUPING_PLAN: SpendGrouping
SPEND_GROUPING_PRICE: SpendGrouping
SPEND_GROUPING_METER: SpendGrouping

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

class WatchSpendRequest(_message.Message):
    __slots__ = ("customer_id", "at")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    at: _timestamp_pb2.Timestamp
    def __init__(self, customer_id: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class WatchSpendResponse(_message.Message):
    __slots__ = ("spend",)
    SPEND_FIELD_NUMBER: _ClassVar[int]
    spend: GetSpendResponse
    def __init__(self, spend: _Optional[_Union[GetSpendResponse, _Mapping]] = ...) -> None: ...

class GetSpendResponse(_message.Message):
    __slots__ = ("spends", "line_items", "as_of", "catalog_revision", "discounts", "taxes", "credits", "commitments", "shares")
    SPENDS_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    DISCOUNTS_FIELD_NUMBER: _ClassVar[int]
    TAXES_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    COMMITMENTS_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    spends: _containers.RepeatedCompositeFieldContainer[Spend]
    line_items: _containers.RepeatedCompositeFieldContainer[_billing_pb2.LineItem]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    discounts: _containers.RepeatedCompositeFieldContainer[AppliedDiscount]
    taxes: _containers.RepeatedCompositeFieldContainer[AppliedTax]
    credits: _containers.RepeatedCompositeFieldContainer[AppliedCredit]
    commitments: _containers.RepeatedCompositeFieldContainer[AppliedCommitment]
    shares: _containers.RepeatedCompositeFieldContainer[AppliedShare]
    def __init__(self, spends: _Optional[_Iterable[_Union[Spend, _Mapping]]] = ..., line_items: _Optional[_Iterable[_Union[_billing_pb2.LineItem, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., discounts: _Optional[_Iterable[_Union[AppliedDiscount, _Mapping]]] = ..., taxes: _Optional[_Iterable[_Union[AppliedTax, _Mapping]]] = ..., credits: _Optional[_Iterable[_Union[AppliedCredit, _Mapping]]] = ..., commitments: _Optional[_Iterable[_Union[AppliedCommitment, _Mapping]]] = ..., shares: _Optional[_Iterable[_Union[AppliedShare, _Mapping]]] = ...) -> None: ...

class AppliedShare(_message.Message):
    __slots__ = ("revenue_split_id", "recipient_id", "period_start", "period_end", "currency", "split_amount", "amount")
    REVENUE_SPLIT_ID_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_ID_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SPLIT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    revenue_split_id: str
    recipient_id: str
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    currency: str
    split_amount: str
    amount: str
    def __init__(self, revenue_split_id: _Optional[str] = ..., recipient_id: _Optional[str] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., currency: _Optional[str] = ..., split_amount: _Optional[str] = ..., amount: _Optional[str] = ...) -> None: ...

class AppliedCredit(_message.Message):
    __slots__ = ("credit_grant_id", "category", "currency", "effective_at", "expires_at", "amount", "balance")
    CREDIT_GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_AT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    credit_grant_id: str
    category: str
    currency: str
    effective_at: _timestamp_pb2.Timestamp
    expires_at: _timestamp_pb2.Timestamp
    amount: str
    balance: str
    def __init__(self, credit_grant_id: _Optional[str] = ..., category: _Optional[str] = ..., currency: _Optional[str] = ..., effective_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., amount: _Optional[str] = ..., balance: _Optional[str] = ...) -> None: ...

class AppliedCommitment(_message.Message):
    __slots__ = ("subscription_id", "price_ids", "period_start", "period_end", "currency", "amount", "spend", "overage", "true_up", "term_start", "term_end", "drawn", "left", "rolled_over", "carried")
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_IDS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SPEND_FIELD_NUMBER: _ClassVar[int]
    OVERAGE_FIELD_NUMBER: _ClassVar[int]
    TRUE_UP_FIELD_NUMBER: _ClassVar[int]
    TERM_START_FIELD_NUMBER: _ClassVar[int]
    TERM_END_FIELD_NUMBER: _ClassVar[int]
    DRAWN_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    ROLLED_OVER_FIELD_NUMBER: _ClassVar[int]
    CARRIED_FIELD_NUMBER: _ClassVar[int]
    subscription_id: str
    price_ids: _containers.RepeatedScalarFieldContainer[str]
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    currency: str
    amount: str
    spend: str
    overage: str
    true_up: str
    term_start: _timestamp_pb2.Timestamp
    term_end: _timestamp_pb2.Timestamp
    drawn: str
    left: str
    rolled_over: str
    carried: str
    def __init__(self, subscription_id: _Optional[str] = ..., price_ids: _Optional[_Iterable[str]] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., spend: _Optional[str] = ..., overage: _Optional[str] = ..., true_up: _Optional[str] = ..., term_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., term_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., drawn: _Optional[str] = ..., left: _Optional[str] = ..., rolled_over: _Optional[str] = ..., carried: _Optional[str] = ...) -> None: ...

class AppliedTax(_message.Message):
    __slots__ = ("tax_id", "percent", "included", "reverse_charge", "period_start", "period_end", "currency", "taxable_amount", "amount")
    TAX_ID_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_FIELD_NUMBER: _ClassVar[int]
    REVERSE_CHARGE_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TAXABLE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    tax_id: str
    percent: str
    included: bool
    reverse_charge: bool
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    currency: str
    taxable_amount: str
    amount: str
    def __init__(self, tax_id: _Optional[str] = ..., percent: _Optional[str] = ..., included: _Optional[bool] = ..., reverse_charge: _Optional[bool] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., currency: _Optional[str] = ..., taxable_amount: _Optional[str] = ..., amount: _Optional[str] = ...) -> None: ...

class AppliedDiscount(_message.Message):
    __slots__ = ("coupon_id", "subscription_id", "period_start", "period_end", "currency", "amount", "plan_id")
    COUPON_ID_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    coupon_id: str
    subscription_id: str
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    currency: str
    amount: str
    plan_id: str
    def __init__(self, coupon_id: _Optional[str] = ..., subscription_id: _Optional[str] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., plan_id: _Optional[str] = ...) -> None: ...

class ListSpendRequest(_message.Message):
    __slots__ = ("at", "as_of", "limit", "catalog_revision", "customer_id", "reporting_currency", "group_by")
    AT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    REPORTING_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    at: _timestamp_pb2.Timestamp
    as_of: _timestamp_pb2.Timestamp
    limit: int
    catalog_revision: int
    customer_id: str
    reporting_currency: str
    group_by: SpendGrouping
    def __init__(self, at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limit: _Optional[int] = ..., catalog_revision: _Optional[int] = ..., customer_id: _Optional[str] = ..., reporting_currency: _Optional[str] = ..., group_by: _Optional[_Union[SpendGrouping, str]] = ...) -> None: ...

class SpendGroup(_message.Message):
    __slots__ = ("product", "plan_id", "price_id", "meter_id", "currency", "amount", "line_item_count", "event_count", "incomplete")
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_ID_FIELD_NUMBER: _ClassVar[int]
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    product: str
    plan_id: str
    price_id: str
    meter_id: str
    currency: str
    amount: str
    line_item_count: int
    event_count: int
    incomplete: bool
    def __init__(self, product: _Optional[str] = ..., plan_id: _Optional[str] = ..., price_id: _Optional[str] = ..., meter_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., line_item_count: _Optional[int] = ..., event_count: _Optional[int] = ..., incomplete: _Optional[bool] = ...) -> None: ...

class ListSpendResponse(_message.Message):
    __slots__ = ("spends", "totals", "as_of", "catalog_revision", "unrateable_customers", "recipients", "recipient_count", "reported", "groups", "group_count")
    SPENDS_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    UNRATEABLE_CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    RECIPIENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    REPORTED_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    GROUP_COUNT_FIELD_NUMBER: _ClassVar[int]
    spends: _containers.RepeatedCompositeFieldContainer[Spend]
    totals: _containers.RepeatedCompositeFieldContainer[Spend]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    unrateable_customers: _containers.RepeatedCompositeFieldContainer[_billing_pb2.UnrateableCustomer]
    recipients: _containers.RepeatedCompositeFieldContainer[RecipientTotal]
    recipient_count: int
    reported: ReportedSpend
    groups: _containers.RepeatedCompositeFieldContainer[SpendGroup]
    group_count: int
    def __init__(self, spends: _Optional[_Iterable[_Union[Spend, _Mapping]]] = ..., totals: _Optional[_Iterable[_Union[Spend, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., unrateable_customers: _Optional[_Iterable[_Union[_billing_pb2.UnrateableCustomer, _Mapping]]] = ..., recipients: _Optional[_Iterable[_Union[RecipientTotal, _Mapping]]] = ..., recipient_count: _Optional[int] = ..., reported: _Optional[_Union[ReportedSpend, _Mapping]] = ..., groups: _Optional[_Iterable[_Union[SpendGroup, _Mapping]]] = ..., group_count: _Optional[int] = ...) -> None: ...

class ReportedSpend(_message.Message):
    __slots__ = ("currency", "totals", "amount", "due", "rates")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    RATES_FIELD_NUMBER: _ClassVar[int]
    currency: str
    totals: _containers.RepeatedCompositeFieldContainer[ReportedTotal]
    amount: str
    due: str
    rates: _containers.RepeatedCompositeFieldContainer[UsedRate]
    def __init__(self, currency: _Optional[str] = ..., totals: _Optional[_Iterable[_Union[ReportedTotal, _Mapping]]] = ..., amount: _Optional[str] = ..., due: _Optional[str] = ..., rates: _Optional[_Iterable[_Union[UsedRate, _Mapping]]] = ...) -> None: ...

class ReportedTotal(_message.Message):
    __slots__ = ("currency", "amount", "due")
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    currency: str
    amount: str
    due: str
    def __init__(self, currency: _Optional[str] = ..., amount: _Optional[str] = ..., due: _Optional[str] = ...) -> None: ...

class UsedRate(_message.Message):
    __slots__ = ("from_currency", "rate", "effective_from")
    FROM_CURRENCY_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FROM_FIELD_NUMBER: _ClassVar[int]
    from_currency: str
    rate: str
    effective_from: _timestamp_pb2.Timestamp
    def __init__(self, from_currency: _Optional[str] = ..., rate: _Optional[str] = ..., effective_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class RecipientTotal(_message.Message):
    __slots__ = ("recipient_id", "currency", "amount")
    RECIPIENT_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    recipient_id: str
    currency: str
    amount: str
    def __init__(self, recipient_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ...) -> None: ...

class Spend(_message.Message):
    __slots__ = ("customer_id", "currency", "amount", "line_item_count", "event_count", "incomplete", "settled")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEM_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    INCOMPLETE_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    currency: str
    amount: str
    line_item_count: int
    event_count: int
    incomplete: bool
    settled: SettledAmounts
    def __init__(self, customer_id: _Optional[str] = ..., currency: _Optional[str] = ..., amount: _Optional[str] = ..., line_item_count: _Optional[int] = ..., event_count: _Optional[int] = ..., incomplete: _Optional[bool] = ..., settled: _Optional[_Union[SettledAmounts, _Mapping]] = ...) -> None: ...

class SettledAmounts(_message.Message):
    __slots__ = ("discounts", "after_discounts", "commitments", "credits", "included_tax", "tax", "due")
    DISCOUNTS_FIELD_NUMBER: _ClassVar[int]
    AFTER_DISCOUNTS_FIELD_NUMBER: _ClassVar[int]
    COMMITMENTS_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    INCLUDED_TAX_FIELD_NUMBER: _ClassVar[int]
    TAX_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    discounts: str
    after_discounts: str
    commitments: str
    credits: str
    included_tax: str
    tax: str
    due: str
    def __init__(self, discounts: _Optional[str] = ..., after_discounts: _Optional[str] = ..., commitments: _Optional[str] = ..., credits: _Optional[str] = ..., included_tax: _Optional[str] = ..., tax: _Optional[str] = ..., due: _Optional[str] = ...) -> None: ...
