"""Plans: prices by billing period, in one currency or several; each but a flat one rates a meter."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final

from engine.catalog import limits
from engine.catalog.kinds.billing_details import PaymentTerms
from engine.catalog.kinds.commitment import COMMITMENTS, SpendCommitment, misfits, overlaps
from engine.catalog.kinds.currencies.plan_currency import (
    TERMS,
    PlanCurrency,
    names_misfit,
    price_misfits,
    rounding_misfits,
    term_misfits,
)
from engine.catalog.kinds.entitlements.features import PlanFeatures
from engine.catalog.kinds.entitlements.plan_limit import PlanLimits, limit_mistakes
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.resource import ID, Id, Name, Reference, Resource
from fields import (
    BAD,
    Count,
    DecimalNumber,
    FieldsError,
    Inline,
    Instant,
    ListOf,
    MapOf,
    Nested,
    Problem,
    Record,
    Schema,
    rule,
)
from rating import (
    CurrencyCode,
    Model,
    PlanDiscount,
    Price,
    SpendDiscount,
    TierProration,
    Timing,
    whole_minor_units,
)


class Proration(StrEnum):
    """By what a part of a billing period counts, for amounts that are due whatever the usage."""

    SECOND = "second"
    DAY = "day"
    """By local days: the day of a change has what it is changed to."""
    NONE = "none"
    """In full, as it is last in the period."""
    HIGHEST = "highest"
    """In full, as it is last in the period, for the highest quantity that it had in it."""


class BillingPeriod(StrEnum):
    """The unit of a plan's billing periods."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


_CURRENCIES: Final = MapOf(CurrencyCode(), Nested(PlanCurrency), limits.PLAN_CURRENCIES_MAX)
# Models whose price can be of a quantity that isn't metered, such as seats.
_BY_QUANTITY = frozenset(
    {Model.PER_UNIT, Model.GRADUATED, Model.VOLUME, Model.PACKAGE, Model.STAIRSTEP, Model.OVERAGE}
)


