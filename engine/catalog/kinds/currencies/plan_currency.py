"""What a plan costs in another currency than its own: every amount of its prices and of its money terms, and nothing else."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Final

from engine.catalog import limits
from engine.catalog.kinds.commitment import COMMITMENTS, SpendCommitment
from engine.catalog.kinds.resource import ID, OwnFields
from engine.catalog.kinds.terms import overridden
from fields import DecimalNumber, MapOf, Problem, Record, declaration
from rating import AMOUNT_FIELDS, Price, SpendDiscount, minor_unit_digits

_ROUNDING: Final = "rounding"
_PRICE_AMOUNTS: Final = OwnFields(
    Price, "{unit_amount: 0.5}", without=declaration(Price).names.keys() - AMOUNT_FIELDS - {_ROUNDING}
)
_PRICES: Final = MapOf(ID, _PRICE_AMOUNTS, limits.PLAN_PRICES_MAX)
_LIMITS: Final = MapOf(ID, DecimalNumber(), limits.PLAN_LIMITS_MAX)
TERMS: Final = ("amount_off", "spend_discount", "minimum_amount", "commitments", "invoicing_threshold")
"""The money terms of a plan that have amounts; each of them is a field of a PlanCurrency, too."""


@dataclass(frozen=True, kw_only=True)
class PlanCurrency(Record, called="currency"):
    """Amounts in one more currency (rule 1 of the package).

    prices: price id -> its fields with amounts (rating.AMOUNT_FIELDS), each as the plan's price has it; tiers and cells are whole,
    bounds too. A price without an amount, such as a percentage alone, is left out. `rounding` is the price's own, unless that names
    digits and the currencies have other minor units: then it is said here, too.
    amount_off, spend_discount, minimum_amount, commitments, invoicing_threshold: in place of the plan's, for those that it has.
    limits: limit id -> amount, of the plan's limits of spend.
    """

    prices: Annotated[Mapping[str, Mapping[str, Any]], _PRICES] = field(
        default_factory=lambda: MappingProxyType({})
    )
    amount_off: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    spend_discount: SpendDiscount | None = None
    minimum_amount: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    commitments: Annotated[tuple[SpendCommitment, ...], COMMITMENTS] = ()
    invoicing_threshold: Annotated[Decimal | None, DecimalNumber(positive=True, integer_digits=15)] = None
    limits: Annotated[Mapping[str, Decimal], _LIMITS] = field(default_factory=lambda: MappingProxyType({}))

    def price(self, price_id: str, price: Price, currency: str) -> Price:
        """One of the plan's prices in this currency.

        Raises:
            FieldsError: the amounts don't make a price.
        """
        return overridden(price, {**self.prices.get(price_id, {}), "currency": currency})

    @property
    def terms(self) -> Mapping[str, Any]:
        """Of the money terms of a plan."""
        return {name: getattr(self, name) for name in TERMS}


def price_misfits(price_id: str, price: Price, own: PlanCurrency) -> Iterator[Problem]:
    """Which amounts a price and a currency don't have both; paths begin with `prices`."""
    has = {name for name in AMOUNT_FIELDS if getattr(price, name) is not None}
    given = {name: value for name, value in own.prices.get(price_id, {}).items() if name != _ROUNDING}
    for name in sorted(has - given.keys()):
        yield Problem(("prices", price_id, name), "is missing: the plan's own price has one")
    for name in sorted(given.keys() - has):
        yield Problem(("prices", price_id, name), "does not belong here: the plan's own price has none")


def rounding_misfits(
    price_id: str, price: Price, own: PlanCurrency, plan_currency: str, currency: str
) -> Iterator[Problem]:
    """Whether digits that are meant for one minor unit would round another; paths begin with `prices`."""
    if price.rounding.digits is None or _ROUNDING in own.prices.get(price_id, {}):
        return
    if minor_unit_digits(plan_currency) != minor_unit_digits(currency):
        message = f"is missing: the plan's price rounds to {price.rounding.digits} digits, and {currency} has another minor unit"
        yield Problem(("prices", price_id, _ROUNDING), message)


def term_misfits(plan_terms: Mapping[str, Any], own: PlanCurrency) -> Iterator[Problem]:
    """Which money terms the plan and a currency don't have both."""
    for name in TERMS:
        if plan_terms[name] and not own.terms[name]:
            yield Problem((name,), "is missing: the plan has one in its own currency")
        elif own.terms[name] and not plan_terms[name]:
            yield Problem((name,), "does not belong here: the plan has none in its own currency")


def names_misfit(name: str, given: Iterable[str], known: Iterable[str], what: str) -> Iterator[Problem]:
    """Which ids under `name` the plan has not."""
    for each in sorted(set(given) - set(known)):
        yield Problem((name, each), f"the plan has no {what} {each!r}")
