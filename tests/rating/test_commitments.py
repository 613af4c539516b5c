"""Commitments: the true-up for less than was committed, the overage factor for more."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random

import numpy as np
import pytest

from fields import FieldsError
from rating.numbers.decimals import DecimalColumn
from rating.numbers.rounding import RoundingMode
from rating.settlement.commitments import Commitment, Commitments, apply_commitments, prorated_minor
from rating.settlement.invoice_lines import InvoiceLines


def commitment(amount="1000", factor="1", currency="USD", **more):
    return Commitment(currency=currency, amount=Decimal(amount), overage_factor=Decimal(factor), **more)


def charged(lines, *terms, subscription=None, **columns):
    """(overage, true-up) of each of the terms, in minor units; one subscription, whole period by default."""
    commitments = Commitments.of(terms, subscription if subscription is not None else [0] * len(terms))
    result = apply_commitments(lines, replace(commitments, **columns))
    return list(
        zip(result.overage_minor.mantissa.tolist(), result.true_up_minor.mantissa.tolist(), strict=True)
    )


def minors(*values):
    return DecimalColumn.of_ints(values)


def test_spend_below_the_commitment_owes_the_shortfall():
    """1000.00 committed, 300.00 + 450.25 spent: 249.75 is due."""
    lines = InvoiceLines.of(["300", "450.25"])
    assert charged(lines, commitment()) == [(0, 249_75)]


def test_spend_equal_to_the_commitment_owes_nothing_more():
    """1000.00 committed and spent, whatever the factor."""
    assert charged(InvoiceLines.of(["1000"]), commitment(factor="1.5")) == [(0, 0)]


def test_spend_beyond_the_commitment_costs_the_factor():
    """1200.00 against 1000.00 at 1.5: 200.00 x 0.5 = 100.00 more, so the 200.00 come to 300.00."""
    assert charged(InvoiceLines.of(["1200"]), commitment(factor="1.5")) == [(100_00, 0)]


def test_a_factor_below_one_is_a_discount_on_what_lies_beyond():
    """200.00 x (0.9 - 1) = -20.00; at factor 0 all that lies beyond is free."""
    lines = InvoiceLines.of(["1200"])
    assert charged(lines, commitment(factor="0.9")) == [(-20_00, 0)]
    assert charged(lines, commitment(factor="0")) == [(-200_00, 0)]


def test_overage_is_rounded_once_by_the_named_mode():
    """0.05 x 0.1 = 0.005 beyond 1000.00: half up 0.01, half even 0.00, up 0.01, down 0.00."""
    lines = InvoiceLines.of(["1000.05"])
    overages = [charged(lines, commitment(factor="1.1", rounding=mode))[0][0] for mode in RoundingMode]
    assert dict(zip(RoundingMode, overages, strict=True)) == {
        "half_up": 1,
        "half_even": 0,
        "up": 1,
        "down": 0,
    }


def test_a_negative_overage_mirrors_the_rounding():
    """0.05 x (0.9 - 1) = -0.005: half away from zero is -0.01."""
    assert charged(InvoiceLines.of(["1000.05"]), commitment(factor="0.9")) == [(-1, 0)]


def test_without_true_up_only_the_factor_applies():
    """A shortfall is forgiven; the overage isn't."""
    assert charged(InvoiceLines.of(["10"]), commitment(true_up=False)) == [(0, 0)]
    assert charged(InvoiceLines.of(["1200"]), commitment(factor="2", true_up=False)) == [(200_00, 0)]


def test_the_true_up_waits_for_the_final_part():
    """Half way through the period 300.00 of 1000.00 owes nothing yet."""
    lines = InvoiceLines.of(["300"])
    assert charged(lines, commitment(), final=np.array([False])) == [(0, 0)]


def test_a_period_without_any_line_owes_its_whole_commitment():
    """A subscription that used nothing has no lines, and owes 1000.00."""
    assert charged(InvoiceLines.of([]), commitment()) == [(0, 1000_00)]


def test_refunds_beyond_the_spend_are_made_up_for():
    """A spend of -50.00 owes 1050.00, so the period comes to 1000.00."""
    assert charged(InvoiceLines.of(["-50"]), commitment()) == [(0, 1050_00)]


