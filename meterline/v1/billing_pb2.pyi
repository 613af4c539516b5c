import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LineItemForm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LINE_ITEM_FORM_UNSPECIFIED: _ClassVar[LineItemForm]
    LINE_ITEM_FORM_ARROW: _ClassVar[LineItemForm]
LINE_ITEM_FORM_UNSPECIFIED: LineItemForm
LINE_ITEM_FORM_ARROW: LineItemForm

class ListLineItemsRequest(_message.Message):
    __slots__ = ("customer_id", "at", "as_of", "page_size", "page_token", "catalog_revision", "form", "period_start_from", "period_start_before", "period_number")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FROM_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_BEFORE_FIELD_NUMBER: _ClassVar[int]
    PERIOD_NUMBER_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    at: _timestamp_pb2.Timestamp
    as_of: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    catalog_revision: int
    form: LineItemForm
    period_start_from: _timestamp_pb2.Timestamp
    period_start_before: _timestamp_pb2.Timestamp
    period_number: int
    def __init__(self, customer_id: _Optional[str] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., catalog_revision: _Optional[int] = ..., form: _Optional[_Union[LineItemForm, str]] = ..., period_start_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_start_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_number: _Optional[int] = ...) -> None: ...

class ListLineItemsResponse(_message.Message):
    __slots__ = ("line_items", "as_of", "catalog_revision", "next_page_token", "unrateable_customers", "arrow", "listed_subscription_count", "subscription_count", "has_later_periods")
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    CATALOG_REVISION_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    UNRATEABLE_CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    LISTED_SUBSCRIPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_COUNT_FIELD_NUMBER: _ClassVar[int]
    HAS_LATER_PERIODS_FIELD_NUMBER: _ClassVar[int]
    line_items: _containers.RepeatedCompositeFieldContainer[LineItem]
    as_of: _timestamp_pb2.Timestamp
    catalog_revision: int
    next_page_token: str
    unrateable_customers: _containers.RepeatedCompositeFieldContainer[UnrateableCustomer]
    arrow: bytes
    listed_subscription_count: int
    subscription_count: int
    has_later_periods: bool
    def __init__(self, line_items: _Optional[_Iterable[_Union[LineItem, _Mapping]]] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., catalog_revision: _Optional[int] = ..., next_page_token: _Optional[str] = ..., unrateable_customers: _Optional[_Iterable[_Union[UnrateableCustomer, _Mapping]]] = ..., arrow: _Optional[bytes] = ..., listed_subscription_count: _Optional[int] = ..., subscription_count: _Optional[int] = ..., has_later_periods: _Optional[bool] = ...) -> None: ...

