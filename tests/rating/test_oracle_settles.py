"""What follows the lines against the oracle: commitments, credits, taxes, splits and their order; seeds printed."""

import sys
import time

import pytest
from oracle_settle_bridge import actual, settlement_differences
from oracle_settlements import random_settlement

SHORT_CASES = 150
LONG_PARTS, LONG_CASES = 2, 5000


@pytest.mark.parametrize("part", range(2))
def test_the_core_settles_random_invoices_as_the_oracle_does(part, seed):
    """Adjustments, every consumption of credit, every tax, fee and share, and what is due are equal."""
    for number in range(SHORT_CASES):
        name = f"{seed}-settle-{part}-{number}"
        assert not list(settlement_differences(name, random_settlement(name)))


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(LONG_PARTS))
def test_the_core_settles_ten_thousand_random_invoices_as_the_oracle_does(part, seed, capsys):
    """Two parts of five thousand settlements each, of up to two dozen lines."""
    found: list[str] = []
    began = time.monotonic()
    for number in range(1, LONG_CASES + 1):
        name = f"{seed}-settle-long-{part}-{number}"
        found += settlement_differences(name, random_settlement(name))
        if number % 1000 == 0:
            with capsys.disabled():
                told = f"{number} settlements, {len(found)} differences, {time.monotonic() - began:.0f} s"
                sys.stderr.write(f"\nseed {seed} part {part}: {told}")
    assert not found[:5]


@pytest.mark.parametrize("part", range(2))
def test_credits_never_exceed_their_grant_nor_their_line(part, seed):
    """Over random settlements: what a grant gives is at most its balance, what a line takes at most its amount."""
    for number in range(SHORT_CASES):
        case = random_settlement(f"{seed}-credits-{part}-{number}") | {"credits_apply": "before_tax"}
        tables = actual(case)
        given, taken = {}, {}
        for line, grant, amount in tables["credits"]:
            assert amount > 0
            given[grant] = given.get(grant, 0) + amount
            taken[line] = taken.get(line, 0) + amount
        assert all(amount <= case["grants"][grant]["balance"] for grant, amount in given.items())
        assert all(amount <= tables["lines"][line][2] for line, amount in taken.items())


@pytest.mark.parametrize("part", range(2))
def test_fees_and_shares_of_a_split_add_up_to_its_amount(part, seed):
    """Over random settlements: platform fee plus shares is the line's amount, exactly, for every line with a split."""
    for number in range(SHORT_CASES):
        case = random_settlement(f"{seed}-splits-{part}-{number}") | {"split_base": "line"}
        tables = actual(case)
        shared = list(tables["fees"])
        for line, _, amount in tables["shares"]:
            shared[line] += amount
        with_split = {line for line, _, _ in tables["shares"]}
        assert all(shared[line] == tables["lines"][line][2] for line in with_split)


@pytest.mark.parametrize("part", range(2))
def test_net_and_taxes_of_a_line_add_up_to_its_gross(part, seed):
    """Over random settlements, whatever the rounding and its scope."""
    for number in range(SHORT_CASES):
        tables = actual(random_settlement(f"{seed}-taxes-{part}-{number}"))
        gross = list(tables["net"])
        for line, _, _, amount in tables["taxes"]:
            gross[line] += amount
        assert gross == tables["gross"]