def test_parts_of_a_period_add_up_to_the_whole():
    """900.00, then 200.03, then 0.03 at factor 1.1: 0.10 x (0, 100.03, 100.06) = 0, 10.003, 10.006 in all, so
    10.00 is due with the second part, and 10.01 - 10.00 = 0.01 with the third.
    """
    terms = commitment(factor="1.1")
    first = charged(InvoiceLines.of(["900"]), terms, final=np.array([False]))
    second = charged(InvoiceLines.of(["200.03"]), terms, final=np.array([False]), spent_minor=minors(900_00))
    third = charged(
        InvoiceLines.of(["0.03"]), terms, spent_minor=minors(1100_03), overage_minor=minors(10_00)
    )
    assert [first, second, third] == [[(0, 0)], [(10_00, 0)], [(1, 0)]]


def test_late_usage_takes_back_the_true_up_that_it_covers():
    """400.00 was trued up; 150.00 arrive late: 150.00 of it go back. 500.00 late: all 400.00, and 100.00 overage x 0.5."""
    terms = commitment(factor="1.5")
    booked = {"spent_minor": minors(600_00), "true_up_minor": minors(400_00)}
    assert charged(InvoiceLines.of(["150"]), terms, **booked) == [(0, -150_00)]
    assert charged(InvoiceLines.of(["500"]), terms, **booked) == [(50_00, -400_00)]


def test_a_partial_period_commits_its_share():
    """10 of 31 days of 1000.00 is 322.5806..: 322.58 committed, 22.58 short of 300.00."""
    committed = prorated_minor(minors(1000_00), np.array([10]), np.array([0]), np.array([31]))
    assert charged(InvoiceLines.of(["300"]), commitment(), committed_minor=committed) == [(0, 22_58)]


def test_what_is_committed_in_stretches_of_a_period_is_rounded_once():
    """100.00 for 10 of 31 days and 1000.00 for the other 21 are 32.258.. and 677.419..: 709.677.., 709.68; half of 0.01 is 0.01."""
    whole, owner = np.array([31, 2]), np.array([1, 0, 0])
    committed = prorated_minor(minors(1, 100_00, 1000_00), np.array([1, 10, 21]), owner, whole)
    assert committed.mantissa.tolist() == [709_68, 1]


@pytest.mark.parametrize(
    ("currency", "committed", "spent", "expected"),
    [
        ("JPY", "1000", "1005", (3, 0)),  # 5 x 0.5 = 2.5, half up 3
        ("KWD", "1.000", "1.005", (3, 0)),  # 0.005 x 0.5 = 0.0025: 3 thousandths
        ("CLF", "1.0000", "0.9999", (0, 1)),  # one ten-thousandth short
    ],
)
def test_amounts_are_in_the_minor_unit_of_their_currency(currency, committed, spent, expected):
    """0, 3 and 4 decimals."""
    lines = InvoiceLines.of([spent], currency)
    assert charged(lines, commitment(committed, "1.5", currency)) == [expected]


def test_each_line_counts_once_toward_the_commitment_that_names_its_price():
    """60.00 for api count toward the one for api (100.00: 40.00 short), storage 30.00 and the line without a price
    15.00 toward the one for all (50.00: 5.00 short).
    """
    lines = InvoiceLines.of(["60", "30", "15"], price=["api", "storage", None])
    for_api = commitment("100", price_ids=("api", "never used"))
    assert charged(lines, commitment("50"), for_api) == [(0, 5_00), (0, 40_00)]


def test_lines_of_other_subscriptions_and_currencies_do_not_count():
    """Subscription 1 has 10.00 USD; the lines outside subscriptions and in EUR belong to neither commitment."""
    lines = InvoiceLines.of(
        ["10", "20", "40"], ["USD", "USD", "EUR"], subscription=[1, -1, 1], invoice=[0, 0, 1]
    )
    assert charged(lines, commitment("100"), commitment("100"), subscription=[1, 2]) == [
        (0, 90_00),
        (0, 100_00),
    ]


