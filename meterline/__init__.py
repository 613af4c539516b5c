"""Meterline's client: record usage events; read spend, line items and usage.

from meterline import Client

with Client("localhost:7070") as client:
    client.record("acme", "llm.completion", {"model": "large", "input_tokens": 374})

In coroutines: `async with AsyncClient(...) as client: await client.record(...)`.
"""

from meterline.aio import AsyncClient
from meterline.client import DEFAULT_TARGET, Client
from meterline.credentials import api_key_metadata, open_channel
from meterline.errors import (
    AccessDeniedError,
    BufferFullError,
    CallbackMisuseError,
    ClientClosedError,
    EngineUnavailableError,
    InvalidArgumentError,
    InvalidOptionError,
    InvalidRequestError,
    ListingNotBegunError,
    MeterlineClientError,
    NoSingleCurrencyError,
    NotFoundError,
    RequestFailedError,
    ReservationConflictError,
    ReservationEndedError,
    ReservationRefusedError,
    SpoolError,
)
from meterline.events import Delivery, Event, Properties, PropertyScalar, Receipt, Verdict
from meterline.options import FullPolicy, Options, check_target
from meterline.reads.access import Access, FeatureAccess, LimitStatus
from meterline.reads.lines import (
    AsyncLineItems,
    Conversion,
    LineItem,
    LineItems,
    Rounding,
    StageAmount,
    TierAmount,
    UnrateableCustomer,
)
from meterline.reads.spend import CurrencySpend, Spend
from meterline.reads.spend_page import SpendPageLink
from meterline.reads.spend_watch import AsyncSpendWatch, SpendWatch
from meterline.reads.usage import AsyncUsageRows, UsageRow, UsageRows, UsageWindow
from meterline.reservations import Reservation, ReservationState
from meterline.reserving import AsyncReservedWork, ReservedWork
from meterline.retry import CallFailure, RetryPolicy, read_pushback_ms

__all__ = [
    "DEFAULT_TARGET",
    "Access",
    "AccessDeniedError",
    "AsyncClient",
    "AsyncLineItems",
    "AsyncReservedWork",
    "AsyncSpendWatch",
    "AsyncUsageRows",
    "BufferFullError",
    "CallFailure",
    "CallbackMisuseError",
    "Client",
    "ClientClosedError",
    "Conversion",
    "CurrencySpend",
    "Delivery",
    "EngineUnavailableError",
    "Event",
    "FeatureAccess",
    "FullPolicy",
    "InvalidArgumentError",
    "InvalidOptionError",
    "InvalidRequestError",
    "LimitStatus",
    "LineItem",
    "LineItems",
    "ListingNotBegunError",
    "MeterlineClientError",
    "NoSingleCurrencyError",
    "NotFoundError",
    "Options",
    "Properties",
    "PropertyScalar",
    "Receipt",
    "RequestFailedError",
    "Reservation",
    "ReservationConflictError",
    "ReservationEndedError",
    "ReservationRefusedError",
    "ReservationState",
    "ReservedWork",
    "RetryPolicy",
    "Rounding",
    "Spend",
    "SpendPageLink",
    "SpendWatch",
    "SpoolError",
    "StageAmount",
    "TierAmount",
    "UnrateableCustomer",
    "UsageRow",
    "UsageRows",
    "UsageWindow",
    "Verdict",
    "api_key_metadata",
    "check_target",
    "open_channel",
    "read_pushback_ms",
]
