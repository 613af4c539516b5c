"""Which thresholds of alerts a customer has reached, and what is told of it. Pure.

Rules:
1. An epoch of a customer is a stretch of time in which its subscriptions' billing periods are the same. A threshold is reached in an
   epoch, or it is not; what comes in late changes that for an epoch that is over, too.
2. It is told when a threshold is reached in an epoch, and that it has recovered when it is not reached any more in the same
   epoch: usage only grows, so something was corrected. It may be reached, and told, again.
3. Where a billing period goes on from an earlier epoch, in which the threshold was reached and still is, a threshold that is
   reached from the beginning is not told a second time.
4. An alert that is told once is told in one epoch: in another only if it has recovered there.
5. Amounts are compared exactly: with a budget the threshold is that share of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

from engine.catalog.kinds.alert import Alert, AlertMeasure, AlertRepeats
from fields import decimal_text

Values: TypeAlias = Mapping[tuple[AlertMeasure, str], Decimal]
"""By measure and subject (a currency, a meter, or empty)."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """[start_us, end_us). since_us: where the earliest of its billing periods begins; periods that begin later are younger."""

    start_us: int
    end_us: int
    since_us: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What a customer comes to in an epoch."""

    customer_id: str
    epoch: Epoch
    values: Values


class CrossingState(StrEnum):
    """What is known of a threshold in an epoch; without a crossing it was not reached."""

    REACHED = "reached"
    """It was told that it is."""
    RECOVERED = "recovered"
    """It was told that it is not any more."""
    CARRIED = "carried"
    """It has been since an earlier epoch, where it was told (rule 3)."""
    BELOW = "below"
    """It is not, though it was in an earlier epoch that this one goes on from."""


STANDING: Final = frozenset({CrossingState.REACHED, CrossingState.CARRIED})


class CrossingKey(NamedTuple):
    """`threshold`: as the text that decimals have."""

    alert_id: str
    customer_id: str
    threshold: str
    epoch_start_us: int


@dataclass(frozen=True, slots=True)
class Crossing:
    """A threshold in an epoch. value: what the measure came to when the state was last told, or found."""

    key: CrossingKey
    epoch_end_us: int
    state: CrossingState
    value: Decimal


@dataclass(frozen=True, slots=True)
class CrossingChange:
    """What a crossing becomes. is_told: the outbox has it, as reached or recovered, as the state says."""

    alert: Alert
    crossing: Crossing
    is_told: bool


def changes(
    alerts: Sequence[Alert], measured: Measured, known: Mapping[CrossingKey, Crossing]
) -> Iterator[CrossingChange]:
    """What changes of the customer's crossings of these alerts.

    known: all of the customer's crossings, or those of epochs since `since_us` and of alerts that are told once.
    """
    for alert in alerts:
        for threshold in alert.thresholds:
            if change := _change(alert, threshold, measured, known):
                yield change


def reaches(alert: Alert, threshold: Decimal, value: Decimal) -> bool:
    """Rule 5. A balance reaches a threshold from above."""
    if alert.measure is AlertMeasure.CREDIT_BALANCE:
        return value <= threshold
    bound = (
        Fraction(threshold) if alert.budget is None else Fraction(alert.budget) * Fraction(threshold) / 100
    )
    return Fraction(value) >= bound


def measured_value(alert: Alert, values: Values) -> Decimal | None:
    """None: there is nothing to measure, such as a customer without credit."""
    value = values.get((alert.measure, alert.subject))
    if value is None and alert.measure not in {AlertMeasure.CREDIT_BALANCE, AlertMeasure.COMMITMENT}:
        return Decimal(0)
    return value


def _change(
    alert: Alert, threshold: Decimal, measured: Measured, known: Mapping[CrossingKey, Crossing]
) -> CrossingChange | None:
    value = measured_value(alert, measured.values)
    if value is None:
        return None
    epoch = measured.epoch
    key = CrossingKey(alert.id, measured.customer_id, decimal_text(threshold), epoch.start_us)
    is_reached = reaches(alert, threshold, value)
    own = known.get(key)
    stood = own is not None and own.state in STANDING
    stands_elsewhere = _stands_elsewhere(alert, key, epoch, known)
    state: CrossingState | None = None
    if is_reached and not stood:
        is_new = own is not None and alert.repeats is AlertRepeats.EVERY_PERIOD
        goes_on = stands_elsewhere and not is_new
        state = CrossingState.CARRIED if goes_on else CrossingState.REACHED
    elif own is not None and stood and not is_reached:
        was_told = own.state is CrossingState.REACHED
        state = CrossingState.RECOVERED if was_told else CrossingState.BELOW
    elif own is None and stands_elsewhere:
        state = CrossingState.BELOW
    if state is None:
        return None
    crossing = Crossing(key, epoch.end_us, state, value)
    return CrossingChange(alert, crossing, is_told=state in {CrossingState.REACHED, CrossingState.RECOVERED})


def _stands_elsewhere(
    alert: Alert, key: CrossingKey, epoch: Epoch, known: Mapping[CrossingKey, Crossing]
) -> bool:
    """Whether the threshold is reached in another epoch that counts for this one (rules 3 and 4)."""
    return any(
        other.state in STANDING
        and each[:3] == key[:3]
        and each.epoch_start_us != epoch.start_us
        and (alert.repeats is AlertRepeats.ONCE or epoch.since_us <= each.epoch_start_us < epoch.start_us)
        for each, other in known.items()
    )
