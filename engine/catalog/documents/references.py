"""What the entries of a document must hold against each other and against the catalog as it is.

1. A price's meter, a subscription's customer and its plan exist: in the document (even with mistakes of
   their own, so that one mistake is not told twice) or in the catalog.
2. A subscription stays its customer's: under another customer, the id would carry usage and invoices over.
3. A customer is on the same plan once at a time: a second subscription that overlaps would bill the same
   usage twice. Different plans may overlap (a base plan and an add-on), one plan after another too.
4. A matrix price looks its amount up by properties that its meter groups by: another would never be found.
5. The totals of a catalog are bounded.
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
from engine.catalog.kinds.plan import Plan, PlanPrice
from engine.catalog.kinds.resource import Reference
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.snapshots.subscription_columns import NO_END_US
from engine.times import datetime_us
from fields import ListOf, Nested, Path, Record, declaration, did_you_mean


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
        for path, to, given in _references(KINDS[entry.kind], entry.fields):
            if not excerpt.knows(to, given):
                mistakes.add((*entry.path, *path), _no_such(to, given, excerpt, mistakes))


def _references(record: type[Record], given: Mapping[str, object]) -> Iterator[tuple[Path, str, str]]:
    """Path, kind and id of everything that fields refer to, whatever else is wrong with them."""
    kinds = declaration(record).names
    for name, value in given.items():
        kind = kinds.get(name)
        if isinstance(kind, Reference) and isinstance(value, str):
            yield (name,), kind.to, value
        elif isinstance(kind, ListOf) and isinstance(value, list):
            for position, item in enumerate(value):
                if isinstance(kind.item, Reference) and isinstance(item, str):
                    yield (name, position), kind.item.to, item
                elif isinstance(kind.item, Nested) and isinstance(item, dict):
                    for path, to, found in _references(kind.item.record, item):
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
        running = _Running(datetime_us(subscription.start), subscription.id, end_us)
        on_plan[subscription.customer, subscription.plan].append(running)
        before = excerpt.customer_of.get(subscription.id, subscription.customer)
        if before != subscription.customer:
            mistakes.add(
                (*entry.path, "customer"),
                f"can't change from {before!r} to {subscription.customer!r}: "
                "end this subscription and add one with another id",
            )
    for (customer, plan), subscriptions in on_plan.items():
        kept = [each for each in excerpt.subscriptions_of.get(customer, ()) if each.id not in given]
        subscriptions += [_Running(each.start_us, each.id, each.end_us) for each in kept if each.plan == plan]
        for earlier, later in _overlapping(subscriptions):
            at_fault, other = (later, earlier) if later.id in given else (earlier, later)
            where = f"line {given[other.id][0].line}" if other.id in given else "the catalog"
            mistakes.add(
                (*given[at_fault.id][0].path, "start"),
                f"overlaps {other.id!r} ({where}), the same customer on the same plan: "
                "its usage would be billed twice; end the earlier one by the start of the later",
            )


def check_dimensions(entries: Sequence[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    """Rule 4: of the document's plans, and of the catalog's plans under the document's meters."""
    given = {each.resource.id: (each, each.resource) for each in entries if isinstance(each.resource, Meter)}
    given_meters = {key: meter for key, (_, meter) in given.items()}
    catalog = excerpt.catalog
    meters = {**{key: each.resource for key, each in catalog.meters.items()}, **given_meters}
    for entry in entries:
        if isinstance(entry.resource, Plan):
            for position, price, dimension in _ungrouped(entry.resource, meters):
                path = (*entry.path, "prices", position, "dimensions")
                mistakes.add(path, f"{dimension!r} is not in the group_by of the meter {price.meter!r}")
    if not given_meters:
        return
    for plan in (each.resource for key, each in catalog.plans.items() if key not in excerpt.given["plan"]):
        for _, price, dimension in _ungrouped(plan, given_meters):
            where = f"the price {price.id!r} of the plan {plan.id!r} in the catalog"
            path = (*given[str(price.meter)][0].path, "group_by")
            mistakes.add(path, f"must keep {dimension!r}: {where} looks its amounts up by it")


def _ungrouped(plan: Plan, meters: Mapping[str, Meter]) -> Iterator[tuple[int, PlanPrice, str]]:
    """Each dimension of a matrix price that its meter, if it is among `meters`, doesn't group by."""
    for position, price in enumerate(plan.prices):
        meter = None if price.meter is None else meters.get(price.meter)
        if meter is not None:
            for dimension in price.price.dimensions or ():
                if dimension not in meter.group_by:
                    yield position, price, dimension


def _overlapping(subscriptions: Iterable[_Running]) -> Iterator[tuple[_Running, _Running]]:
    """Each subscription that starts before an earlier one has ended, after the one that ends last."""
    last: _Running | None = None
    for each in sorted(subscriptions):
        if last and last.end_us > each.start_us:
            yield last, each
        if last is None or each.end_us > last.end_us:
            last = each
