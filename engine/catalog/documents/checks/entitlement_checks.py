"""What a subscription says of features and limits, against the plans that it has then.

1. A limit that is changed is one of its plan, or of an add-on, in the version that it has; with the changed fields it is a limit.
2. A feature is one of some plan of the catalog: another would be a typing mistake, and never be asked for.
3. A limit of an add-on adds to its plan's of the same id only where both are of one meter, or of spend in one currency.
"""

from collections.abc import Iterator, Mapping

from engine.catalog.kinds.entitlements.plan_limit import PlanLimit, added_limits, changed_limit
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.subscription import Subscription, SubscriptionPhase
from engine.catalog.kinds.terms import Step, SubscriptionTerms, instant_us
from engine.catalog.snapshots.plan_versions import PlanVersions, held_versions
from fields import FieldsError, Path, Problem, did_you_mean
from rating import whole_minor_units


def entitlement_problems(
    path: Path,
    said: Subscription | SubscriptionPhase,
    step: Step,
    versions: Mapping[str, PlanVersions],
) -> Iterator[Problem]:
    """All rules, of what a subscription or a phase says; `step`: what holds with it."""
    terms = SubscriptionTerms.read(step.terms)
    held = [*_held(terms, instant_us(step.since), versions)]
    if len(held) < 1 + len(terms.add_ons):
        # A plan that is missing, has mistakes or isn't offered in the currency is told of elsewhere.
        return
    if said.add_ons or said.limits:
        yield from _misfits(path, held)
    known = added_limits((plan.limits, times) for plan, times in held)
    for limit_id, fields in (said.limits or {}).items():
        where = (*path, "limits", limit_id)
        if limit_id not in known:
            message = f"neither the plan nor an add-on has a limit {limit_id!r}{did_you_mean(limit_id, list(known))}"
            yield Problem(where, message)
            continue
        yield from _changed(where, known[limit_id], fields, held[0][0].currency)
    if said.features:
        features = {name for each in versions.values() for name in each.newest.resource.features}
        for name in said.features:
            if name not in features:
                message = f"no plan has a feature {name!r}{did_you_mean(name, list(features))}"
                yield Problem((*path, "features", name), message)


def _held(
    terms: SubscriptionTerms, since_us: int, versions: Mapping[str, PlanVersions]
) -> Iterator[tuple[Plan, int]]:
    """The versions of plans that terms come to, in their currency, and how many times; its own first."""
    for held in held_versions(terms, since_us, versions):
        found = held.versions.offered(held.place, terms.currency)
        if found is not None:
            yield found, held.times


def _misfits(path: Path, held: list[tuple[Plan, int]]) -> Iterator[Problem]:
    """Rule 3."""
    first: dict[str, tuple[Plan, PlanLimit]] = {}
    for plan, _ in held:
        for each in plan.limits:
            before, known = first.setdefault(each.id, (plan, each))
            if before.id == plan.id or each.meter != known.meter:
                same = each.meter == known.meter
            else:
                same = not each.is_of_spend or plan.currency == before.currency
            if not same:
                what = f"the limit {each.id!r} is of something else than that of the plan {before.id!r}"
                yield Problem((*path, "add_ons", plan.id), f"{what}: they don't add up")


def _changed(where: Path, limit: PlanLimit, fields: Mapping[str, object], currency: str) -> Iterator[Problem]:
    try:
        changed = changed_limit(limit, fields)
    except FieldsError as error:
        for problem in error.problems:
            yield Problem((*where, *problem.path), problem.message)
        return
    if changed.amount is not None:
        for problem in whole_minor_units("amount", changed.amount, currency):
            yield Problem((*where, *problem.path), problem.message)
