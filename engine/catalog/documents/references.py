"""What the entries of a document must hold against each other and against the catalog as it is.

1. A price's meter, a subscription's customer and its plan exist: in the document (even with mistakes of
   their own, so that one mistake is not told twice) or in the catalog.
2. A subscription stays its customer's: under another customer, the id would carry usage and invoices over.
3. A customer is on the same plan once at a time, be it as an add-on: a second subscription that overlaps would bill the
   same usage twice. Different plans may overlap (a base plan and an add-on), one plan after another too.
4. A matrix price looks its amount up by properties that its meter groups by: another would never be found. A price with
   terms per event has a meter that gives each event's amount.
5. Tiers carry over a change of prices only where the quantities of the parts add up: of a meter that counts or sums.
6. The totals of a catalog are bounded.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from engine.catalog import limits
from engine.catalog.documents.entries import Entry
from engine.catalog.documents.excerpt import Excerpt
from engine.catalog.documents.mistakes import Mistakes
from engine.catalog.kinds import KINDS
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan, PlanPrice, meter_problem
from engine.catalog.kinds.resource import Reference
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.kinds.terms import plan_spans
from engine.catalog.snapshots.subscription_columns import NO_END_US
from engine.times import datetime_us
from fields import ListOf, MapOf, Nested, Path, Record, declaration, did_you_mean
from rating import TierProration


class _Running(NamedTuple):
    """A subscription's span of time, [start, end); in the order in which the spans of a plan follow each other."""

    start_us: int
    id: str
    end_us: int


