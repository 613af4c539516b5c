"""What a customer has at an instant: the features and limits of all its subscriptions. Pure.

Rules:
1. Of a subscription: its plan's, its add-ons' and its own, by the rules of engine.catalog.kinds.entitlements. It has the
   versions of plans that it is billed by. A trial or a pause changes nothing.
2. Of several subscriptions a feature is had if one of them has it; a text that configures it is that of the first by id.
3. Limits of several subscriptions stand each by itself, also those of one id: use must be within all of them.
4. A limit holds for the billing period of its subscription.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.billing.rater import subscription_rows_of_customer
from engine.billing.segments import segments_at
from engine.catalog.kinds.entitlements.features import FeatureValue, had_features
from engine.catalog.kinds.entitlements.plan_limit import PlanLimit, added_limits, changed_limit
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.terms import SubscriptionTerms
from engine.catalog.snapshots.snapshot import Catalog
from fields import FieldsError


@dataclass(frozen=True, slots=True)
class HeldLimit:
    """A limit of one subscription in its billing period, [start, end) in microseconds since 1970.

    row: the subscription's in the catalog's columns. currency: its plan's.
    """

    limit: PlanLimit
    subscription_id: str
    row: int
    currency: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Entitled:
    """What a customer has. known: every feature that some plan of the catalog names, limits too."""

    features: Mapping[str, FeatureValue]
    limits: Sequence[HeldLimit]
    known: frozenset[str]
    has_subscription: bool

    def names(self) -> list[str]:
        """All that it has or is refused by its own plans, in alphabetical order."""
        return sorted({*self.features, *(each.limit.id for each in self.limits)})

    def limits_of(self, name: str) -> list[HeldLimit]:
        return [each for each in self.limits if each.limit.id == name]


def entitled_at(catalog: Catalog, customer_id: str, at_us: int) -> Entitled:
    """What a customer has at an instant.

    Raises:
        NotFoundError: the catalog doesn't have the customer.
    """
    # An invoice item entitles to nothing.
    segments = segments_at(catalog, subscription_rows_of_customer(catalog, customer_id), at_us)
    columns = catalog.subscription_columns
    features: dict[str, FeatureValue] = {}
    limits: list[HeldLimit] = []
    for place in np.flatnonzero((segments.start_us <= at_us) & (at_us < segments.end_us)).tolist():
        period = int(segments.period[place])
        row = int(segments.row[period])
        terms = SubscriptionTerms.read(columns.terms[int(segments.terms[place])])
        own = catalog.plan_held(terms, int(segments.version[place]))
        held = [(own, 1), *((plan, terms.add_ons[plan.id]) for plan, _ in catalog.add_ons_held(terms))]
        had = {**had_features(plan.features for plan, _ in held), **terms.features}
        for name, value in had.items():
            if features.get(name, False) is False:
                features[name] = value
        limits += (
            HeldLimit(
                each,
                columns.subscription_id[row].as_py(),
                row,
                own.currency,
                int(segments.periods.start_us[period]),
                int(segments.periods.end_us[period]),
            )
            for each in _limits(held, terms)
        )
    return Entitled(features, limits, _known(catalog), bool(len(segments.row)))


def _limits(held: Sequence[tuple[Plan, int]], terms: SubscriptionTerms) -> Iterator[PlanLimit]:
    for limit_id, limit in added_limits((plan.limits, times) for plan, times in held).items():
        if fields := terms.limits.get(limit_id):
            try:
                yield changed_limit(limit, fields)
            except FieldsError:
                # Said of an earlier version of the plan, in which the limit was of something else.
                yield limit
        else:
            yield limit


def _known(catalog: Catalog) -> frozenset[str]:
    newest = [each.newest.resource for each in catalog.plan_versions.values()]
    return frozenset(name for plan in newest for name in (*plan.features, *(each.id for each in plan.limits)))
