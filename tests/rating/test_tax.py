"""Taxes: on top and contained, several and compound, reverse charge, rounded on the line or on the invoice."""

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from random import Random

import numpy as np
import pytest

from fields import FieldsError
from rating.numbers.decimals import DecimalColumn
from rating.numbers.rounding import RoundingMode
from rating.settlement.invoice_lines import InvoiceLines
from rating.settlement.tax import apply_taxes, tax_totals
from rating.settlement.tax_rates import (
    InclusiveReverseCharge,
    TaxProfile,
    TaxRate,
    TaxRounding,
    TaxScope,
)

ON_INVOICE = TaxRounding(scope=TaxScope.INVOICE)


def rate(percent, name="vat", **more):
    return TaxRate(tax_rate_id=name, percent=Decimal(percent), **more)


def contained(percent, name="vat", **more):
    return rate(percent, name, inclusive=True, **more)


def profile(*rates, **more):
    return TaxProfile(rates=rates, **more)


def taxed(amounts, *profiles, rounding=None, currency="USD", **columns):
    """The result for lines that have the first profile unless `tax_profile` says otherwise."""
    lines = InvoiceLines.of(amounts, currency, **({"tax_profile": 0} | columns))
    return apply_taxes(lines, profiles, rounding)


def taxes(result):
    return result.amount_minor.mantissa.tolist()


def sums(result):
    """(net, tax, gross) of each line, in minor units."""
    columns = (result.net_minor, result.tax_minor, result.gross_minor)
    return list(zip(*(column.mantissa.tolist() for column in columns), strict=True))


def test_a_tax_on_top_is_added_to_the_line():
    """8.875 % of 12.34 is 1.095175: 1.10."""
    assert sums(taxed(["12.34"], profile(rate("8.875")))) == [(12_34, 1_10, 13_44)]


def test_each_of_several_taxes_is_rounded():
    """5 % of 19.99 is 0.9995, 7 % is 1.3993: 1.00 and 1.40."""
    result = taxed(["19.99"], profile(rate(5, "gst"), rate(7, "pst")))
    assert taxes(result) == [1_00, 1_40]
    assert sums(result) == [(19_99, 2_40, 22_39)]


def test_a_compound_tax_is_charged_on_the_taxes_before_it():
    """5 % of 100.00 is 5.00; 9.975 % of 105.00 is 10.473750: 10.47. Without compounding 9.975: 9.98."""
    compound = taxed(["100"], profile(rate(5, "gst"), rate("9.975", "qst", compound=True)))
    assert taxes(compound) == [5_00, 10_47]
    assert compound.taxable_minor.mantissa.tolist() == [100_00, 105_00]
    plain = taxed(["100"], profile(rate(5, "gst"), rate("9.975", "qst")))
    assert taxes(plain) == [5_00, 9_98]
    assert plain.taxable_minor.mantissa.tolist() == [100_00, 100_00]


def test_a_compound_tax_counts_every_tax_before_it_and_no_other_lines():
    """10 % and 5 % of 100.00, then 10 % of 115.00; the second line has its own: 1.00, 0.50, 1.15 of 11.50."""
    result = taxed(
        ["100", "10"], profile(rate(10, "a"), rate(5, "b"), rate(10, "c", compound=True), rate(1, "d"))
    )
    assert taxes(result) == [10_00, 5_00, 11_50, 1_00, 1_00, 50, 1_15, 10]
    assert result.taxable_minor.mantissa.tolist() == [
        100_00,
        100_00,
        115_00,
        100_00,
        10_00,
        10_00,
        11_50,
        10_00,
    ]


def test_compounding_goes_on_with_exact_taxes():
    """1 % of 0.50 is 0.005: 0.01. 50 % of 0.505 is 0.2525: 0.25; on the rounded 0.51 it would be 0.26."""
    assert taxes(taxed(["0.50"], profile(rate(1, "a"), rate(50, "b", compound=True)))) == [1, 25]


def test_a_contained_tax_leaves_the_amount_as_the_gross():
    """19 % in 119.00 is 19.00; in 10.00 it is 1.5966..: 1.60, net 8.40."""
    result = taxed(["119", "10"], profile(contained(19)))
    assert sums(result) == [(100_00, 19_00, 119_00), (8_40, 1_60, 10_00)]


def test_several_contained_taxes_share_one_net():
    """5 % and 7 % in 1.12: 0.05 and 0.07. In 1.00: 0.0446.. and 0.0625, so 0.04 and 0.06, net 0.90."""
    result = taxed(["1.12", "1"], profile(contained(5, "a"), contained(7, "b")))
    assert taxes(result) == [5, 7, 4, 6]
    assert sums(result) == [(1_00, 12, 1_12), (90, 10, 1_00)]


