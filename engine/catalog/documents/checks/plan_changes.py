"""What a new version of a plan means for those who have the plan.

1. Prices that a running subscription has never change. So a plan that is changed is effective, for subscriptions that start,
   from the instant of the apply on, unless it says from when. A version that nobody has yet is replaced: the
   new one is effective from when it would have been.
2. `effective_from` is not before that of the version before, and no running subscription would have the new version: its
   prices would change.
3. The billing period of a plan stays, unless nobody has the plan and the new version replaces all before it.
4. What subscriptions that will have the new version override of its prices must fit them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from engine.catalog.documents.entries import Entry
from engine.catalog.documents.mistakes import Mistakes
from engine.catalog.kinds import definition
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.terms import SubscriptionTerms, overridden
from engine.catalog.snapshots.plan_versions import PlanVersions, effective_us
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.subscription_columns import BY_START, NO_END_US
from engine.catalog.snapshots.versions import Versioned
from engine.times import datetime_us, rfc3339, us_datetime
from fields import FieldsError


@dataclass(frozen=True, eq=False, slots=True)
class _Uses:
    """Every step of a subscription that has a plan, as its own or as an add-on.

    Attributes:
        row: int64[n], whose step it is.
        since_us: int64[n], since when the subscription has the plan.
        version: int64[n], the number of the version that the step names, or BY_START.
        terms: int64[n], the place of the step's terms.
    """

    row: npt.NDArray[np.int64]
    since_us: npt.NDArray[np.int64]
    version: npt.NDArray[np.int64]
    terms: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    @classmethod
    def of(cls, catalog: Catalog, plan_id: str) -> "_Uses":
        columns = catalog.subscription_columns
        own = columns.steps_of_plan(plan_id)
        since = np.full(len(columns.terms), NO_END_US)
        for place, text in enumerate(columns.terms):
            if '"add_ons":' in text and plan_id in text:
                since[place] = SubscriptionTerms.read(text).add_ons_since_us.get(plan_id, NO_END_US)
        added = np.flatnonzero((since != NO_END_US)[columns.step_terms])
        steps = np.concatenate([own, added])
        terms = columns.step_terms[steps].astype(np.int64)
        is_own = np.arange(len(steps)) < len(own)
        return cls(
            columns.rows_of_steps(steps),
            np.where(is_own, columns.step_since_us[steps], since[terms]),
            np.where(is_own, columns.terms_version[terms], BY_START),
            terms,
        )

    def of_newest(self, versions: PlanVersions) -> npt.NDArray[np.int64]:
        """Which of them have the newest of these versions by when the subscription came to the plan."""
        is_newest = versions.places_at(self.since_us) == len(versions.versions) - 1
        return np.flatnonzero(is_newest & (self.version == BY_START))


def effective_plan(plan: Plan, catalog: Catalog, at: datetime) -> Plan:
    """The plan with the instant from which it is effective, if it is another version of one that there is (rule 1)."""
    versions = catalog.plan_versions.get(plan.id)
    if versions is None or plan.effective_from is not None:
        return plan
    kept = replace(plan, effective_from=versions.newest.resource.effective_from)
    if definition(kept) == definition(versions.newest.resource) or not _newest_is_used(catalog, versions, at):
        return kept
    return replace(plan, effective_from=at)


def next_versions(entries: Iterable[Entry], catalog: Catalog, at: datetime) -> Mapping[str, PlanVersions]:
    """The versions of the document's plans as they would be."""
    found: dict[str, PlanVersions] = {}
    for entry in entries:
        if not isinstance(entry.resource, Plan):
            continue
        plan = effective_plan(entry.resource, catalog, at)
        known = catalog.plan_versions.get(plan.id)
        if known is None:
            ended = catalog.ended.get(("plan", plan.id))
            found[plan.id] = PlanVersions.first(Versioned(plan, 1 if ended is None else ended.version + 1, 0))
        elif definition(plan) != definition(known.newest.resource):
            found[plan.id] = known.followed_by(Versioned(plan, known.newest.version + 1, 0))
    return found


