"""What is asked of the usage store, and what it answers: plain values."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from engine.meters.value import MeterValue
from engine.usage.facts.filter_sql import Filters


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a tenant's meter aggregates, how. The fields of a meter mean what they mean in engine.catalog.kinds.meter.

    rollup_key: under which the meter's rollups are kept (engine.usage.store.tables.rollup_schema); None reads events
        only.
    first_form_key: under which they were kept in the first form (engine.usage.store.tables.event_digest); None if
        never.
    rollup_group_by: the properties that those rollups are grouped by.
    """

    tenant: str
    event_type: str
    aggregation: str
    value: MeterValue | None
    percentile: Decimal | None = None
    carries_over: bool = False
    filters: Filters
    group_by: Sequence[str]
    rollup_key: str | None = None
    first_form_key: str | None = None
    rollup_group_by: Sequence[str] = ()

    def asked(
        self,
        customer_ids: Sequence[str] | None,
        bounds_us: Sequence[int],
        as_of_us: int,
        draft_id: int | None = None,
    ) -> "UsageRequest":
        """The request for this usage: of these customers, in these windows, as of a watermark."""
        meter: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(Measure)}
        return UsageRequest(
            **meter, customer_ids=customer_ids, bounds_us=bounds_us, as_of_us=as_of_us, draft_id=draft_id
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRequest(Measure):
    """Which usage of a meter to aggregate.

    bounds_us: n + 1 ascending instants, microseconds since 1970, of n adjoining half-open windows. A billing
        period is one window.
    as_of_us: exactly what had been ingested and recorded by then takes part.
    customer_ids: whose usage; None for everybody's.
    by_customer: False aggregates the events of all these customers together.
    narrowed_to: properties with the values that an event may have besides passing the filters; all must hold.
    draft_id: with the facts of this draft, as if they were recorded (engine.usage.corrections.corrections); read from events.
    """

    customer_ids: Sequence[str] | None
    bounds_us: Sequence[int]
    as_of_us: int
    by_customer: bool = True
    narrowed_to: Sequence[tuple[str, Sequence[str]]] = ()
    draft_id: int | None = None

    def __post_init__(self) -> None:
        bounds = list(self.bounds_us)
        if len(bounds) < 2 or any(after <= before for before, after in itertools.pairwise(bounds)):
            raise ValueError(f"bounds must ascend and be at least two, are {bounds[:4]}")


@dataclass(frozen=True, slots=True)
class GroupUsage:
    """The usage of a customer, in one window, of one group of dimensions.

    customer_id: empty for the events of all customers together.
    dimensions: the value of each group_by property; None where the events lack it.
    window: 0 for the first.
    event_count, event_digest: of the events that the quantity is made from, also those of earlier windows and of
        the time before the first, where a level or a carried value lives on; the text of an EventDigest
        (engine.usage.store.tables.event_digest).
    """

    customer_id: str
    dimensions: tuple[str | None, ...]
    window: int
    quantity: Decimal
    event_count: int
    event_digest: str
    unreadable_event_count: int
    missing_value_event_count: int


@dataclass(frozen=True, slots=True)
class Group:
    """The usage of a group in its windows, made from so many states (engine.usage.facts.queries). At one watermark the states
    are the same for ever, whatever they come from.
    """

    customer_id: str
    states: int
    usage: Sequence[GroupUsage]


@dataclass(frozen=True, slots=True)
class Groups:
    """Whole groups, in order, and whether others follow."""

    groups: Sequence[Group]
    more: bool
