"""The way from rated lines to what is due: the stages in their order, and the lines they add."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from fields import Instant
from rating import Charges, Price, RoundingMode, rate
from rating.numbers.decimals import DecimalColumn
from rating.settlement.adjustments import LineKind, adjustment_formula
from rating.settlement.commitments import Commitment, Commitments
from rating.settlement.grants import CreditGrant, CreditGrants, GrantCategory
from rating.settlement.invoice_lines import InvoiceLines, LineColumns, lines_of_rated, minor_units
from rating.settlement.settle import CreditsApply, SettlementTerms, invoice_totals, settle
from rating.settlement.splits import Share, Split, SplitBase, SplitScope
from rating.settlement.tax_rates import TaxProfile, TaxRate, TaxRounding


def minors(column):
    return column.mantissa.tolist()


def columns_of(rows, **given):
    ids = {"customer": 0, "invoice": 0, "at_us": 0, "tax_profile": -1, "split": -1} | given
    return LineColumns(
        **{name: np.broadcast_to(np.asarray(each, np.int64), rows).copy() for name, each in ids.items()}
    )


def grant(amount, **more):
    start = Instant().read("1970-01-01T00:00:00Z")
    fields = {"grant_id": "g", "currency": "USD", "effective_at": start, "created_at": start}
    return CreditGrant(amount=Decimal(amount), **(fields | more))


LINES = InvoiceLines.of(["1200", "80"], price=["api", "storage"], tax_profile=0, split=[0, -1])
TERMS = SettlementTerms(
    commitments=Commitments.of(
        [Commitment(currency="USD", amount=Decimal(1000), overage_factor=Decimal("1.5"))], [0]
    ),
    adjustments=columns_of(1, tax_profile=0),
    grants=CreditGrants.of(
        [grant("50", price_ids=("storage",)), grant("100", category=GrantCategory.PROMOTIONAL)], [0, 0]
    ),
    tax_profiles=[TaxProfile(rates=(TaxRate(tax_rate_id="vat", percent=Decimal(19)),))],
    splits=[
        Split(
            shares=(Share(recipient_id="seller", weight=Decimal(1)),),
            platform_percent=Decimal("2.9"),
            platform_fixed=Decimal("0.30"),
            currency="USD",
        )
    ],
)
"""api 1200.00 and storage 80.00, 1000.00 committed at 1.5, 100.00 promotional and 50.00 paid for storage, 19 % VAT,
api sold for a seller at 2.9 % + 0.30.
"""


def test_the_stages_run_in_their_order():
    """1280.00 spent: 280.00 x 0.5 = 140.00 overage. Credit: 100.00 off api, 50.00 off storage. VAT of 1100.00, 30.00
    and 140.00: 209.00, 5.70, 26.60. Fee: 2.9 % of 1100.00 + 0.30 = 32.20.
    """
    settled = settle(LINES, TERMS)
    assert minors(settled.lines.amount_minor) == [1200_00, 80_00, 140_00]
    assert settled.kind.tolist() == [LineKind.RATED, LineKind.RATED, LineKind.OVERAGE]
    assert settled.commitment.tolist() == [-1, -1, 0]
    assert minors(settled.credits.credited_minor) == [100_00, 50_00, 0]
    assert minors(settled.taxes.amount_minor) == [209_00, 5_70, 26_60]
    assert minors(settled.due_minor) == [1309_00, 35_70, 166_60]
    assert minors(settled.splits.platform_minor) == [32_20, 0, 0]
    assert minors(settled.splits.amount_minor) == [1067_80]


def test_credit_as_a_means_of_payment_comes_after_the_taxes():
    """VAT of 1200.00, 80.00 and 140.00: 228.00, 15.20, 26.60. Credit of 100.00 and 50.00 pays from the gross."""
    settled = settle(LINES, replace(TERMS, credits_apply=CreditsApply.AFTER_TAX))
    assert minors(settled.taxes.amount_minor) == [228_00, 15_20, 26_60]
    assert minors(settled.due_minor) == [1328_00, 45_20, 166_60]


def test_the_totals_of_an_invoice_are_the_sums_of_its_lines():
    """1420.00 of lines, 150.00 credit, 1270.00 net, 241.30 tax, 1511.30 due; as payment 1689.80 - 150.00."""
    totals = invoice_totals(settle(LINES, TERMS))
    sums = (totals.lines_minor, totals.credited_minor, totals.net_minor, totals.tax_minor, totals.due_minor)
    assert [minors(each) for each in sums] == [[1420_00], [150_00], [1270_00], [241_30], [1511_30]]
    paid = invoice_totals(settle(LINES, replace(TERMS, credits_apply=CreditsApply.AFTER_TAX)))
    assert (minors(paid.gross_minor), minors(paid.due_minor)) == ([1689_80], [1539_80])


@pytest.mark.parametrize(
    ("base", "fee"),
    [(SplitBase.LINE, 35_10), (SplitBase.NET, 32_20), (SplitBase.GROSS, 38_26)],
)
def test_the_amount_that_is_split_is_named(base, fee):
    """2.9 % + 0.30 of 1200.00: 35.10; of 1100.00: 32.20; of 1309.00: 37.961 + 0.30 = 38.26."""
    settled = settle(LINES, replace(TERMS, splits=[replace(TERMS.splits[0], base=base)]))
    assert minors(settled.splits.platform_minor)[0] == fee


def test_lines_of_an_invoice_may_be_split_together():
    """2.9 % + 0.30 of 1100.00 + 30.00 is 33.07, once; a line without a split stays out. By lines: 32.20, and 1.17."""
    lines = replace(LINES, split=np.array([0, 0]))
    together = settle(lines, replace(TERMS, split_scope=SplitScope.INVOICE)).splits
    assert minors(together.lines.amount_minor) == [1130_00]
    assert (minors(together.platform_minor), minors(together.amount_minor)) == ([33_07], [1096_93])
    assert minors(settle(lines, TERMS).splits.platform_minor) == [32_20, 1_17, 0]
    assert len(settle(replace(LINES, split=np.array([-1, -1])), TERMS).splits.line) == 0


def test_a_shortfall_becomes_a_line_of_the_invoice_that_its_commitment_names():
    """Subscription 3 has no line: 20.00 EUR go to customer 8's invoice 5, taxed at 19 %."""
    lines = InvoiceLines.of(["7"], subscription=-1)
    terms = replace(
        TERMS,
        commitments=Commitments.of([Commitment(currency="EUR", amount=Decimal(20))], [3]),
        adjustments=columns_of(1, customer=8, invoice=5, tax_profile=0),
    )
    settled = settle(lines, terms)
    added = settled.lines
    assert settled.kind.tolist() == [LineKind.RATED, LineKind.TRUE_UP]
    assert (added.customer[1], added.invoice[1], added.subscription[1], added.price[1]) == (8, 5, 3, -1)
    assert added.currencies[added.currency[1]] == "EUR"
    totals = invoice_totals(settled)
    assert totals.invoice.tolist() == [0, 5]
    assert minors(totals.due_minor) == [0, 23_80]


