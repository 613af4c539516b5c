"""Commitments and discounts of plans by dice, for the catalogs of billing_cases."""

import re
from datetime import UTC, datetime, timedelta

from tests.support.billing_cases import AT
from tests.support.terms_cases import with_credit


def with_all_terms(dice, text):
    """Coupons, taxes and credit besides."""
    return with_commitments(dice, with_credit(dice, text))


def with_commitments(dice, text):
    """Plans and subscriptions with commitments of every kind, and phases that change them."""
    prices = {
        match[1]: re.findall(r"\{id: (\w+),", match[2])
        for match in re.finditer(r"\{id: (p\d), name: P, currency: \w+, prices: \[(.*)\]\}\n", text)
    }

    def of_plan(match):
        more = f", commitments: {some(dice, prices[match[2]])}" if dice.random() < 0.4 else ""
        if not more and dice.random() < 0.5:
            more = f", minimum_amount: {dice.choice((1, 77, 10**6))}"
        return f"{match[1]}{more}{discounts(dice)}}}\n"

    def of_subscription(match):
        if match[2] not in prices:
            return match[0]
        own = each_of_some(dice, prices[match[2]])
        more = f", commitments: {part_of(dice, own)}" if dice.random() < 0.4 else ""
        if dice.random() < 0.4:
            more += f", phases: [{', '.join(phases(dice, own, prices[match[2]], match))}]"
        return f"{match[1]}{more}}}\n"

    text = re.sub(r"(  - \{id: (p\d), name: P,.*\])\}\n", of_plan, text)
    pattern = r"(  - \{customer: \w+, plan: (\w+), start: ([\d-]+)[^}\n]*)\}\n"
    return re.sub(pattern, of_subscription, text)


def discounts(dice):
    """Of a plan, none or several."""
    found = ""
    if dice.random() < 0.3:
        found += f', percent_off: "{dice.choice(("10", "33.3", "100", "0.125"))}"'
    if dice.random() < 0.3:
        found += f", amount_off: {dice.choice((1, 7, 10**6))}"
    if dice.random() < 0.3:
        bounds = sorted(dice.sample((1, 5, 20, 10**3, 10**9, 10**25), dice.randint(0, 3)))
        tiers = [f"{{up_to: {each}, percent_off: {dice.choice((0, 5, 50))}}}" for each in bounds]
        tiers.append(f"{{percent_off: {dice.choice((0, 10, 12.5, 100))}}}")
        mode = dice.choice(("", "mode: volume, ", "mode: graduated, "))
        found += f", spend_discount: {{{mode}tiers: [{', '.join(tiers)}]}}"
    return found


def phases(dice, own, prices, subscription):
    """One to three that pause or not, with some of the subscription's own commitments, or with others."""
    start = datetime.fromisoformat(subscription[3]).replace(tzinfo=UTC)
    end = re.search(r"end: ([\d-]+)", subscription[0])
    end = AT + timedelta(days=60) if end is None else datetime.fromisoformat(end[1]).replace(tzinfo=UTC)
    seconds = int((end - start).total_seconds()) - 1
    instants = sorted({dice.randint(0, seconds) for _ in range(dice.randint(1, 3))})
    found = []
    for each in instants:
        commitments = part_of(dice, own) if dice.random() < 0.5 else some(dice, prices)
        pause = ", paused: true" if dice.random() < 0.4 else ""
        found.append(
            f"{{start: {start + timedelta(seconds=each):%Y-%m-%dT%H:%M:%SZ}, commitments: {commitments}{pause}}}"
        )
    return found


def part_of(dice, commitments):
    """A list of some of them."""
    return f"[{', '.join(each for each in commitments if dice.random() < 0.7)}]"


def some(dice, prices):
    """A list of them, none or several."""
    return f"[{', '.join(each_of_some(dice, prices))}]"


def each_of_some(dice, prices):
    """None or several, of which no two name a price."""
    ids, found = dice.sample(prices, len(prices)), []
    for number in range(dice.choice((0, 1, 1, 2, 3))):
        fields = [f"amount: {dice.choice((0, 1, 40, 333, 10**5, 10**24))}"]
        fields.append(f'overage_factor: "{dice.choice(("1", "1", "1.5", "2.125", "1000"))}"')
        if dice.random() < 0.2:
            fields.append("true_up: false")
        if (periods := dice.choice((1, 1, 2, 2, 3, 12))) > 1:
            fields.append(f"periods: {periods}, early_end: {dice.choice(('full', 'prorated'))}")
            if dice.random() < 0.4:
                fields.append(f"renews: {dice.choice(('true', 'false', 'false'))}")
        elif dice.random() < 0.5:
            order = dice.choice(("first", "last"))
            fields.append(f"rollover_periods: {dice.choice((1, 1, 2, 12))}, rollover_order: {order}")
        if number or dice.random() < 0.5:
            named = [ids.pop() for _ in range(dice.randint(1, 2)) if ids]
            if not named:
                continue
            fields.append(f"prices: [{', '.join(named)}]")
        found.append("{" + ", ".join(fields) + "}")
    return found