class UnrateableCustomer(_message.Message):
    __slots__ = ("customer_id", "message")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    message: str
    def __init__(self, customer_id: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class LineItem(_message.Message):
    __slots__ = ("line_item_id", "customer_id", "subscription_id", "plan_id", "plan_version", "price_id", "price_version", "model", "meter_id", "meter_version", "dimensions", "period_start", "period_end", "quantity", "exact_amount", "amount", "currency", "rounding", "tiers", "stages", "formula", "event_count", "event_digest", "unreadable_event_count", "negative_quantity", "missing_value_event_count", "unrateable_reason", "billable_quantity", "conversion", "allowance", "free_amount", "package_size", "block_size", "service_start", "service_end", "proration", "event_fees", "product")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    LINE_ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    SUBSCRIPTION_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_ID_FIELD_NUMBER: _ClassVar[int]
    PLAN_VERSION_FIELD_NUMBER: _ClassVar[int]
    PRICE_ID_FIELD_NUMBER: _ClassVar[int]
    PRICE_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    METER_ID_FIELD_NUMBER: _ClassVar[int]
    METER_VERSION_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_START_FIELD_NUMBER: _ClassVar[int]
    PERIOD_END_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    EXACT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    ROUNDING_FIELD_NUMBER: _ClassVar[int]
    TIERS_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    FORMULA_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    EVENT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    MISSING_VALUE_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    UNRATEABLE_REASON_FIELD_NUMBER: _ClassVar[int]
    BILLABLE_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    CONVERSION_FIELD_NUMBER: _ClassVar[int]
    ALLOWANCE_FIELD_NUMBER: _ClassVar[int]
    FREE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PACKAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    BLOCK_SIZE_FIELD_NUMBER: _ClassVar[int]
    SERVICE_START_FIELD_NUMBER: _ClassVar[int]
    SERVICE_END_FIELD_NUMBER: _ClassVar[int]
    PRORATION_FIELD_NUMBER: _ClassVar[int]
    EVENT_FEES_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    line_item_id: str
    customer_id: str
    subscription_id: str
    plan_id: str
    plan_version: int
    price_id: str
    price_version: int
    model: str
    meter_id: str
    meter_version: int
    dimensions: _containers.ScalarMap[str, str]
    period_start: _timestamp_pb2.Timestamp
    period_end: _timestamp_pb2.Timestamp
    quantity: str
    exact_amount: str
    amount: str
    currency: str
    rounding: Rounding
    tiers: _containers.RepeatedCompositeFieldContainer[TierAmount]
    stages: _containers.RepeatedCompositeFieldContainer[StageAmount]
    formula: str
    event_count: int
    event_digest: str
    unreadable_event_count: int
    negative_quantity: bool
    missing_value_event_count: int
    unrateable_reason: str
    billable_quantity: str
    conversion: Conversion
    allowance: str
    free_amount: str
    package_size: str
    block_size: str
    service_start: _timestamp_pb2.Timestamp
    service_end: _timestamp_pb2.Timestamp
    proration: Proration
    event_fees: EventFees
    product: str
    def __init__(self, line_item_id: _Optional[str] = ..., customer_id: _Optional[str] = ..., subscription_id: _Optional[str] = ..., plan_id: _Optional[str] = ..., plan_version: _Optional[int] = ..., price_id: _Optional[str] = ..., price_version: _Optional[int] = ..., model: _Optional[str] = ..., meter_id: _Optional[str] = ..., meter_version: _Optional[int] = ..., dimensions: _Optional[_Mapping[str, str]] = ..., period_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., period_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., quantity: _Optional[str] = ..., exact_amount: _Optional[str] = ..., amount: _Optional[str] = ..., currency: _Optional[str] = ..., rounding: _Optional[_Union[Rounding, _Mapping]] = ..., tiers: _Optional[_Iterable[_Union[TierAmount, _Mapping]]] = ..., stages: _Optional[_Iterable[_Union[StageAmount, _Mapping]]] = ..., formula: _Optional[str] = ..., event_count: _Optional[int] = ..., event_digest: _Optional[str] = ..., unreadable_event_count: _Optional[int] = ..., negative_quantity: _Optional[bool] = ..., missing_value_event_count: _Optional[int] = ..., unrateable_reason: _Optional[str] = ..., billable_quantity: _Optional[str] = ..., conversion: _Optional[_Union[Conversion, _Mapping]] = ..., allowance: _Optional[str] = ..., free_amount: _Optional[str] = ..., package_size: _Optional[str] = ..., block_size: _Optional[str] = ..., service_start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., service_end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., proration: _Optional[_Union[Proration, _Mapping]] = ..., event_fees: _Optional[_Union[EventFees, _Mapping]] = ..., product: _Optional[str] = ...) -> None: ...

class EventFees(_message.Message):
    __slots__ = ("free_event_count", "charged_event_count", "charged_amount", "percent_amount", "fixed_amount", "above_maximum", "below_minimum", "percent", "fixed_amount_per_event", "maximum_per_event", "minimum_per_event", "free_events", "free_amount")
    FREE_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHARGED_EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHARGED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PERCENT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    FIXED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ABOVE_MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    BELOW_MINIMUM_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    FIXED_AMOUNT_PER_EVENT_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_PER_EVENT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_PER_EVENT_FIELD_NUMBER: _ClassVar[int]
    FREE_EVENTS_FIELD_NUMBER: _ClassVar[int]
    FREE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    free_event_count: int
    charged_event_count: int
    charged_amount: str
    percent_amount: str
    fixed_amount: str
    above_maximum: str
    below_minimum: str
    percent: str
    fixed_amount_per_event: str
    maximum_per_event: str
    minimum_per_event: str
    free_events: int
    free_amount: str
    def __init__(self, free_event_count: _Optional[int] = ..., charged_event_count: _Optional[int] = ..., charged_amount: _Optional[str] = ..., percent_amount: _Optional[str] = ..., fixed_amount: _Optional[str] = ..., above_maximum: _Optional[str] = ..., below_minimum: _Optional[str] = ..., percent: _Optional[str] = ..., fixed_amount_per_event: _Optional[str] = ..., maximum_per_event: _Optional[str] = ..., minimum_per_event: _Optional[str] = ..., free_events: _Optional[int] = ..., free_amount: _Optional[str] = ...) -> None: ...

class Proration(_message.Message):
    __slots__ = ("start", "end", "total", "unit", "carried_quantity")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    CARRIED_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    start: int
    end: int
    total: int
    unit: str
    carried_quantity: str
    def __init__(self, start: _Optional[int] = ..., end: _Optional[int] = ..., total: _Optional[int] = ..., unit: _Optional[str] = ..., carried_quantity: _Optional[str] = ...) -> None: ...

class Conversion(_message.Message):
    __slots__ = ("factor", "divisor")
    FACTOR_FIELD_NUMBER: _ClassVar[int]
    DIVISOR_FIELD_NUMBER: _ClassVar[int]
    factor: str
    divisor: str
    def __init__(self, factor: _Optional[str] = ..., divisor: _Optional[str] = ...) -> None: ...

class Rounding(_message.Message):
    __slots__ = ("mode", "scope", "digits", "group_count", "charge_exact_amount", "charge_amount")
    MODE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    DIGITS_FIELD_NUMBER: _ClassVar[int]
    GROUP_COUNT_FIELD_NUMBER: _ClassVar[int]
    CHARGE_EXACT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CHARGE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    mode: str
    scope: str
    digits: int
    group_count: int
    charge_exact_amount: str
    charge_amount: str
    def __init__(self, mode: _Optional[str] = ..., scope: _Optional[str] = ..., digits: _Optional[int] = ..., group_count: _Optional[int] = ..., charge_exact_amount: _Optional[str] = ..., charge_amount: _Optional[str] = ...) -> None: ...

class TierAmount(_message.Message):
    __slots__ = ("index", "up_to", "quantity", "unit_amount", "flat_amount", "amount", "from_quantity")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    UP_TO_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    UNIT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    FLAT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    FROM_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    index: int
    up_to: str
    quantity: str
    unit_amount: str
    flat_amount: str
    amount: str
    from_quantity: str
    def __init__(self, index: _Optional[int] = ..., up_to: _Optional[str] = ..., quantity: _Optional[str] = ..., unit_amount: _Optional[str] = ..., flat_amount: _Optional[str] = ..., amount: _Optional[str] = ..., from_quantity: _Optional[str] = ...) -> None: ...

class StageAmount(_message.Message):
    __slots__ = ("stage", "amount", "term")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TERM_FIELD_NUMBER: _ClassVar[int]
    stage: str
    amount: str
    term: str
    def __init__(self, stage: _Optional[str] = ..., amount: _Optional[str] = ..., term: _Optional[str] = ...) -> None: ...
