"""What the terms of a document's subscriptions must hold against the plans that they name.

1. Versions that are named exist, or the document makes them. Prices of quantities and overrides exist in the version that the
   subscription has then; quantities are of prices that have one.
2. An override with the price of that version is a price that its meter can feed, also where a later phase brings another
   version.
3. Commitments are in whole minor units of the plan's currency, and name prices that the subscription has: of the version of its
   plan, or of add-ons. A phase with a plan in another currency, or without such a price, says its own.
4. A threshold is in whole minor units of the currency of the plan that the subscription has then.
5. All plans that a subscription has, one after another and as add-ons, have one billing period.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from engine.catalog.documents.checks.entitlement_checks import entitlement_problems
from engine.catalog.documents.entries import Entry
from engine.catalog.documents.excerpt import Excerpt
from engine.catalog.documents.mistakes import Mistakes
from engine.catalog.documents.references import known_meters
from engine.catalog.kinds.commitment import misfits
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan, PlanPrice, meter_problem
from engine.catalog.kinds.subscription import Subscription, SubscriptionPhase
from engine.catalog.kinds.terms import Step, SubscriptionTerms, instant_us, overridden, steps_of
from engine.catalog.snapshots.plan_versions import NO_VERSION, PlanVersions, held_versions
from fields import FieldsError, Path, Problem, did_you_mean
from rating import whole_minor_units


def check_terms(
    entries: Sequence[Entry],
    subscriptions: Sequence[tuple[Entry, Subscription]],
    following: Mapping[str, PlanVersions],
    excerpt: Excerpt,
    mistakes: Mistakes,
) -> None:
    """All rules. `subscriptions`: the document's, each with the currency that it is billed in; `following`: the versions of plans that the document changes."""
    versions = {**excerpt.catalog.plan_versions, **following}
    meters = known_meters(entries, excerpt)
    for entry, billed in subscriptions:
        for problem in _problems(billed, versions, meters):
            mistakes.add((*entry.path, *problem.path), problem.message)


def _problems(
    subscription: Subscription, versions: Mapping[str, PlanVersions], meters: Mapping[str, Meter]
) -> Iterator[Problem]:
    says_more = (
        subscription.plan_version,
        subscription.quantities,
        subscription.add_ons,
        subscription.overrides,
        subscription.commitments,
        subscription.features,
        subscription.limits,
        subscription.invoicing_threshold,
    )
    if not subscription.phases and all(each is None for each in says_more):
        return
    steps = {step.start: step for step in steps_of(subscription.to_fields())}
    first = versions.get(subscription.plan)
    said: list[tuple[Path, Subscription | SubscriptionPhase]] = [((), subscription)]
    said += [(("phases", number), phase) for number, phase in enumerate(subscription.phases)]
    for path, each in said:
        if path and each.plan is not None and first is not None and each.plan in versions:
            yield from _other_period(
                (*path, "plan"), first.newest.resource, versions[each.plan].newest.resource
            )
        for add_on in each.add_ons or ():
            if first is not None and add_on in versions:
                yield from _other_period(
                    (*path, "add_ons", add_on), first.newest.resource, versions[add_on].newest.resource
                )
        # A phase that begins with the subscription stands in place of the subscription's own terms.
        step = next((step for start, step in steps.items() if _same(start, each)), None)
        if step is not None:
            yield from _of_step(path, each, step, versions, meters)
            yield from _of_commitments(path, each, step, versions)
            yield from entitlement_problems(path, each, step, versions)
            yield from _of_threshold(path, each, step, versions)
    if subscription.currency is None:
        yield from _kept_commitments(said, versions)


def _same(start: str, said: Subscription | SubscriptionPhase) -> bool:
    return datetime.fromisoformat(start) == said.start