def check_references(entries: Iterable[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    """Rules 1 and 5."""
    for kind in KINDS.values():
        if (count := excerpt.count(kind.kind)) > kind.count_max:
            counted = f"{count} {kind.section}, counting those of the catalog"
            mistakes.add((kind.section,), f"there would be {counted}; at most {kind.count_max} are allowed")
    for entry in entries:
        for path, to, given in references_of(KINDS[entry.kind], entry.fields):
            if not excerpt.knows(to, given):
                mistakes.add((*entry.path, *path), _no_such(to, given, excerpt, mistakes))


def references_of(record: type[Record], given: Mapping[str, object]) -> Iterator[tuple[Path, str, str]]:
    """Path, kind and id of everything that fields refer to, whatever else is wrong with them."""
    kinds = declaration(record).names
    for name, value in given.items():
        kind = kinds.get(name)
        if isinstance(kind, Reference) and isinstance(value, str):
            yield (name,), kind.to, value
        elif isinstance(kind, MapOf) and isinstance(kind.name, Reference) and isinstance(value, dict):
            for key in value:
                yield (name, key), kind.name.to, key
        elif isinstance(kind, ListOf) and isinstance(value, list):
            for position, item in enumerate(value):
                if isinstance(kind.item, Reference) and isinstance(item, str):
                    yield (name, position), kind.item.to, item
                elif isinstance(kind.item, Nested) and isinstance(item, dict):
                    for path, to, found in references_of(kind.item.record, item):
                        yield (name, position, *path), to, found


def _no_such(kind: str, given: str, excerpt: Excerpt, mistakes: Mistakes) -> str:
    hint = ""
    # Past the bound nobody reads the hints, which are slow to find.
    if len(mistakes) < limits.MISTAKES_MAX:
        hint = did_you_mean(given, excerpt.given[kind]) or did_you_mean(given, excerpt.catalog.of_kind(kind))
    return f"there is no {kind} {given[: limits.ID_BYTES_MAX]!r} in this document or in the catalog{hint}"


def check_subscriptions(entries: Iterable[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    """Rules 2 and 3."""
    given: dict[str, tuple[Entry, Subscription]] = {
        each.resource.id: (each, each.resource) for each in entries if isinstance(each.resource, Subscription)
    }
    on_plan: dict[tuple[str, str], list[_Running]] = defaultdict(list)
    for entry, subscription in given.values():
        end_us = NO_END_US if subscription.end is None else datetime_us(subscription.end)
        for plan, start_us, until_us in _spans(subscription, end_us):
            on_plan[subscription.customer, plan].append(_Running(start_us, subscription.id, until_us))
        before = excerpt.customer_of.get(subscription.id, subscription.customer)
        if before != subscription.customer:
            mistakes.add(
                (*entry.path, "customer"),
                f"can't change from {before!r} to {subscription.customer!r}: "
                "end this subscription and add one with another id",
            )
    for (customer, plan), subscriptions in on_plan.items():
        for each in excerpt.subscriptions_of.get(customer, ()):
            if each.id not in given:
                spans = each.plan_spans()
                subscriptions += [_Running(start, each.id, end) for name, start, end in spans if name == plan]
        for earlier, later in _overlapping(subscriptions):
            if earlier.id not in given and later.id not in given:
                continue
            at_fault, other = (later, earlier) if later.id in given else (earlier, later)
            where = f"line {given[other.id][0].line}" if other.id in given else "the catalog"
            mistakes.add(
                (*given[at_fault.id][0].path, "start"),
                f"overlaps {other.id!r} ({where}), the same customer on the same plan: "
                "its usage would be billed twice; end the earlier one by the start of the later",
            )


def _spans(subscription: Subscription, end_us: int) -> Sequence[tuple[str, int, int]]:
    if not subscription.phases and not subscription.add_ons:
        return [(subscription.plan, datetime_us(subscription.start), end_us)]
    return plan_spans(subscription.to_fields(), end_us)


def check_meters(entries: Sequence[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    """Rules 4 and 5: of the document's plans, and of the catalog's plans under the document's meters."""
    meters = known_meters(entries, excerpt)
    for entry in entries:
        if isinstance(entry.resource, Plan):
            for position, price, meter in _metered(entry.resource, meters):
                path = (*entry.path, "prices", position)
                for dimension in _ungrouped(price, meter):
                    message = f"{dimension!r} is not in the group_by of the meter {price.meter!r}"
                    mistakes.add((*path, "dimensions"), message)
                if problem := meter_problem(price.price, meter):
                    mistakes.add((*path, "meter"), problem)
                if _has_no_parts_to_carry(price, meter):
                    mistakes.add(
                        (*path, "tier_proration"),
                        f"carry_over needs a meter whose parts add up (count or sum, without carries_over); {meter.id!r} is "
                        "measured anew in each part: leave it out",
                    )
    _check_priced_meters(entries, excerpt, mistakes)


def _check_priced_meters(entries: Sequence[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    given = {each.resource.id: (each, each.resource) for each in entries if isinstance(each.resource, Meter)}
    if not given:
        return
    given_meters = {key: meter for key, (_, meter) in given.items()}
    # Subscriptions have earlier versions, too.
    plans = [each.resource for known in excerpt.catalog.plan_versions.values() for each in known.versions]
    for plan in plans:
        for _, price, meter in _metered(plan, given_meters):
            where = f"the price {price.id!r} of the plan {plan.id!r} in the catalog"
            path = given[meter.id][0].path
            for dimension in _ungrouped(price, meter):
                message = f"must keep {dimension!r}: {where} looks its amounts up by it"
                mistakes.add((*path, "group_by"), message)
            if meter_problem(price.price, meter):
                field = "carries_over" if meter.carries_over else "aggregation"
                message = f"must stay as it is, a sum that doesn't carry over: {where} has terms per event"
                mistakes.add((*path, field), message)
            if _has_no_parts_to_carry(price, meter):
                message = f"must stay one whose parts add up (count or sum, without carries_over): {where} carries its tiers over"
                mistakes.add((*path, "aggregation"), message)


def known_meters(entries: Iterable[Entry], excerpt: Excerpt) -> Mapping[str, Meter]:
    """The meters of the catalog as they will be."""
    given = {each.resource.id: each.resource for each in entries if isinstance(each.resource, Meter)}
    return {**{key: each.resource for key, each in excerpt.catalog.meters.items()}, **given}


def _metered(plan: Plan, meters: Mapping[str, Meter]) -> Iterator[tuple[int, PlanPrice, Meter]]:
    """The prices with one of these meters, each with its place."""
    for position, price in enumerate(plan.prices):
        if price.meter is not None and price.meter in meters:
            yield position, price, meters[price.meter]


def _ungrouped(price: PlanPrice, meter: Meter) -> Iterator[str]:
    """Each dimension of a matrix price that its meter doesn't group by."""
    return (each for each in price.price.dimensions or () if each not in meter.group_by)


def _has_no_parts_to_carry(price: PlanPrice, meter: Meter) -> bool:
    """Whether tiers are to carry over parts whose quantities don't add up."""
    return price.tier_proration is TierProration.CARRY_OVER and not meter.is_additive


def _overlapping(subscriptions: Iterable[_Running]) -> Iterator[tuple[_Running, _Running]]:
    """Each subscription that starts before an earlier one has ended, after the one that ends last."""
    last: _Running | None = None
    for each in sorted(subscriptions):
        if last and last.end_us > each.start_us:
            yield last, each
        if last is None or each.end_us > last.end_us:
            last = each
