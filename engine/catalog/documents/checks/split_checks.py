"""What revenue splits must hold in a document and in the catalog as it is.

1. A price has one split at a time: two for one price that hold at one time would pay it out twice.
2. Amounts of a split are in the currency of its plans, in all of their versions.
3. A plan has at most PLAN_SPLITS_MAX splits.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from engine.catalog import limits
from engine.catalog.documents.entries import Entry
from engine.catalog.documents.excerpt import Excerpt
from engine.catalog.documents.mistakes import Mistakes
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.revenue_split import RevenueSplit


def check_splits(entries: Sequence[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    """All rules."""
    given = {
        each.resource.id: (each, each.resource) for each in entries if isinstance(each.resource, RevenueSplit)
    }
    plans = {each.resource.id: (each, each.resource) for each in entries if isinstance(each.resource, Plan)}
    if not given and not plans:
        return
    kept = {
        plan: [each for each in splits if each.id not in excerpt.given[RevenueSplit.kind]]
        for plan, splits in excerpt.catalog.revenue_splits_of.items()
    }
    _check_overlaps(given, kept, mistakes)
    for entry, split in given.values():
        for position, plan in enumerate(split.plans):
            for currency in _currencies(plan, split, excerpt, plans):
                message = f"the plan {plan!r} is in {currency}, the amounts are in {split.currency}"
                mistakes.add((*entry.path, "plans", position), message)
                break
    for entry, plan_given in plans.values():
        for split in kept.get(plan_given.id, ()):
            others = plan_given.currency_codes - {split.currency}
            if split.currency is not None and others:
                is_own = plan_given.currency in others
                has = f"the revenue split {split.id!r} has amounts in"
                message = (
                    f"must be {split.currency}: {has} it"
                    if is_own
                    else f"can't be more: {has} {split.currency}"
                )
                mistakes.add((*entry.path, "currency" if is_own else "currencies"), message)


def _check_overlaps(
    given: Mapping[str, tuple[Entry, RevenueSplit]],
    kept: Mapping[str, Sequence[RevenueSplit]],
    mistakes: Mistakes,
) -> None:
    """Rules 1 and 3."""
    before: dict[str, list[RevenueSplit]] = defaultdict(list)
    for entry, split in given.values():
        for position, plan in enumerate(split.plans):
            path = (*entry.path, "plans", position)
            others = (*kept.get(plan, ()), *before[plan])
            if len(others) >= limits.PLAN_SPLITS_MAX:
                mistakes.add(
                    path, f"the plan {plan!r} has {limits.PLAN_SPLITS_MAX} revenue splits, which is most"
                )
                continue
            before[plan].append(split)
            other = next((each for each in others if split.overlaps(each)), None)
            if other is not None:
                where = f"line {given[other.id][0].line}" if other.id in given else "the catalog"
                message = (
                    f"a price of the plan {plan!r} is split by {other.id!r} ({where}) at the same time: "
                    "end the earlier one by the start of the later"
                )
                mistakes.add(path, message)


def _currencies(
    plan: str, split: RevenueSplit, excerpt: Excerpt, plans: Mapping[str, tuple[Entry, Plan]]
) -> Iterator[str]:
    """Those of a plan's versions that a split with amounts isn't in."""
    if split.currency is None:
        return
    versions = excerpt.catalog.plan_versions.get(plan)
    known = [] if versions is None else [each.resource for each in versions.versions]
    if plan in plans:
        known.append(plans[plan][1])
    yield from sorted({code for each in known for code in each.currency_codes} - {split.currency})