def test_the_tax_is_what_is_rounded_and_the_net_is_what_remains():
    """20 % in 0.03 is 0.005: half up 0.01 and net 0.02; down (as Japan allows) 0.00 and net 0.03."""
    assert sums(taxed(["0.03"], profile(contained(20)))) == [(2, 1, 3)]
    down = TaxRounding(mode=RoundingMode.DOWN)
    assert sums(taxed(["0.03"], profile(contained(20)), rounding=down)) == [(3, 0, 3)]


def test_contained_taxes_compound_too():
    """10 %, then 20 % of 110 %: 0.1 + 0.22 on the net, so 13.20 is 10.00 + 1.00 + 2.20."""
    result = taxed(["13.20"], profile(contained(10, "eco"), contained(20, compound=True)))
    assert taxes(result) == [1_00, 2_20]
    assert sums(result) == [(10_00, 3_20, 13_20)]


def test_a_contained_tax_and_one_on_top_have_the_same_net():
    """11.00 contains 10 %: net 10.00; 2 % on top of it is 0.20: gross 11.20."""
    result = taxed(["11"], profile(contained(10), rate(2, "city")))
    assert taxes(result) == [1_00, 20]
    assert sums(result) == [(10_00, 1_20, 11_20)]


def test_a_negative_line_mirrors_the_positive_one():
    """-0.50 at 1 % is -0.005, half away from zero: -0.01; contained 20 % in -0.03 is -0.01."""
    assert sums(taxed(["-0.50"], profile(rate(1)))) == [(-50, -1, -51)]
    assert sums(taxed(["-0.03"], profile(contained(20)))) == [(-2, -1, -3)]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("half_up", [1, 2, -1, 1]), ("half_even", [0, 2, 0, 1]), ("up", [1, 2, -1, 1]), ("down", [0, 1, 0, 0])],
)
def test_the_rounding_of_taxes_is_named(mode, expected):
    """1 % of 0.50, 1.50, -0.50 and 0.99: 0.5, 1.5, -0.5 and 0.99 cents."""
    result = taxed(
        ["0.50", "1.50", "-0.50", "0.99"], profile(rate(1)), rounding=TaxRounding(mode=RoundingMode(mode))
    )
    assert taxes(result) == expected


def test_under_reverse_charge_taxes_are_recorded_as_zero():
    """100.00 at 19 %: the rate is on record, its tax is 0, the line is flagged; the other line pays."""
    result = taxed(
        ["100", "100"], profile(rate(19), reverse_charge=True), profile(rate(19)), tax_profile=[0, 1]
    )
    assert sums(result) == [(100_00, 0, 100_00), (100_00, 19_00, 119_00)]
    assert result.reverse_charge.tolist() == [True, False]
    assert [(result.rates[r].percent, bool(result.reverse[r])) for r in result.rate] == [
        (19, True),
        (19, False),
    ]


def test_an_untaxed_line_is_not_under_reverse_charge():
    """Only the line with the profile is flagged."""
    result = taxed(["1", "2"], profile(rate(19), reverse_charge=True), tax_profile=[-1, 0])
    assert result.reverse_charge.tolist() == [False, True]


def test_reverse_charge_on_a_price_that_contains_taxes_keeps_or_strips_it():
    """119.00 containing 19 %: kept it is the net (default), stripped the net is 100.00."""
    kept = profile(contained(19), reverse_charge=True)
    assert sums(taxed(["119"], kept)) == [(119_00, 0, 119_00)]
    strip = InclusiveReverseCharge.STRIP
    stripped = profile(contained(19), reverse_charge=True, inclusive_reverse_charge=strip)
    assert sums(taxed(["119"], stripped)) == [(100_00, 0, 100_00)]
    assert sums(taxed(["119"], stripped, rounding=ON_INVOICE)) == [(100_00, 0, 100_00)]


def test_lines_without_a_profile_or_rates_pay_no_tax():
    """Untaxed, exempt and zero-rated; only the last has a tax on record. Without profiles nothing is taxed."""
    result = taxed(["5", "6", "7"], profile(), profile(rate(0)), tax_profile=[-1, 0, 1])
    assert sums(result) == [(5_00, 0, 5_00), (6_00, 0, 6_00), (7_00, 0, 7_00)]
    assert (result.line.tolist(), taxes(result)) == ([2], [0])
    assert sums(taxed(["5"], tax_profile=-1)) == [(5_00, 0, 5_00)]
    for rounding in (TaxRounding(), ON_INVOICE):
        assert sums(taxed([], profile(rate(5)), rounding=rounding)) == []
        assert sums(taxed(["5"], tax_profile=-1, rounding=rounding)) == [(5_00, 0, 5_00)]


