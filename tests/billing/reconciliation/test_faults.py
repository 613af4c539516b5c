"""Every fault that is put into invoices, lines and events is found, by kind; and nothing else is."""

from decimal import Decimal

import pyarrow as pa
import pytest
from sqlalchemy import delete, text, update

from engine.billing.reconciliation.findings import Check, DifferenceKind
from engine.erasure.facts_and_invoices import bare_lines_statements
from engine.sql.invoice_tables import INVOICES
from engine.usage.store.query import Query
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld, instant_us
from tests.support.reconciled_world import reconciled

CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
  - {id: by_region, event_type: call, aggregation: count, group_by: [region]}
tax_regions:
  - {id: DE, name: Germany, country: DE, rates: [{id: vat, percent: 19}]}
coupons:
  - {id: ten, name: Ten, percent_off: 10}
plans:
  - id: pro
    name: Pro
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 10}
      - {id: calls, meter: calls, model: per_unit, unit_amount: 0.50}
      - {id: regions, meter: by_region, model: per_unit, unit_amount: 0.333}
customers:
  - {id: acme, name: Acme, tax_region: DE, coupons: [{coupon: ten, start: 2026-10-01}]}
  - {id: bolt, name: Bolt}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-10-01}
  - {customer: bolt, plan: pro, start: 2026-10-01}
"""
KIND = DifferenceKind
# Of acme: INV-000001 for October and INV-000002, a corrected event of October among its lines, for November; of bolt INV-000003.
OCTOBER, NOVEMBER, DECEMBER = "2026-10-01", "2026-11-01", "2026-12-01"


@pytest.fixture
def world(tmp_path):
    store = UsageStore.open_embedded(tmp_path / "usage")
    made = ClosingWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}", store, CATALOG, "2026-10-20")
    made.use("acme", "2026-10-05", 4, region="eu")
    made.use("acme", "2026-10-06", 3, region="us")
    made.use("bolt", "2026-10-07", 1)
    made.at("2026-11-02").close(OCTOBER, NOVEMBER)
    made.use("acme", "2026-10-08", 2, region="eu")
    made.at("2026-12-02").close(NOVEMBER, DECEMBER)
    yield made
    made.finish()
    store.close()


def invoice_of(world, customer, month):
    found = world.standing()
    return next(
        each for each in found if (each.key.customer_id, each.key.start_us) == (customer, instant_us(month))
    )


def in_usage_store(world, statement, **parameters):
    world.store.delete(Query(statement, parameters))


def in_headers(world, statement):
    with world.database.writing() as connection:
        connection.execute(statement)


def kinds(world):
    return {(each.kind, each.customer_id, each.line_number) for each in reconciled(world).differences}


def test_nothing_is_wrong_before(world):
    """Three lines an invoice, and one more for the second region of October; November has the correction of two prices."""
    found = reconciled(world)
    assert found.differences == []
    assert (found.judged[Check.INVOICES], found.judged[Check.LINES]) == (4, 4 + 3 + 3 + 3)
    assert sum(found.not_judged.values()) == 0
    assert (found.late_event_count, found.late_customer_count) == (0, 0)


def test_a_changed_line_is_found_by_every_check_that_it_fails(world):
    """One more in the amount, tax and due left as they are: header, arithmetic, amount, tax; and October's sum."""
    invoice = invoice_of(world, "acme", OCTOBER)
    in_usage_store(
        world,
        "ALTER TABLE booked_lines UPDATE amount_minor = amount_minor + 100 "
        "WHERE invoice_id = {invoice:String} AND line_number = 2",
        invoice=invoice.invoice_id,
    )
    found = kinds(world)
    assert {
        (KIND.HEADER_SUM, "acme", 0),
        (KIND.LINE_ARITHMETIC, "acme", 2),
        (KIND.AMOUNT, "acme", 2),
        (KIND.TAX, "acme", 2),
        (KIND.CORRECTED_AMOUNT, "acme", 0),
    } <= found
    assert {who for _, who, _ in found} == {"acme"}


@pytest.mark.parametrize(
    ("column", "kind"), [("quantity = '5'", KIND.QUANTITY), ("event_count = 9", KIND.EVENT_COUNT)]
)
def test_a_changed_quantity_or_count_is_found(world, column, kind):
    invoice = invoice_of(world, "bolt", OCTOBER)
    in_usage_store(
        world,
        f"ALTER TABLE booked_lines UPDATE {column} WHERE invoice_id = {{invoice:String}} AND line_number = 2",
        invoice=invoice.invoice_id,
    )
    assert kinds(world) == {(kind, "bolt", 2)}


def test_a_removed_line_is_found(world):
    """Beside the header, and because a price of the plan has none."""
    invoice = invoice_of(world, "bolt", OCTOBER)
    in_usage_store(
        world,
        "ALTER TABLE booked_lines DELETE WHERE invoice_id = {invoice:String} AND price_id = 'calls'",
        invoice=invoice.invoice_id,
    )
    found = kinds(world)
    assert {
        (KIND.LINE_COUNT, "bolt", 0),
        (KIND.HEADER_SUM, "bolt", 0),
        (KIND.MISSING_LINE, "bolt", 0),
    } <= found