@dataclass(frozen=True, kw_only=True)
class PlanPrice(Record, called="price"):
    """One price of a plan; `id` is unique in the plan.

    meter: what is priced; None for a flat price and for one by a quantity that isn't metered.
    quantity: of such a price, how many (seats) where a subscription doesn't say.
    product: a label, by which lines of several prices and plans can be added up.
    proration: of amounts that are due whatever the usage, in a part of a period; by default by the second.
    tier_proration: of a metered price, of its bounds and allowances in a part of a period; by default prorated. What carries over
        needs a meter whose parts add up.
    """

    id: Id
    price: Annotated[Price, Inline(Price, "currency", owner="plan")]
    meter: Annotated[str | None, Reference(to="meter")] = None
    product: Annotated[str | None, ID] = None
    quantity: Annotated[Decimal | None, DecimalNumber(integer_digits=12, fraction_digits=6)] = None
    proration: Proration | None = None
    tier_proration: TierProration | None = None

    @rule(partly=("price",))
    def _usage_can_be_fed(self) -> Iterator[Problem]:
        if problem := usage_problem(self.price):
            yield Problem(("model",), problem)

    @rule("meter", "quantity", partly=("price",))
    def _meter_fits_model(self) -> Iterator[Problem]:
        model = self.price.model
        if model is Model.FLAT:
            for name in ("meter", "quantity"):
                if getattr(self, name) is not None:
                    yield Problem((name,), "does not belong to a flat price, which has no usage: remove it")
        elif model is BAD:
            return
        elif self.meter is None and self.quantity is None:
            message = f"is missing: a {model} price rates the quantity of a meter"
            yield Problem(
                ("meter",),
                f"{message}, or one that subscriptions give (quantity)" if model in _BY_QUANTITY else message,
            )
        elif self.quantity is not None and self.meter is not None:
            yield Problem(("quantity",), "does not belong to a price with a meter: remove one of them")
        elif self.quantity is not None and model not in _BY_QUANTITY:
            yield Problem(
                ("quantity",), f"does not belong to a {model} price, which rates usage: name its meter"
            )

    @rule("quantity", "proration")
    def _highest_is_of_a_quantity(self) -> Iterator[Problem]:
        if self.proration is Proration.HIGHEST and self.quantity is None:
            yield Problem(("proration",), "highest belongs to a price with a quantity only: remove it")

    @rule("meter", "quantity", partly=("price",))
    def _timing_is_of_what_is_known(self) -> Iterator[Problem]:
        if self.price.timing in (None, BAD):
            return
        if self.meter is not None:
            yield Problem(
                ("timing",),
                "does not belong to a price with a meter, whose usage is billed when it is over: remove it",
            )
        elif self.quantity is not None and self.price.timing is Timing.ONCE:
            yield Problem(("timing",), "once belongs to a flat price only: leave it out, or say in_advance")

    @rule("proration", partly=("price",))
    def _once_is_not_prorated(self) -> Iterator[Problem]:
        if self.proration is not None and self.price.timing is Timing.ONCE:
            yield Problem(
                ("proration",), "does not belong to a price that is billed once, in full: remove it"
            )

    @rule("meter", "tier_proration")
    def _tiers_are_prorated_of_usage(self) -> Iterator[Problem]:
        if self.tier_proration is not None and self.meter is None:
            yield Problem(("tier_proration",), "belongs to a price with a meter only: remove it")

    @rule("tier_proration", partly=("price",))
    def _allowances_carry_over_of_sums(self) -> Iterator[Problem]:
        if self.tier_proration is TierProration.CARRY_OVER and self.price.needs_events:
            message = (
                "carry_over is not for a price with terms per event: leave it out, or let free events restart"
            )
            yield Problem(("tier_proration",), message)

    @classmethod
    def schema(cls, definitions: Schema) -> Schema:
        """With the meter or quantity that every price has but a flat one."""
        found = super().schema(definitions)
        none, flat = {"type": "null"}, {"properties": {"model": {"const": "flat"}}}
        one = [{"required": [name], "properties": {name: {"not": none}}} for name in ("meter", "quantity")]
        meter = {
            "if": flat,
            "then": {"properties": {"meter": none, "quantity": none}},
            "else": {"oneOf": one},
        }
        return found | {"allOf": [*found["allOf"], meter]}


def usage_problem(price: Price) -> str | None:
    """What is wrong with metering for this price: a meter gives one quantity a line."""
    if price.model is Model.CAPACITY:
        return "needs the quantities of several units, which a meter doesn't give yet"
    return None


def meter_problem(price: Price, meter: Meter) -> str | None:
    """Why a meter can't give what a price needs; None if it can."""
    if price.needs_events and not meter.gives_event_amounts:
        kind = f"a {meter.aggregation}{' that carries over' if meter.carries_over else ''}"
        return (
            "must be a meter with aggregation: sum, without carries_over, whose values are the amounts of events: the price has "
            f"terms per event, and {meter.id!r} is {kind}"
        )
    return None


