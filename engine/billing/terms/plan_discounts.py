"""What plans take off their subscriptions' lines. Pure.

Rules:
1. A plan's discount is off the lines of its prices that a subscription has in a billing period, in the version of the plan that
   a line is of: also of a plan that is an add-on, once however many times it is one.
2. An amount, and the bounds of spend, count for the part of the period in which the subscription has such a version, by the
   second.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.billing.rated import Rated
from engine.billing.segments import Index
from engine.billing.terms.invoices import InvoicedLines
from engine.billing.terms.places import PeriodPlaces
from engine.billing.terms.stretches import listed, stretches_of
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.terms import SubscriptionTerms
from engine.catalog.snapshots.snapshot import Catalog
from rating import PlanDiscount, PlanDiscounts


@dataclass(frozen=True, eq=False, slots=True)
class PlansOff:
    """What is off lines, K discounts: `place`, int64[K], of the billing period, and which of `plan_ids` each is of."""

    discounts: PlanDiscounts
    place: Index
    plan_ids: Sequence[str]
    plan: Index


def discounted_places(parts: Sequence[Rated], places: PeriodPlaces) -> Index:
    """The places of billing periods with a line of a plan that takes something off, rising."""
    found = [np.zeros(0, dtype=np.int64)]
    for rated, of_period in zip(parts, places.of_periods, strict=True):
        charges = rated.charges
        has = np.array([each.plan.discount is not None for each in charges.prices], dtype=np.bool_)
        if has.any():
            found.append(of_period[charges.place[has[charges.price]]])
    return np.unique(np.concatenate(found))


def plans_off(catalog: Catalog, invoiced: InvoicedLines, chosen: Index) -> PlansOff | None:
    """What is off the lines of these places; None for nothing."""
    if not len(chosen):
        return None
    numbers: dict[tuple[str, PlanDiscount], int] = {}
    own = [_number(numbers, plan) for plan in invoiced.plans]
    of_line = np.array(own, dtype=np.int64)[invoiced.plan]
    size = len(numbers)
    has = np.flatnonzero(of_line >= 0)
    keys, row = np.unique(invoiced.lines.subscription[has] * size + of_line[has], return_inverse=True)
    discount_of_line = np.full(len(invoiced), -1, dtype=np.int64)
    discount_of_line[has] = row
    counted, whole = _counted(catalog, invoiced.places, chosen, numbers, keys)
    return PlansOff(
        PlanDiscounts(
            terms=tuple(terms for _, terms in numbers),
            terms_index=keys % size,
            of_line=discount_of_line,
            counted=counted,
            whole=whole,
        ),
        place=keys // size,
        plan_ids=[plan for plan, _ in numbers],
        plan=keys % size,
    )


def _counted(
    catalog: Catalog,
    places: PeriodPlaces,
    chosen: Index,
    numbers: Mapping[tuple[str, PlanDiscount], int],
    keys: Index,
) -> tuple[Index, Index]:
    """Of each key, place x discounts + discount: the seconds in which it holds, and those of a whole period (rule 2)."""
    stretches = stretches_of(catalog, places, chosen)
    used, number = stretches.distinct_terms()
    found = [sorted({numbers[key] for key in _discounts(catalog, *each) if key in numbers}) for each in used]
    stretch, entry = listed([len(each) for each in found], number)
    flat = np.array([each for of in found for each in of], dtype=np.int64)
    of_stretch = stretches.place[stretch] * len(numbers) + flat[entry]
    row = np.searchsorted(keys, of_stretch)
    known = np.flatnonzero(np.append(keys, -1)[row] == of_stretch)
    counted, whole = np.zeros(len(keys), dtype=np.int64), np.ones(len(keys), dtype=np.int64)
    np.add.at(counted, row[known], stretches.seconds()[stretch[known]])
    whole[row[known]] = stretches.whole_seconds()[stretch[known]]
    return counted, whole


def _discounts(catalog: Catalog, terms: int, version: int) -> Iterator[tuple[str, PlanDiscount]]:
    """Those of terms: of a version of their plan, and of their add-ons."""
    found = SubscriptionTerms.read(catalog.subscription_columns.terms[terms])
    plans = [catalog.plan_held(found, version), *(plan for plan, _ in catalog.add_ons_held(found))]
    for plan in plans:
        if plan.discount is not None:
            yield plan.id, plan.discount


def _number(numbers: dict[tuple[str, PlanDiscount], int], plan: Plan) -> int:
    discount = plan.discount
    return -1 if discount is None else numbers.setdefault((plan.id, discount), len(numbers))
