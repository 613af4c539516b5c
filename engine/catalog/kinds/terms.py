"""What a subscription's plan comes to at each time: its phases folded into steps.

    steps_of({"plan": "pro", "start": "2026-11-01T00:00:00Z", "phases": [{"start": ..., "plan": "team"}]})
    -> [Step("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", '{"plan":"pro"}'), ...]

It reads a definition as it is stored, without an object for it: a catalog has a million. Terms are a text, so that equal
ones are equal; `SubscriptionTerms.read` makes the object of one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from engine.catalog.kinds.commitment import SpendCommitment
from engine.catalog.kinds.entitlements.features import Features
from engine.catalog.kinds.subscription import Trial
from fields import declaration
from rating import Price

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What a phase takes over from the one before unless it says it.
_KEPT: Final = (
    *("plan", "plan_version", "quantities", "add_ons", "overrides", "commitments"),
    *("invoicing_threshold", "features", "limits", "currency"),
)
# What is gone with a plan: it is said of that plan.
OF_PLAN: Final = ("plan_version", "overrides", "invoicing_threshold", "features", "limits")
# What holds for the phase that says it.
_OWN: Final = ("trial", "paused")
_PRICE_FIELDS: Final = tuple(declaration(Price).names)


class Step(NamedTuple):
    """From `start` on these terms hold. `since`: when the subscription came to the plan. Instants as they are stored."""

    start: str
    since: str
    terms: str


def steps_of(fields: Mapping[str, Any]) -> list[Step]:
    """The steps of a subscription from its canonical fields, by start; the first is at its own."""
    state = {name: fields[name] for name in _KEPT if name in fields}
    since = fields["start"]
    _note_add_ons(state, since)
    steps = [Step(since, since, _text(state))]
    for phase in fields.get("phases", ()):
        if "plan" in phase and phase["plan"] != state["plan"]:
            state = {name: state[name] for name in state if name not in OF_PLAN}
            since = phase["start"]
        state |= {name: phase[name] for name in _KEPT if name in phase}
        _note_add_ons(state, phase["start"])
        own = {name: phase[name] for name in _OWN if name in phase}
        if phase["start"] == steps[-1].start:
            steps.pop()
        steps.append(Step(phase["start"], since, _text(state | own)))
    return steps


def _note_add_ons(state: dict[str, Any], start: str) -> None:
    """Since when the subscription has each of its add-ons."""
    if add_ons := state.get("add_ons"):
        known = state.get("add_ons_since", {})
        state["add_ons_since"] = {plan: known.get(plan, start) for plan in add_ons}
    else:
        state.pop("add_ons_since", None)


def _text(state: Mapping[str, Any]) -> str:
    # An empty mapping or list of a phase takes back what the phase before said.
    return json.dumps(
        {name: value for name, value in state.items() if value}, sort_keys=True, separators=(",", ":")
    )


def with_currency(text: str, currency: str) -> str:
    """A text of terms that say a currency besides; itself if it says one."""
    fields = json.loads(text)
    return text if "currency" in fields else _text({**fields, "currency": currency})


def plain_terms(plan: str) -> str:
    """The text of the terms that say nothing but a plan."""
    return _text({"plan": plan})


def billed_terms(plan: str, currency: str) -> str:
    """The text of the terms that say a plan, and in which currency it is billed."""
    return _text({"plan": plan, "currency": currency})


@dataclass(frozen=True, eq=False, slots=True)
class SubscriptionTerms:
    """What holds at a time.

    plan_version: None for the one that is effective since the subscription came to the plan.
    currency: None for the plan's own.
    quantities: price id -> quantity; add_ons: plan id -> how many times, add_ons_since_us: and since when (microseconds since
    1970); overrides: price id -> fields of the price; features, limits: of its own, by id; commitments: in place of the plan's, if
    there are any; invoicing_threshold: the same, 0 for none at all.
    """

    plan: str
    plan_version: int | None
    currency: str | None
    quantities: Mapping[str, Decimal]
    add_ons: Mapping[str, int]
    add_ons_since_us: Mapping[str, int]
    overrides: Mapping[str, Mapping[str, Any]]
    commitments: tuple[SpendCommitment, ...]
    invoicing_threshold: Decimal | None
    trial: Trial | None
    paused: bool
    features: Features
    limits: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, text: str) -> "SubscriptionTerms":
        """Of a text of `steps_of`."""
        return _read(text)


@lru_cache(maxsize=65_536)  # some 500 bytes each
def _read(text: str) -> SubscriptionTerms:
    fields = json.loads(text)
    return SubscriptionTerms(
        fields["plan"],
        fields.get("plan_version"),
        fields.get("currency"),
        _decimals(fields.get("quantities", {})),
        MappingProxyType({plan: int(times) for plan, times in fields.get("add_ons", {}).items()}),
        MappingProxyType(
            {plan: instant_us(since) for plan, since in fields.get("add_ons_since", {}).items()}
        ),
        MappingProxyType(fields.get("overrides", {})),
        tuple(map(SpendCommitment.read, fields.get("commitments", ()))),
        Decimal(fields["invoicing_threshold"]) if "invoicing_threshold" in fields else None,
        Trial(fields["trial"]) if "trial" in fields else None,
        bool(fields.get("paused", False)),
        MappingProxyType(fields.get("features", {})),
        MappingProxyType(fields.get("limits", {})),
    )


def instant_us(text: str) -> int:
    """Microseconds since 1970 of an instant as it is stored."""
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def _decimals(given: Mapping[str, str]) -> Mapping[str, Decimal]:
    return MappingProxyType({name: Decimal(value) for name, value in given.items()})


def overridden(price: Price, override: Mapping[str, Any]) -> Price:
    """A price with fields of a subscription's own; with a model of its own the override is the whole price.

    Raises:
        FieldsError: together they are no price.
    """
    kept: dict[str, Any] = {"currency": price.currency}
    if "model" not in override:
        kept = {name: getattr(price, name) for name in _PRICE_FIELDS}
    return Price.read({name: value for name, value in {**kept, **override}.items() if value is not None})


def plan_spans(fields: Mapping[str, Any], end_us: int) -> list[tuple[str, int, int]]:
    """(plan, start, end) in microseconds since 1970 of each plan that a subscription has, add-ons too; by start. `fields`: its
    canonical ones; `end_us`: when it ends.
    """
    found: list[tuple[str, int, int]] = []
    steps = steps_of(fields)
    for number, step in enumerate(steps):
        terms, start_us = SubscriptionTerms.read(step.terms), instant_us(step.start)
        until_us = instant_us(steps[number + 1].start) if number + 1 < len(steps) else end_us
        for plan in (terms.plan, *terms.add_ons):
            last = next((each for each in reversed(found) if each[0] == plan), None)
            if last is not None and last[2] == start_us:
                found.remove(last)
                start = last[1]
            else:
                start = start_us
            found.append((plan, start, until_us))
    return found
