"""What the currencies of a document's customers, subscriptions and plans must hold against each other and the catalog.

1. Every plan that a subscription has, its add-ons too, is offered in the currency that it is billed in: its own, or its customer's.
   Without either each plan is billed in its own.
2. What a subscription is billed in stays once it has begun: what is billed can't be billed again in another currency.
3. A customer's currency stays while a subscription is billed by it: periods that are billed already would be in another one.
   A subscription that says its own is free of it.
4. A plan stays offered in the currencies that its subscriptions are billed in.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from engine.catalog.documents.entries import Entry
from engine.catalog.documents.excerpt import Excerpt, stored_currency
from engine.catalog.documents.mistakes import Mistakes
from engine.catalog.kinds.customer import Customer
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.kinds.terms import SubscriptionTerms, instant_us, steps_of
from engine.catalog.snapshots.ended_resources import EndedResource
from engine.catalog.snapshots.plan_versions import PlanVersions, held_versions
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import ResourceState
from engine.times import datetime_us
from fields import Path, Problem


def billed_subscriptions(entries: Sequence[Entry], excerpt: Excerpt) -> list[tuple[Entry, Subscription]]:
    """The document's subscriptions, each with the currency that it is billed in; as it is where that is each plan's own."""
    of_customer = dict(excerpt.currency_of)
    for entry in entries:
        if isinstance(entry.resource, Customer):
            of_customer.pop(entry.resource.id, None)
            if entry.resource.currency is not None:
                of_customer[entry.resource.id] = entry.resource.currency
    found = []
    for entry in entries:
        if isinstance(subscription := entry.resource, Subscription):
            currency = subscription.currency or of_customer.get(subscription.customer)
            is_said = currency == subscription.currency
            found.append((entry, subscription if is_said else replace(subscription, currency=currency)))
    return found


def check_currencies(
    entries: Sequence[Entry],
    subscriptions: Sequence[tuple[Entry, Subscription]],
    following: Mapping[str, PlanVersions],
    excerpt: Excerpt,
    at: datetime,
    mistakes: Mistakes,
) -> None:
    """All rules. `subscriptions`: as of `billed_subscriptions`; `following`: the versions of plans that the document changes; `at`: when
    it is applied.
    """
    versions = {**excerpt.catalog.plan_versions, **following}
    _check_customers(entries, excerpt, mistakes)
    for entry, billed in subscriptions:
        fields = billed.to_fields()
        if billed.currency is not None:
            is_own = entry.fields.get("currency") is not None
            for problem in _offered(fields, billed.currency, versions, is_own=is_own):
                mistakes.add((*entry.path, *problem.path), problem.message)
        if message := _changed(fields, excerpt, versions, at):
            mistakes.add((*entry.path, "currency"), message)
    for entry in entries:
        if isinstance(entry.resource, Plan) and entry.resource.id in excerpt.catalog.plan_versions:
            _check_kept(entry, entry.resource, excerpt.catalog, mistakes)


def _offered(
    fields: Mapping[str, Any], currency: str, versions: Mapping[str, PlanVersions], *, is_own: bool
) -> Iterator[Problem]:
    """Rule 1, of a subscription's fields. `is_own`: whether it says the currency itself. A plan or a version that there isn't is told
    of elsewhere.
    """
    whose = "the subscription's currency" if is_own else "its customer's currency"
    paths: dict[str, Path] = {
        phase["start"]: ("phases", number) for number, phase in enumerate(fields.get("phases", ()))
    }
    told: set[str] = set()
    for step in steps_of(fields):
        terms = SubscriptionTerms.read(step.terms)
        path = paths.get(step.start, ())
        for held in held_versions(terms, instant_us(step.since), versions):
            plan = held.plan.id
            if plan in told or currency in held.plan.currency_codes:
                continue
            told.add(plan)
            yield Problem(
                (*path, "add_ons", plan) if held.is_add_on else (*path, "plan"),
                f"the plan {plan!r} is not offered in {currency}, {whose}: add it to the plan's currencies, or say the "
                "currency of this subscription",
            )


def _changed(
    fields: Mapping[str, Any], excerpt: Excerpt, versions: Mapping[str, PlanVersions], at: datetime
) -> str:
    """Rule 2, of the fields of a subscription with the currency that it is billed in; empty if it holds."""
    key = Subscription.kind, fields["id"]
    known = excerpt.before.get(key) or excerpt.ended.get(key)
    if known is None or (isinstance(known, EndedResource) and known.state != ResourceState.ARCHIVED):
        return ""
    stored, at_us = json.loads(known.definition), datetime_us(at)
    currency = stored.get("currency") or excerpt.currency_of.get(fields["customer"])
    if currency == fields.get("currency") and all(stored.get(name) == fields.get(name) for name in _DECIDING):
        return ""
    if currency is not None:
        stored |= {"currency": currency}
    were, are = _billed_in(stored, excerpt.catalog.plan_versions), _billed_in(fields, versions)
    for since_us, _ in (*were, *are):
        before, after = _at(were, since_us), _at(are, since_us)
        gone = before - after
        if since_us <= at_us and after and gone:
            was, is_now = " and ".join(sorted(gone)), " and ".join(sorted(after))
            return (
                f"can't change from {was} to {is_now} once it has begun: end this subscription, and add one in {is_now} with "
                "another id"
            )
    return ""


_DECIDING: Final = ("start", "plan", "plan_version", "phases", "add_ons")
"""The fields of a subscription, besides its currency, that decide in what it is billed."""
_Timeline = list[tuple[int, frozenset[str]]]


def _billed_in(fields: Mapping[str, Any], versions: Mapping[str, PlanVersions]) -> _Timeline:
    """Since when a subscription is billed in which currencies: those of its plans, in the versions that it has, unless it says one."""
    found: _Timeline = []
    for step in steps_of(fields):
        terms = SubscriptionTerms.read(step.terms)
        held = held_versions(terms, instant_us(step.since), versions)
        own = {each.plan.currency for each in held} if terms.currency is None else {terms.currency}
        found.append((instant_us(step.start), frozenset(own)))
    return found


def _at(timeline: _Timeline, at_us: int) -> frozenset[str]:
    """Nothing before it begins."""
    return next((codes for since_us, codes in reversed(timeline) if since_us <= at_us), frozenset())


def _check_customers(entries: Sequence[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    """Rule 3."""
    changed = {
        each.resource.id: each
        for each in entries
        if isinstance(each.resource, Customer)
        and each.resource.id in excerpt.customers
        and each.resource.currency != excerpt.currency_of.get(each.resource.id)
    }
    if not changed:
        return
    said = {
        each.resource.id
        for each in entries
        if isinstance(each.resource, Subscription) and each.resource.currency
    }
    for customer, subscriptions in excerpt.catalog.subscriptions.of_customers(changed.keys()).items():
        bound = [each.id for each in subscriptions if stored_currency(each.definition) is None]
        left = [each for each in bound if each not in said]
        if left:
            before = excerpt.currency_of.get(customer)
            what = f"can't change from {before}" if before else "can't be given now"
            mistakes.add(
                (*changed[customer].path, "currency"),
                f"{what}: {left[0]!r} is billed by it; say the currency of that subscription first",
            )


def _check_kept(entry: Entry, plan: Plan, catalog: Catalog, mistakes: Mistakes) -> None:
    """Rule 4."""
    columns = catalog.subscription_columns
    needed: set[str] = set()
    for text in columns.terms:
        if '"currency":' in text and plan.id in text:
            terms = SubscriptionTerms.read(text)
            if terms.currency and plan.id in (terms.plan, *terms.add_ons):
                needed.add(terms.currency)
    for code in sorted(needed - plan.currency_codes):
        mistakes.add(
            (*entry.path, "currencies"), f"must keep {code}: a subscription of the plan is billed in it"
        )
