"""What customers' lines come to, the slow and obvious way: what engine.billing.terms is judged by.

Lines come from charge_oracle; terms are read from the catalog's objects, one customer after another, in fractions.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from engine.billing.periods import Period
from tests.support.charge_oracle import lines_by_oracle
from tests.support.commitment_oracle import adjustments, commitments_of, commits
from tests.support.period_oracle import add_months, month_period
from tests.support.plan_discount_oracle import discounted_by_plans
from tests.support.rating.discount_oracle import discounted, half_up, largest_remainders
from tests.support.rating.oracle_settle import split as divide

MINOR = {"USD": 2, "JPY": 0, "KWD": 3, "EUR": 2}
NAMES = ("discounts", "after_discounts", "commitments", "credits", "included_tax", "tax", "due")


def settled_by_oracle(catalog, usage, at, by_line=None):
    """(customer, currency) -> what each of NAMES comes to, a fraction of a unit, in the periods that contain an instant.

    by_line: of each of these invoices is put here what its lines come to, in minor units: (line, after discounts, net, gross).
    """
    found = defaultdict(lambda: dict.fromkeys(NAMES, Fraction(0)))
    current = invoices(catalog, usage, at)
    balances, drawn = {}, {}
    # Every invoice there ever was, since all of them may have drawn on credit.
    ever = all_invoices(catalog, usage, at)
    for key in sorted(ever, key=lambda each: (each[0], *each[2:], each[1])):
        (customer, currency, end, _), lines = key, ever[key]
        unit = 10 ** MINOR[currency]
        taxes = taxes_of(catalog, customer, end)
        grants = credits_of(catalog, customer)
        before = [Fraction(line["amount"] or 0) for line in lines]
        exact = [each * unit for each in before]
        minor = largest_remainders(exact, half_up(sum(exact)))
        of_plans = discounted_by_plans(catalog, lines, minor, unit)
        after = discounted(
            [line_of(line, amount) for line, amount in zip(lines, of_plans, strict=True)],
            discounts_of(catalog, customer, lines, unit),
        )
        added = adjusted(catalog, key, lines, after, drawn)
        for line in added:
            after.append(line.pop("amount"))
        lines = [*lines, *added]
        left = [draw(line, amount, grants, balances) for line, amount in zip(lines, after, strict=True)]
        included, tax = taxed_by_hand(left, *taxes) if taxes else ([0] * len(left), [0] * len(left))
        if by_line is not None and key in current:
            net = [amount - own for amount, own in zip(left, included, strict=True)]
            gross = [amount + own for amount, own in zip(net, tax, strict=True)]
            by_line[key] = list(zip(lines, after, net, gross, strict=True))
        included, tax = sum(included), sum(tax)
        credited = sum(after) - sum(left)
        due = sum(left) - included + tax
        committed = sum(after[len(minor) :])
        parts = (
            sum(minor) - sum(after) + committed,
            sum(after) - committed,
            committed,
            credited,
            included,
            tax,
            due,
        )
        sums = [Fraction(each, unit) for each in parts]
        if key in current and lines:
            for name, each in zip(NAMES, sums, strict=True):
                found[customer, currency][name] += each
    return dict(found)


def subscriptions_of(catalog, customer):
    """By id."""
    found = (each.resource for each in catalog.subscriptions.values())
    return sorted((each for each in found if each.customer == customer), key=lambda each: each.id)


def adjusted(catalog, key, lines, amounts, drawn):
    """The lines that commitments add to an invoice, with their amounts, by subscription: overage, then true-up. drawn: what earlier
    periods have spent, by subscription and term.
    """
    customer, currency, end, start = key
    found = []
    for subscription in subscriptions_of(catalog, customer):
        plan = catalog.plans[subscription.plan].resource
        period = (
            month_period(subscription.start, subscription.end, start) if end > subscription.start else None
        )
        if plan.currency != currency or period != (start, end) or not commits(catalog, subscription):
            continue
        commitments = commitments_of(catalog, subscription, start, 10 ** MINOR[currency])
        spends = [
            (line["price"], amount)
            for line, amount in zip(lines, amounts, strict=True)
            if line["subscription"] == subscription.id
        ]
        for charged in adjustments(commitments, spends, drawn.setdefault((customer, subscription.id), {})):
            for amount in charged:
                if amount:
                    line = {"plan": None, "price": None, "period": Period(start, end), "currency": currency}
                    found.append(line | {"subscription": subscription.id, "amount": amount})
    return found


def all_invoices(catalog, usage, at):
    """As `invoices`, of all periods up to the ones that contain an instant."""
    found = {}
    for months in range(5):
        for key, lines in invoices(catalog, usage, at - timedelta(days=28 * months)).items():
            known = found.setdefault(key, [])
            known += [line for line in lines if line["id"] not in {each["id"] for each in known}]
    for lines in found.values():
        lines.sort(key=lambda line: line["subscription"])
    return found


def credits_of(catalog, customer):
    """(grant, number of the time, from, until) in the order in which they are used."""
    found = []
    for grant in (each.resource for each in catalog.of_kind("credit_grant").values()):
        if grant.customer != customer:
            continue
        if grant.recurs_months is None:
            found.append((grant, 0, grant.effective_at, grant.expires_at))
            continue
        for number in range(40):
            start = add_months(grant.effective_at, number * grant.recurs_months)
            lasts = number * grant.recurs_months + (grant.lasts_months or grant.recurs_months)
            if grant.expires_at is None or start < grant.expires_at:
                found.append((grant, number, start, add_months(grant.effective_at, lasts)))
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(
        found, key=lambda each: (each[0].priority, each[3] or never, each[0].category == "paid", each[2])
    )


def draw(line, amount, grants, balances):
    """What is left of a line; what it drew is off the balances."""
    at = line["period"].end - timedelta(microseconds=1)
    for grant, number, start, end in grants:
        scoped = (not grant.plans or line["plan"] in grant.plans) and (
            not grant.prices or line["price"] in grant.prices
        )
        if start <= at and (end is None or at < end) and scoped and grant.currency == line["currency"]:
            whole = int(grant.amount * 10 ** MINOR[grant.currency])
            taken = min(max(amount, 0), balances.get((grant.id, number), whole))
            balances[grant.id, number] = balances.get((grant.id, number), whole) - taken
            amount -= taken
    return amount


def taxes_of(catalog, customer, end):
    """The rates (percent, inclusive, compound) of an invoice, whether the customer owes them, and the seller's way of prices that
    contain them; None without taxes.
    """
    who = catalog.customers[customer].resource
    if who.tax_region is None or who.tax_exempt:
        return None
    region = catalog.tax_regions[who.tax_region].resource
    at = end - timedelta(microseconds=1)
    rates = [
        (Fraction(each.percent) / 100, each.inclusive, each.compound)
        for each in region.rates
        if (each.start or at) <= at and (each.end is None or at < each.end)
    ]
    home = (
        catalog.seller
        and catalog.seller.tax_region
        and catalog.tax_regions[catalog.seller.tax_region].resource
    )
    vat = [each.value[:2] for each in who.tax_ids if each.type == "eu_vat"]
    abroad = home and region.union and region.union == home.union and region.country != home.country
    reverse = bool(abroad and region.country and home.country and vat == [region.country])
    return rates, reverse, catalog.seller


def taxed_by_hand(amounts, rates, reverse, seller):
    """What each of an invoice's amounts contained, and what its taxes are."""
    on_net = []
    for percent, _, compound in rates:
        on_net.append(percent * (1 + sum(on_net)) if compound else percent)
    contained = sum(share for share, (_, inclusive, _) in zip(on_net, rates, strict=True) if inclusive)
    included, tax = [0] * len(amounts), [0] * len(amounts)
    by_invoice = seller is not None and seller.tax_rounding_scope == "invoice"
    for share, (_, inclusive, _) in zip(on_net, rates, strict=True):
        exact = [amount * share / (1 + contained) for amount in amounts]
        rounded = (
            largest_remainders(exact, half_up(sum(exact)))
            if by_invoice
            else [half_up(each) for each in exact]
        )
        kept = reverse and seller.inclusive_reverse_charge == "keep"
        for place, each in enumerate(rounded):
            tax[place] += 0 if reverse else each
            included[place] += each if inclusive and not kept else 0
    return included, tax


