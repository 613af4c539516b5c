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
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from engine.catalog import limits
from engine.catalog.entries import SECTIONS, Entry
from engine.catalog.mistakes import Mistakes
from engine.catalog.read import Path
from engine.catalog.resources import Kind, Meter, Plan, PlanPrice, Subscription
from engine.catalog.snapshot import Catalog
from engine.errors import did_you_mean

_COUNT_MAX: Mapping[Kind, int] = {
    "meter": limits.METERS_MAX,
    "plan": limits.PLANS_MAX,
    "customer": limits.CUSTOMERS_MAX,
    "subscription": limits.SUBSCRIPTIONS_MAX,
}


def check_references(entries: Sequence[Entry], catalog: Catalog, mistakes: Mistakes) -> None:
    """Rules 1 and 5."""
    known: dict[Kind, set[str]] = {}
    for section, kind in SECTIONS.items():
        known[kind] = {
            *catalog.of_kind(kind),
            *(each.id for each in entries if each.kind == kind and each.id),
        }
        if len(known[kind]) > _COUNT_MAX[kind]:
            count = f"{len(known[kind])} {section}, counting those of the catalog"
            mistakes.add((section,), f"there would be {count}; at most {_COUNT_MAX[kind]} are allowed")
    for entry in entries:
        for path, kind, given in _references(entry):
            if given not in known[kind]:
                mistakes.add((*entry.path, *path), _no_such(kind, given, known[kind], mistakes))


def _references(entry: Entry) -> Iterator[tuple[Path, Kind, str]]:
    """Path, kind and id of everything that the entry's fields refer to."""
    prices = entry.fields.get("prices")
    if entry.kind == "plan" and isinstance(prices, list):
        for position, price in enumerate(prices):
            if isinstance(price, Mapping) and isinstance(meter := price.get("meter"), str):
                yield ("prices", position, "meter"), "meter", meter
    if entry.kind == "subscription":
        if isinstance(customer := entry.fields.get("customer"), str):
            yield ("customer",), "customer", customer
        if isinstance(plan := entry.fields.get("plan"), str):
            yield ("plan",), "plan", plan


def _no_such(kind: Kind, given: str, known: Collection[str], mistakes: Mistakes) -> str:
    # Past the bound nobody reads the hints, which are slow to find.
    hint = did_you_mean(given, known) if len(mistakes) < limits.MISTAKES_MAX else ""
    return f"there is no {kind} {given[: limits.ID_BYTES_MAX]!r} in this document or in the catalog{hint}"


def check_subscriptions(entries: Iterable[Entry], catalog: Catalog, mistakes: Mistakes) -> None:
    """Rules 2 and 3."""
    given: dict[str, tuple[Entry, Subscription]] = {
        each.resource.id: (each, each.resource) for each in entries if isinstance(each.resource, Subscription)
    }
    on_plan: dict[tuple[str, str], list[Subscription]] = defaultdict(list)
    for entry, subscription in given.values():
        on_plan[subscription.customer, subscription.plan].append(subscription)
        before = catalog.subscriptions.get(subscription.id)
        if before and before.resource.customer != subscription.customer:
            mistakes.add(
                (*entry.path, "customer"),
                f"can't change from {before.resource.customer!r} to {subscription.customer!r}: "
                "end this subscription and add one with another id",
            )
    for (customer, plan), subscriptions in on_plan.items():
        kept = [each.resource for each in catalog.subscriptions_of(customer)]
        subscriptions += [each for each in kept if each.plan == plan and each.id not in given]
        for earlier, later in _overlapping(subscriptions):
            at_fault, other = (later, earlier) if later.id in given else (earlier, later)
            where = f"line {given[other.id][0].line}" if other.id in given else "the catalog"
            mistakes.add(
                (*given[at_fault.id][0].path, "start"),
                f"overlaps {other.id!r} ({where}), the same customer on the same plan: "
                "its usage would be billed twice; end the earlier one by the start of the later",
            )


def check_dimensions(entries: Sequence[Entry], catalog: Catalog, mistakes: Mistakes) -> None:
    """Rule 4: of the document's plans, and of the catalog's plans under the document's meters."""
    given = {each.resource.id: (each, each.resource) for each in entries if isinstance(each.resource, Meter)}
    given_meters = {key: meter for key, (_, meter) in given.items()}
    meters = {**{key: each.resource for key, each in catalog.meters.items()}, **given_meters}
    for entry in entries:
        if isinstance(entry.resource, Plan):
            for position, price, dimension in _ungrouped(entry.resource, meters):
                path = (*entry.path, "prices", position, "dimensions")
                mistakes.add(path, f"{dimension!r} is not in the group_by of the meter {price.meter!r}")
    given_plans = {each.id for each in entries if each.kind == "plan"}
    for plan in (each.resource for key, each in catalog.plans.items() if key not in given_plans):
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


def _overlapping(subscriptions: list[Subscription]) -> Iterator[tuple[Subscription, Subscription]]:
    """Each subscription that starts before an earlier one has ended, after the one that ends last."""
    last: Subscription | None = None
    for each in sorted(subscriptions, key=lambda one: (one.start, one.id)):
        if last and _ends_after(last.end, each.start):
            yield last, each
        if last is None or (last.end is not None and (each.end is None or each.end > last.end)):
            last = each


def _ends_after(end: datetime | None, instant: datetime) -> bool:
    return end is None or end > instant
