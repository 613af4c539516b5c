"""What credit notes give back of a line, beside an independent computation in fractions: nothing is lost, and nothing given twice."""

import random
from fractions import Fraction

import pytest

from engine.billing.receivables.credit_note import AskedLine, LineAmounts, given_back, part_of, shared_out
from engine.errors import InvalidRequestError
from tests.support.credit_note_cases import line, random_line

NAMES = LineAmounts.__slots__


def by_fractions(total, weights):
    """One unit after the other to whoever lacks most of its exact share, the first of those who lack the same."""
    exact = [Fraction(total * each, sum(weights)) for each in weights]
    shares = [each.__floor__() for each in exact]
    while sum(shares) < total:
        lacking = [a - b for a, b in zip(exact, shares, strict=True)]
        shares[lacking.index(max(lacking))] += 1
    return shares


def expected_part(left, amount):
    """Of a line's amount its discount, its credit, its inner tax in two parts, and the rest; the tax on top by itself."""
    inner = [min(left.included_tax, left.tax), max(0, left.included_tax - left.tax)]
    rest = left.due - left.tax
    discount, credit, owed, freed, net = by_fractions(amount, [left.discount, left.credit, *inner, rest])
    on_top = by_fractions(left.tax - inner[0], [amount, left.amount - amount])[0]
    return line(amount, discount, credit, owed + freed, owed + on_top), net


def test_parts_are_shared_out_by_the_largest_remainder_and_come_to_the_whole_line(seed):
    """Random lines cut into random parts: each part is that of the fractions, none is more than is left, and all come to the line."""
    rng = random.Random(seed)
    for _ in range(1_500):
        whole = left = random_line(rng)
        given = LineAmounts()
        while left.amount:
            amount = rng.choice([left.amount, rng.randint(1, left.amount)])
            part = left if amount == left.amount else part_of(left, amount)
            part.check()
            if amount < left.amount:
                expected, net = expected_part(left, amount)
                assert (part, part.due) == (expected, net + part.tax)
            left, given = left.plus(part, -1), given.plus(part)
            assert all(getattr(each, name) >= 0 for each in (part, left) for name in NAMES), (whole, part)
        assert given == whole


def test_three_thirds_of_a_line_with_a_discount_and_tax_come_to_the_line():
    """10.00 less 2.00, and 19 % of 8.00: 1.52. 3.33 take 0.666 of the discount and 0.50616 of tax, then 0.664 and 0.504."""
    whole, given = line(1000, discount=200, tax=152), LineAmounts()
    parts = []
    for amount in (333, 333, 334):
        own = given_back("INV-000001", "USD", {1: whole}, {1: given}, [AskedLine(1, amount)])[1]
        parts.append((own.discount, own.tax, own.due))
        given = given.plus(own)
    assert parts == [(67, 51, 317), (66, 50, 317), (67, 51, 318)]
    assert given == whole


def test_a_price_that_contains_its_tax_gives_back_what_was_asked():
    """119.00 with 19.00 in it: of 50.00 are 7.98 tax, and 50.00 are owed less."""
    assert part_of(line(11900, included_tax=1900, tax=1900), 5000) == line(5000, 0, 0, 798, 798)


def test_shares_go_to_the_first_of_equal_remainders():
    assert shared_out(1, [1, 1]) == [1, 0]
    assert shared_out(5, [1, 1, 1]) == [2, 2, 1]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([AskedLine(9, 1)], r"lines\[0\].line_number: INV-000001 has no line 9"),
        ([AskedLine(1, 601)], r"lines\[0\].amount: is 6.01: of line 1 of INV-000001 6.00 USD are left"),
        ([AskedLine(2, None)], r"nothing is left of line 2"),
        ([AskedLine(1, 1), AskedLine(1, 2)], r"lines: name a line twice"),
        ([AskedLine(3, 1)], r"gives something back itself: leave the amount out"),
        ([AskedLine(3, None)], r"come to -3.00 USD: there is nothing of INV-000001 to give back"),
        ([AskedLine(4, None)], r"come to 0.00 USD: there is nothing"),
    ],
)
def test_more_than_is_left_is_refused(asked, said):
    """Line 1: 10.00 of which 4.00 are given; 2: all of 5.00; 3 corrects by -3.00; 4 was paid by credit."""
    booked = {1: line(1000), 2: line(500), 3: line(-300), 4: line(100, credit=100)}
    given = {1: line(400), 2: line(500)}
    with pytest.raises(InvalidRequestError, match=said):
        given_back("INV-000001", "USD", booked, given, asked)


def test_all_that_is_left_of_an_invoice_is_all_that_is_left_of_its_lines():
    """6.00 of line 1 and -3.00 of line 3."""
    found = given_back(
        "INV-000001", "USD", {1: line(1000), 2: line(500), 3: line(-300)}, {1: line(400), 2: line(500)}, []
    )
    assert found == {1: line(600), 3: line(-300)}
