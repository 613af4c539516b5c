"""`meterline invoices export` against a real engine: its file keeps the rules of FOCUS 1.2, and adds up to what is due."""

import csv
import re
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

import pytest

from tests.support.engine.tenant_world import TenantWorld

# acme: a fee of 100.00 and calls at 0.50, 10 % off, 20.00 of credit, 19 % on top. bolt: 24.00 that contain 20 %. coil: a commitment
# of 50.00, of which calls use 5.00.
CATALOG = """
meters: [{id: calls, event_type: call, aggregation: sum, value: value, group_by: [region], unit: Calls}]
tax_regions:
  - {id: DE, name: Germany, rates: [{id: vat, percent: 19}]}
  - {id: GB, name: Britain, rates: [{id: vat, percent: 20, inclusive: true}]}
coupons: [{id: ten, name: Ten, percent_off: 10}]
plans:
  - {id: pro, name: Pro, currency: USD, prices: [{id: fee, model: flat, flat_amount: 100}, {id: calls, meter: calls,
     model: matrix, dimensions: [region], cells: [{match: {region: eu}, unit_amount: 0.50}]}]}
  - {id: pound, name: Pound, currency: GBP, prices: [{id: fee, model: flat, flat_amount: 24, product: Seats}]}
  - {id: committed, name: Committed, currency: USD, commitments: [{amount: 50, true_up: true}],
     prices: [{id: calls, meter: calls, model: per_unit, unit_amount: 0.50}]}
customers:
  - {id: acme, name: "Acme, Inc.", tax_region: DE, coupons: [{coupon: ten, start: 2025-10-01}]}
  - {id: bolt, name: Bolt, tax_region: GB}
  - {id: coil, name: Coil}
credit_grants: [{id: gift, customer: acme, currency: USD, amount: 20, effective_at: 2025-11-01}]
subscriptions:
  - {customer: acme, plan: pro, start: 2025-10-01}
  - {customer: bolt, plan: pound, start: 2025-10-01}
  - {customer: coil, plan: committed, start: 2025-10-01}
"""
EVERY = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value, unit: Calls}
  - {id: files, event_type: file, aggregation: sum, value: value, unit: Files}
  - {id: idle, event_type: never, aggregation: count}
  - {id: placed, event_type: file, aggregation: sum, value: value, group_by: [region], unit: Files}
tax_regions: [{id: DE, name: Germany, rates: [{id: vat, percent: 19}]}]
coupons: [{id: ten, name: Ten, percent_off: 10}]
plans:
  - id: every
    name: Every
    currency: USD
    prices:
      - {id: tiers, meter: calls, model: graduated,
         tiers: [{up_to: 100, unit_amount: 0.0125, flat_amount: 2}, {unit_amount: 0.0045}]}
      - {id: volume, meter: files, model: volume, tiers: [{up_to: 100, unit_amount: 1}, {unit_amount: 0.20}]}
      - {id: packs, meter: files, model: package, package_size: 100, package_amount: 4}
      - {id: fees, meter: files, model: percentage, percent: 2.9}
      - {id: carried, meter: files, model: dynamic, multiplier: 1.1}
      - {id: over, meter: files, model: overage, included_units: 100, unit_amount: 0.50}
      - {id: cells, meter: placed, model: matrix, dimensions: [region], cells: [{match: {region: eu}, unit_amount: 0.50}]}
      - {id: blocks, meter: files, model: graduated, block_size: 10, tiers: [{up_to: 100, unit_amount: 1}, {unit_amount: 0.50}]}
      - {id: thousands, meter: files, model: per_unit, unit_amount: 0.10,
         conversion: {divisor: 1000, rounding: {mode: up, digits: 0}}}
      - {id: seats, model: per_unit, unit_amount: 7, quantity: 3}
      - {id: least, meter: files, model: per_unit, unit_amount: 0.01, minimum_amount: 5}
      - {id: own, meter: files, model: per_unit, unit_amount: 1}
      - {id: idle, meter: idle, model: per_unit, unit_amount: 1}
