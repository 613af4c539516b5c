"""Whether a customer may use features: CheckAccess's answer as frozen values, and what to answer while no engine does.

Rules:
1. Each answer of the engine says, feature by feature, what to answer while it can't be reached (`when_unreachable` of the
   catalog's limits). The client remembers that of each customer and feature, the last of 10,000. A forked child remembers
   nothing of its parent.
2. What it was never told of is not allowed then, unless the caller says so.
3. Only an engine that can't be reached is answered for. A refusal of the call is an error as everywhere.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from meterline.arguments import asked_text
from meterline.errors import EngineUnavailableError
from meterline.v1 import entitlements_pb2
from meterline.v1.entitlements_pb2 import AccessRefusal, CheckAccessResponse

_REMEMBERED_MAX = 10_000
_REFUSAL_PREFIX = "ACCESS_REFUSAL_"
UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """A limit of one subscription in its billing period `[period_start, resets_at)`.

    Quantities are in the unit of `meter`, or in `currency` for a limit of spend. `used` and `remaining` are None where
    nobody knows them.
    """

    subscription_id: str
    meter: str
    currency: str
    is_hard: bool
    limit: Decimal
    used: Decimal | None
    reserved: Decimal | None
    remaining: Decimal | None
    reached: bool
    period_start: datetime
    resets_at: datetime


@dataclass(frozen=True, slots=True)
class FeatureAccess:
    """Whether a feature may be used now. `refusal`: why not, such as "limit_reached" (docs/limits.md), "unreachable" where no
    engine answered; None for what is allowed. `value`: what configures it, such as "gold".
    """

    feature: str
    allowed: bool
    refusal: str | None
    value: str
    limits: tuple[LimitStatus, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """What a customer may use, by feature.

    `is_from_engine` is False where no engine answered: then each feature is allowed or not as its limits say for that,
    and `as_of` and `catalog_revision` are None.
    """

    customer_id: str
    features: Mapping[str, FeatureAccess]
    as_of: datetime | None
    catalog_revision: int | None
    is_from_engine: bool

    def allows(self, feature: str) -> bool:
        """Whether this feature may be used. Raises KeyError if it was not asked for."""
        return self.features[feature].allowed


def access_request(customer_id: str, features: Iterable[str]) -> bytes:
    """A serialized CheckAccessRequest. Raises InvalidArgumentError."""
    request = entitlements_pb2.CheckAccessRequest(
        customer_id=asked_text("customer_id", customer_id),
        features=[asked_text("feature", each) for each in features],
    )
    return request.SerializeToString()


class AccessMemory:
    """What to answer while no engine can be reached, as the engine has said. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # By customer and feature: whether it is allowed then, and what configured it last.
        self._remembered: OrderedDict[tuple[str, str], tuple[bool, str]] = OrderedDict()

    def read(self, customer_id: str, response: CheckAccessResponse) -> Access:
        """The engine's answer as values; it is remembered."""
        self.remember(customer_id, response.features)
        return Access(
            customer_id,
            MappingProxyType({each.feature: read_feature(each) for each in response.features}),
            response.as_of.ToDatetime(UTC),
            response.catalog_revision,
            is_from_engine=True,
        )

    def remember(self, customer_id: str, features: Iterable[entitlements_pb2.FeatureAccess]) -> None:
        """What an answer of the engine said of these features."""
        with self._lock:
            for each in features:
                key = customer_id, each.feature
                self._remembered[key] = each.allowed_when_unreachable, each.value
                self._remembered.move_to_end(key)
            while len(self._remembered) > _REMEMBERED_MAX:
                self._remembered.popitem(last=False)

    def answer(
        self,
        customer_id: str,
        features: Iterable[str],
        error: EngineUnavailableError,
        *,
        allow_unknown: bool,
    ) -> Access:
        """In place of an engine that can't be reached. Raises its error if nothing is known of whom all features were asked."""
        with self._lock:
            asked = list(features) or [name for owner, name in self._remembered if owner == customer_id]
            known = {each: self._remembered.get((customer_id, each), (allow_unknown, "")) for each in asked}
        if not known:
            raise error
        found = {
            name: FeatureAccess(name, allowed, None if allowed else UNREACHABLE, value if allowed else "", ())
            for name, (allowed, value) in known.items()
        }
        return Access(customer_id, MappingProxyType(found), None, None, is_from_engine=False)


def read_feature(message: entitlements_pb2.FeatureAccess) -> FeatureAccess:
    """One feature of the engine's answer as a value."""
    refusal = AccessRefusal.Name(message.refusal).removeprefix(_REFUSAL_PREFIX).lower()
    return FeatureAccess(
        message.feature,
        message.allowed,
        None if message.allowed else refusal,
        message.value,
        tuple(_limits(message)),
    )


def _limits(message: entitlements_pb2.FeatureAccess) -> Iterator[LimitStatus]:
    for each in message.limits:
        yield LimitStatus(
            each.subscription_id,
            each.meter,
            each.currency,
            each.enforcement == entitlements_pb2.ENFORCEMENT_HARD,
            Decimal(each.limit),
            _decimal(each.used),
            _decimal(each.reserved),
            _decimal(each.remaining),
            each.reached,
            each.period_start.ToDatetime(UTC),
            each.resets_at.ToDatetime(UTC),
        )


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None