def shares_by_oracle(catalog, parts):
    """(customer, currency, end, start, split, recipient) -> what it has, in minor units; the platform is None."""
    found = {}
    for (customer, currency, end, start), lines in parts.items():
        for split in (each.resource for each in catalog.of_kind("revenue_split").values()):
            at = end - timedelta(microseconds=1)
            if (split.start or at) > at or (split.end is not None and split.end <= at):
                continue
            amounts = [
                {"line": after, "net": net, "gross": gross}[str(split.split_base)]
                for line, after, net, gross in lines
                if line["plan"] in split.plans and (not split.prices or line["price"] in split.prices)
            ]
            if amounts:
                fee, shares = divide(sum(amounts), split_terms(split, 10 ** MINOR[currency]))
                key = customer, currency, end, start, split.id
                found[*key, None] = fee
                found |= {(*key, own.recipient): part for own, part in zip(split.shares, shares, strict=True)}
    return found


def split_terms(split, unit):
    """As the rating core's oracle takes them."""
    percents = [Fraction(each.percent or 0) for each in split.shares]
    return {
        "shares": [
            {"weight": percent, "fixed": int((each.amount or 0) * unit)}
            for each, percent in zip(split.shares, percents, strict=True)
        ],
        "platform_percent": 100 - sum(percents),
        "platform_fixed": int((split.platform_amount or 0) * unit),
        "refund_fixed": False,
        "rounding": str(split.platform_rounding),
    }


