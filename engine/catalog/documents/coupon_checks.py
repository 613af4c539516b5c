"""What coupons and their redemptions must hold in a document and in the catalog as it is.

1. A redemption starts in the time in which its coupon may be redeemed.
2. No coupon is redeemed more often than it may be: a redemption counts as long as a customer or a subscription has it. It
   is checked in the transaction of the apply, so that two at once don't share the last one.
3. A price that a coupon, a credit grant or a revenue split names is one of a plan that it is for: a misspelled one would do nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from engine.catalog.documents.entries import Entry
from engine.catalog.documents.excerpt import Excerpt
from engine.catalog.documents.mistakes import Mistakes
from engine.catalog.kinds import read_definition
from engine.catalog.kinds.coupon import Coupon, Redemption
from engine.catalog.kinds.credit_grant import CustomerCredit
from engine.catalog.kinds.customer import Customer
from engine.catalog.kinds.plan import Plan
from engine.catalog.kinds.revenue_split import RevenueSplit
from engine.catalog.kinds.subscription import Subscription
from fields import did_you_mean


def check_coupons(entries: Sequence[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    """Rules 1 to 3."""
    given = {each.resource.id: each.resource for each in entries if isinstance(each.resource, Coupon)}
    _check_prices(entries, excerpt, mistakes)
    coupons: Mapping[str, Coupon] = {
        **{key: each.resource for key, each in excerpt.catalog.coupons.items()},
        **given,
    }
    redeemed: dict[str, list[tuple[Entry, int]]] = defaultdict(list)
    for entry, position, redemption in _redemptions(entries):
        redeemed[redemption.coupon].append((entry, position))
        coupon = coupons.get(redemption.coupon)
        if coupon is not None and not coupon.may_start(redemption.start):
            message = f"{redemption.start:%Y-%m-%d} is not in the time in which {coupon.id!r} may be redeemed"
            mistakes.add((*entry.path, "coupons", position, "start"), message)
    limited = {
        key: limit
        for key in {*given, *redeemed}
        if key in coupons and (limit := coupons[key].redemptions_max) is not None
    }
    kept = _kept(excerpt) if limited else Counter()
    for key, limit in sorted(limited.items()):
        over = kept[key] + len(redeemed[key]) - limit
        if over > 0 and redeemed[key]:
            for entry, position in redeemed[key][-over:]:
                message = f"{key!r} may be redeemed {limit} times, and would be {limit + over} times"
                mistakes.add((*entry.path, "coupons", position, "coupon"), message)
        elif over > 0:
            entry = next(each for each in entries if each.kind == Coupon.kind and each.id == key)
            mistakes.add(
                (*entry.path, "redemptions_max"), f"is {limit}, and it is redeemed {limit + over} times"
            )


def _redemptions(entries: Iterable[Entry]) -> Iterator[tuple[Entry, int, Redemption]]:
    for entry in entries:
        if isinstance(entry.resource, Customer | Subscription):
            for position, redemption in enumerate(entry.resource.coupons):
                yield entry, position, redemption


def _kept(excerpt: Excerpt) -> Counter[str]:
    """How often the catalog has each coupon redeemed, but for what the document gives anew."""
    catalog = excerpt.catalog
    kept = catalog.customers.redemptions.counts + catalog.subscriptions.redemptions.counts
    owners = (Customer.kind, Subscription.kind)
    for (kind, key), before in excerpt.before.items():
        # Few definitions have coupons, and reading one takes long.
        if kind in owners and key in excerpt.given[kind] and '"coupons":[' in before.definition:
            known = read_definition(kind, before.definition)
            if isinstance(known, Customer | Subscription):
                kept.subtract(each.coupon for each in known.coupons)
    return kept


def _check_prices(entries: Sequence[Entry], excerpt: Excerpt, mistakes: Mistakes) -> None:
    """Rule 3: of the document's terms."""
    scoped = (Coupon, CustomerCredit, RevenueSplit)
    named = [each for each in entries if isinstance(each.resource, scoped) and each.resource.prices]
    if not named:
        return
    plans = {key: each.resource for key, each in excerpt.catalog.plans.items()}
    plans |= {each.resource.id: each.resource for each in entries if isinstance(each.resource, Plan)}
    broken = {each.id for each in entries if each.kind == Plan.kind and each.resource is None}
    prices = {key: {price.id for price in plan.prices} for key, plan in plans.items()}
    for entry in named:
        coupon = entry.resource
        if isinstance(coupon, scoped) and not broken.intersection(coupon.plans or broken):
            known = set().union(*(prices.get(plan, ()) for plan in coupon.plans or prices))
            for position, price in enumerate(coupon.prices):
                if price not in known:
                    where = "its plans have" if coupon.plans else "a plan has"
                    message = f"no price {price!r} is among those that {where}{did_you_mean(price, known)}"
                    mistakes.add((*entry.path, "prices", position), message)
