"""Which subscriptions have an invoicing threshold at an instant. Pure.

Rules:
1. A subscription has its own threshold, of the phase that holds, or that of its plan's version. 0 means none, whatever the plan says.
2. It is in the currency of that plan: lines of add-ons in another currency don't count, and are billed at the end of the period.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from engine.billing.segments import Index
from engine.catalog.kinds.terms import SubscriptionTerms
from engine.catalog.snapshots.snapshot import Catalog
from rating import minor_unit_digits


@dataclass(frozen=True, slots=True)
class Threshold:
    """Of one subscription: an amount above 0 in minor units of a currency."""

    amount_minor: int
    currency: str


def has_thresholds(catalog: Catalog) -> bool:
    """Whether some subscription may have one at some time."""
    return bool(catalog.threshold_terms.any())


def running_rows(catalog: Catalog, rows: Index, at_us: int) -> Index:
    """Of these subscriptions those that run at an instant."""
    columns = catalog.subscription_columns
    found: Index = rows[(columns.start_us[rows] <= at_us) & (at_us < columns.end_us[rows])]
    return found


def thresholds_at(catalog: Catalog, rows: Index, at_us: int) -> Mapping[int, Threshold]:
    """Those of these subscriptions that run at an instant, by their rows in the catalog's columns."""
    columns = catalog.subscription_columns
    rows = running_rows(catalog, rows, at_us)
    step = columns.steps_at(rows, at_us)
    terms = columns.step_terms[step].astype(np.int64)
    may_have = np.flatnonzero(catalog.threshold_terms[terms])
    known: dict[tuple[int, int], Threshold | None] = {}
    found: dict[int, Threshold] = {}
    for place in may_have.tolist():
        key = (int(terms[place]), int(columns.step_since_us[step[place]]))
        if key not in known:
            known[key] = _threshold(catalog, *key)
        if (threshold := known[key]) is not None:
            found[int(rows[place])] = threshold
    return found


def _threshold(catalog: Catalog, terms: int, since_us: int) -> Threshold | None:
    """Rule 1."""
    own = SubscriptionTerms.read(catalog.subscription_columns.terms[terms])
    place = catalog.billed_plans[own.plan].place_held(own.plan_version, since_us)
    plan = catalog.plan_held(own, place)
    amount = plan.invoicing_threshold if own.invoicing_threshold is None else own.invoicing_threshold
    if not amount:
        return None
    return Threshold(_minor(amount, plan.currency), plan.currency)


def _minor(amount: Decimal, currency: str) -> int:
    return int(amount.scaleb(minor_unit_digits(currency)))
