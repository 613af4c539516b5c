"""The prices that subscriptions' terms come to, each once. Pure.

Rules:
1. Terms have the prices of their plan in its order, then those of their add-ons.
2. A subscription's overrides stand in place of a price's fields; with a model of its own the override is the whole price.
3. A trial takes everything off, or off all that isn't metered; a pause leaves what is metered only.
4. A price in a part of its billing period is prorated: itself where usage sums up over the parts (rating.prices.proration), else
   what it comes to (rating.kernels.parts).
5. A price that is billed once is due when the subscription comes to its plan, or has its add-on, whatever changes later.
6. What terms don't change of a plan's price is one object, whatever the terms: a hundred thousand subscriptions with an override
   each share all other prices.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.billing.segments import Index, SegmentColumns
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan, PlanPrice, Proration, meter_problem
from engine.catalog.kinds.subscription import Trial
from engine.catalog.kinds.terms import SubscriptionTerms, overridden
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from fields import FieldsError
from rating import Part, Price, TierProration, Timing, free, prorated, times

_NOTHING = Decimal(0)
_ALL_OFF = Decimal(100)
NOT_ADDED = -1
"""In place of the instant from which a subscription has an add-on."""


@dataclass(frozen=True, slots=True)
class BilledPrice:
    """A price of a plan with what a line item says of both.

    plan, plan_version, price, price_version: as the catalog has them. meter: None for a price without usage.
    effective: the price that is rated, with overrides, in a trial; of usage that sums up, for the part of the period.
    quantity: of a price by a quantity that isn't metered; 0 for every other.
    part: which part of its billing period it is prorated for; None for one that is whole.
    unfit: why it can't be rated; empty for every other.
    added_us: of a price of an add-on that is billed once, since when the subscription has the add-on; NOT_ADDED of every other.
    """

    plan: Plan
    plan_version: int
    price: PlanPrice
    price_version: int
    meter: Versioned[Meter] | None
    effective: Price
    quantity: Decimal = _NOTHING
    part: Part | None = None
    unfit: str = ""
    added_us: int = NOT_ADDED

    @property
    def identity(self) -> tuple[object, ...]:
        """What is billed: a segment in which it is the same is no cut."""
        meter = None if self.meter is None else self.meter.resource.id
        proration = (self.price.proration, self.price.tier_proration)
        return (
            *(self.plan.id, self.price.id, self.effective, self.quantity, meter, proration, self.unfit),
            self.plan.discount,
        )

    @property
    def slot(self) -> tuple[object, ...]:
        """Which price of a plan it is, however it is rated; what is billed once is no part of what recurs."""
        return self.plan.id, self.price.id, self.is_once

    @property
    def rounding(self) -> tuple[object, ...]:
        price = self.effective
        return price.currency, price.digits, price.rounding.mode, price.round_each_group

    @property
    def is_collapsed(self) -> bool:
        """Whether it counts once a period, as it is last in it."""
        is_full = self.price.proration in (Proration.NONE, Proration.HIGHEST)
        return self.meter is None and (is_full or self.is_once)

    @property
    def takes_highest(self) -> bool:
        """Whether it counts for the highest quantity of its billing period; what is free, as in a trial, doesn't."""
        return self.price.proration is Proration.HIGHEST and self.effective.percent_off != _ALL_OFF

    @property
    def rates_events(self) -> bool:
        """Whether the value of each event is needed."""
        return self.effective.needs_events and not self.unfit

    @property
    def is_once(self) -> bool:
        """Whether it is billed once, and in no other period."""
        return self.meter is None and self.effective.timing is Timing.ONCE

    @property
    def is_in_advance(self) -> bool:
        """Whether it is invoiced when what it is for begins."""
        return self.meter is None and self.effective.timing is Timing.IN_ADVANCE

    @property
    def by_day(self) -> bool:
        return self.price.proration is Proration.DAY

    @property
    def tier_proration(self) -> TierProration | None:
        """None where the quantity is no sum over the parts of a period (rating.prices.proration, rule 3)."""
        if self.meter is None or not self.meter.resource.is_additive:
            return None
        return self.price.tier_proration or TierProration.PRORATE

    @property
    def carries_over(self) -> bool:
        """Whether a part of the period goes on in tiers and allowances where the parts before it stopped."""
        return self.tier_proration is TierProration.CARRY_OVER and not self.effective.needs_events

    @property
    def part_of_amount(self) -> Part | None:
        """The part of what the price comes to that is due; None where that is all of it, or the price itself is prorated."""
        return self.part if self.tier_proration is None else None

    def in_part(self, part: Part) -> "BilledPrice":
        tiers = self.tier_proration
        effective = self.effective if tiers is None else prorated(self.effective, part, tiers)
        return replace(self, effective=effective, part=part)


