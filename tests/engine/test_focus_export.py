"""`meterline invoices export` against a real engine: its file keeps the rules of FOCUS 1.2, and adds up to what is due."""

import csv
import re
from collections import defaultdict
from decimal import Decimal

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


@pytest.fixture
def world(engine, channel, request):
    found = TenantWorld.of(engine, channel, request.node.originalname, CATALOG)
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
    for row in rows:
        assert [name for name in MANDATORY if not row[name]] == []
        assert all(row[name] in allowed for name, allowed in ALLOWED.items()), row
        assert all(INSTANT.fullmatch(row[name]) for name in names if name.endswith(("Start", "End")))
        assert all(NUMBER.fullmatch(row[name]) for name in names if name.endswith("Cost"))
        assert row["ServiceCategory"] == "Compute"
        if row["ChargeCategory"] in {"Usage", "Purchase"}:
            assert NUMBER.fullmatch(row["PricingQuantity"])
            assert row["PricingUnit"]
        if row["ChargeCategory"] == "Usage":
            assert row["ConsumedUnit"] == "Calls"


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