@dataclass(frozen=True, kw_only=True)
class Plan(Resource, section="plans", count_max=limits.PLANS_MAX):
    """Prices in a currency (ISO 4217), in the order in which their line items are listed; and in `currencies`, by their codes, what
    they are in others.

    A billing period is `billing_period_count` (1 by default) of `billing_period`. effective_from: from when on subscriptions that start get
    this version; None: always, for the first one.
    percent_off, amount_off, spend_discount: off all that a subscription's lines of the plan come to in a billing period.
    commitments: of each subscription that says none of its own. minimum_amount: the same as a commitment for all prices.
    features, limits: what it includes besides (engine.catalog.kinds.entitlements).
    payment_terms_days: how long after its issue an invoice is due, unless the customer says its own; by default 30.
    invoicing_threshold: usage that is not billed yet is invoiced inside the period once it comes to so much, of each subscription that
        says none of its own (engine.billing.running_periods); None: at the end of the period only.
    """

    name: Name
    currency: Annotated[str, CurrencyCode()]
    currencies: Annotated[Mapping[str, PlanCurrency], _CURRENCIES] = field(
        default_factory=lambda: MappingProxyType({})
    )
    billing_period: BillingPeriod = BillingPeriod.MONTH
    billing_period_count: Annotated[int | None, Count(limits.BILLING_PERIOD_COUNT_MAX, at_least=1)] = None
    effective_from: Annotated[
        datetime | None, Instant(limits.SUBSCRIPTION_YEAR_MIN, limits.SUBSCRIPTION_YEAR_MAX)
    ] = None
    prices: Annotated[
        tuple[PlanPrice, ...], ListOf(Nested(PlanPrice), 0, limits.PLAN_PRICES_MAX, unique="id")
    ]
    percent_off: Annotated[Decimal | None, DecimalNumber(positive=True, at_most=100, fraction_digits=12)] = (
        None
    )
    amount_off: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    spend_discount: SpendDiscount | None = None
    minimum_amount: Annotated[Decimal | None, DecimalNumber(positive=True)] = None
    commitments: Annotated[tuple[SpendCommitment, ...], COMMITMENTS] = ()
    payment_terms_days: PaymentTerms = None
    features: PlanFeatures = field(default_factory=lambda: MappingProxyType({}))
    limits: PlanLimits = ()
    invoicing_threshold: Annotated[Decimal | None, DecimalNumber(positive=True, integer_digits=15)] = None

    @rule("currency", "prices")
    def _prices_are_in_its_currency(self) -> Iterator[Problem]:
        for index, each in enumerate(self.prices):
            if each.price.currency != self.currency:
                message = f"is in {each.price.currency}, its plan in {self.currency}"
                yield Problem(("prices", index, "price"), message)

    @rule("currency", "prices", "commitments")
    def _commitments_are_of_its_prices(self) -> Iterator[Problem]:
        found = (
            *overlaps(self.commitments),
            *misfits(self.commitments, self.currency, (each.id for each in self.prices)),
        )
        for problem in found:
            yield Problem(("commitments", *problem.path), problem.message)

    @rule("currency", "amount_off")
    def _amount_off_is_whole_minor_units(self) -> Iterator[Problem]:
        if self.amount_off is not None:
            yield from whole_minor_units("amount_off", self.amount_off, self.currency)

    @rule("currency", "invoicing_threshold")
    def _threshold_is_whole_minor_units(self) -> Iterator[Problem]:
        if self.invoicing_threshold is not None:
            yield from whole_minor_units("invoicing_threshold", self.invoicing_threshold, self.currency)

    @rule("currency", "minimum_amount", "commitments")
    def _has_one_minimum(self) -> Iterator[Problem]:
        if self.minimum_amount is None:
            return
        yield from whole_minor_units("minimum_amount", self.minimum_amount, self.currency)
        for number, each in enumerate(self.commitments):
            if not each.prices:
                message = "does the same as the commitment {} for all prices: remove one of them"
                yield Problem(("minimum_amount",), message.format(number))

    @rule("currency", "features", "limits")
    def _limits_are_its_own(self) -> Iterator[Problem]:
        yield from limit_mistakes(self.limits, self.features, self.currency)

    @rule(
        *("currency", "currencies", "prices", "limits", "features", "amount_off", "spend_discount"),
        *("minimum_amount", "commitments", "invoicing_threshold"),
    )
    def _each_currency_has_all_amounts(self) -> Iterator[Problem]:
        for code, own in self.currencies.items():
            for problem in self._misfits(code, own):
                yield Problem(("currencies", code, *problem.path), problem.message)

    def _misfits(self, code: str, own: PlanCurrency) -> Iterator[Problem]:
        """What is wrong between the plan and one of its currencies; paths are those of the currency."""
        if code == self.currency:
            yield Problem((), "is the plan's own currency: its amounts are those of the plan itself")
            return
        of_spend = [each.id for each in self.limits if each.is_of_spend]
        problems = [
            *(problem for each in self.prices for problem in price_misfits(each.id, each.price, own)),
            *(
                problem
                for each in self.prices
                for problem in rounding_misfits(each.id, each.price, own, self.currency, code)
            ),
            *term_misfits(self._terms, own),
            *names_misfit("prices", own.prices, (each.id for each in self.prices), "price"),
            *names_misfit("limits", own.limits, of_spend, "limit of spend"),
        ]
        missing = (each for each in of_spend if each not in own.limits)
        problems += (Problem(("limits", each), "is missing: the plan limits spend") for each in missing)
        yield from problems
        if not problems:
            try:
                self._in(code, own)
            except FieldsError as error:
                yield from error.problems

    def in_currency(self, code: str | None) -> "Plan | None":
        """The plan with what it costs in a currency, as if that were its own; itself for None; None if it isn't offered in it."""
        if code is None or code == self.currency:
            return self
        own = self.currencies.get(code)
        return None if own is None else self._in(code, own)

    def _in(self, code: str, own: PlanCurrency) -> "Plan":
        """Raises FieldsError with paths of the currency."""
        prices, problems = [], []
        for each in self.prices:
            try:
                prices.append(replace(each, price=own.price(each.id, each.price, code)))
            except FieldsError as error:
                problems += [
                    Problem(("prices", each.id, *found.path), found.message) for found in error.problems
                ]
        if problems:
            raise FieldsError(problems)
        caps = tuple(
            replace(each, amount=own.limits[each.id]) if each.is_of_spend else each for each in self.limits
        )
        no_others: Mapping[str, PlanCurrency] = MappingProxyType({})
        said = {"prices": tuple(prices), "limits": caps, "currencies": no_others, **own.terms}
        try:
            return replace(self, currency=code, **said)
        except FieldsError as error:
            raise FieldsError([self._of_currency(each) for each in error.problems]) from None

    def _of_currency(self, problem: Problem) -> Problem:
        """A problem of this plan in a currency, at its place there."""
        section, *rest = problem.path or ("",)
        if section in ("prices", "limits") and rest and isinstance(rest[0], int):
            rest[0] = getattr(self, str(section))[rest[0]].id
        return Problem((section, *rest), problem.message)

    @property
    def _terms(self) -> Mapping[str, Any]:
        """Its money terms with amounts."""
        return {name: getattr(self, name) for name in TERMS}

    @property
    def currency_codes(self) -> frozenset[str]:
        """Every currency that it is offered in."""
        return frozenset({self.currency, *self.currencies})

    @property
    def discount(self) -> PlanDiscount | None:
        """What is off its lines."""
        found = PlanDiscount(self.currency, self.percent_off, self.amount_off, self.spend_discount)
        return None if found == PlanDiscount(self.currency) else found

    @property
    def all_commitments(self) -> tuple[SpendCommitment, ...]:
        """With the one that `minimum_amount` is."""
        if self.minimum_amount is None:
            return self.commitments
        return (*self.commitments, SpendCommitment(amount=self.minimum_amount))

    @property
    def follows_earlier(self) -> bool:
        """Whether a commitment, in whatever currency, follows from earlier billing periods."""
        others = (each for own in self.currencies.values() for each in own.commitments)
        return any(each.follows_earlier for each in (*self.commitments, *others))

    @property
    def periods(self) -> int:
        """How many of its unit a billing period has."""
        return self.billing_period_count or 1

    @property
    def period_length(self) -> tuple[BillingPeriod, int]:
        """What a billing period is: the unit, and how many of it."""
        return self.billing_period, self.periods
