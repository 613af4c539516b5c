"""Lines to the charges that FOCUS has rows for: shares that add up, and what has no unit price."""

from decimal import Decimal

import pytest

from engine.cli.invoices.focus_charges import charges_of
from meterline.v1.billing_pb2 import Conversion, TierAmount
from meterline.v1.invoices_pb2 import InvoiceLine


def tier(index, quantity, unit_amount, up_to="", flat_amount="0"):
    return TierAmount(
        index=index, quantity=quantity, unit_amount=unit_amount, up_to=up_to, flat_amount=flat_amount
    )


def line(quantity, amount, *tiers, **fields):
    own = {"model": "graduated", "meter_id": "calls", "kind": "charge", "currency": "USD", "discount": "0.00"}
    own |= {"included_tax": "0.00", "quantity": quantity, "billable_quantity": quantity, "amount": amount}
    return InvoiceLine(tiers=tiers, **{**own, **fields})


def test_what_is_billed_is_shared_out_by_the_largest_remainder():
    """0.01 of three equal tiers is the first one's; of 0.004, 0.003 and 0.004 it is the first one's of the largest."""
    equal = [tier(n, "1", "0.0034", up_to=str(n + 1)) for n in range(3)]
    assert [each.billed_cost for each in charges_of(line("3", "0.01", *equal), "Calls")] == [
        Decimal("0.01"),
        *[Decimal("0.00")] * 2,
    ]
    unequal = [tier(0, "1", "0.003", "1"), tier(1, "1", "0.004", "2"), tier(2, "1", "0.004")]
    found = charges_of(line("3", "0.01", *unequal), "Calls")
    assert [str(each.billed_cost) for each in found] == ["0.00", "0.01", "0.00"]
    assert [str(each.list_cost) for each in found] == ["0.003", "0.004", "0.004"]


def test_a_discount_and_contained_tax_come_off_what_is_billed_to_the_cent():
    """Of 10.00 and 5.00 a third off, 5.00: 3.33 and 1.67; then 1.00 of tax of the 10.00 that are left is in both."""
    tiers = (tier(0, "10", "1", "10"), tier(1, "10", "0.5"))
    first, second = charges_of(line("20", "15.00", *tiers, discount="5.00", included_tax="1.00"), "Calls")
    assert (str(first.contracted_cost), str(second.contracted_cost)) == ("6.67", "3.33")
    # 9.00 by 6.67 and 3.33: 6.003 and 2.997.
    assert (str(first.billed_cost), str(second.billed_cost)) == ("6.00", "3.00")
    assert (str(first.contracted_unit_price), str(second.contracted_unit_price)) == ("0.667", "0.333")


def test_a_contracted_unit_price_without_an_end_is_left_out():
    """1.00 less 0.10 over 7 units."""
    (found,) = charges_of(line("7", "0.98", tier(0, "7", "0.14"), discount="0.10"), "Calls")
    assert (found.unit_price, found.contracted_unit_price) == (Decimal("0.14"), None)


def test_an_allowance_that_takes_all_is_the_only_charge():
    """80 of 100 units that cost nothing."""
    own = {"model": "overage", "allowance": "100", "billable_quantity": "0"}
    (found,) = charges_of(line("80", "0.00", tier(0, "0", "0.5"), **own), "Calls")
    assert (found.key, found.consumed, found.list_cost, found.unit_price) == ("allowance", 80, 0, 0)


def test_a_tier_that_was_entered_at_nothing_has_its_flat_amount():
    """Beside nothing of units."""
    (found,) = charges_of(line("0", "3.00", tier(0, "0", "1", "100", "3")), "Calls")
    assert (found.key, found.is_usage, str(found.billed_cost)) == ("tier-1-flat", False, "3.00")


@pytest.mark.parametrize(
    ("tiers", "fields", "quantity"),
    [
        # Tokens priced in thousands, in two tiers: how many tokens were in the first?
        ((tier(0, "10", "1", "10"), tier(1, "5", "0.5")), {"conversion": Conversion(divisor="1000")}, "150"),
        # Blocks of 10 within a tier that ends at 95.
        ((tier(0, "10", "1", "95"), tier(1, "6", "0.5")), {"block_size": "10"}, "150"),
        # What was corrected below nothing.
        ((tier(0, "0", "1", "10"),), {}, "-4"),
        ((), {}, "150"),
    ],
)
def test_a_line_whose_tiers_can_t_be_told_apart_is_one_charge_without_a_unit_price(tiers, fields, quantity):
    """With what was consumed and priced in all."""
    (found,) = charges_of(line(quantity, "12.50", *tiers, exact_amount="12.5", **fields), "Calls")
    assert (found.key, found.unit_price, str(found.billed_cost)) == ("charge", None, "12.50")
    assert found.consumed == Decimal(quantity)
