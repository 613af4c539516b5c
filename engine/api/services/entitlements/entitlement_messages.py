"""Messages of what customers may use."""

from decimal import Decimal
from typing import Final

from engine.api.messages import decimal_text
from engine.entitlements.access import AccessRefusal, FeatureAccess, LimitStatus
from engine.times import to_timestamp
from meterline.v1 import entitlements_pb2 as pb

_REFUSALS: Final = {
    AccessRefusal.UNKNOWN_FEATURE: pb.ACCESS_REFUSAL_UNKNOWN_FEATURE,
    AccessRefusal.NO_SUBSCRIPTION: pb.ACCESS_REFUSAL_NO_SUBSCRIPTION,
    AccessRefusal.NOT_INCLUDED: pb.ACCESS_REFUSAL_NOT_INCLUDED,
    AccessRefusal.LIMIT_REACHED: pb.ACCESS_REFUSAL_LIMIT_REACHED,
    AccessRefusal.SPEND_UNKNOWN: pb.ACCESS_REFUSAL_SPEND_UNKNOWN,
}


def access_message(access: FeatureAccess) -> pb.FeatureAccess:
    return pb.FeatureAccess(
        feature=access.feature,
        allowed=access.refusal is None,
        refusal=None if access.refusal is None else _REFUSALS[access.refusal],
        value=access.value,
        limits=map(limit_message, access.limits),
        allowed_when_unreachable=access.allowed_when_unreachable,
    )


def limit_message(status: LimitStatus) -> pb.LimitStatus:
    held = status.held
    limit = held.limit
    return pb.LimitStatus(
        subscription_id=held.subscription_id,
        meter=limit.meter or "",
        currency=held.currency if limit.is_of_spend else "",
        enforcement=pb.ENFORCEMENT_HARD if limit.is_hard else pb.ENFORCEMENT_SOFT,
        limit=decimal_text(limit.bound),
        used=_known(status.used),
        reserved=decimal_text(status.reserved),
        remaining=_known(status.remaining),
        reached=status.is_reached,
        period_start=to_timestamp(held.start_us),
        resets_at=to_timestamp(held.end_us),
    )


def _known(value: Decimal | None) -> str:
    return "" if value is None else decimal_text(value)