def test_a_commitment_counts_only_lines_in_its_own_currency():
    """30.00 EUR of 100.00 EUR, whichever currency comes first; a commitment in yen has no line at all."""
    for currencies in (["USD", "EUR"], ["EUR", "USD"]):
        amounts = ["40" if code == "USD" else "30" for code in currencies]
        lines = InvoiceLines.of(amounts, currencies, invoice=[0, 1])
        assert charged(lines, commitment("100", currency="EUR")) == [(0, 70_00)]
        assert charged(lines, commitment("100", currency="JPY")) == [(0, 100)]


@pytest.mark.parametrize("scope", [None, ("api",)])
def test_of_two_commitments_for_the_same_prices_the_last_counts(scope):
    """10.00 toward the second, 990.00 short; the first has no spend. No line counts twice."""
    lines = InvoiceLines.of(["10"], price=["api"])
    found = charged(lines, commitment(price_ids=scope), commitment(price_ids=scope))
    assert found == [(0, 1000_00), (0, 990_00)]


def test_a_subscription_has_commitments_in_two_currencies():
    """30.00 EUR of 100.00 EUR, 40.00 USD of 50.00 USD."""
    lines = InvoiceLines.of(["40", "30"], ["USD", "EUR"], invoice=[0, 1])
    found = charged(lines, commitment("100", currency="EUR"), commitment("50", currency="USD"))
    assert found == [(0, 70_00), (0, 10_00)]


def test_amounts_past_64_bits_stay_exact():
    """10**24 x 1.5 beyond 10**24: half of 10**24 + 0.01 rounds up to 5 x 10**23 + 0.01."""
    lines = InvoiceLines.of([10**24, 10**24, "0.01"])
    assert charged(lines, commitment(str(10**24), "1.5")) == [(5 * 10**25 + 1, 0)]


def in_words(spend, terms):
    """(overage, true-up) in cents as the rules say it, in fractions of a dollar."""
    beyond = spend - Fraction(terms.amount)
    extra = max(beyond, 0) * (Fraction(terms.overage_factor) - 1) * 100
    whole, rest = divmod(abs(extra), 1)
    up = {
        RoundingMode.HALF_UP: rest >= Fraction(1, 2),
        RoundingMode.HALF_EVEN: rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2),
        RoundingMode.UP: rest > 0,
        RoundingMode.DOWN: False,
    }[terms.rounding]
    overage = (whole + bool(up)) * (-1 if extra < 0 else 1)
    return overage, max(-beyond, 0) * 100 if terms.true_up else 0


