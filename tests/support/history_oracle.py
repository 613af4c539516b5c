"""Subscriptions that change, billed one instant at a time in fractions: what segments and proration are judged by.

    python -m tests.support.history_oracle --count 100000 --seed 7

It works out what holds at an instant by reading the phases from the first to the last, cuts a period at every instant at
which anything could change, and shares amounts by exact fractions. Nothing of engine.billing or rating is used.
"""

import argparse
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from tests.support.period_oracle import period_by_oracle

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DIGITS = 12
PLANS_CURRENCY, OTHER_CURRENCY = "USD", "JPY"
MINOR_UNITS = {"USD": 100, "JPY": 1}
AMOUNTS = ("unit_amount", "flat_amount", "package_amount", "minimum_amount")


def bill(subscription, plans, usage, at, zone, currency=None):
    """{(plan, price): (currency, minor units, [(start, end) of each line])} of the period that contains `at`.

    subscription: its fields. plans: plan -> [(version, effective_from or None, prices)], in order. usage: [(instant, units)].
    currency: its customer's.
    """
    currency = subscription.get("currency") or currency or PLANS_CURRENCY
    plan = plans[subscription["plan"]][0][3]
    found = period_by_oracle(
        subscription["start"],
        subscription.get("end"),
        at,
        unit=plan[0],
        count=plan[1],
        zone=zone,
        anchor=subscription.get("anchor"),
    )
    if found is None:
        return {}
    (start, end), whole = found
    cuts = [start, *(each["start"] for each in subscription["phases"] if start < each["start"] < end), end]
    parts = {}
    for low, high in pairwise(cuts):
        for key, terms in items_at(subscription, plans, low, currency):
            is_once = terms[0].get("timing") == "once"
            if is_once and not low <= terms[0]["since"] < high:
                continue
            # What is billed once is apart from what recurs, and counts as it was when it came last in the period.
            runs = parts.setdefault((*key, is_once), [])
            if is_once and runs:
                runs[0] = [terms, runs[0][1], high]
            elif runs and runs[-1][0] == terms and runs[-1][2] == low:
                runs[-1][2] = high
            else:
                runs.append([terms, low, high])
    found = {}
    for (*key, _), of_key in parts.items():
        runs = once_a_period(of_key)
        costs = (
            amount(*run, [each[1:] for each in runs[:number]], whole, usage)
            for number, run in enumerate(runs)
        )
        _, minor, spans = found.get(tuple(key), (currency, 0, []))
        spans = sorted([*spans, *((low, high) for _, low, high in runs)])
        found[tuple(key)] = currency, minor + half_up(sum(costs) * MINOR_UNITS[currency]), spans
    return found


def once_a_period(runs):
    """One run in place of all, where the last one counts in full: with the highest quantity that counts, or its own."""
    fields, quantity, metered, is_free = runs[-1][0]
    kept = fields.get("proration")
    if metered or kept not in ("none", "highest"):
        return runs
    if kept == "highest" and not is_free:
        all_terms = [each[0] for each in runs]
        quantity = max(each[1] for each in all_terms if each[0].get("proration") == "highest" and not each[3])
    return [[({**fields, "in_full": True}, quantity, metered, is_free), runs[0][1], runs[-1][2]]]


def items_at(subscription, plans, instant, currency):
    """What is billed at an instant: ((plan, price), (fields, quantity, whether it is metered, whether it is free))."""
    state = {
        "plan": subscription["plan"],
        "since": subscription["start"],
        "version": subscription.get("plan_version"),
        "quantities": subscription.get("quantities", {}),
        "overrides": subscription.get("overrides", {}),
        "add_ons": {name: (times, subscription["start"]) for name, times in subscription.get("add_ons", {}).items()},
    }  # fmt: skip
    trial = paused = None
    for phase in (each for each in subscription["phases"] if each["start"] <= instant):
        if phase.get("plan", state["plan"]) != state["plan"]:
            state |= {"plan": phase["plan"], "since": phase["start"], "version": None, "overrides": {}}
        state["version"] = phase.get("plan_version", state["version"])
        for name in ("quantities", "overrides"):
            state[name] = phase.get(name, state[name])
        if "add_ons" in phase:
            before = state["add_ons"]
            state["add_ons"] = {
                name: (times, before[name][1] if name in before else phase["start"])
                for name, times in phase["add_ons"].items()
            }
        trial, paused = phase.get("trial"), phase.get("paused")
    version = state["version"] or version_at(plans[state["plan"]], state["since"])
    items = list(prices_of(state["plan"], plans[state["plan"]], version, state, 1, state["since"], currency))
    for name, (times, since) in sorted(state["add_ons"].items()):
        items += prices_of(name, plans[name], version_at(plans[name], since), None, times, since, currency)
    for key, fields, quantity, metered in items:
        if paused and not metered:
            continue
        yield key, (fields, quantity, metered, trial == "free" or (trial == "free_fees" and not metered))


