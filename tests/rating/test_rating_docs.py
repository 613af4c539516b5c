"""The page about rating tells the truth: every example on it is run."""

import json
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from fields import Instant
from rating import Charges, DecimalColumn, EventAmounts, Model, Part, PartColumns, Price, rate
from rating.kernels.charges import Dimension
from rating.numbers.allocate import allocate
from rating.numbers.decimals import decimal_of
from rating.settlement.commitments import Commitment, Commitments, apply_commitments
from rating.settlement.credits import apply_credits
from rating.settlement.grants import CreditGrant, CreditGrants, micros
from rating.settlement.invoice_lines import InvoiceLines
from rating.settlement.splits import Split, apply_splits
from rating.settlement.tax import apply_taxes
from rating.settlement.tax_rates import TaxProfile, TaxRounding, TaxScope

PAGE = Path(__file__).parents[2] / "docs" / "rating.md"


def examples_of(kind):
    """The examples on the page that have the field `kind`."""
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    examples = [json.loads(line) for block in blocks for line in block.splitlines()]
    return [pytest.param(example, id=str(place)) for place, example in enumerate(examples) if kind in example]


def dollars(column):
    return [str(decimal_of(int(minor), 2)) for minor in column.mantissa]


def charges_of(price, charge):
    """One charge from its fields on the page."""

    def column(name):
        return DecimalColumn.of([charge[name]]) if name in charge else None

    return Charges(
        prices=[price],
        price_index=np.array([0]),
        quantity=DecimalColumn.of([charge["quantity"]]),
        events=EventAmounts.of([charge["events"]]) if "events" in charge else None,
        dimensions={name: Dimension.of([value]) for name, value in charge.get("dimensions", {}).items()},
        quantities={name: DecimalColumn.of([value]) for name, value in charge.get("quantities", {}).items()},
        consumed_before=column("consumed_before"),
        carried=column("carried"),
        booked=column("booked"),
        final=np.array([charge["final"]]) if "final" in charge else None,
        proration=PartColumns.of([Part(*charge["proration"])]) if "proration" in charge else None,
    )


@pytest.mark.parametrize("example", examples_of("price"))
def test_a_price_on_the_page_comes_to_its_amount(example):
    """Written as the line shows it, with the currency's digits."""
    line = rate(charges_of(Price.read(example["price"]), example["charge"])).line(0)
    assert str(line.amount) == example["amount"]


def test_every_model_has_an_example():
    """A model that is added must be explained."""
    shown = {example.values[0]["price"]["model"] for example in examples_of("price")}
    assert shown == {str(model) for model in Model}


@pytest.mark.parametrize("example", examples_of("allocate"))
def test_an_allocation_on_the_page_gives_its_shares(example):
    """One group."""
    weights = DecimalColumn.of(example["weights"])
    total = DecimalColumn.of([example["allocate"]])
    assert allocate(total, weights, np.zeros(len(weights), np.int64)).mantissa.tolist() == example["shares"]


@pytest.mark.parametrize("example", examples_of("commitment"))
def test_a_commitment_on_the_page_comes_to_its_adjustments(example):
    """One subscription, a whole period."""
    commitments = Commitments.of([Commitment.read(example["commitment"])], [0])
    result = apply_commitments(InvoiceLines.of(example["spend"]), commitments)
    assert dollars(result.overage_minor) == [example["overage"]]
    assert dollars(result.true_up_minor) == [example["true_up"]]


@pytest.mark.parametrize("example", examples_of("grants"))
def test_grants_on_the_page_are_consumed_as_it_says(example):
    """One customer; every consumption with its grant and line."""
    grants = [CreditGrant.read(fields) for fields in example["grants"]]
    lines = InvoiceLines.of(example["lines"], at_us=micros(Instant().read(example["at"])))
    result = apply_credits(lines, CreditGrants.of(grants, [0] * len(grants)))
    names = [grants[row].grant_id for row in result.grant]
    trace = zip(names, result.line.tolist(), dollars(result.amount_minor), strict=True)
    assert [list(row) for row in trace] == example["consumed"]


@pytest.mark.parametrize("example", examples_of("tax_profile"))
def test_taxes_on_the_page_are_what_it_says(example):
    """All lines on one invoice, with one profile."""
    rounding = TaxRounding(scope=TaxScope(example.get("scope", "line")))
    lines = InvoiceLines.of(example["lines"], tax_profile=0)
    result = apply_taxes(lines, [TaxProfile.read(example["tax_profile"])], rounding)
    assert dollars(result.amount_minor) == example["taxes"]
    assert dollars(result.net_minor) == example["net"]
    assert dollars(result.gross_minor) == example["gross"]


@pytest.mark.parametrize("example", examples_of("split"))
def test_a_split_on_the_page_gives_its_fee_and_shares(example):
    """One line; fee and shares add up to it."""
    lines = InvoiceLines.of([example["amount"]], split=0)
    result = apply_splits(lines, [Split.read(example["split"])])
    assert dollars(result.platform_minor) == [example["fee"]]
    assert dollars(result.amount_minor) == example["shares"]
    assert sum(map(Decimal, [example["fee"], *example["shares"]])) == Decimal(example["amount"])