def test_a_profile_that_is_not_there_is_refused():
    """By the row that names it."""
    with pytest.raises(ValueError, match=r"tax_profile must be from -1 to 0, row 1 has 3"):
        taxed(["5", "6"], profile(), tax_profile=[0, 3])


@pytest.mark.parametrize(
    ("currency", "amount", "percent", "expected"),
    [("JPY", "999", "10", 100), ("KWD", "1.005", "5", 50), ("CLF", "1.0005", "10", 1001)],
)
def test_taxes_are_in_the_minor_unit_of_the_currency(currency, amount, percent, expected):
    """99.9 yen: 100. 0.05025 dinar: 50 thousandths. 0.10005 UF: half up 1001 ten-thousandths."""
    assert taxes(taxed([amount], profile(rate(percent)), currency=currency)) == [expected]


def test_scope_invoice_rounds_each_tax_once_on_each_invoice():
    """5 % of 0.10 is 0.005. On lines: 0.01 each. On invoices: three make 0.015, so 0.02, to the first two of the equal
    remainders; one alone makes 0.01.
    """
    lines = {"invoice": [7, 7, 3, 7]}
    assert taxes(taxed(["0.10"] * 4, profile(rate(5)), **lines)) == [1, 1, 1, 1]
    assert taxes(taxed(["0.10"] * 4, profile(rate(5)), rounding=ON_INVOICE, **lines)) == [1, 1, 1, 0]


def test_scope_invoice_sums_one_rate_across_profiles():
    """20 % contained in 0.04 alone: 4/6 cent. In 0.05 beside 10 %: 5 x 0.2 / 1.3 = 10/13 cent. Together 1.436 cents:
    0.01, to the larger remainder 10/13. The 10 %: 5/13 cent, 0.
    """
    result = taxed(
        ["0.04", "0.05"],
        profile(contained(20)),
        profile(contained(20), contained(10, "eco")),
        tax_profile=[0, 1],
        rounding=ON_INVOICE,
    )
    assert taxes(result) == [0, 1, 0]
    assert sums(result) == [(4, 0, 4), (4, 1, 5)]


def test_scope_invoice_lets_a_refund_offset_its_charge():
    """1.30 and -0.60 cents of tax (10 % of 0.13 and -0.06): 0.7 in all, 0.01, by largest remainder 0.02 - 0.01 or
    0.01 and 0.00: toward zero they are 1 and 0, which is the total already.
    """
    result = taxed(["0.13", "-0.06"], profile(rate(10)), rounding=ON_INVOICE)
    assert taxes(result) == [1, 0]


def test_the_summary_of_an_invoice_adds_up_its_lines():
    """Invoice 4: 5 % of 10.00 and 20.00; 7 % of 20.00. Invoice 9: 5 % of 1.00."""
    lines = InvoiceLines.of(["10", "1", "20"], invoice=[4, 9, 4], tax_profile=[0, 0, 1])
    result = apply_taxes(lines, [profile(rate(5, "a")), profile(rate(5, "a"), rate(7, "b"))])
    totals = tax_totals(lines, result)
    named = [result.rates[index].tax_rate_id for index in totals.rate]
    rows = zip(
        totals.invoice.tolist(),
        named,
        totals.taxable_minor.mantissa.tolist(),
        totals.amount_minor.mantissa.tolist(),
        strict=True,
    )
    assert list(rows) == [(4, "a", 30_00, 1_50), (4, "b", 20_00, 1_40), (9, "a", 1_00, 5)]


def test_amounts_and_rates_past_64_bits_stay_exact():
    """12.345678901234 % of 10**26 cents has 10**14 more digits than int64: 12345678901234 x 10**12 exactly."""
    huge = InvoiceLines.of(["0", "0.50"], tax_profile=0).with_amounts(DecimalColumn.of_ints([10**26, 50]))
    for rounding in (TaxRounding(), ON_INVOICE):
        result = apply_taxes(huge, [profile(rate("12.345678901234"))], rounding)
        assert taxes(result) == [12345678901234 * 10**12, 6]


def cents_in_words(amount, factor, mode):
    whole, rest = divmod(abs(Fraction(amount)) * factor, 1)
    up = {
        RoundingMode.HALF_UP: rest * 2 >= 1,
        RoundingMode.HALF_EVEN: rest * 2 > 1 or (rest * 2 == 1 and whole % 2 == 1),
        RoundingMode.UP: rest > 0,
        RoundingMode.DOWN: False,
    }[mode]
    return (whole + up) * (-1 if amount < 0 else 1)