customers: [{id: dora, name: Dora, tax_region: DE, coupons: [{coupon: ten, start: 2025-10-01}]}]
subscriptions: [{customer: dora, plan: every, start: 2025-11-01, overrides: {own: {unit_amount: 0.30}, idle: {unit_amount: 2}}}]
"""
MANDATORY = (
    *("BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart"),
    *("ChargeCategory", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost", "EffectiveCost"),
    *("InvoiceIssuerName", "ListCost", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
)
MAY_BE_NULL = (
    "BillingAccountName",
    "ChargeClass",
    "ChargeDescription",
    "PricingQuantity",
    "PricingUnit",
)
ALLOWED = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"", "Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {"", "Standard", "Dynamic", "Committed", "Other"},
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NUMBER = re.compile(r"-?\d+(\.\d+)?")


def check_rules(rows):
    """Nulls, allowed values and forms; a unit price times its quantity is the cost, but of what corrects; a row has its own id."""
    for row in rows:
        assert [name for name in MANDATORY if not row[name]] == []
        assert all(row[name] in allowed for name, allowed in ALLOWED.items()), row
        assert all(INSTANT.fullmatch(row[name]) for name in row if name.endswith(("Start", "End")))
        assert all(NUMBER.fullmatch(row[name]) for name in row if name.endswith("Cost"))
        is_charge = row["ChargeCategory"] in {"Usage", "Purchase"}
        if is_charge and not row["ChargeClass"]:
            assert NUMBER.fullmatch(row["PricingQuantity"])
        assert bool(row["PricingQuantity"]) == bool(row["PricingUnit"])
        assert (
            bool(row["ConsumedQuantity"]) == (row["ChargeCategory"] == "Usage") == bool(row["ConsumedUnit"])
        )
        assert (row["ChargeFrequency"] == "Usage-Based") == (row["ChargeCategory"] == "Usage")
        for kind in ("List", "Contracted"):
            unit_price = row[f"{kind}UnitPrice"]
            assert not unit_price or (is_charge and Decimal(unit_price) >= 0)
            if unit_price and not row["ChargeClass"]:
                product = Fraction(unit_price) * Fraction(row["PricingQuantity"])
                assert product == Fraction(row[f"{kind}Cost"]), row
    ids = [row["x_RowId"] for row in rows]
    assert len(set(ids)) == len(ids)


@pytest.fixture
def world(engine, channel, request):
    found = TenantWorld.of(engine, channel, request.node.originalname, getattr(request, "param", CATALOG))
    yield found
    found.channel.close()


@pytest.fixture
def exported(world, tmp_path):
    """Exports a month; its rows."""

    def rows(month, *options):
        path = tmp_path / f"{month}.csv"
        world.run("invoices", "export", "--period", month, "-o", str(path), "--issuer", "Shop", *options)
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return rows


def test_the_rows_keep_the_rules_of_focus(world, exported):
    """Columns, nulls, allowed values, forms of instants and numbers; quantities of usage have units."""
    world.use("a", "acme", "2025-11-05", "4", "eu")
    world.use("c", "coil", "2025-11-05", "10", "eu")
    world.run("close", "--period", "2025-11")
    rows = exported("2025-11", "--service-category", "compute")
    names = list(rows[0])
    assert set(MANDATORY) | set(MAY_BE_NULL) <= set(names)
    own = [name for name in names if name.startswith("x_")]
    assert names[-len(own) :] == own
    check_rules(rows)
    assert {row["ServiceCategory"] for row in rows} == {"Compute"}
    assert {row["ConsumedUnit"] for row in rows if row["ChargeCategory"] == "Usage"} == {"Calls"}


@pytest.mark.parametrize("world", [EVERY], indirect=True, ids=["every"])
def test_each_kind_of_price_has_rows_whose_quantity_times_unit_price_is_their_cost(world, exported):
    """Of November: what of a line is at which price, before anything is rounded; what is billed of it, to the cent.

    dora has 10 % off. tiers: 100 x 0.0125 and 33 x 0.0045, and 2.00 once: 3.3985, so 3.40, less 0.34. volume: 150 x 0.20. packs:
    two of 100. fees: 2.9 % of 150. carried: 1.1 of 150. over: 50 beyond 100. cells: 150 x 0.50. blocks: 10 + 5 blocks of 10.
    thousands: 1 of 150. seats: 3 x 7.00. least: 150 x 0.01, but 5.00 at least, which is no unit price. own: 150 x 0.30, not 1.00. Of idle
    nothing is used, at 1.00 or at 2.00.
    """
    for number, (event_type, value) in enumerate((("call", "133"), ("file", "150"))):
        world.use(f"d{number}", "dora", "2025-11-05", value, "eu", event_type=event_type)
    world.run("close", "--period", "2025-11")
    rows = exported("2025-11")
    check_rules(rows)
    names = ("ConsumedQuantity", "PricingQuantity", "PricingUnit", "ListUnitPrice", "ListCost", "BilledCost")
    found = {
        row["x_RowId"].partition("/")[2].replace(row["x_InvoiceLineNumber"], row["x_PriceId"], 1): tuple(
            row[name] for name in names
        )
        for row in rows
        if row["ChargeCategory"] != "Tax"
    }
    # The discount of 0.34 goes to 2, 1.25 and 0.1485 as 0.20, 0.13 and 0.01; what is left, 1.80, 1.12 and 0.1385, to 3.06.
    assert found == {
        "tiers/tier-1": ("100", "100", "Calls", "0.0125", "1.2500", "1.12"),
        "tiers/tier-1-flat": ("", "1", "Units", "2", "2", "1.80"),
        "tiers/tier-2": ("33", "33", "Calls", "0.0045", "0.1485", "0.14"),
        "volume/tier-2": ("150", "150", "Files", "0.2", "30.0", "27.00"),
        "packs/charge": ("150", "2", "100 Files", "4", "8", "7.20"),
        "fees/charge": ("150", "150", "Files", "0.029", "4.350", "3.91"),
        "carried/charge": ("150", "150", "Files", "1.1", "165.0", "148.50"),
        "over/allowance": ("100", "100", "Files", "0", "0", "0.00"),
        "over/charge": ("50", "50", "Files", "0.5", "25.0", "22.50"),
        "cells/tier-1": ("150", "150", "Files", "0.5", "75.0", "67.50"),
        "blocks/tier-1": ("100", "10", "10 Files", "1", "10", "9.00"),
        "blocks/tier-2": ("50", "5", "10 Files", "0.5", "2.5", "2.25"),
        "thousands/charge": ("150", "1", "Units", "0.1", "0.1", "0.09"),
        "seats/charge": ("", "3", "Units", "7", "21", "18.90"),
        "least/charge": ("150", "150", "Files", "", "5", "4.50"),
        "own/charge": ("150", "150", "Files", "0.3", "45.0", "40.50"),
        "idle/charge": ("0", "0", "Units", "", "0", "0.00"),
    }


def test_the_rows_of_an_invoice_add_up_to_what_is_due(world, exported):
    """acme: 100 + 2 less a tenth is 91.80, less 20 of credit 71.80, and 19 % of that 13.64: 85.44. bolt: 24, of it 4 tax. coil: 50."""
    world.use("a", "acme", "2025-11-05", "4", "eu")
    world.use("c", "coil", "2025-11-05", "10", "eu")
    world.run("close", "--period", "2025-11")
    sums = defaultdict(Decimal)
    for row in exported("2025-11"):
        sums[row["BillingAccountId"], row["ChargeCategory"]] += Decimal(row["BilledCost"])
    assert dict(sums) == {
        ("acme", "Purchase"): Decimal("90.00"),
        ("acme", "Usage"): Decimal("1.80"),
        ("acme", "Credit"): Decimal("-20.00"),
        ("acme", "Tax"): Decimal("13.64"),
        ("bolt", "Purchase"): Decimal("20.00"),
        ("bolt", "Tax"): Decimal("4.00"),
        ("coil", "Usage"): Decimal("5.00"),
        ("coil", "Purchase"): Decimal("45.00"),
    }


def test_corrections_are_marked_and_void_invoices_left_out(world, exported):
    """Two late calls of November, 1.00 less a tenth, on December's invoice; bolt's December is void."""
    world.run("close", "--period", "2025-11")
    world.use("late", "acme", "2025-11-20", "2", "eu")
    world.run("close", "--period", "2025-12")
    listed = world.run("invoices", "list", "--customer", "bolt").stdout.splitlines()
    world.run("invoices", "void", listed[1].split()[0], "--reason", "wrong")
    rows = exported("2025-12")
    check_rules(rows)
    assert {row["BillingAccountId"] for row in rows} == {"acme", "coil"}
    corrections = [row for row in rows if row["ChargeClass"] == "Correction"]
    (usage,) = [row for row in corrections if row["ChargeCategory"] == "Usage"]
    assert (usage["ListCost"], usage["BilledCost"], usage["x_CorrectedInvoiceId"][:4]) == (
        "1.00",
        "0.90",
        "INV-",
    )
    assert (usage["ChargePeriodStart"], usage["BillingPeriodStart"]) == (
        "2025-11-01T00:00:00Z",
        "2025-12-01T00:00:00Z",
    )


def test_an_invoice_without_a_seller_needs_an_issuer(world, tmp_path):
    """And nothing is left half written."""
    world.run("close", "--period", "2025-11")
    path = tmp_path / "focus.csv"
    refused = world.run("invoices", "export", "--period", "2025-11", "-o", str(path), code=2)
    assert "was issued without a seller: give --issuer NAME" in refused.stderr
    assert list(tmp_path.iterdir()) == []
