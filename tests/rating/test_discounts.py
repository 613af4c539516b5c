"""Discounts of invoices: percentages before amounts, rounded once, shared out to the cent, never past a line's zero."""

import random
from decimal import Decimal
from fractions import Fraction

import pytest

from fields import FieldsError
from rating import Discount, Discounts, SettlementTerms, settle
from rating.settlement.discounts import apply_discounts
from rating.settlement.invoice_lines import InvoiceLines
from tests.support.rating.discount_oracle import discounted


def percent(text):
    return Discount(percent_off=Decimal(text))


def amount(text, currency="USD"):
    return Discount(amount_off=Decimal(text), currency=currency)


def left(lines, discounts):
    return apply_discounts(lines, discounts).left_minor.mantissa.tolist()


def test_a_percentage_is_rounded_once_for_all_its_lines():
    """10 % of three times 0.05 is 0.015: 0.02, a cent each off the first two."""
    lines = InvoiceLines.of(["0.05", "0.05", "0.05"])
    assert left(lines, Discounts.of([percent("10")], [0])) == [4, 4, 5]


def test_percentages_come_before_amounts_whatever_the_order():
    """50 % of 100.00 leaves 50.00; 30.00 more leaves 20.00. The other way round it would be 35.00."""
    lines = InvoiceLines.of(["100"])
    assert left(lines, Discounts.of([amount("30"), percent("50")], [0, 0])) == [20_00]


def test_one_percentage_after_another_takes_from_what_is_left():
    """20 % and 10 % off 100.00: 80.00, then 72.00."""
    lines = InvoiceLines.of(["100"])
    assert left(lines, Discounts.of([percent("20"), percent("10")], [0, 0])) == [72_00]


def test_an_amount_is_shared_out_in_proportion():
    """10.00 off 20.00 and 10.00: 6.666... and 3.333...: 6.67 and 3.33."""
    lines = InvoiceLines.of(["20", "10"])
    assert left(lines, Discounts.of([amount("10")], [0])) == [13_33, 6_67]


def test_nothing_becomes_negative_and_what_is_negative_stays():
    """100.00 off 30.00 and a refund of 5.00."""
    lines = InvoiceLines.of(["30", "-5"])
    result = apply_discounts(lines, Discounts.of([amount("100")], [0]))
    assert result.left_minor.mantissa.tolist() == [0, -5_00]
    assert result.discounted_minor.mantissa.tolist() == [30_00, 0]


def test_a_discount_is_for_its_invoice_subscription_prices_and_currency():
    """Each of these takes something off one line alone."""
    lines = InvoiceLines.of(
        ["10", "10", "10", "10"],
        currency=["USD", "USD", "USD", "EUR"],
        invoice=[0, 0, 0, 1],
        subscription=[1, 2, 2, 3],
        price=["a", "a", "b", "a"],
    )
    discounts = Discounts.of(
        [amount("1"), amount("2"), amount("4", "EUR"), amount("8")],
        [0, 0, 1, 1],
        subscription=[1, -1, -1, -1],
        price_ids=[None, ("b",), None, None],
    )
    assert left(lines, discounts) == [9_00, 10_00, 8_00, 6_00]


def test_what_is_left_is_what_commitments_credits_and_taxes_see():
    """Settled lines are those after discounts."""
    lines = InvoiceLines.of(["100"])
    settled = settle(lines, SettlementTerms(discounts=Discounts.of([percent("25")], [0])))
    assert settled.due_minor.mantissa.tolist() == [75_00]
    assert settled.lines.amount_minor.mantissa.tolist() == [75_00]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "needs either percent_off or amount_off"),
        ({"percent_off": "5", "amount_off": "1", "currency": "USD"}, "needs either"),
        ({"percent_off": "101"}, "at most 100"),
        ({"percent_off": "0"}, "more than 0"),
        ({"percent_off": "5", "currency": "USD"}, "does not belong to a percentage"),
        ({"amount_off": "5"}, "currency"),
        ({"amount_off": "5.001", "currency": "USD"}, "at most 2 fractional digits"),
    ],
)
def test_a_discount_that_says_nothing_or_too_much_is_refused(fields, problem):
    with pytest.raises(FieldsError, match=problem):
        Discount.read(fields)


def test_random_invoices_are_discounted_as_by_hand(seed):
    """Against fractions, one discount after another; what is taken off adds up, by line and by discount."""
    dice = random.Random(seed)
    for _ in range(300):
        rows = dice.randint(0, 12)
        invoices = sorted(dice.choices(range(3), k=rows))
        lines = [
            {
                "amount": dice.choice([-300, 0, 1, 5, 999, 10**6, 10**18]),
                "invoice": invoice,
                "subscription": dice.randint(0, 1),
                "price": dice.choice("ab"),
                "currency": "USD" if invoice else "JPY",
            }
            for invoice in invoices
        ]
        discounts = [
            {
                "invoice": dice.randint(0, 2),
                "subscription": dice.choice([-1, -1, 0, 1]),
                "prices": dice.choice([None, None, ("a",), ("b", "c")]),
                **dice.choice(
                    [
                        {"percent": Fraction(dice.choice(["10", "33.333", "100", "0.000000000001"]))},
                        {"amount": dice.choice([1, 250, 10**7]), "currency": dice.choice(["USD", "JPY"])},
                    ]
                ),
            }
            for _ in range(dice.randint(0, 5))
        ]
        result = apply_discounts(_lines(lines), _discounts(discounts))
        assert result.left_minor.mantissa.tolist() == discounted(lines, discounts)
        taken = [0] * rows
        for line, off in zip(result.line.tolist(), result.amount_minor.mantissa.tolist(), strict=True):
            assert off > 0
            taken[line] += off
        assert taken == result.discounted_minor.mantissa.tolist()


def _lines(lines):
    digits = {"USD": 2, "JPY": 0}
    return InvoiceLines.of(
        [Decimal(each["amount"]).scaleb(-digits[each["currency"]]) for each in lines],
        currency=[each["currency"] for each in lines],
        invoice=[each["invoice"] for each in lines],
        subscription=[each["subscription"] for each in lines],
        price=[each["price"] for each in lines],
    )


def _discounts(discounts):
    digits = {"USD": 2, "JPY": 0}
    terms = [
        Discount(percent_off=Decimal(each["percent"].numerator) / each["percent"].denominator)
        if "percent" in each
        else Discount(
            amount_off=Decimal(each["amount"]).scaleb(-digits[each["currency"]]), currency=each["currency"]
        )
        for each in discounts
    ]
    return Discounts.of(
        terms,
        [each["invoice"] for each in discounts],
        subscription=[each["subscription"] for each in discounts],
        price_ids=[each["prices"] for each in discounts],
    )