def test_adjustments_follow_their_commitments_overage_first():
    """Late usage on the first: 100.00 x 0.5 = 50.00 overage and -400.00 true-up. The second: 5.00 x 0.5 = 2.50."""
    terms = [
        Commitment(currency="USD", amount=Decimal(1000), overage_factor=Decimal("1.5")),
        Commitment(currency="USD", amount=Decimal(10), overage_factor=Decimal("1.5")),
    ]
    commitments = replace(
        Commitments.of(terms, [0, 1]),
        spent_minor=DecimalColumn.of_ints([600_00, 0]),
        true_up_minor=DecimalColumn.of_ints([400_00, 0]),
    )
    lines = InvoiceLines.of(["500", "15"], subscription=[0, 1])
    settled = settle(lines, SettlementTerms(commitments=commitments, adjustments=columns_of(2)))
    assert minors(settled.lines.amount_minor) == [500_00, 15_00, 50_00, -400_00, 2_50]
    assert settled.commitment.tolist() == [-1, -1, 0, 0, 1]
    assert settled.kind.tolist()[2:] == [LineKind.OVERAGE, LineKind.TRUE_UP, LineKind.OVERAGE]


def test_an_adjustment_explains_itself():
    """Overage with what is booked, a true-up, and a true-up that goes back."""
    terms = Commitment(currency="USD", amount=Decimal(1000), overage_factor=Decimal("1.1"))
    booked = replace(
        Commitments.of([terms], [0]),
        spent_minor=DecimalColumn.of_ints([1100_03]),
        overage_minor=DecimalColumn.of_ints([10_00]),
        true_up_minor=DecimalColumn.of_ints([5_00]),
    )
    settled = settle(
        InvoiceLines.of(["0.03"]), SettlementTerms(commitments=booked, adjustments=columns_of(1))
    )
    formula = [adjustment_formula(booked, settled.commitments, 0, kind) for kind in list(LineKind)[1:]]
    assert formula == [
        "(1100.06 - 1000.00) \N{MULTIPLICATION SIGN} (1.1 - 1) = 10.006 → 10.01 USD; less 10.00 booked = 0.01 USD",
        "0 = 0.00 USD; less 5.00 booked = -5.00 USD",
    ]
    plain = Commitments.of([terms], [0])
    settled = settle(
        InvoiceLines.of(["750.25"]), SettlementTerms(commitments=plain, adjustments=columns_of(1))
    )
    assert (
        adjustment_formula(plain, settled.commitments, 0, LineKind.TRUE_UP) == "1000.00 - 750.25 = 249.75 USD"
    )
    with pytest.raises(ValueError, match="not an adjustment"):
        adjustment_formula(plain, settled.commitments, 0, LineKind.RATED)