def check_plans(
    entries: Sequence[Entry],
    following: Mapping[str, PlanVersions],
    catalog: Catalog,
    at: datetime,
    mistakes: Mistakes,
) -> None:
    """Rules 2 to 4. `following`: as of `next_versions`."""
    for entry in entries:
        plan = entry.resource
        if not isinstance(plan, Plan) or plan.id not in following or plan.id not in catalog.plan_versions:
            continue
        versions, after = catalog.plan_versions[plan.id], following[plan.id]
        uses = _Uses.of(catalog, plan.id)
        _check_effective(entry, uses, after, versions, catalog, at, mistakes)
        before = versions.newest.resource
        is_replaced = effective_us(after.newest.resource) <= int(versions.effective_us[0])
        if before.period_length != plan.period_length and not (is_replaced and not len(uses)):
            mistakes.add(
                (*entry.path, "billing_period"),
                f"can't change from {_words(before)} to {_words(plan)}: earlier versions of this plan are in use, or may be; "
                "make another plan",
            )
        _check_overrides(entry, after, uses.terms[uses.of_newest(after)], catalog, mistakes)


def kept_subscriptions(plan_id: str, catalog: Catalog) -> int:
    """How many subscriptions have a version of the plan that a new one doesn't touch."""
    return len(np.unique(_Uses.of(catalog, plan_id).row))


def _check_effective(
    entry: Entry,
    uses: _Uses,
    after: PlanVersions,
    versions: PlanVersions,
    catalog: Catalog,
    at: datetime,
    mistakes: Mistakes,
) -> None:
    before = versions.newest
    path = (*entry.path, "effective_from")
    if effective_us(after.newest.resource) < effective_us(before.resource):
        known = rfc3339(before.resource.effective_from) if before.resource.effective_from else "always"
        mistakes.add(path, f"is before that of version {before.version} ({known})")
        return
    newest = uses.of_newest(after)
    running = newest[uses.since_us[newest] <= datetime_us(at)]
    if len(running):
        first = running[np.argmin(uses.since_us[running])]
        subscription_id = catalog.subscription_columns.subscription_id[int(uses.row[first])].as_py()
        mistakes.add(
            path,
            f"is not after {rfc3339(us_datetime(int(uses.since_us[first])))}, since when {subscription_id!r} runs on this plan: the "
            "prices of a running subscription don't change; leave it out to begin now, and move subscriptions with "
            "`meterline migrate-subscriptions`",
        )


def _words(plan: Plan) -> str:
    return str(plan.billing_period) if plan.periods == 1 else f"{plan.periods} {plan.billing_period}s"


def _check_overrides(
    entry: Entry, after: PlanVersions, terms: npt.NDArray[np.int64], catalog: Catalog, mistakes: Mistakes
) -> None:
    """Rule 4. `terms`: those of subscriptions that will have the new version, by their places."""
    plan = after.newest.resource
    places = {price.id: place for place, price in enumerate(plan.prices)}
    for text in (catalog.subscription_columns.terms[place] for place in _each_once(terms)):
        if '"overrides":' not in text:
            continue
        read = SubscriptionTerms.read(text)
        priced = after.offered(len(after.versions) - 1, read.currency)
        for price_id, fields in read.overrides.items():
            if price_id not in places or read.plan != plan.id or priced is None:
                continue
            price = priced.prices[places[price_id]]
            try:
                replace(price, price=overridden(price.price, fields))
            except FieldsError as error:
                problem = error.problems[0]
                path = (*entry.path, "prices", places[price_id], *problem.path)
                mistakes.add(path, f"doesn't fit what a subscription overrides of it: {problem.message}")


def _each_once(places: npt.NDArray[np.int64]) -> list[int]:
    found: list[int] = np.unique(places).tolist()
    return found


def _newest_is_used(catalog: Catalog, versions: PlanVersions, at: datetime) -> bool:
    newest, uses = versions.newest, _Uses.of(catalog, versions.newest.resource.id)
    has_begun = uses.since_us <= datetime_us(at)
    return bool(
        (uses.version[has_begun] == newest.version).any() or has_begun[uses.of_newest(versions)].any()
    )
