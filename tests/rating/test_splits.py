"""Revenue splits: the platform's fee, then shares that add up to what remains."""

from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from fields import FieldsError
from rating.numbers.decimals import DecimalColumn
from rating.numbers.rounding import RoundingMode
from rating.settlement.invoice_lines import InvoiceLines
from rating.settlement.splits import Share, Split, apply_splits
from tests.support.rating.oracle_numbers import allocated, rounded


def split(weights, percent="0", fixed="0", **more):
    """Recipients r0, r1, ... by their weights; fixed fees are in USD unless told otherwise."""
    shares = tuple(Share(recipient_id=f"r{i}", weight=Decimal(weight)) for i, weight in enumerate(weights))
    terms = {"currency": "USD", "platform_percent": Decimal(percent), "platform_fixed": Decimal(fixed)}
    return Split(shares=shares, **(terms | more))


def divided(amounts, *splits, currency="USD", **columns):
    """(fee, shares...) of each line in minor units; the first split unless `split` says otherwise."""
    lines = InvoiceLines.of(amounts, currency, **({"split": 0} | columns))
    return rows_of(lines, apply_splits(lines, splits))


def rows_of(lines, result):
    rows = [[fee] for fee in result.platform_minor.mantissa.tolist()]
    for line, amount in zip(result.line.tolist(), result.amount_minor.mantissa.tolist(), strict=True):
        rows[line].append(amount)
    for row, amount in zip(rows, lines.amount_minor.mantissa.tolist(), strict=True):
        assert sum(row) == amount or row == [0]
    return [tuple(row) for row in rows]


def test_the_platform_takes_percent_and_fixed_then_the_rest_goes_by_weights():
    """100.00: 2.9 % + 0.30 = 3.20; 96.80 as 3:1 is 72.60 and 24.20."""
    assert divided(["100"], split([3, 1], "2.9", "0.30")) == [(3_20, 72_60, 24_20)]


def test_the_fee_is_rounded_once_with_its_fixed_part():
    """2.5 % of 0.20 is 0.005, + 0.01 = 0.015: half up 0.02, half even 0.02, up 0.02, down 0.01; 0.60: 0.015 + 0.01 =
    0.025: half up 0.03, half even 0.02, up 0.03, down 0.02.
    """
    expected = {"half_up": (2, 3), "half_even": (2, 2), "up": (2, 3), "down": (1, 2)}
    for mode, fees in expected.items():
        rows = divided(["0.20", "0.60"], split([1], "2.5", "0.01", rounding=RoundingMode(mode)))
        assert rows == [(fees[0], 20 - fees[0]), (fees[1], 60 - fees[1])]


def test_the_fee_is_capped_by_the_amount():
    """0.30 fixed of 0.25 is 0.25; of nothing, nothing."""
    assert divided(["0.25", "0"], split([1, 1], "10", "0.30")) == [(25, 0, 0), (0, 0, 0)]


def test_what_does_not_divide_goes_to_the_largest_remainders():
    """1.00 in three: 0.34, 0.33, 0.33. As 1:2:4: 14.28.., 28.57.., 57.14..: 0.14, 0.29, 0.57. By 0.5:0.5:0: halves."""
    splits = [split([1, 1, 1]), split([1, 2, 4]), split(["0.5", "0.5", "0"])]
    rows = divided(["1", "1", "1.01"], *splits, split=[0, 1, 2])
    assert rows == [(0, 34, 33, 33), (0, 14, 29, 57), (0, 51, 50, 0)]


def test_a_refund_mirrors_the_percent_and_keeps_the_fixed_fee():
    """-100.00 at 2.9 % + 0.30: fee -2.90; with refund_fixed -3.20, capped at the amount for -0.10."""
    assert divided(["-100"], split([3, 1], "2.9", "0.30")) == [(-2_90, -72_83, -24_27)]
    returning = split([1], "2.9", "0.30", refund_fixed=True)
    assert divided(["-100", "-0.10"], returning) == [(-3_20, -96_80), (-10, 0)]


