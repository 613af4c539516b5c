"""What follows the lines against the oracle: commitments, credits, taxes, splits and their order; seeds printed."""

import sys
import time
from fractions import Fraction

import numpy as np
import pytest

from rating import LineColumns, SettlementTerms, lines_of_rated, rate, settle
from tests.support.rating.oracle_bridge import charges_of, fractions
from tests.support.rating.oracle_charges import MINOR_UNITS, random_batch
from tests.support.rating.oracle_settle import counted_by
from tests.support.rating.oracle_settle_bridge import actual, settlement_differences
from tests.support.rating.oracle_settlements import random_settlement

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
        case = random_settlement(f"{seed}-splits-{part}-{number}") | {"split_scope": "line"}
        for each in case["splits"]:
            each["base"] = "line"
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


@pytest.mark.parametrize("part", range(2))
def test_a_commitment_billed_in_parts_adds_up_to_the_whole_period(part, seed):
    """Each part knows what earlier ones spent and booked; overage and true-up come to what they do at once."""
    for number in range(SHORT_CASES // 3):
        case = random_settlement(f"{seed}-parts-{part}-{number}")
        fresh = {"final": True, "spent": 0, "booked_overage": 0, "booked_true_up": 0}
        terms = [one | fresh for one in case["commitments"]]
        at_once = adjustments(actual(case | {"commitments": terms}), len(terms))
        billed = [[0, 0] for _ in terms]
        for index in range(0, len(case["lines"]), 5):
            lines = case["lines"][index : index + 5]
            final = index + 5 >= len(case["lines"])
            for own, (overage, true_up) in zip(terms, billed, strict=True):
                own |= {"final": final, "booked_overage": overage, "booked_true_up": true_up}
            found = adjustments(actual(case | {"commitments": terms, "lines": lines}), len(terms))
            billed = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(billed, found, strict=True)]
            for line in lines:
                counts = counted_by(line, terms)
                if counts >= 0:
                    terms[counts]["spent"] += line["amount"]
        assert billed == at_once


def adjustments(tables, count):
    """[overage, true-up] of each commitment, from the lines that they added."""
    result = [[0, 0] for _ in range(count)]
    for kind, row, amount in tables["lines"]:
        if row >= 0:
            result[row][kind == "true_up"] = amount
    return result


@pytest.mark.parametrize("part", range(2))
def test_customers_settled_together_come_to_what_each_comes_to_alone(part, seed):
    """What one customer owes depends on no other customer's lines, grants or commitments."""
    for number in range(SHORT_CASES // 3):
        case = random_settlement(f"{seed}-together-{part}-{number}")
        together = actual(case)
        owners = [line["customer"] for line in case["lines"]]
        owners += [
            case["commitments"][row]["columns"]["customer"] for _, row, _ in together["lines"] if row >= 0
        ]
        for customer in set(owners[: len(case["lines"])]):
            alone = actual(of_customer(case, customer))
            due = [amount for amount, owner in zip(together["due"], owners, strict=True) if owner == customer]
            assert alone["due"] == due


def of_customer(case, customer):
    """The part of a case that is one customer's."""
    return case | {
        "lines": [line for line in case["lines"] if line["customer"] == customer],
        "grants": [grant for grant in case["grants"] if grant["customer"] == customer],
        "commitments": [terms for terms in case["commitments"] if terms["columns"]["customer"] == customer],
    }


def test_rated_charges_become_lines_of_the_same_amounts(seed):
    """From `rate` to `settle`: the rated amounts, in minor units, are what is due where no terms apply."""
    for number in range(20):
        batch = random_batch(f"{seed}-chain-{number}", 60)
        prices = [in_minor_units(price) for price in batch.prices]
        charges = [
            {name: value for name, value in charge.items() if name != "booked"} for charge in batch.charges
        ]
        rated = rate(charges_of(prices, batch.index, charges))
        zeros = np.zeros(60, dtype=np.int64)
        columns = LineColumns(
            customer=zeros, invoice=np.arange(60), at_us=zeros, tax_profile=zeros - 1, split=zeros - 1
        )
        lines = lines_of_rated(rated, [f"price-{place}" for place in range(len(prices))], zeros, columns)
        digits = [MINOR_UNITS[prices[place]["currency"]] for place in batch.index]
        due = settle(lines, SettlementTerms()).due_minor.mantissa.tolist()
        assert [Fraction(minor, 10**places) for minor, places in zip(due, digits, strict=True)] == fractions(
            rated.amount
        )


def in_minor_units(price):
    """The price without a rounding to more or fewer digits than its currency's, which no invoice can show."""
    rounding = {name: value for name, value in price.get("rounding", {}).items() if name != "digits"}
    return price | {"rounding": rounding}
