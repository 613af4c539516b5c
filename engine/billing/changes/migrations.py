"""Moving running subscriptions to another version of their plan, or to another plan: what it changes of each. Pure.

Rules:
1. Moved is who has the plan at the instant of the change and hasn't the target already; who hasn't begun takes the version
   that is effective at its start by itself, and is left out, as is who ends by then.
2. A move is a phase that begins then. What a trial or a pause is at the time goes on. Of a move to another plan, later phases
   lose what they say of the plan before: its version and overrides.
3. Instants: now, the end of each one's billing period, or one that is given.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from engine.billing.changes.single_change import with_phase
from engine.billing.segments import Index, periods_of_rows
from engine.catalog.kinds.terms import SubscriptionTerms, instant_us
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError
from fields import did_you_mean


@dataclass(frozen=True, slots=True)
class Migration:
    """What is to move, where, and when.

    to_plan, to_version: the target. at_us: None for the end of each one's billing period.
    customers, subscriptions: only these; None for all.
    """

    plan: str
    to_plan: str
    to_version: int
    at_us: int | None
    customers: frozenset[str] | None
    subscriptions: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Move:
    """A subscription as it would be: its fields, and the instant of the change; `of_period`: with the change from the start of
    its billing period on, for a comparison over a whole period.
    """

    subscription_id: str
    customer_id: str
    at_us: int
    fields: Mapping[str, Any]
    of_period: Mapping[str, Any]


def checked_migration(
    catalog: Catalog,
    plan: str,
    to_plan: str,
    to_version: int,
    at_us: int | None,
    customers: Sequence[str],
    subscriptions: Sequence[str],
) -> Migration:
    """With the target that is meant where none is given: the plan itself, its newest version.

    Raises:
        NotFoundError: a plan, a version, a customer or a subscription that there isn't.
        InvalidRequestError: plans with other billing periods.
    """
    to_plan = to_plan or plan
    for each in (plan, to_plan):
        if each not in catalog.plan_versions:
            raise NotFoundError(
                f"the plan {each[:128]!r} is not in the catalog{did_you_mean(each, catalog.plans)}"
            )
    versions = catalog.plan_versions[to_plan]
    to_version = to_version or versions.newest.version
    if to_version not in versions.numbers:
        raise NotFoundError(
            f"the plan {to_plan!r} has no version {to_version}: its newest is {versions.newest.version}"
        )
    one, other = (catalog.plans[each].resource for each in (plan, to_plan))
    if one.period_length != other.period_length:
        raise InvalidRequestError(
            FieldMistake(
                "to_plan_id",
                f"{to_plan!r} has another billing period than {plan!r}: end those subscriptions instead",
            )
        )
    for customer in customers:
        if customer not in catalog.customers:
            raise NotFoundError(f"the customer {customer[:128]!r} is not in the catalog")
    for subscription in subscriptions:
        if subscription not in catalog.subscriptions:
            raise NotFoundError(f"the subscription {subscription[:128]!r} is not in the catalog")
    return Migration(
        plan, to_plan, to_version, at_us, frozenset(customers) or None, frozenset(subscriptions) or None
    )


def moves(catalog: Catalog, migration: Migration, now_us: int, count_max: int) -> tuple[list[Move], int]:
    """The first moves, at most so many, in the order of customers; and how many there are besides."""
    found = _moves(catalog, migration, now_us)
    return list(islice(found, count_max)), sum(1 for _ in found)


def _moves(catalog: Catalog, migration: Migration, now_us: int) -> Iterator[Move]:
    columns = catalog.subscription_columns
    rows = _rows(catalog, migration)
    periods = periods_of_rows(catalog, rows, now_us)
    for number, row in enumerate(rows.tolist()):
        at_us = int(periods.end_us[number]) if migration.at_us is None else migration.at_us
        if migration.at_us is None and not periods.exists[number]:
            continue
        if not columns.start_us[row] <= at_us < columns.end_us[row] or columns.start_us[row] > now_us:
            continue
        customer, subscription_id = (
            column[row].as_py() for column in (columns.customer_id, columns.subscription_id)
        )
        if migration.customers is not None and customer not in migration.customers:
            continue
        if migration.subscriptions is not None and subscription_id not in migration.subscriptions:
            continue
        if not _has_to_move(catalog, row, at_us, migration):
            continue
        fields = catalog.subscriptions[subscription_id].resource.to_fields()
        from_us = at_us
        if periods.exists[number]:
            from_us = max(int(periods.start_us[number]), _since_us(catalog, row, at_us))
        of_period = _moved(_without_pins(fields, from_us), from_us, migration)
        yield Move(subscription_id, customer, at_us, _moved(fields, at_us, migration), of_period)


def _rows(catalog: Catalog, migration: Migration) -> Index:
    """The subscriptions that ever have the plan."""
    columns = catalog.subscription_columns
    return np.unique(columns.rows_of_steps(columns.steps_of_plan(migration.plan)))


def _has_to_move(catalog: Catalog, row: int, at_us: int, migration: Migration) -> bool:
    """Rule 1."""
    columns = catalog.subscription_columns
    step = _step(catalog, row, at_us)
    terms = SubscriptionTerms.read(columns.terms[int(columns.step_terms[step])])
    if terms.plan != migration.plan:
        return False
    versions = catalog.plan_versions[terms.plan]
    place = versions.place_held(terms.plan_version, int(columns.step_since_us[step]))
    target = catalog.plan_versions[migration.to_plan].place_held(migration.to_version, 0)
    return (terms.plan, place) != (migration.to_plan, target)


def _moved(fields: Mapping[str, Any], at_us: int, migration: Migration) -> dict[str, Any]:
    """Rule 2."""
    said: dict[str, Any] = {"plan_version": migration.to_version}
    if migration.to_plan != migration.plan:
        said["plan"] = migration.to_plan
    return with_phase(fields, at_us, said)


def _without_pins(fields: Mapping[str, Any], from_us: int) -> dict[str, Any]:
    """Without the versions that phases after an instant name, up to one with another plan."""
    phases, is_said = [], False
    for phase in fields.get("phases", ()):
        is_said |= "plan" in phase and instant_us(phase["start"]) > from_us
        keep = is_said or instant_us(phase["start"]) <= from_us
        phases.append(
            phase if keep else {name: value for name, value in phase.items() if name != "plan_version"}
        )
    return {**fields, "phases": phases}


def _since_us(catalog: Catalog, row: int, at_us: int) -> int:
    """When a subscription came to the plan that it has at an instant."""
    columns = catalog.subscription_columns
    return int(columns.step_since_us[_step(catalog, row, at_us)])


def _step(catalog: Catalog, row: int, at_us: int) -> int:
    columns = catalog.subscription_columns
    first, last = int(columns.step_offsets[row]), int(columns.step_offsets[row + 1])
    return first + int(np.searchsorted(columns.step_start_us[first:last], at_us, side="right")) - 1