def test_a_doubled_line_is_found(world):
    invoice = invoice_of(world, "bolt", OCTOBER)
    twice = world.booked.of_invoice(invoice).slice(1, 1)
    place = twice.schema.get_field_index("line_number")
    number = pa.array([invoice.line_count + 1], pa.uint32())
    world.booked.write(invoice.tenant, twice.set_column(place, twice.schema.field(place), number))
    assert {
        (KIND.LINE_TWICE, "bolt", 0),
        (KIND.LINE_COUNT, "bolt", 0),
        (KIND.HEADER_SUM, "bolt", 0),
    } <= kinds(world)


def test_lines_that_an_erasure_left_without_ids_are_none_twice(world):
    invoice = invoice_of(world, "bolt", OCTOBER)
    for statement in bare_lines_statements(TENANT, [invoice.invoice_id]):
        world.store.delete(statement)
    erased = (
        update(INVOICES).where(INVOICES.c.invoice_id == invoice.invoice_id).values(erased_at_us=world.now_us)
    )
    in_headers(world, erased)
    assert kinds(world) == set()


def test_lines_that_are_gone_are_found(world):
    invoice = invoice_of(world, "bolt", OCTOBER)
    in_usage_store(
        world,
        "ALTER TABLE booked_lines DELETE WHERE invoice_id = {invoice:String}",
        invoice=invoice.invoice_id,
    )
    assert (KIND.NO_LINES, "bolt", 0) in kinds(world)


def test_a_changed_header_is_found(world):
    invoice = invoice_of(world, "bolt", OCTOBER)
    in_headers(world, update(INVOICES).where(INVOICES.c.invoice_id == invoice.invoice_id).values(due="11.00"))
    assert kinds(world) == {(KIND.HEADER_SUM, "bolt", 0)}


def test_a_deleted_header_leaves_a_gap_and_lines_without_an_invoice(world):
    invoice = invoice_of(world, "bolt", OCTOBER)
    in_headers(world, delete(INVOICES).where(INVOICES.c.invoice_id == invoice.invoice_id))
    assert {(KIND.NUMBER_GAP, "", 0), (KIND.NO_INVOICE, "bolt", 0)} <= kinds(world)


def test_a_period_that_is_billed_twice_is_found(world):
    """Which the database refuses, as long as its index is there."""
    invoice = invoice_of(world, "bolt", NOVEMBER)
    in_headers(world, text("DROP INDEX invoices_by_period"))
    in_headers(
        world,
        update(INVOICES)
        .where(INVOICES.c.invoice_id == invoice.invoice_id)
        .values(period_start_us=instant_us(OCTOBER), period_end_us=instant_us(NOVEMBER)),
    )
    assert (KIND.PERIOD_TWICE, "bolt", 0) in kinds(world)


def test_a_hidden_event_is_found_where_it_was_billed(world):
    """Bolt's only one: a call of 0.50, and 0.333 for the count."""
    in_usage_store(world, "ALTER TABLE events DELETE WHERE customer_id = 'bolt'")
    found = reconciled(world)
    by_kind = {(each.kind, each.line_number): (each.expected, each.found) for each in found.differences}
    assert by_kind[KIND.EVENT_COUNT, 2] == ("0", "1")
    assert by_kind[KIND.QUANTITY, 2] == ("0", "1")
    assert by_kind[KIND.AMOUNT, 2] == ("0.00", "0.50")
    assert by_kind[KIND.AMOUNT, 3] == ("0.00", "0.33")
    assert {each.customer_id for each in found.differences} == {"bolt"}


def test_a_lost_correction_is_found(world):
    """November's invoice bills 2 more calls of October: 1.00, and 0.333 more of the count."""
    invoice = invoice_of(world, "acme", NOVEMBER)
    in_usage_store(
        world,
        "ALTER TABLE booked_lines DELETE WHERE invoice_id = {invoice:String} AND corrects_invoice_id != '' "
        "AND price_id = 'calls'",
        invoice=invoice.invoice_id,
    )
    found = [each for each in reconciled(world).differences if each.kind is KIND.CORRECTED_AMOUNT]
    assert ("acme:pro calls", "4.50", "3.50") in {(each.what, each.expected, each.found) for each in found}


def test_what_comes_late_is_pending_and_no_difference(world):
    """Until the next close bills it."""
    world.use("acme", "2026-11-08", 2, region="eu")
    world.use("bolt", "2026-10-08", 2, region="eu")
    found = reconciled(world)
    assert (found.difference_count, found.late_event_count, found.late_customer_count) == (0, 2, 2)
    world.at("2027-01-02").close(DECEMBER, "2027-01-01")
    found = reconciled(world)
    assert (found.difference_count, found.late_event_count) == (0, 0)


def test_amounts_are_those_that_a_person_works_out(world):
    """Acme's October: 10 + 7 x 0.50 + 2 x 0.333 = 14.17, less 10 % = 1.42, and 19 % of each line."""
    invoice = invoice_of(world, "acme", OCTOBER)
    assert invoice.sums["amount"] == Decimal("14.17")
    assert invoice.sums["discounts"] == Decimal("1.42")