def invoices(catalog, usage, at):
    """(customer, currency, end, start) -> its lines."""
    found = defaultdict(list)
    for line in lines_by_oracle(catalog, usage, at):
        period = line["period"]
        found[line["customer"], line["currency"], period.end, period.start].append(line)
    # A subscription that commits has an invoice also without a line.
    for subscription in (each.resource for each in catalog.subscriptions.values()):
        period = month_period(subscription.start, subscription.end, at)
        if period and commits(catalog, subscription) and has_commitments(catalog, subscription, at):
            currency = catalog.plans[subscription.plan].resource.currency
            found.setdefault((subscription.customer, currency, period[1], period[0]), [])
    return found


def has_commitments(catalog, subscription, at):
    """Whether some hold in the period that contains an instant."""
    return bool(commitments_of(catalog, subscription, at, 1))


def line_of(line, amount):
    return {
        "amount": amount,
        "invoice": 0,
        "subscription": line["subscription"],
        "price": (line["plan"], line["price"]),
        "currency": line["currency"],
    }


def redemptions_of(catalog, customer):
    """(subscription or None, redemption), the customer's first."""
    found = [(None, each) for each in catalog.customers[customer].resource.coupons]
    for subscription in sorted(
        (each.resource for each in catalog.subscriptions.values()), key=lambda s: s.id
    ):
        if subscription.customer == customer:
            found += [(subscription, each) for each in subscription.coupons]
    return found


def discounts_of(catalog, customer, lines, unit):
    """Those of one invoice, in the order of when they were redeemed."""
    found = []
    if not lines:
        return found
    on_invoice = {line["subscription"] for line in lines}
    first = catalog.subscriptions[lines[0]["subscription"]].resource
    for of, redemption in sorted(redemptions_of(catalog, customer), key=lambda each: each[1].start):
        coupon = catalog.coupons[redemption.coupon].resource
        if of is not None and of.id not in on_invoice:
            continue
        period = lines[0]["period"]
        if not redemption.start < period.end or not lasts(coupon, redemption, of or first, period):
            continue
        prices = None
        if coupon.plans or coupon.prices:
            prices = {
                (plan.resource.id, price.id)
                for plan in catalog.plans.values()
                for price in plan.resource.prices
                if plan.resource.id in (coupon.plans or [plan.resource.id])
                and price.id in (coupon.prices or [price.id])
            }
        discount = {"invoice": 0, "subscription": -1 if of is None else of.id, "prices": prices}
        if coupon.percent_off is not None:
            discount["percent"] = Fraction(coupon.percent_off)
        else:
            discount |= {"amount": int(coupon.amount_off * unit), "currency": coupon.currency}
        found.append(discount)
    return found


def lasts(coupon, redemption, subscription, period):
    """Whether one of the coupon's periods is this: counted on the subscription's months, from the one with the start."""
    if coupon.periods is None:
        return True
    number = next(n for n in range(1000) if add_months(subscription.start, n) == period.start)
    redeemed = -1000
    while add_months(subscription.start, redeemed + 1) <= redemption.start:
        redeemed += 1
    return number - redeemed < coupon.periods