def _of_step(
    path: Path,
    said: Subscription | SubscriptionPhase,
    step: Step,
    versions: Mapping[str, PlanVersions],
    meters: Mapping[str, Meter],
) -> Iterator[Problem]:
    terms = SubscriptionTerms.read(step.terms)
    of_plan = versions.get(terms.plan)
    if of_plan is None:
        return
    place = of_plan.place_held(terms.plan_version, instant_us(step.since))
    if place == NO_VERSION:
        yield Problem((*path, "plan_version"), f"the plan {terms.plan!r} has no version {terms.plan_version}")
        return
    plan = of_plan.offered(place, terms.currency)
    if plan is None:  # which engine.catalog.documents.checks.currency_checks tells
        return
    prices = {each.id: each for each in plan.prices}
    for price_id in said.quantities or ():
        if price_id not in prices:
            yield Problem((*path, "quantities", price_id), _no_price(price_id, prices))
        elif prices[price_id].quantity is None:
            yield Problem(
                (*path, "quantities", price_id),
                "does not belong to a price without a quantity of its own: it is flat, or a meter gives it",
            )
    for price_id in said.overrides or ():
        if price_id not in prices:
            yield Problem((*path, "overrides", price_id), _no_price(price_id, prices))
    yield from _of_overrides(path, terms, prices, meters)


def _of_overrides(
    path: Path, terms: SubscriptionTerms, prices: Mapping[str, PlanPrice], meters: Mapping[str, Meter]
) -> Iterator[Problem]:
    for price_id, fields in terms.overrides.items():
        if price_id in prices:
            own = (*path, "overrides", price_id)
            try:
                price = replace(prices[price_id], price=overridden(prices[price_id].price, fields))
            except FieldsError as error:
                for problem in error.problems:
                    yield Problem((*own, *problem.path), problem.message)
                continue
            meter = None if price.meter is None else meters.get(price.meter)
            if meter is not None and (message := meter_problem(price.price, meter)):
                yield Problem((*own, "meter"), message)


def _of_commitments(
    path: Path, said: Subscription | SubscriptionPhase, step: Step, versions: Mapping[str, PlanVersions]
) -> Iterator[Problem]:
    """Rule 3, of what a subscription or a phase says, and of what it keeps under other prices."""
    terms = SubscriptionTerms.read(step.terms)
    of_plan = versions.get(terms.plan)
    if not terms.commitments or of_plan is None:
        return
    held = held_versions(terms, instant_us(step.since), versions)
    prices = {price.id for each in held for price in each.plan.prices}
    if said.commitments:
        currency = terms.currency or of_plan.newest.resource.currency
        for problem in misfits(said.commitments, currency, prices):
            yield Problem((*path, "commitments", *problem.path), problem.message)
        return
    gone = sorted({price for each in terms.commitments for price in each.prices} - prices)
    if gone and path:
        message = f"are still for {gone[0]!r}, which the subscription has no more: say those of this phase, or [] for the plan's"
        yield Problem((*path, "commitments"), message)


def _of_threshold(
    path: Path, said: Subscription | SubscriptionPhase, step: Step, versions: Mapping[str, PlanVersions]
) -> Iterator[Problem]:
    """Rule 4."""
    terms = SubscriptionTerms.read(step.terms)
    of_plan = versions.get(terms.plan)
    if said.invoicing_threshold is not None and of_plan is not None:
        currency = terms.currency or of_plan.newest.resource.currency
        for problem in whole_minor_units("invoicing_threshold", said.invoicing_threshold, currency):
            yield Problem((*path, *problem.path), problem.message)


def _kept_commitments(
    said: Sequence[tuple[Path, Subscription | SubscriptionPhase]], versions: Mapping[str, PlanVersions]
) -> Iterator[Problem]:
    """Rule 3, of phases that say nothing of them, of a subscription that is billed in the currency of each plan."""
    kept, currency = False, ""
    for path, each in said:
        plan = None if each.plan is None else versions.get(each.plan)
        before = currency
        currency = currency if plan is None else plan.newest.resource.currency
        if each.commitments is not None:
            kept = bool(each.commitments)
        elif kept and path and currency != before:
            message = f"is in {currency}, the commitments of the phase before in {before}: say those of this phase, or [] for the plan's"
            yield Problem((*path, "commitments"), message)


def _no_price(price_id: str, prices: Iterable[str]) -> str:
    return f"the plan has no price {price_id!r}{did_you_mean(price_id, list(prices))}"


def _other_period(path: Path, plan: Plan, other: Plan) -> Iterator[Problem]:
    if plan.period_length != other.period_length:
        yield Problem(
            path,
            f"the plan {other.id!r} has another billing period than {plan.id!r}: end this subscription, and begin another "
            "one on that plan",
        )
