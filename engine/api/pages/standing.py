"""Where a customer stands now: limits and features of its plans, alerts that it sees, and its own budget.

Rules:
1. Whether a feature may be used, what is left of a limit and whether a threshold is reached, an operation of the table says. Worked out
   here is only how much a percentage of a budget is.
2. What happens at a limit is said in words: a hard one ends access, a soft one only says so. Usage is billed beyond both.
3. At most _SHOWN_MAX features are listed; the page says how many are left out.
"""

from asyncio import timeout
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, cast

from engine.api.pages.asking import Ask, Refusal
from engine.api.pages.page_words import PageWords
from engine.billing.documents.catalog_names import CatalogNames
from meterline.v1.alerts_pb2 import (
    CustomerAlert,
    CustomerThreshold,
    ListCustomerAlertsRequest,
    ListCustomerAlertsResponse,
)
from meterline.v1.entitlements_pb2 import (
    ENFORCEMENT_HARD,
    CheckAccessRequest,
    CheckAccessResponse,
    FeatureAccess,
    LimitStatus,
)
from meterline.v1.spend_pb2 import GetSpendResponse
from rating import EXACT

Shown = dict[str, Any]
_SHOWN_MAX: Final = 100
_TIMEOUT_S: Final = 5
_PER_CENT: Final = Decimal(100)
# Measures that are amounts, with or without a budget.
_OF_MONEY: Final = ("spend", "due", "credit_balance")


async def read_standing(
    ask: Ask, customer_id: str, spend: GetSpendResponse, names: CatalogNames, words: PageWords
) -> Shown | None:
    """`spend`: of the current billing period. None where it can't be read now, or not soon: the page stands without."""
    asked = CheckAccessRequest(customer_id=customer_id), ListCustomerAlertsRequest(customer_id=customer_id)
    try:
        async with timeout(_TIMEOUT_S):
            access = cast("CheckAccessResponse", await ask("EntitlementService.CheckAccess", asked[0]))
            answer = await ask("AlertService.ListCustomerAlerts", asked[1])
    except (Refusal, TimeoutError):
        return None
    alerts = cast("ListCustomerAlertsResponse", answer)
    return {**shown_limits(access, names, words), "alerts": shown_alerts(alerts, spend, names, words)}


def shown_limits(access: CheckAccessResponse, names: CatalogNames, words: PageWords) -> Shown:
    """Limits, each with where the customer stands, and beside them the features without one."""
    limited = [each for each in access.features if each.limits]
    features = [each for each in access.features if not each.limits]
    left_out = max(0, len(features) - _SHOWN_MAX)
    return {
        "limits": [
            _limit(each.feature, status, f"{number}-{place}", names, words)
            for number, each in enumerate(limited[:_SHOWN_MAX])
            for place, status in enumerate(each.limits)
        ],
        "features": [_feature(each, words) for each in features[:_SHOWN_MAX]],
        "left_out": words.text("features_left_out", count=words.plain.number(Decimal(left_out)))
        if left_out
        else "",
    }


def shown_alerts(
    answer: ListCustomerAlertsResponse, spend: GetSpendResponse, names: CatalogNames, words: PageWords
) -> list[Shown]:
    """`spend`: of the current billing period, for what a budget has used."""
    spent = {each.currency: each.settled.after_discounts for each in spend.spends}
    return [_alert(each, spent, names, words) for each in answer.alerts]


def _limit(feature: str, status: LimitStatus, key: str, names: CatalogNames, words: PageWords) -> Shown:
    def written(text: str) -> str:
        if status.currency:
            return words.money(text, status.currency)
        return f"{words.plain.number(Decimal(text))} {names.unit(status.meter)}".strip()

    is_hard = status.enforcement == ENFORCEMENT_HARD
    at_limit = ("hard" if is_hard else "soft") + ("_reached" if status.reached else "_ahead")
    bound = Decimal(status.limit)
    taken = EXACT.add(Decimal(status.used or 0), Decimal(status.reserved or 0))
    return {
        "key": key,
        "name": feature,
        "text": words.text(
            "limit_used",
            used=written(status.used),
            limit=written(status.limit),
            left=written(status.remaining),
        )
        if status.used
        else words.text("limit_unknown", limit=written(status.limit)),
        "reserved": words.text("limit_reserved", reserved=written(status.reserved))
        if Decimal(status.reserved or 0)
        else "",
        "is_reached": status.reached,
        "at_limit": words.text(f"limit_{at_limit}"),
        "resets": words.text(
            "limit_resets",
            day=words.plain.day(status.resets_at.ToMicroseconds(), names.zone_of(status.subscription_id)),
        ),
        "used_percent": _share(taken, bound),
    }


def _feature(access: FeatureAccess, words: PageWords) -> Shown:
    included = words.text("feature_included" if access.allowed else "feature_missing")
    return {"name": access.feature, "text": access.value or included, "is_included": access.allowed}


def _alert(alert: CustomerAlert, spent: Mapping[str, str], names: CatalogNames, words: PageWords) -> Shown:
    budget = {}
    if alert.set_by_customer:
        used = spent.get(alert.currency, "0")
        budget = {
            "used": words.text(
                "budget_used",
                used=words.money(used, alert.currency),
                budget=words.money(alert.budget, alert.currency),
            ),
            "used_percent": _share(Decimal(used), Decimal(alert.budget)),
        }
    return {
        "key": alert.alert_id,
        "name": words.text("own_budget", currency=alert.currency) if alert.set_by_customer else alert.name,
        "measure": words.text(f"measure_{alert.measure}", meter=alert.meter_id),
        "budget": budget,
        "thresholds": list(_thresholds(alert, names, words)),
    }


def _thresholds(alert: CustomerAlert, names: CatalogNames, words: PageWords) -> Iterator[Shown]:
    for each in alert.thresholds:
        yield {
            "value": _value(alert, Decimal(each.threshold), names, words),
            "is_reached": each.reached,
            "state": _state(each, names, words),
        }


def _value(alert: CustomerAlert, threshold: Decimal, names: CatalogNames, words: PageWords) -> str:
    def written(value: Decimal) -> str:
        if alert.measure in _OF_MONEY:
            return words.money(format(value, "f"), alert.currency)
        return f"{words.plain.number(value)} {names.unit(alert.meter_id)}".strip()

    if alert.budget:
        value = EXACT.divide(EXACT.multiply(Decimal(alert.budget), threshold), _PER_CENT)
        return words.text("share_of_budget", percent=words.plain.number(threshold), value=written(value))
    if alert.measure == "commitment":
        return words.text("share", percent=words.plain.number(threshold))
    return written(threshold)


def _state(threshold: CustomerThreshold, names: CatalogNames, words: PageWords) -> str:
    if not threshold.reached:
        return words.text("threshold_ahead")
    if not threshold.HasField("reached_at"):
        return words.text("threshold_reached")
    return words.text(
        "threshold_reached_at", at=words.plain.instant(threshold.reached_at.ToMicroseconds(), names.zone)
    )


def _share(used: Decimal, bound: Decimal) -> int:
    """Of a bar, in parts of a hundred: no figure."""
    return max(0, min(100, int(used * 100 / bound))) if bound else 100
