"""Spend by product, plan, price and meter: sums of the same lines, whatever they are added up by."""

import random
import re
from collections import defaultdict
from fractions import Fraction

import numpy as np
import pytest

from engine.spend.spend import spend_of
from engine.spend.spend_groups import GroupedBy, SpendGroups
from tests.support.billing_cases import history_of, random_case, rated

CASES = 40
NAMES = {
    GroupedBy.PRODUCT: lambda billed: ("", billed.price.product or "", "", ""),
    GroupedBy.PLAN: lambda billed: (billed.plan.id, "", "", ""),
    GroupedBy.PRICE: lambda billed: (billed.plan.id, "", billed.price.id, ""),
    GroupedBy.METER: lambda billed: ("", "", "", billed.meter.resource.id if billed.meter else ""),
}


def with_products(dice, text):
    """Some prices have a label, of which there are two."""
    return re.sub(
        r"\{id: (\w+), (?=model|meter)(?!.*product:)",
        lambda found: (
            f"{{id: {found[1]}, product: {dice.choice(('ads', 'tools'))}, "
            if dice.random() < 0.6
            else found[0]
        ),
        text,
    )


def by_hand(lines, name):
    """Of each group: its amount as a fraction, lines, events, and whether it lacks one."""
    found = defaultdict(lambda: [Fraction(0), 0, 0, False])
    for line in lines:
        its = found[line.charge.billed.effective.currency, *name(line.charge.billed)]
        if line.rated is None:
            its[3] = True
        else:
            its[0] += Fraction(line.rated.amount)
            its[1] += 1
            its[2] += line.event_count
    return {key: tuple(its) for key, its in found.items()}


@pytest.mark.parametrize("grouping", list(GroupedBy))
def test_groups_are_sums_of_the_same_lines(seed, grouping):
    """Over random catalogs, in one stretch of customers and in several."""
    dice = random.Random(f"{seed}-{grouping.value}")
    grouped = 0
    for _ in range(CASES):
        catalog, usage = random_case(dice, with_products)
        whole = rated(catalog, usage)
        expected = by_hand(whole.line_items(np.arange(len(whole))), NAMES[grouping])
        customers = np.array(catalog.subscription_columns.customer_id.to_pylist())
        stretches = [
            rated(catalog, usage, rows=np.flatnonzero(customers == each)) for each in np.unique(customers)
        ]
        for parts in ([whole], stretches):
            groups = SpendGroups(grouping)
            for part in parts:
                groups.add(part)
            found = groups.by_amount()
            assert {
                (
                    each.key.currency,
                    each.key.plan_id,
                    each.key.product,
                    each.key.price_id,
                    each.key.meter_id,
                ): (
                    *(Fraction(each.amount), each.line_item_count, each.event_count),
                    each.incomplete,
                )
                for each in found
            } == expected
            assert found == sorted(found, key=lambda each: (each.key.currency, -each.amount, each.key))
            grouped += len(found)
        # The amounts of a currency add up to its total.
        totals = {each.currency: each.amount for each in spend_of(whole, history_of(catalog, usage)).totals()}
        for currency, total in totals.items():
            own = [Fraction(each.amount) for each in found if each.key.currency == currency]
            assert sum(own) == Fraction(total)
    assert grouped > CASES


def test_sums_past_64_bits_are_exact(seed):
    """A customer's stretch added again and again: as many times its amount, to the last digit."""
    dice = random.Random(seed)
    catalog, usage = random_case(dice, with_products)
    whole = rated(catalog, usage)
    groups, times = SpendGroups(GroupedBy.PLAN), 1_000
    for _ in range(times):
        groups.add(whole)
    expected = by_hand(whole.line_items(np.arange(len(whole))), NAMES[GroupedBy.PLAN])
    assert {(each.key.currency, each.key.plan_id): Fraction(each.amount) for each in groups.by_amount()} == {
        (currency, plan): times * its[0] for (currency, plan, *_), its in expected.items()
    }
