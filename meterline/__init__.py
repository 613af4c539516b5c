"""Meterline's client: record usage events and read spend.

from meterline import Client

with Client("localhost:7070") as client:
    client.record("acme", "llm.completion", {"model": "large", "input_tokens": 374})

In coroutines: `async with AsyncClient(...) as client: await client.record(...)`.
"""

from meterline.aio import AsyncClient
from meterline.client import DEFAULT_TARGET, Client
from meterline.errors import (
    AccessDeniedError,
    BufferFullError,
    CallbackMisuseError,
    ClientClosedError,
    EngineUnavailableError,
    InvalidArgumentError,
    InvalidOptionError,
    InvalidRequestError,
    MeterlineClientError,
    NoSingleCurrencyError,
    NotFoundError,
    RequestFailedError,
    SpoolError,
)
from meterline.events import Delivery, Event, Properties, PropertyScalar, Receipt, Verdict
from meterline.options import FullPolicy, Options, check_target
from meterline.retry import CallFailure, RetryPolicy, read_pushback_ms
from meterline.spend import CurrencySpend, LineItem, Rounding, Spend, StageAmount, TierAmount

__all__ = [
    "DEFAULT_TARGET",
    "AccessDeniedError",
    "AsyncClient",
    "BufferFullError",
    "CallFailure",
    "CallbackMisuseError",
    "Client",
    "ClientClosedError",
    "CurrencySpend",
    "Delivery",
    "EngineUnavailableError",
    "Event",
    "FullPolicy",
    "InvalidArgumentError",
    "InvalidOptionError",
    "InvalidRequestError",
    "LineItem",
    "MeterlineClientError",
    "NoSingleCurrencyError",
    "NotFoundError",
    "Options",
    "Properties",
    "PropertyScalar",
    "Receipt",
    "RequestFailedError",
    "RetryPolicy",
    "Rounding",
    "Spend",
    "SpoolError",
    "StageAmount",
    "TierAmount",
    "Verdict",
    "check_target",
    "read_pushback_ms",
]