class BilledPrices:
    """The prices of some segments: those of segment i are prices[places[first[i] : first[i] + counts[i]]]. `prices` grows by
    prices in parts.
    """

    def __init__(self, catalog: Catalog, segments: SegmentColumns) -> None:
        self.prices: list[BilledPrice] = []
        self._in_part: dict[tuple[int, Part], int] = {}
        self._of_quantity: dict[tuple[int, Decimal], int] = {}
        columns = catalog.subscription_columns
        versions_max = 1 + int(segments.version.max(initial=0))
        used, place = np.unique(segments.terms * versions_max + segments.version, return_inverse=True)
        of_terms = _TermsPrices(catalog)
        # By the identity of an object, which holds while it is kept in `prices`.
        known: dict[int, int] = {}
        places: list[int] = []
        counts = np.zeros(len(used), dtype=np.int64)
        for number, key in enumerate(used.tolist()):
            terms, version = divmod(key, versions_max)
            before = len(places)
            for billed in of_terms.of(SubscriptionTerms.read(columns.terms[terms]), version):
                if id(billed) not in known:
                    known[id(billed)] = len(self.prices)
                    self.prices.append(billed)
                places.append(known[id(billed)])
            counts[number] = len(places) - before
        self.places = np.array(places, dtype=np.int64)
        self.first, self.counts = (np.cumsum(counts) - counts)[place], counts[place]

    def numbered(self, name: str) -> Index:
        """int64[prices]: the same number for prices of which an attribute is equal."""
        numbers: dict[object, int] = {}
        found = (numbers.setdefault(getattr(each, name), len(numbers)) for each in self.prices)
        return np.fromiter(found, np.int64, len(self.prices))

    def flags(self, name: str) -> npt.NDArray[np.bool_]:
        """bool[prices]."""
        return np.fromiter((getattr(each, name) for each in self.prices), np.bool_, len(self.prices))

    def of_quantity(self, number: int, quantity: Decimal) -> int:
        """The place of a price for another quantity."""
        if self.prices[number].quantity == quantity:
            return number
        if (number, quantity) not in self._of_quantity:
            self._of_quantity[number, quantity] = len(self.prices)
            self.prices.append(replace(self.prices[number], quantity=quantity))
        return self._of_quantity[number, quantity]

    def due(self, segments: SegmentColumns, segment: Index, price: Index) -> Index | None:
        """Which of these prices of segments are due in them (rule 5); None for all."""
        is_once = self.flags("is_once")
        if not is_once.any():
            return None
        added_us = np.fromiter((each.added_us for each in self.prices), np.int64, len(self.prices))[price]
        came_us = np.where(added_us == NOT_ADDED, segments.since_us[segment], added_us)
        return np.flatnonzero(~is_once[price] | (came_us == segments.start_us[segment]))

    def in_part(self, number: int, part: Part) -> int:
        """The place of a price for a part of its period."""
        if part.is_whole:
            return number
        if (number, part) not in self._in_part:
            self._in_part[number, part] = len(self.prices)
            self.prices.append(self.prices[number].in_part(part))
        return self._in_part[number, part]


class _TermsPrices:
    """What terms come to. A plan's prices are made once (rule 5)."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._of_plans: dict[tuple[str, int, str], Sequence[BilledPrice]] = {}

    def of(self, terms: SubscriptionTerms, version: int) -> Iterator[BilledPrice]:
        """Rules 1 to 3. `version`: the place of the plan's version."""
        for billed in self._all(terms, version):
            if billed.meter is None and terms.paused:
                continue
            is_free = terms.trial is Trial.FREE or (terms.trial is Trial.FREE_FEES and billed.meter is None)
            yield replace(billed, effective=free(billed.effective)) if is_free else billed

    def _all(self, terms: SubscriptionTerms, version: int) -> Iterator[BilledPrice]:
        for price in self._of_plan(self._catalog.plan_held(terms, version), version):
            changed = price
            if override := terms.overrides.get(price.price.id):
                changed = _overridden(price, override)
            quantity = terms.quantities.get(price.price.id)
            yield (
                changed
                if quantity is None or price.price.quantity is None
                else replace(changed, quantity=quantity)
            )
        for plan, place in self._catalog.add_ons_held(terms):
            for price in self._of_plan(plan, place):
                # Usage is billed once.
                if price.meter:
                    yield price
                    continue
                added_us = terms.add_ons_since_us[plan.id] if price.is_once else NOT_ADDED
                count = terms.add_ons[plan.id]
                yield replace(price, effective=times(price.effective, count), added_us=added_us)

    def _of_plan(self, plan: Plan, place: int) -> Sequence[BilledPrice]:
        """`plan`: its version at a place, in a currency."""
        key = plan.id, place, plan.currency
        if key not in self._of_plans:
            self._of_plans[key] = _plan_prices(self._catalog, plan, place)
        return self._of_plans[key]


def _overridden(billed: BilledPrice, override: Mapping[str, Any]) -> BilledPrice:
    # An apply refuses it; what is stored all the same is owed, and not known.
    try:
        effective = overridden(billed.effective, override)
    except FieldsError as error:
        return replace(billed, unfit=f"has an override that doesn't fit its price: {error}")
    problem = None if billed.meter is None else meter_problem(effective, billed.meter.resource)
    unfit = f"has an override that doesn't fit its meter: meter: {problem}" if problem else ""
    return replace(billed, effective=effective, unfit=unfit)


def _plan_prices(catalog: Catalog, plan: Plan, place: int) -> Sequence[BilledPrice]:
    versions = catalog.billed_plans[plan.id]
    return [
        BilledPrice(
            plan=plan,
            plan_version=versions.versions[place].version,
            price=price,
            price_version=versions.price_versions[place][price.id],
            meter=catalog.meters[price.meter] if price.meter is not None else None,
            effective=price.price,
            quantity=price.quantity or _NOTHING,
        )
        for price in plan.prices
    ]
