"""Subscriptions: a customer on a plan over a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from engine.catalog import limits
from engine.catalog.kinds.resource import Reference, Resource
from fields import Instant, Problem, rule

_INSTANT = Instant(limits.SUBSCRIPTION_YEAR_MIN, limits.SUBSCRIPTION_YEAR_MAX)


@dataclass(frozen=True, kw_only=True)
class Subscription(
    Resource, section="subscriptions", count_max=limits.SUBSCRIPTIONS_MAX, id_of=("customer", "plan")
):
    """A customer on a plan over [start, end), instants in UTC; open-ended without `end`."""

    customer: Annotated[str, Reference(to="customer")]
    plan: Annotated[str, Reference(to="plan")]
    start: Annotated[datetime, _INSTANT]
    end: Annotated[datetime | None, _INSTANT] = None

    @rule("start", "end")
    def _ends_after_start(self) -> Iterator[Problem]:
        if self.end is not None and self.end <= self.start:
            yield Problem(("end",), "must be after start")