@pytest.mark.parametrize("seed", range(6))
def test_any_commitment_agrees_with_fractions(seed):
    """Random lines and subscriptions, with amounts on both sides of 64 bits."""
    source = Random(seed)
    reach = 10 ** source.choice([4, 9, 22])
    amounts = [Decimal(source.randint(-reach // 5, reach)).scaleb(-2) for _ in range(200)]
    subscription = [source.randrange(20) for _ in amounts]
    terms = [
        commitment(
            str(Decimal(source.randint(0, 12 * reach)).scaleb(-2)),
            str(Decimal(source.randint(0, 3000)).scaleb(-3)),
            true_up=source.random() < 0.8,
            rounding=source.choice(list(RoundingMode)),
        )
        for _ in range(20)
    ]
    results = charged(InvoiceLines.of(amounts, subscription=subscription), *terms, subscription=range(20))
    for owner, (each, result) in enumerate(zip(terms, results, strict=True)):
        own = [Fraction(amount) for amount, of in zip(amounts, subscription, strict=True) if of == owner]
        assert result == in_words(sum(own, Fraction(0)), each)


def test_a_commitment_is_read_from_the_texts_of_a_catalog():
    """As YAML gives them; what is left out has its default."""
    read = Commitment.read(
        {
            "currency": "EUR",
            "amount": "5000.50",
            "overage_factor": "1.5",
            "price_ids": ["api"],
            "true_up": "false",
        }
    )
    assert read == commitment("5000.50", "1.5", "EUR", price_ids=("api",), true_up=False)
    assert Commitment.read({"currency": "JPY", "amount": 5}) == commitment("5", currency="JPY")


def test_every_mistake_in_a_commitment_is_named_at_once():
    """Unknown, missing, unreadable and impossible fields, each by its name."""
    with pytest.raises(FieldsError) as error:
        Commitment.read(
            {"currency": "XYZ", "overage_factor": "-1", "true_up": "maybe", "price_ids": [], "colour": "red"}
        )
    assert "amount: is missing" in str(error.value)
    assert {problem.path for problem in error.value.problems} == {
        ("currency",),
        ("amount",),
        ("overage_factor",),
        ("true_up",),
        ("price_ids",),
        ("colour",),
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", Decimal(-1)),
        ("amount", Decimal("0.001")),
        ("amount", Decimal("NaN")),
        ("amount", 1000.0),
        ("overage_factor", Decimal(1001)),
        ("overage_factor", 1.5),
        ("true_up", 1),
        ("currency", "XAU"),
        ("rounding", "half_up"),
        ("price_ids", ("api", "api")),
    ],
)
def test_an_invalid_commitment_can_not_be_constructed(field, value):
    """Not even directly; the problem names the field."""
    valid = {"currency": "USD", "amount": Decimal(1000)}
    with pytest.raises(FieldsError) as error:
        Commitment(**(valid | {field: value}))
    assert [problem.path for problem in error.value.problems] == [(field,)]


def term_of(*spends, amount="1000", factor="1.5", order=None, **more):
    """(spend so far, before, overage, true-up) of each period of a term, in units; each period is a subscription of its own. `order`: of
    the rows.
    """
    count = len(spends)
    order = np.array(range(count) if order is None else order)
    lines = InvoiceLines.of([str(each) for each in spends], subscription=list(range(count)))
    whole = Commitments.of([commitment(amount, factor)] * count, order)
    columns = {"term": np.zeros(count, dtype=np.int64), "position": order, "final": order == count - 1}
    result = apply_commitments(lines, replace(whole, **columns | more))
    found = (result.spend_minor, result.before_minor, result.overage_minor, result.true_up_minor)
    rows = zip(*((each.mantissa / 100).tolist() for each in found), strict=True)
    return [row for _, row in sorted(zip(order.tolist(), rows, strict=True))]


def test_a_term_is_made_up_for_once_at_its_end():
    """1000.00 over three periods, 700.00 spent: the last one owes 300.00."""
    assert term_of(300, 150, 250) == [(300, 0, 0, 0), (450, 300, 0, 0), (700, 450, 0, 300)]


def test_each_period_of_a_term_has_the_overage_of_its_own_spend():
    """900.00, then 300.00, of which 200.00 lie beyond 1000.00, then 100.00: 200 x 0.5 and 100 x 0.5."""
    assert term_of(900, 300, 100) == [(900, 0, 0, 0), (1200, 900, 100, 0), (1300, 1200, 50, 0)]


def test_a_refund_in_a_term_gives_its_overage_back():
    """1200.00, then -300.00: 200.00 lay beyond, and none does now; 100.00 are left."""
    assert term_of(1200, -300) == [(1200, 0, 100, 0), (900, 1200, -100, 100)]


def test_the_rows_of_a_term_may_be_in_any_order():
    """The last period first; their subscriptions say which lines are whose."""
    assert term_of(900, 300, 100, order=[2, 0, 1]) == term_of(900, 300, 100)


def test_a_term_holds_amounts_past_64_bits():
    """10**20 twice: what lies beyond 10**20 costs half as much again."""
    big = 10**20
    found = term_of(big, big, amount=str(big))
    assert found == [(big, 0, 0, 0), (2 * big, big, big // 2, 0)]


@pytest.mark.parametrize("position", [[0, 2], [1, 2], [0, 0]])
def test_a_term_without_one_of_its_periods_is_refused(position):
    """What is left would be too much."""
    with pytest.raises(ValueError, match="each of its periods once"):
        term_of(1, 2, position=np.array(position))


def test_a_term_and_positions_go_together():
    with pytest.raises(ValueError, match="go together"):
        term_of(1, 2, position=None)