def test_a_wide_column_of_small_amounts_settles_alike():
    """Python ints that would fit 64 bits take the wide path through every stage, to the same result."""
    settled = settle(LINES, TERMS)
    wide = settle(LINES.with_amounts(LINES.amount_minor.widened()), TERMS)
    assert minors(wide.due_minor) == minors(settled.due_minor)
    assert minors(wide.credits.amount_minor) == minors(settled.credits.amount_minor)
    assert minors(wide.taxes.amount_minor) == minors(settled.taxes.amount_minor)
    assert minors(wide.splits.amount_minor) == minors(settled.splits.amount_minor)


def test_without_terms_what_is_due_are_the_lines():
    """Nothing is added, credited, taxed or split; also without any line."""
    settled = settle(InvoiceLines.of(["1.50", "-2"]), SettlementTerms())
    assert minors(settled.due_minor) == [1_50, -2_00]
    assert settled.commitments is None
    assert minors(settle(InvoiceLines.of([]), SettlementTerms()).due_minor) == []


def test_rated_charges_become_lines_in_minor_units():
    """3 x 0.015 USD = 0.045: 0.05; 7 x 1.5 JPY = 10.5: 11; both under one price id of two versions."""
    usd = Price.read({"currency": "USD", "model": "per_unit", "unit_amount": "0.015"})
    jpy = Price.read({"currency": "JPY", "model": "per_unit", "unit_amount": "1.5"})
    charges = Charges(prices=[usd, jpy], price_index=np.array([1, 0]), quantity=DecimalColumn.of(["7", "3"]))
    lines = lines_of_rated(rate(charges), ["api", "api"], np.array([4, 5]), columns_of(2, invoice=[0, 1]))
    assert minors(lines.amount_minor) == [11, 5]
    assert [str(lines.amount(row)) for row in (0, 1)] == ["11", "0.05"]
    assert [lines.currencies[code] for code in lines.currency] == ["JPY", "USD"]
    assert (lines.price_ids, lines.price.tolist(), lines.subscription.tolist()) == (("api",), [0, 0], [4, 5])


def test_an_amount_with_a_fraction_of_a_minor_unit_is_no_invoice_line():
    """A price that rounds to 4 digits gives 0.0045 USD; an amount past 64 bits is fine."""
    with pytest.raises(ValueError, match="2 digits in USD"):
        minor_units(DecimalColumn.of(["0.0045"]), ("USD",), np.array([0]))
    assert minors(minor_units(DecimalColumn.of([10**20, "0.5"]), ("USD",), np.array([0, 0]))) == [10**22, 50]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"customer": np.array([0])}, "customer must have 2 rows, has 1"),
        ({"invoice": np.array([0, -1])}, "invoice must be from 0 to 2147483647, row 1 has -1"),
        ({"price": np.array([0, 2])}, "price must be from -1 to 1, row 1 has 2"),
        ({"split": np.array([0.0, 1.0])}, "split must be int64 or bool, is float64"),
        (
            {"currencies": ("USD", "EUR"), "currency": np.array([0, 1])},
            "invoice 0 has lines in more than one",
        ),
        ({"currencies": ("XXX",)}, "XXX"),
        ({"amount_minor": DecimalColumn.of(["0.5", "1"])}, "amount_minor must be in minor units"),
    ],
)
def test_lines_that_do_not_fit_together_are_refused(change, message):
    """By the column and the row."""
    with pytest.raises(ValueError, match=message):
        replace(LINES, **change)


def test_commitments_need_to_know_where_their_lines_belong():
    """Both or neither, and of one length."""
    with pytest.raises(ValueError, match="go together"):
        SettlementTerms(commitments=TERMS.commitments)
    with pytest.raises(ValueError, match="must have 1 rows"):
        replace(TERMS, adjustments=columns_of(2))


def test_tax_rounding_reaches_the_taxes():
    """1 % of 0.50 is half a cent: down to nothing."""
    rates = (TaxRate(tax_rate_id="vat", percent=Decimal(1)),)
    terms = SettlementTerms(
        tax_profiles=[TaxProfile(rates=rates)], tax_rounding=TaxRounding(mode=RoundingMode.DOWN)
    )
    assert minors(settle(InvoiceLines.of(["0.50"], tax_profile=0), terms).due_minor) == [50]