def prices_of(name, versions, version, state, times, since, currency):
    for price in next(each[2] for each in versions if each[0] == version):
        fields = {
            key: value for key, value in price.items() if key not in ("id", "meter", "quantity", "other")
        }
        fields |= price["other"] if currency == OTHER_CURRENCY else {}
        fields |= {"since": since} if "timing" in fields else {}
        quantity = Fraction(price["quantity"]) if "quantity" in price else None
        if state is not None:
            own = state["overrides"].get(price["id"], {})
            if "model" in own:
                # All of the price, but for what is of the plan's: how its tiers go on.
                fields = {name: fields[name] for name in ("tier_proration",) if name in fields}
            fields |= own
            if quantity is not None:
                quantity = Fraction(state["quantities"].get(price["id"], quantity))
        elif "meter" not in price:
            fields = {**fields, "times": times}
        yield (name, price["id"]), fields, quantity, "meter" in price


def version_at(versions, instant):
    """The last one that is effective; before the first, the last of those that are effective with it."""
    effective = [each for each in versions if each[1] is None or each[1] <= instant]
    return (effective or [each for each in versions if each[1] == versions[0][1]])[-1][0]


def amount(terms, low, high, earlier, whole, usage):
    """Of one price in one part of the period. `earlier`: the parts before it that are of the same price, (start, end)."""
    fields, quantity, metered, is_free = terms
    if is_free:
        return Fraction(0)
    ends = [(each - whole[0]) // timedelta(seconds=1) for each in (low, high, whole[1])]
    share = Fraction(1) if "in_full" in fields else Fraction(ends[1] - ends[0], ends[2])

    def prorated(value):
        """The part of a bound, as it is documented: each end of the part rounded to twelve digits."""
        parts = [Fraction(value) * end / ends[2] * 10**DIGITS for end in ends[:2]]
        rounded = [each if end == ends[2] else half_up(each) for each, end in zip(parts, ends, strict=False)]
        return Fraction(rounded[1] - rounded[0], 1) / 10**DIGITS

    times = fields.get("times", 1)
    if fields["model"] == "flat":
        share = Fraction(1) if "timing" in fields else share
        return Fraction(fields["flat_amount"]) * share * times
    if metered:
        kept = fields.get("tier_proration", "prorate")
        units = used(usage, low, high)
        if kept == "carry_over":
            found = carried_on(fields, sum(used(usage, *each) for each in earlier), units, share)
        else:
            found = by_tiers(fields, units, prorated if kept == "prorate" else Fraction, share)
    else:
        found = by_tiers(fields, quantity, Fraction, Fraction(1)) * share
    if "minimum_amount" in fields:
        found = max(found, Fraction(fields["minimum_amount"]) * share)
    return found * times


def used(usage, low, high):
    return Fraction(sum(found for at, found in usage if low <= at < high))


def by_tiers(fields, units, bound, share):
    if fields["model"] == "per_unit":
        return units * Fraction(fields["unit_amount"])
    if fields["model"] == "overage":
        return max(Fraction(0), units - bound(fields["included_units"])) * Fraction(fields["unit_amount"])
    if fields["model"] == "package":
        return packages(fields, units) * Fraction(fields["package_amount"])
    total, low = Fraction(0), Fraction(0)
    rising = [Fraction(0), *(bound(tier["up_to"]) for tier in fields["tiers"] if "up_to" in tier)]
    if any(after <= before for before, after in pairwise(rising)):
        # So short a part that bounds fall together: they stay whole.
        bound = Fraction
    for number, tier in enumerate(fields["tiers"]):
        high = None if "up_to" not in tier else bound(tier["up_to"])
        flat = Fraction(tier.get("flat_amount", 0)) * share
        if fields["model"] == "volume":
            if high is None or units <= high:
                return units * Fraction(tier["unit_amount"]) + flat
            continue
        if number and units <= low:
            break
        inside = units - low if high is None else min(units, high) - low
        total += inside * Fraction(tier["unit_amount"]) + flat
        low = high
    return total


def carried_on(fields, before, units, share):
    """What `units` cost behind those that earlier parts had: each where it comes to lie in the whole period's tiers."""
    so_far = before + units
    if fields["model"] == "per_unit":
        return units * Fraction(fields["unit_amount"])
    if fields["model"] == "overage":
        # What is left of the included units comes off this part's.
        left = max(Fraction(0), Fraction(fields["included_units"]) - before)
        return max(Fraction(0), units - left) * Fraction(fields["unit_amount"])
    if fields["model"] == "package":
        return (packages(fields, so_far) - packages(fields, before)) * Fraction(fields["package_amount"])
    total, low = Fraction(0), Fraction(0)
    for number, tier in enumerate(fields["tiers"]):
        high = Fraction(tier["up_to"]) if "up_to" in tier else max(so_far, low)
        flat = Fraction(tier.get("flat_amount", 0))
        if fields["model"] == "volume":
            if so_far <= high:
                return units * Fraction(tier["unit_amount"]) + flat * share
            continue
        inside = max(Fraction(0), min(so_far, high) - max(before, low))
        total += inside * Fraction(tier["unit_amount"])
        # The first tier is a fee by time; a later one is entered once.
        total += flat * share if number == 0 else flat * (before <= low < so_far)
        low = high
    return total


def packages(fields, units):
    return -(-units // Fraction(fields["package_size"]))


def half_up(value):
    value = Fraction(value)
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


# --- random worlds ------------------------------------------------------------------------------------------------------


def money(dice, cents_max=20_000):
    return f"{dice.randrange(cents_max) / 100:.2f}"


def random_price(dice, price_id, kind):
    prorations = {"flat": ("none",), "seats": ("none", "highest", "highest"), "usage": ()}[kind]
    proration = {"proration": dice.choice(prorations)} if prorations and dice.random() < 0.4 else {}
    if kind == "flat":
        once = {"timing": "once"} if dice.random() < 0.3 else proration
        return {"id": price_id, "model": "flat", "flat_amount": money(dice), **once}
    owner = {"quantity": str(dice.randrange(50))} if kind == "seats" else {"meter": "calls"}
    owner |= proration
    model = dice.choice(("per_unit", "graduated", "graduated", "volume", "package", "overage"))
    found = {"id": price_id, **owner, "model": model}
    if kind == "usage" and dice.random() < 0.6:
        found["tier_proration"] = dice.choice(("carry_over", "carry_over", "restart", "prorate"))
    if model == "package":
        return found | {"package_size": str(dice.randrange(1, 300)), "package_amount": money(dice)}
    if model in ("graduated", "volume"):
        bounds = sorted(dice.sample(range(1, 2_000), dice.randrange(1, 4)))
        tiers = [{"up_to": str(bound), "unit_amount": money(dice, 500)} for bound in bounds]
        tiers.append({"unit_amount": money(dice, 500)})
        if dice.random() < 0.5:
            dice.choice(tiers)["flat_amount"] = money(dice)
        return found | {"tiers": tiers}
    found["unit_amount"] = money(dice, 500)
    if model == "overage":
        found["included_units"] = str(dice.randrange(500))
    if dice.random() < 0.3:
        found["minimum_amount"] = money(dice)
    return found


def other_amounts(dice, price):
    """What a price is in the other currency: the same fields, of tiers with other bounds too."""
    found = {name: money(dice, 90_000) for name in AMOUNTS if name in price}
    if "tiers" in price:
        bounds = sorted(dice.sample(range(1, 2_000), dice.randrange(1, 4)))
        found["tiers"] = [{"up_to": str(bound), "unit_amount": money(dice, 500)} for bound in bounds]
        found["tiers"].append({"unit_amount": money(dice, 500)})
    return found


def random_plans(dice):
    """Plan -> its versions: (number, effective_from, prices, (unit, count)). Those of one letter have one period."""
    plans = {}
    for letter in "mqwd":
        length = {"m": "month", "q": "quarter", "w": "week", "d": "day"}[letter], dice.choice((1, 1, 2, 3))
        for name in (f"{letter}1", f"{letter}2", f"{letter}0"):
            effective, versions = None, []
            kinds = [(f"p{n}", dice.choice(("flat", "seats", "usage"))) for n in range(dice.randrange(1, 4))]
            for number in range(1, dice.randrange(2, 5)):
                prices = [random_price(dice, *kind) for kind in kinds if dice.random() < 0.9]
                prices = [{**each, "other": other_amounts(dice, each)} for each in prices]
                versions.append((number, effective, prices, length))
                step = timedelta(days=dice.randrange(200), seconds=dice.randrange(86_400))
                effective = (effective or datetime(2025, 6, 1, tzinfo=UTC)) + step
            plans[name] = versions
    return plans


def random_subscription(dice, number, plans):
    letter = dice.choice("mmmqwd")
    start = datetime(2025, 9, 1, tzinfo=UTC) + timedelta(seconds=dice.randrange(400 * 86_400))
    if dice.random() < 0.5:
        start = start.replace(hour=0, minute=0, second=0)
    found = {"id": f"s{number}", "customer": f"c{number}", "plan": f"{letter}1", "start": start, "phases": []}
    if dice.random() < 0.2:
        found["end"] = start + timedelta(seconds=dice.randrange(1, 200 * 86_400))
    if dice.random() < 0.3:
        found["currency"] = dice.choice((PLANS_CURRENCY, OTHER_CURRENCY))
    if dice.random() < 0.5:
        found["anchor"] = dice.choice(("calendar", f"2026-01-{dice.randrange(1, 32):02}"))
    found |= random_terms(dice, found["plan"], plans, None)
    plan, at = found["plan"], start
    days_max = dice.choice((8, 40))
    for _ in range(dice.choice((0, 0, 1, 2, 4, 20))):
        at += timedelta(
            seconds=dice.randrange(1, days_max * 86_400), microseconds=dice.choice((0, 0, 123_456))
        )
        if "end" in found and at >= found["end"]:
            break
        phase = {"start": at}
        if dice.random() < 0.4:
            phase["plan"] = plan = dice.choice((f"{letter}1", f"{letter}2"))
        phase |= random_terms(dice, plan, plans, letter)
        if dice.random() < 0.2:
            phase["trial"] = dice.choice(("free", "free_fees"))
        if dice.random() < 0.15:
            phase["paused"] = True
        found["phases"].append(phase)
    return found


def random_terms(dice, plan, plans, letter):
    found = {}
    if dice.random() < 0.15:
        found["plan_version"] = dice.choice(plans[plan])[0]
    priced = {each["id"]: each for version in plans[plan] for each in version[2]}
    seats = [name for name, each in priced.items() if "quantity" in each]
    if seats and dice.random() < 0.5:
        found["quantities"] = {name: str(dice.randrange(100)) for name in seats}
    flats = [name for name, each in priced.items() if each["model"] == "flat"]
    if flats and dice.random() < 0.2:
        found["overrides"] = {dice.choice(flats): {"flat_amount": money(dice)}}
    metered = [name for name, each in priced.items() if "meter" in each]
    if metered and dice.random() < 0.4:
        # Another model, tiers and amounts; the plan says how tiers go on.
        name = dice.choice(metered)
        own = random_price(dice, name, "usage")
        found["overrides"] = {
            name: {key: own[key] for key in own if key not in ("id", "meter", "tier_proration")}
        }
    if letter is not None and dice.random() < 0.15:
        found["add_ons"] = dice.choice(({}, {f"{letter}0": dice.randrange(1, 4)}))
    return found


def random_usage(dice, start):
    return [
        (start + timedelta(seconds=dice.randrange(300 * 86_400)), dice.randrange(1, 400))
        for _ in range(dice.randrange(dice.choice((30, 30, 300))))
    ]


def main(argv=None):
    from tests.support.history_bills import differences

    parser = argparse.ArgumentParser(
        description="Bills random subscriptions' histories with the engine and by fractions."
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(argv)
    began, done, lines = time.monotonic(), 0, 0
    for number in range(given.count // 250 + bool(given.count % 250)):
        found = differences(random.Random(f"{given.seed}-{number}"), 250)
        done += 250
        lines += found.lines
        if found.wrong:
            print(f"seed {given.seed}-{number}: {found.wrong[0]}", file=sys.stderr)
            return 1
        if number % 20 == 0:
            print(
                f"{done:,} histories, {lines:,} charges agree, {time.monotonic() - began:.0f} s", flush=True
            )
    print(f"{done:,} histories, {lines:,} charges: all agree to the cent, {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