@pytest.mark.parametrize(
    ("currency", "amount", "fixed", "expected"),
    [
        ("JPY", "101", "5", (15, 43, 43)),  # 10 % is 10.1, + 5 = 15.1: 15; 86 in halves
        ("KWD", "0.101", "0.005", (15, 43, 43)),
        ("CLF", "0.0101", "0.0005", (15, 43, 43)),
    ],
)
def test_splits_are_in_the_minor_unit_of_the_currency(currency, amount, fixed, expected):
    """0, 3 and 4 decimals."""
    terms = split([1, 1], "10", fixed, currency=currency)
    assert divided([amount], terms, currency=currency) == [expected]


def with_fixed(*shares, **more):
    """Recipients r0, r1, ... by (fixed amount in USD, weight)."""
    made = tuple(
        Share(recipient_id=f"r{i}", fixed=Decimal(fixed), weight=Decimal(weight))
        for i, (fixed, weight) in enumerate(shares)
    )
    return Split(shares=made, **({"currency": "USD"} | more))


def test_fixed_shares_come_first():
    """1.00 to r0; of 99.00 the platform has 30 %, 29.70, and r1 the rest. r0 may have a weight as well: 34.65 more."""
    assert divided(["100"], with_fixed((1, 0), (0, 1), platform_percent=Decimal(30))) == [
        (29_70, 1_00, 69_30)
    ]
    assert divided(["100"], with_fixed((1, 1), (0, 1), platform_percent=Decimal(30))) == [
        (29_70, 35_65, 34_65)
    ]


def test_fixed_shares_take_one_after_another_what_there_is():
    """2.50 and 2.00 of 5.00, 4.00, 2.50, 1.00; without weights the rest is the platform's."""
    rows = divided(["5", "4", "2.50", "1", "0"], with_fixed(("2.50", 0), (2, 0)))
    assert rows == [(50, 2_50, 2_00), (0, 2_50, 1_50), (0, 2_50, 0), (0, 1_00, 0), (0, 0, 0)]


def test_a_refund_returns_fixed_shares_only_if_it_says_so():
    """-100.00 at 30 %: -30.00 and -70.00; with refund_fixed -1.00 first, then 30 % of -99.00."""
    terms = ((1, 0), (0, 1))
    percent = {"platform_percent": Decimal(30)}
    assert divided(["-100"], with_fixed(*terms, **percent)) == [(-30_00, 0, -70_00)]
    assert divided(["-100"], with_fixed(*terms, **percent, refund_fixed=True)) == [(-29_70, -1_00, -69_30)]


def test_lines_without_a_split_are_left_alone():
    """Neither fee nor shares; also when there is no split or no line at all."""
    assert divided(["5", "6"], split([1]), split=[-1, 0]) == [(0,), (0, 6_00)]
    assert divided(["5"], split=-1) == [(0,)]
    assert divided([], split([1])) == []


def test_shares_name_their_recipients():
    """Two splits with a recipient in common."""
    shares = (Share(recipient_id="r1", weight=Decimal(1)), Share(recipient_id="new", weight=Decimal(1)))
    lines = InvoiceLines.of(["2", "2"], split=[0, 1])
    result = apply_splits(lines, [split([1, 1]), Split(shares=shares)])
    assert [result.recipients[index] for index in result.recipient] == ["r0", "r1", "r1", "new"]
    assert result.line.tolist() == [0, 0, 1, 1]


def test_a_fixed_fee_in_another_currency_is_refused():
    """0.30 USD is not a fee on a line in EUR; a percentage is."""
    with pytest.raises(ValueError, match="line 0 is in EUR, the fixed amounts of its split 0 in USD"):
        divided(["5"], split([1], fixed="0.30"), currency="EUR")
    assert divided(["5"], split([1], percent="10"), currency="EUR") == [(50, 4_50)]


