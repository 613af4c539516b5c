"""Limits of plans: of the quantity of a meter, or of spend, in a billing period."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final

from engine.catalog import limits
from engine.catalog.kinds.resource import ID, Id, OwnFields, Reference
from fields import (
    BAD,
    DecimalNumber,
    ListOf,
    MapOf,
    Nested,
    Problem,
    Record,
    rule,
)
from rating import EXACT, whole_minor_units

# Times all that an add-on may be had, of as many add-ons as there may be, it still is a quantity.
_DIGITS_MAX = 18


class Enforcement(StrEnum):
    """What becomes of usage that would pass a limit."""

    HARD = "hard"
    """Access ends at the limit, and nothing is reserved beyond it."""
    SOFT = "soft"
    """Access goes on, and the answer says that the limit is passed."""


class WhenUnreachable(StrEnum):
    """What a client answers while it can't reach the engine."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class PlanLimit(Record, called="limit"):
    """A limit of one billing period (rule 2 of the package); `id` is unique among the plan's limits and features.

    quantity: of the meter, before any conversion. amount: of spend, in whole minor units of the plan's currency.
    when_unreachable: closed by default for a hard limit, open for a soft one.
    """

    id: Id
    meter: Annotated[str | None, Reference(to="meter")] = None
    quantity: Annotated[Decimal | None, DecimalNumber(fraction_digits=12)] = None
    amount: Annotated[Decimal | None, DecimalNumber()] = None
    enforcement: Enforcement = Enforcement.HARD
    when_unreachable: WhenUnreachable | None = None

    @rule("meter", "quantity", "amount")
    def _is_of_usage_or_of_spend(self) -> Iterator[Problem]:
        if self.meter is None and self.quantity is None and self.amount is None:
            yield Problem((), "limits nothing: give meter and quantity, or amount for a limit of spend")
        elif self.meter is not None and self.amount is not None:
            yield Problem(("amount",), "does not belong to the limit of a meter: give its quantity")
        elif self.meter is not None and self.quantity is None:
            yield Problem(("quantity",), "is missing: how much of the meter")
        elif self.amount is not None and self.quantity is not None:
            yield Problem(
                ("quantity",), "does not belong to a limit of spend, which has an amount: remove one of them"
            )
        elif self.meter is None and self.quantity is not None:
            yield Problem(("meter",), "is missing: the quantity of which meter is limited")

    @property
    def is_of_spend(self) -> bool:
        return self.meter is None

    @property
    def is_hard(self) -> bool:
        return self.enforcement is Enforcement.HARD

    @property
    def bound(self) -> Decimal:
        """The quantity or the amount."""
        found = self.amount if self.quantity is None else self.quantity
        if found is None:
            raise ValueError(f"the limit {self.id!r} has no bound")
        return found

    @property
    def opens_when_unreachable(self) -> bool:
        if self.when_unreachable is None:
            return not self.is_hard
        return self.when_unreachable is WhenUnreachable.OPEN


_LIMIT_FIELDS: Final = OwnFields(PlanLimit, "{quantity: 500}", without=("id", "meter"))
PlanLimits = Annotated[
    tuple[PlanLimit, ...], ListOf(Nested(PlanLimit), 0, limits.PLAN_LIMITS_MAX, unique="id")
]
OwnLimits = Annotated[
    Mapping[str, Mapping[str, Any]] | None, MapOf(ID, _LIMIT_FIELDS, limits.PLAN_LIMITS_MAX)
]


def limit_mistakes(given: Iterable[PlanLimit], features: Iterable[str], currency: str) -> Iterator[Problem]:
    """What is wrong between a plan's limits, its features and its currency; paths begin with `limits`."""
    named = set(features)
    for number, each in enumerate(given):
        if each is BAD:
            continue
        if each.id in named:
            message = (
                f"{each.id!r} is a feature of the plan, too: a limit is one by itself, give it another id"
            )
            yield Problem(("limits", number, "id"), message)
        if each.bound.adjusted() >= _DIGITS_MAX:
            message = f"may have {_DIGITS_MAX} digits before the point: add-ons add to it"
            yield Problem(("limits", number, "amount" if each.is_of_spend else "quantity"), message)
        if each.amount is not None:
            for problem in whole_minor_units("amount", each.amount, currency):
                yield Problem(("limits", number, *problem.path), problem.message)


def changed_limit(limit: PlanLimit, fields: Mapping[str, Any]) -> PlanLimit:
    """A limit with fields of a subscription's own.

    Raises:
        FieldsError: together they are not a limit.
    """
    return PlanLimit.read({**limit.to_fields(), **fields})


def added_limits(limits_of: Iterable[tuple[Iterable[PlanLimit], int]]) -> dict[str, PlanLimit]:
    """The limits of a plan and its add-ons, each with how many times it is had, the plan's first (rule 3 of the package)."""
    found: dict[str, PlanLimit] = {}
    for of_plan, times in limits_of:
        for each in of_plan:
            known = found.get(each.id)
            more = EXACT.multiply(each.bound, Decimal(times))
            bound = more if known is None else EXACT.add(known.bound, more)
            kept = each if known is None else known
            if kept.is_of_spend:
                found[each.id] = replace(kept, amount=bound)
            else:
                found[each.id] = replace(kept, quantity=bound)
    return found
