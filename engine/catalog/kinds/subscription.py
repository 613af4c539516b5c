"""Subscriptions: a customer on a plan over a time, and what changes on the way.

Rules:
1. A subscription begins with its own terms; each phase changes them from its start on. What a phase doesn't say stays as in
   the phase before, but for `trial` and `paused`: these hold for the phase that says them. A phase with another plan takes the
   version that is effective at its start, and drops what was overridden in the plan before, features, limits and its threshold too;
   commitments stay.
2. Phases start one after another, from the subscription's start on and before its end.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Final

from engine.catalog import limits
from engine.catalog.kinds.commitment import COMMITMENTS, SpendCommitment, overlaps
from engine.catalog.kinds.coupon import Redemptions
from engine.catalog.kinds.entitlements.features import OwnFeatures
from engine.catalog.kinds.entitlements.plan_limit import OwnLimits
from engine.catalog.kinds.resource import ID, Name, OwnFields, Reference, Resource, TimeZone
from fields import (
    Count,
    DecimalNumber,
    FieldKind,
    Instant,
    ListOf,
    MapOf,
    Nested,
    Problem,
    Record,
    Schema,
    rule,
    shape,
)
from rating import CurrencyCode, Price

CALENDAR = "calendar"
"""The anchor of billing periods that begin where the calendar's do."""

_INSTANT = Instant(limits.SUBSCRIPTION_YEAR_MIN, limits.SUBSCRIPTION_YEAR_MAX)
_QUANTITY = DecimalNumber(integer_digits=12, fraction_digits=6)


class Trial(StrEnum):
    """What costs nothing while a trial lasts."""

    FREE = "free"
    """Everything."""
    FREE_FEES = "free_fees"
    """What isn't metered; usage is billed."""


_PRICE_FIELDS: Final = OwnFields(Price, "{unit_amount: 0.5}", without=("currency",), nullable=True)


class _Anchor(FieldKind):
    """What billing periods are counted from."""

    python = str

    def read(self, given: object) -> str:
        if given == CALENDAR:
            return CALENDAR
        try:
            day = given if isinstance(given, date) and not isinstance(given, datetime) else None
            return (day or date.fromisoformat(str(given))).isoformat()
        except ValueError:
            raise ValueError(f"must be {CALENDAR}, or a date such as 2026-01-31, is {shape(given)}") from None

    def written(self, value: str) -> str:
        return value

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"type": "string", "pattern": f"^({CALENDAR}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})$"}


Quantities = Annotated[Mapping[str, Decimal] | None, MapOf(ID, _QUANTITY, limits.PLAN_PRICES_MAX)]
AddOns = Annotated[
    Mapping[str, int] | None,
    MapOf(Reference(to="plan"), Count(limits.ADD_ON_TIMES_MAX, at_least=1), limits.ADD_ONS_MAX),
]
Overrides = Annotated[
    Mapping[str, Mapping[str, Any]] | None, MapOf(ID, _PRICE_FIELDS, limits.PLAN_PRICES_MAX)
]
Version = Annotated[int | None, Count(at_least=1)]
Commitments = Annotated[tuple[SpendCommitment, ...] | None, COMMITMENTS]
"""In place of all of the plan's; an empty list takes back what the phase before said."""
Threshold = Annotated[Decimal | None, DecimalNumber(integer_digits=15)]
"""In place of the plan's; 0: none, whatever the plan says."""


@dataclass(frozen=True, kw_only=True)
class SubscriptionPhase(Record, called="phase"):
    """What holds from `start` on (rule 1).

    plan, plan_version: another plan, or another version of it; quantities, add_ons, overrides, commitments, invoicing_threshold,
    features, limits: as of a subscription, all of them anew. trial: what costs nothing in this phase. paused: no fees in this phase;
    usage is billed as ever.
    """

    start: Annotated[datetime, _INSTANT]
    name: Name | None = None
    plan: Annotated[str | None, Reference(to="plan")] = None
    plan_version: Version = None
    quantities: Quantities = None
    add_ons: AddOns = None
    overrides: Overrides = None
    commitments: Commitments = None
    invoicing_threshold: Threshold = None
    features: OwnFeatures = None
    limits: OwnLimits = None
    trial: Trial | None = None
    paused: bool = False


@dataclass(frozen=True, kw_only=True)
class Subscription(
    Resource, section="subscriptions", count_max=limits.SUBSCRIPTIONS_MAX, id_of=("customer", "plan")
):
    """A customer on a plan over [start, end), instants in UTC; open-ended without `end`. `coupons` are off its own lines.

    plan_version: of the plan; by default the version that is effective at the start.
    quantities: price id -> how many, of the plan's prices that are priced by a quantity (seats).
    add_ons: plan id -> how many times its prices are billed besides.
    overrides: price id -> fields of the price that are this subscription's own.
    commitments, invoicing_threshold: in place of its plan's; a threshold of 0: none. features, limits: its own, by id
    (engine.catalog.kinds.entitlements, rule 4).
    phases: what changes on the way, by start.
    currency: of all that it is billed for; by default its customer's, or its plan's (engine.catalog.kinds.currencies).
    time_zone: of its billing periods; by default its customer's. anchor: what they are counted from: its start by
    default, `calendar`, or a date (engine.billing.periods).
    """

    customer: Annotated[str, Reference(to="customer")]
    plan: Annotated[str, Reference(to="plan")]
    start: Annotated[datetime, _INSTANT]
    end: Annotated[datetime | None, _INSTANT] = None
    coupons: Redemptions = ()
    plan_version: Version = None
    quantities: Quantities = None
    add_ons: AddOns = None
    overrides: Overrides = None
    commitments: Commitments = None
    invoicing_threshold: Threshold = None
    phases: Annotated[
        tuple[SubscriptionPhase, ...], ListOf(Nested(SubscriptionPhase), 0, limits.PHASES_MAX)
    ] = ()
    currency: Annotated[str | None, CurrencyCode()] = None
    time_zone: Annotated[str | None, TimeZone()] = None
    anchor: Annotated[str | None, _Anchor()] = None
    features: OwnFeatures = None
    limits: OwnLimits = None

    @rule("start", "end")
    def _ends_after_start(self) -> Iterator[Problem]:
        if self.end is not None and self.end <= self.start:
            yield Problem(("end",), "must be after start")

    @rule("commitments", "phases")
    def _commitments_do_not_overlap(self) -> Iterator[Problem]:
        for problem in overlaps(self.commitments or ()):
            yield Problem(("commitments", *problem.path), problem.message)
        for number, phase in enumerate(self.phases):
            for problem in overlaps(phase.commitments or ()):
                yield Problem(("phases", number, "commitments", *problem.path), problem.message)

    @rule("start", "end", "phases")
    def _phases_follow_each_other(self) -> Iterator[Problem]:
        for number, phase in enumerate(self.phases):
            if phase.start < self.start:
                yield Problem(("phases", number, "start"), "must not be before the subscription's start")
            if self.end is not None and phase.start >= self.end:
                yield Problem(("phases", number, "start"), "must be before the subscription's end")
        for number, (before, phase) in enumerate(pairwise(self.phases), 1):
            if phase.start <= before.start:
                yield Problem(("phases", number, "start"), "must be after the start of the phase before")