def test_amounts_past_64_bits_stay_exact():
    """2.5 % of 10**26 + 1 cents is 25 x 10**23 + 0.025; the rest, 975 x 10**23 + 1, is odd: the first takes one more."""
    lines = InvoiceLines.of(["0"], split=0).with_amounts(DecimalColumn.of_ints([10**26 + 1]))
    rows = rows_of(lines, apply_splits(lines, [split([1, 1], "2.5")]))
    half = (975 * 10**23) // 2
    assert rows == [(25 * 10**23, half + 1, half)]


@pytest.mark.parametrize("seed", range(8))
def test_any_split_agrees_with_fractions(seed):
    """Random amounts of either sign, fees and weights; each line's fee and shares add up to it."""
    source = Random(seed)
    reach = source.choice([50, 10**7, 10**22])
    splits = [
        split(
            [source.randint(0, 9) for _ in range(source.randint(0, 4))] + [source.randint(1, 9)],
            str(Decimal(source.randint(0, 100_000)).scaleb(-3)),
            str(Decimal(source.randint(0, 60)).scaleb(-2)),
            rounding=source.choice(list(RoundingMode)),
            refund_fixed=source.random() < 0.5,
        )
        for _ in range(5)
    ]
    amounts = [source.randint(-reach, 3 * reach) for _ in range(120)]
    chosen = [source.randrange(5) for _ in amounts]
    lines = InvoiceLines.of(["0"] * 120, split=chosen).with_amounts(DecimalColumn.of_ints(amounts))
    for row, amount, index in zip(rows_of(lines, apply_splits(lines, splits)), amounts, chosen, strict=True):
        terms = splits[index]
        sign = -1 if amount < 0 else 1
        fixed = Fraction(terms.platform_fixed) * 100 if amount > 0 or terms.refund_fixed else 0
        exact = abs(amount) * Fraction(terms.platform_percent) / 100 + fixed
        fee = sign * min(rounded(exact, 0, str(terms.rounding)), abs(amount))
        weights = [Fraction(share.weight) for share in terms.shares]
        assert row == (fee, *allocated(amount - fee, weights, 0))


def test_a_split_is_read_from_the_texts_of_a_catalog():
    """What is left out has its default."""
    fields = {
        "currency": "USD",
        "platform_percent": "2.9",
        "platform_fixed": "0.30",
        "shares": [{"recipient_id": "r0", "weight": "3"}, {"recipient_id": "r1", "weight": 1}],
    }
    assert Split.read(fields) == split([3, 1], "2.9", "0.30")


def test_every_mistake_in_a_split_is_named_at_once():
    """Each at its place in the list of shares."""
    with pytest.raises(FieldsError) as error:
        Split.read(
            {
                "platform_percent": "101",
                "platform_fixed": "1",
                "shares": [{"recipient_id": "r0", "weight": -1}],
            }
        )
    assert {problem.path for problem in error.value.problems} == {
        ("platform_percent",),
        ("currency",),
        ("shares", 0, "weight"),
    }


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: split([]), ("shares",)),
        (lambda: split([0, 0]), ("shares",)),
        (lambda: split([1] * 101), ("shares",)),
        (lambda: split([1], "-1"), ("platform_percent",)),
        (lambda: split([1], "100.1"), ("platform_percent",)),
        (lambda: split([1], "0", "0.001"), ("platform_fixed",)),
        (lambda: split([1], "0", "-1"), ("platform_fixed",)),
        (lambda: split([1], "0", "1", currency=None), ("currency",)),
        (lambda: split([1], currency="XXX"), ("currency",)),
        (lambda: split([-1]), ("weight",)),
        (lambda: Split(shares=(split([1]).shares * 2)), ("shares", 1, "recipient_id")),
        (lambda: split([1], refund_fixed="no"), ("refund_fixed",)),
        (lambda: with_fixed((1, 0), currency=None), ("currency",)),
        (lambda: with_fixed(("0.001", 0)), ("shares", 0, "fixed")),
        (lambda: with_fixed((0, 0)), ("shares",)),
    ],
)
def test_an_invalid_split_can_not_be_constructed(make, path):
    """Not even directly; the problem names the field."""
    with pytest.raises(FieldsError) as error:
        make()
    assert [problem.path for problem in error.value.problems] == [path]
