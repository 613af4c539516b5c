"""A page of usage: every place leads on to the rows behind it, whatever is read at once."""

import bisect
import random

import pytest

from engine.usage.facts.usage_request import Group, Groups, GroupUsage
from engine.usage.query.usage_pages import RowPlace, Wanted, usage_from


class Usage:
    """Some customers with some groups of some windows, and how often it was read."""

    def __init__(self, dice, customers):
        self.groups = [
            [row(customer, (f"g{group}",), window) for window in range(dice.randint(1, 5))]
            for customer in customers
            for group in range(dice.choice((0, 1, 1, 2, 30)))
        ]
        self.customers = customers
        self.reads = 0

    def read(self, customers, groups_max, states_skip):
        """A group has as many states as rows."""
        self.reads += 1
        chosen = [group for group in self.groups if group[0].customer_id in customers]
        while states_skip > 0:
            states_skip -= len(chosen.pop(0))
        assert states_skip == 0
        found = [Group(group[0].customer_id, len(group), group) for group in chosen[:groups_max]]
        return Groups(found, len(chosen) > groups_max)

    def customers_from(self, customer_id, count):
        first = bisect.bisect_left(self.customers, customer_id)
        return self.customers[first : first + count]

    def rows(self):
        return [each for group in self.groups for each in group]


def row(customer, dimensions, window):
    return GroupUsage(customer, dimensions, window, 1, 1, "", 0, 0)


@pytest.mark.parametrize("windows", [1, 700, 5_000, 10_000])
def test_every_place_leads_on_to_all_rows_behind_it(seed, windows):
    """From the first to the last row, in order, each once; and each place is that of its row."""
    dice = random.Random(f"{seed}-{windows}")
    usage = Usage(dice, [f"c{number:02}" for number in range(40)])
    placed = list(usage_from(RowPlace(), Wanted(1_001, windows), usage.read, usage.customers_from))
    assert [each for _, each in placed] == usage.rows()
    for number in dice.sample(range(len(placed)), 20):
        place = placed[number][0]
        assert (
            list(usage_from(place, Wanted(50, windows), usage.read, usage.customers_from)) == placed[number:]
        )


def test_a_page_reads_no_more_than_it_needs(seed):
    """The first row of ten thousand customers costs one read, and a page of theirs a few."""
    usage = Usage(random.Random(seed), [f"c{number:05}" for number in range(10_000)])
    rows = usage_from(RowPlace(), Wanted(501, 720), usage.read, usage.customers_from)
    next(rows)
    assert usage.reads <= 3
    for _ in range(500):
        next(rows)
    assert usage.reads <= 8


def test_nobody_is_a_page_too():
    """No customers, and customers without usage."""
    usage = Usage(random.Random(0), [])
    assert list(usage_from(RowPlace(), Wanted(1, 1), usage.read, usage.customers_from)) == []
    assert list(usage_from(RowPlace(), Wanted(1, 1), lambda *_: Groups([], False), lambda *_: ["a"])) == []


def test_groups_without_rows_are_passed_over():
    """The first two of a customer have states of before the period alone; the third has the row that is asked for."""
    groups = [Group("a", 1, []), Group("a", 1, []), Group("a", 1, [row("a", ("g",), 0)])]

    def read(_customers, _groups_max, states_skip):
        return Groups(groups[states_skip : states_skip + 1], states_skip + 1 < len(groups))

    found = list(usage_from(RowPlace(), Wanted(1, 1), read, lambda *_: ["a"]))
    assert found == [(RowPlace("a", 2, 0), row("a", ("g",), 0))]
