"""One subscription changed at an instant: another plan, quantities, add-ons, overrides, a pause, its end. Pure.

Rules:
1. A change is a phase that begins at the instant. What it doesn't say stays as it is then, also a trial and a pause. What is
   so already changes nothing.
2. Of quantities, add-ons and overrides only the entries change that are given; one that is given as nothing is taken back.
   With another plan the overrides, features and limits of the plan before are gone.
3. A cancellation is an end. What would have changed after it is dropped.
4. What is planned for later stays, and changes what it says; but what it says of the plan before doesn't hold for another.
5. A pause lasts until it is resumed, also through phases that are planned for later; they are resumed with it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from engine.billing.segments import periods_of_rows
from engine.catalog.kinds.terms import OF_PLAN, instant_us, steps_of
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import FieldMistake, InvalidRequestError, NotFoundError
from engine.times import datetime_us, rfc3339_us

_MAPPINGS: Final = ("quantities", "add_ons", "overrides")
# What holds for the phase that says it, and goes on through a change that doesn't.
_OWN: Final = ("trial", "paused")


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """What is to change.

    at_us: None for the end of the billing period that contains now.
    plan, plan_version: another plan, a version; None: as it is.
    quantities, add_ons, overrides: entries of the mappings; None takes one back.
    paused: None: as it is. cancel: it ends then.
    """

    subscription_id: str
    at_us: int | None
    plan: str | None
    plan_version: int | None
    quantities: Mapping[str, Any]
    add_ons: Mapping[str, Any]
    overrides: Mapping[str, Any]
    paused: bool | None
    cancel: bool


@dataclass(frozen=True, slots=True)
class ChangedSubscription:
    """`fields`: the subscription as it would be; `at_us`: from when on."""

    customer_id: str
    at_us: int
    fields: Mapping[str, Any]


def changed(catalog: Catalog, change: SubscriptionChange, now_us: int) -> ChangedSubscription:
    """The subscription with the change.

    Raises:
        NotFoundError: there is no such subscription.
        InvalidRequestError: it hasn't begun at the instant, or has ended; nothing is changed, or something beside a cancellation.
    """
    _check(change)
    known = catalog.subscriptions.get(change.subscription_id)
    if known is None:
        raise NotFoundError(f"the subscription {change.subscription_id[:128]!r} is not in the catalog")
    subscription, fields = known.resource, known.resource.to_fields()
    at_us = _period_end_us(catalog, change, now_us) if change.at_us is None else change.at_us
    called = f"the subscription {subscription.id!r}"
    if at_us < datetime_us(subscription.start):
        raise InvalidRequestError(
            FieldMistake("at", f"is before {called} begins, at {fields['start']}: update what it begins with")
        )
    if subscription.end is not None and at_us >= datetime_us(subscription.end):
        raise InvalidRequestError(
            FieldMistake("at", f"is when {called} has ended, at {fields['end']}: update its end")
        )
    if change.cancel:
        return ChangedSubscription(subscription.customer, at_us, _ended(fields, at_us))
    said = _said(fields, at_us, change)
    made = with_phase(fields, at_us, said) if said else fields
    if change.paused or "paused" in said:
        made = _with_later_phases(made, at_us, paused=bool(change.paused))
    return ChangedSubscription(subscription.customer, at_us, made)


def with_phase(fields: Mapping[str, Any], at_us: int, said: Mapping[str, Any]) -> dict[str, Any]:
    """A subscription's fields with a phase that says this from an instant on (rules 1 and 4). `plan`: of another plan only."""
    phases = [dict(each) for each in fields.get("phases", ())]
    before = [each for each in phases if instant_us(each["start"]) <= at_us]
    after = [each for each in phases if instant_us(each["start"]) > at_us]
    phase: dict[str, Any] = {"start": rfc3339_us(at_us)}
    if before:
        phase |= {name: before[-1][name] for name in _OWN if name in before[-1]}
        if instant_us(before[-1]["start"]) == at_us:
            phase = before.pop()
    if "plan" in said:
        phase, *after = _for_another_plan([phase, *after])
    phase = {name: value for name, value in {**phase, **said}.items() if value is not None}
    return {**fields, "phases": [*before, phase, *after]}


def _for_another_plan(phases: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The first is to have another plan, and so all up to one that says a plan itself."""
    is_said = False
    for number, phase in enumerate(phases):
        is_said |= "plan" in phase and number > 0
        yield {name: value for name, value in phase.items() if is_said or name not in OF_PLAN}


def _check(change: SubscriptionChange) -> None:
    says = [
        name
        for name in ("plan", "plan_version", *_MAPPINGS, "paused")
        if getattr(change, name) not in (None, {})
    ]
    if change.cancel and says:
        raise InvalidRequestError(FieldMistake("cancel", f"is given beside {', '.join(says)}: one of them"))
    if not change.cancel and not says:
        raise InvalidRequestError(
            FieldMistake("subscription_id", "is given with nothing to change: give a plan, quantities, ...")
        )


def _period_end_us(catalog: Catalog, change: SubscriptionChange, now_us: int) -> int:
    customer = catalog.subscriptions[change.subscription_id].resource.customer
    row = catalog.subscription_columns.row_from(customer, change.subscription_id)
    periods = periods_of_rows(catalog, np.array([row]), now_us)
    if not periods.exists[0]:
        raise InvalidRequestError(
            FieldMistake(
                "at_period_end",
                f"the subscription {change.subscription_id!r} has no billing period now: say at",
            )
        )
    return int(periods.end_us[0])


def _said(fields: Mapping[str, Any], at_us: int, change: SubscriptionChange) -> dict[str, Any]:
    """What the phase says, by what holds at the instant (rule 2)."""
    holding = [each for each in steps_of(fields) if instant_us(each.start) <= at_us]
    state = json.loads(holding[-1].terms)
    said: dict[str, Any] = {}
    if change.plan is not None and change.plan != state["plan"]:
        said["plan"] = change.plan
        state.pop("overrides", None)
    if change.plan_version is not None:
        said["plan_version"] = change.plan_version
    for name in _MAPPINGS:
        if given := getattr(change, name):
            entries = {**state.get(name, {}), **given}
            entries = {key: value for key, value in entries.items() if value is not None}
            if entries != state.get(name, {}):
                said[name] = entries
    if change.paused is not None and change.paused != state.get("paused", False):
        said["paused"] = change.paused or None
    return said


def _with_later_phases(fields: Mapping[str, Any], at_us: int, *, paused: bool) -> dict[str, Any]:
    """With the phases after an instant paused, or those resumed that are paused right after it (rule 5)."""
    phases = []
    goes_on = True
    for phase in fields.get("phases", ()):
        is_later = instant_us(phase["start"]) > at_us
        goes_on &= paused or not is_later or "paused" in phase
        kept = {name: value for name, value in phase.items() if name != "paused"}
        if is_later and goes_on:
            phases.append({**kept, "paused": True} if paused else kept)
        else:
            phases.append(phase)
    return {**fields, "phases": phases} if phases else dict(fields)


def _ended(fields: Mapping[str, Any], at_us: int) -> dict[str, Any]:
    phases = [each for each in fields.get("phases", ()) if instant_us(each["start"]) < at_us]
    return {**fields, "end": rfc3339_us(at_us), "phases": phases}
