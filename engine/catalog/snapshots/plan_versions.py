"""The versions of a plan, and which of them a subscription has.

Rules:
1. A version of a plan never changes. Each is effective from an instant on (`Plan.effective_from`; None: always), and no
   later version is effective from an earlier instant. Of versions that are effective from the same instant the last
   stands, the others were replaced before anybody used them.
2. A subscription has the version that is effective when it starts, or when it came to the plan, until it is moved. Before
   the first version is effective, the first stands.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from engine.catalog.kinds.plan import Plan, PlanPrice
from engine.catalog.kinds.terms import SubscriptionTerms
from engine.catalog.snapshots.subscription_columns import BY_START
from engine.catalog.snapshots.versions import Versioned
from engine.errors import MeterlineError
from engine.times import datetime_us

_ALWAYS_US = -(2**63)
NO_VERSION = -1
"""In place of the place of a version that there isn't."""


@dataclass(frozen=True)
class PlanVersions:
    """Every version of one plan, in order; at least one.

    price_versions: for each, price id -> the version in which that price last changed, in whatever currency.
    A price that went and came back changed when it came back.
    """

    versions: tuple[Versioned[Plan], ...]
    price_versions: tuple[Mapping[str, int], ...]

    @classmethod
    def first(cls, plan: Versioned[Plan]) -> "PlanVersions":
        return cls((plan,), (MappingProxyType({each.id: plan.version for each in plan.resource.prices}),))

    def followed_by(self, plan: Versioned[Plan]) -> "PlanVersions":
        changed = _price_versions(self.newest.resource, self.price_versions[-1], plan)
        return PlanVersions((*self.versions, plan), (*self.price_versions, changed))

    @property
    def newest(self) -> Versioned[Plan]:
        return self.versions[-1]

    def held(self, place: int, currency: str | None) -> Plan:
        """What the version at a place comes to in a currency; None for the plan's own.

        Raises:
            MeterlineError: it isn't offered in it. An apply doesn't let that be.
        """
        found = self.offered(place, currency)
        if found is None:
            plan = self.versions[place]
            raise MeterlineError(
                f"a subscription is in {currency}, and version {plan.version} of its plan {plan.resource.id!r} isn't offered in it"
            )
        return found

    def offered(self, place: int, currency: str | None) -> Plan | None:
        """As `held`; None if it isn't offered in it."""
        plan = self.versions[place].resource
        if currency is None or currency == plan.currency:
            return plan
        known = self._in_currencies
        if (place, currency) not in known:
            known[place, currency] = plan.in_currency(currency)
        return known[place, currency]

    @cached_property
    def _in_currencies(self) -> dict[tuple[int, str], Plan | None]:
        """Those that were asked for."""
        return {}

    @property
    def currency_codes(self) -> frozenset[str]:
        """Every currency that some version is offered in."""
        return frozenset(code for each in self.versions for code in each.resource.currency_codes)

    def all_as_newest(self) -> "PlanVersions":
        """The same numbers, each with what the newest version says: whoever has any of them has that."""
        newest, count = self.newest.resource, len(self.versions)
        return PlanVersions(
            tuple(replace(each, resource=newest) for each in self.versions),
            (self.price_versions[-1],) * count,
        )

    @cached_property
    def effective_us(self) -> npt.NDArray[np.int64]:
        """int64[versions], rising: since when each is effective."""
        return np.array([effective_us(each.resource) for each in self.versions], dtype=np.int64)

    @cached_property
    def numbers(self) -> npt.NDArray[np.int64]:
        """int64[versions], rising: their numbers, from 1."""
        return np.array([each.version for each in self.versions], dtype=np.int64)

    def places_at(self, at_us: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The places of the versions that are effective at these instants (rule 2)."""
        effective = self.effective_us
        last_of_first = int(np.searchsorted(effective, effective[0], side="right")) - 1
        return np.maximum(np.searchsorted(effective, at_us, side="right") - 1, last_of_first)

    def places_held(
        self, version: npt.NDArray[np.int64], since_us: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """The places of the versions that n subscriptions have: the one that each names by its number, or (BY_START) the one that
        is effective since it came to the plan; NO_VERSION for a number that none has.
        """
        held = self.places_at(since_us)
        named = np.flatnonzero(version != BY_START)
        if not len(named):
            return held
        place = np.searchsorted(self.numbers, version[named])
        is_there = np.append(self.numbers, NO_VERSION)[place] == version[named]
        held[named] = np.where(is_there, place, NO_VERSION)
        return held

    def place_held(self, version: int | None, since_us: int) -> int:
        """As `places_held` of one subscription. `version`: None for BY_START."""
        number = np.array([BY_START if version is None else version])
        return int(self.places_held(number, np.array([since_us]))[0])


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """The version of a plan that a subscription has, as a place among all of its versions, and how many times."""

    versions: PlanVersions
    place: int
    times: int
    is_add_on: bool

    @property
    def plan(self) -> Plan:
        """In the plan's own currency."""
        return self.versions.versions[self.place].resource


def held_versions(
    terms: SubscriptionTerms, since_us: int, versions: Mapping[str, PlanVersions]
) -> Iterator[HeldVersion]:
    """What terms come to: the version of their plan, which they have had `since_us`, then those of add-ons. A plan or a version that
    there isn't is left out.
    """
    named = [(terms.plan, terms.plan_version, since_us, 1, False)]
    named += [
        (each, None, at_us, terms.add_ons[each], True) for each, at_us in terms.add_ons_since_us.items()
    ]
    for plan_id, version, at_us, times, is_add_on in named:
        of_plan = versions.get(plan_id)
        if of_plan is not None and (place := of_plan.place_held(version, at_us)) != NO_VERSION:
            yield HeldVersion(of_plan, place, times, is_add_on)


def effective_us(plan: Plan) -> int:
    """Since when a version is effective, in microseconds since 1970; before any instant if always."""
    return _ALWAYS_US if plan.effective_from is None else datetime_us(plan.effective_from)


def _price_versions(before: Plan, known: Mapping[str, int], plan: Versioned[Plan]) -> Mapping[str, int]:
    earlier = {each.id: _amounts(before, each) for each in before.prices}
    return MappingProxyType(
        {
            each.id: known[each.id] if earlier.get(each.id) == _amounts(plan.resource, each) else plan.version
            for each in plan.resource.prices
        }
    )


def _amounts(plan: Plan, price: PlanPrice) -> tuple[object, ...]:
    """A price, and what it is in other currencies."""
    return price, {code: own.prices.get(price.id) for code, own in plan.currencies.items()}


def with_versions(
    known: Mapping[str, PlanVersions], plans: Sequence[Versioned[Plan]]
) -> Mapping[str, PlanVersions]:
    """With these versions besides, each plan's in order; a plan that ends has none any more."""
    found = dict(known)
    for each in plans:
        if not each.is_active:
            found.pop(each.resource.id, None)
            continue
        before = found.get(each.resource.id)
        found[each.resource.id] = PlanVersions.first(each) if before is None else before.followed_by(each)
    return MappingProxyType(found)