def random_profiles(source):
    percents = [Decimal(source.randint(0, 40_000)).scaleb(-3) for _ in range(4)]
    rates = [rate(percent, f"t{i}", inclusive=i < 2) for i, percent in enumerate(percents)]
    return [profile(*(each for each in rates if source.random() < 0.6)) for _ in range(4)]


def shares_of_net(each):
    """The words of rule 1 without compounding: r / (1 + all contained r)."""
    inside = sum((Fraction(r.percent) / 100 for r in each.rates if r.inclusive), Fraction(0))
    return [Fraction(r.percent) / 100 / (1 + inside) for r in each.rates]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("scope", list(TaxScope))
def test_any_taxes_agree_with_fractions(seed, scope):
    """Line scope: each is the rounded fraction. Invoice scope: each is within a unit of it, and the totals are rounded."""
    source = Random(seed)
    reach = source.choice([100, 10**6, 10**24])
    mode = source.choice(list(RoundingMode))
    profiles = random_profiles(source)
    amounts = [source.randint(-reach, 2 * reach) for _ in range(150)]
    chosen = [source.randint(-1, 3) for _ in amounts]
    invoice = [source.randrange(9) for _ in amounts]
    lines = InvoiceLines.of(["0"] * 150, tax_profile=chosen, invoice=invoice)
    lines = lines.with_amounts(DecimalColumn.of_ints(amounts))
    result = apply_taxes(lines, profiles, TaxRounding(mode=mode, scope=scope))
    exact = [
        (line, each.tax_rate_id, share)
        for line, p in enumerate(chosen)
        if p >= 0
        for each, share in zip(profiles[p].rates, shares_of_net(profiles[p]), strict=True)
    ]
    rows = list(zip(exact, taxes(result), strict=True))
    groups = defaultdict(lambda: [Fraction(0), 0])
    for (line, name, share), tax in rows:
        if scope is TaxScope.LINE:
            assert tax == cents_in_words(amounts[line], share, mode)
        assert abs(tax - amounts[line] * share) < 1
        groups[invoice[line], name][0] += amounts[line] * share
        groups[invoice[line], name][1] += tax
    if scope is TaxScope.INVOICE:
        assert all(tax == cents_in_words(total, 1, mode) for total, tax in groups.values())
    assert all(net + tax == gross for net, tax, gross in sums(result))
    only_inside = [p < 0 or all(each.inclusive for each in profiles[p].rates) for p in chosen]
    grosses = result.gross_minor.mantissa
    assert all(grosses[row] == amounts[row] for row in np.flatnonzero(only_inside))


def test_taxes_are_read_from_the_texts_of_a_catalog():
    """Rates within a profile; what is left out has its default."""
    fields = {"rates": [{"tax_rate_id": "vat", "percent": "19", "inclusive": "true"}], "reverse_charge": True}
    assert TaxProfile.read(fields) == profile(contained(19), reverse_charge=True)
    assert TaxRate.read({"tax_rate_id": "vat", "percent": 19, "compound": True}) == rate(19, compound=True)


def test_every_mistake_in_a_profile_is_named_at_once():
    """Each at its place in the list of rates."""
    rates = [{"tax_rate_id": "vat", "percent": "-1"}, {"percent": 0.19}, "vat"]
    with pytest.raises(FieldsError) as error:
        TaxProfile.read({"rates": rates, "reverse_charge": "perhaps"})
    assert {problem.path for problem in error.value.problems} == {
        ("rates", 0, "percent"),
        ("rates", 1, "tax_rate_id"),
        ("rates", 1, "percent"),
        ("rates", 2),
        ("reverse_charge",),
    }


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda: rate(-1), ("percent",)),
        (lambda: rate(1001), ("percent",)),
        (lambda: rate("0.0000000000001"), ("percent",)),
        (lambda: TaxRate(tax_rate_id="vat", percent=19), ("percent",)),
        (lambda: rate(19, ""), ("tax_rate_id",)),
        (lambda: rate(19, compound="no"), ("compound",)),
        (lambda: profile(rate(1), rate(2)), ("rates", 1, "tax_rate_id")),
        (lambda: profile(rate(1, "a"), contained(2, compound=True)), ("rates", 1, "compound")),
        (lambda: profile(*(rate(1, str(i)) for i in range(11))), ("rates",)),
        (lambda: TaxProfile(rates=[rate(1)]), ("rates",)),
        (lambda: TaxRounding(mode="half_up"), ("mode",)),
    ],
)
def test_an_invalid_tax_can_not_be_constructed(make, path):
    """Not even directly; the problem names the field."""
    with pytest.raises(FieldsError) as error:
        make()
    assert [problem.path for problem in error.value.problems] == [path]
