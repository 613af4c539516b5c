"""Billing periods that are over become invoices; what changes later becomes lines of the next ones."""

from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pytest

from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.closing.booked_lines import amount_texts
from engine.billing.terms.settled_amounts import AMOUNTS
from engine.errors import InvalidRequestError, InvoiceStateError, MeterlineError
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld, instant_us

# 10 for the month, and 0.50 a call; 100 calls are 60.00.
CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
plans:
  - id: pro
    name: Pro
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 10}
      - {id: calls, meter: calls, model: per_unit, unit_amount: 0.50}
customers:
  - {id: acme, name: Acme}
  - {id: bolt, name: Bolt}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-10-01}
  - {customer: bolt, plan: pro, start: 2026-11-15}
"""
NOVEMBER = ("2026-11-01", "2026-12-01")
DECEMBER = ("2026-12-01", "2027-01-01")


@pytest.fixture
def world(tmp_path):
    store = UsageStore.open_embedded(tmp_path / "usage")
    made = ClosingWorld(f"sqlite:///{tmp_path / 'catalog.sqlite'}", store, CATALOG, "2026-11-20")
    yield made
    made.finish()
    store.close()


def due(invoices):
    return [(each.name, each.key.customer_id, str(each.sums["due"])) for each in invoices]


def test_a_month_that_is_over_is_billed_once(world):
    """acme: 10 + 4 x 0.50. bolt's first period ends on 15 December: it is of December's run."""
    world.use("acme", "2026-11-05", 4)
    (step,) = world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    assert due(step.issued) == [("INV-000001", "acme", "12.00")]
    assert (step.not_due_count, step.standing_count, step.unrateable) == (0, 0, [])
    (again,) = world.close(*NOVEMBER)
    assert (again.issued, again.standing_count) == ([], 1)
    assert due(world.standing()) == [("INV-000001", "acme", "12.00")]


def test_a_period_is_not_due_before_its_grace_is_over(world):
    (step,) = world.at("2026-12-01T00:59:59").close(*NOVEMBER)
    assert (step.issued, step.not_due_count) == ([], 1)


def test_lines_say_what_was_billed(world):
    world.use("acme", "2026-11-05", 4)
    (step,) = world.at("2026-12-02").close(*NOVEMBER)
    lines = world.lines(step.issued[0])
    assert [(each["line_number"], each["kind"], each["price_id"], each["quantity"]) for each in lines] == [
        (1, "charge", "fee", "0"),
        (2, "charge", "calls", "4"),
    ]
    assert [str(each["due_minor"]) for each in lines] == ["1000", "200"]


def test_usage_that_comes_after_the_close_is_on_the_next_invoice(world):
    """Three calls of November, recorded in December: 1.50 more, on December's invoice, named as November's."""
    world.use("acme", "2026-11-05", 4)
    (step,) = world.at("2026-12-02").close(*NOVEMBER)
    world.at("2026-12-03").use("acme", "2026-11-30", 3)
    (later,) = world.at("2027-01-02").close(*DECEMBER)
    first = later.issued[0]
    assert (first.key.customer_id, str(first.sums["due"])) == ("acme", "11.50")
    adjustment = world.lines(first)[-1]
    assert adjustment["corrects_invoice_id"] == step.issued[0].invoice_id
    assert (adjustment["price_id"], adjustment["quantity"], adjustment["event_count"]) == ("calls", "3", 1)
    assert (str(adjustment["amount_minor"]), adjustment["period_start"].month) == ("150", 11)
    assert later.adjusted_count == 1


def test_an_adjustment_is_billed_once(world):
    """It is booked of November: January's close finds nothing left."""
    world.at("2026-12-02").close(*NOVEMBER)
    world.use("acme", "2026-11-30", 3)
    world.at("2027-01-02").close(*DECEMBER)
    (third,) = world.at("2027-02-02").close("2027-01-01", "2027-02-01")
    assert [str(each.sums["due"]) for each in third.issued] == ["10.00", "10.00"]
    assert third.adjusted_count == 0
    assert world.totals()["acme", "USD"]["due"] == Decimal("31.50")


def test_who_has_no_period_any_more_has_an_invoice_of_adjustments_alone(world):
    """Acme leaves at the end of November; what comes in late is billed all the same, once."""
    world.apply(CATALOG.replace("start: 2026-10-01}", "start: 2026-10-01, end: 2026-12-01}"))
    world.at("2026-12-02").close(*NOVEMBER)
    world.use("acme", "2026-11-30", 3)
    (step,) = world.at("2027-01-02").close(*DECEMBER)
    (own,) = [each for each in step.issued if each.key.customer_id == "acme"]
    assert (str(own.sums["due"]), own.line_count) == ("1.50", 1)
    (again,) = world.close(*DECEMBER)
    assert again.issued == []


def test_corrections_wait_for_an_invoice_that_will_come(world):
    """A day's run bills bolt, whose period ended; what came in late of acme's November is on acme's December."""
    world.at("2026-12-02").close(*NOVEMBER)
    world.use("acme", "2026-11-30", 3)
    (of_a_day,) = world.at("2026-12-16").close("2026-12-14", "2026-12-15")
    assert (due(of_a_day.issued), of_a_day.adjusted_count) == ([("INV-000002", "bolt", "10.00")], 0)
    (rest,) = world.at("2027-01-02").close("2026-12-15", "2027-01-01")
    assert (due(rest.issued), rest.adjusted_count) == ([("INV-000003", "acme", "11.50")], 1)


def test_corrections_in_a_currency_without_further_periods_are_billed_alone(world):
    """Acme's plan in euros ends with November, that in dollars goes on: 1.00 for four late trips."""
    euro = """
meters: [{id: trips, event_type: trip, aggregation: sum, value: value}]
plans: [{id: eu, name: EU, currency: EUR, prices: [{id: trips, meter: trips, model: per_unit, unit_amount: 0.25}]}]
subscriptions: [{customer: acme, plan: eu, start: 2026-11-01, end: 2026-12-01}]
"""
    world.apply(euro)
    world.at("2026-12-02").close(*NOVEMBER)
    world.use("acme", "2026-11-30", 4, "trip")
    (of_a_day,) = world.at("2026-12-16").close("2026-12-14", "2026-12-15")
    own = [each for each in of_a_day.issued if each.key.customer_id == "acme"]
    assert [(each.key.currency, str(each.sums["due"]), each.line_count) for each in own] == [
        ("EUR", "1.00", 1)
    ]


def test_a_void_invoice_is_billed_anew_under_another_number(world):
    world.use("acme", "2026-11-05", 4)
    (step,) = world.at("2026-12-02").close(*NOVEMBER)
    first = step.issued[0]
    voided = world.invoices.void(TENANT, first.invoice_id, 0, "wrong address", world.now_us)
    assert (voided.state, voided.void_reason, voided.number) == (InvoiceState.VOID, "wrong address", 1)
    world.use("acme", "2026-11-06", 2)
    (again,) = world.close(*NOVEMBER)
    assert due(again.issued) == [("INV-000002", "acme", "13.00")]
    with pytest.raises(InvoiceStateError, match="INV-000001 is void"):
        world.invoices.void(TENANT, first.invoice_id, 0, "again", world.now_us)


def test_a_run_that_broke_off_goes_on_with_its_watermark(world):
    """Lines were written, and no header: whoever closes joins the run, and makes the same invoice. Usage after the watermark is for
    the next.
    """
    run = world.at("2026-12-02").closer.begin(TENANT, *_span(NOVEMBER), 0, "tests")
    world.use("acme", "2026-11-06", 2)
    joined = world.at("2026-12-05").closer.begin(TENANT, *_span(NOVEMBER), 0, "others")
    assert joined == run
    step = world.closer.step(joined, 0)
    assert due(step.issued) == [("INV-000001", "acme", "10.00")]
    assert step.issued[0].as_of_us == run.as_of_us


def test_what_a_run_billed_and_somebody_voided_waits_for_the_next_run(world):
    """The run broke off behind its first step: it goes on without billing the void invoice again, and the next run does."""
    run = world.at("2026-12-02").closer.begin(TENANT, *_span(NOVEMBER), 0, "tests")
    first = world.closer.step(run, 0, 1).issued[0]
    world.invoices.void(TENANT, first.invoice_id, 0, "wrong address", world.now_us)
    (again,) = world.close(*NOVEMBER)
    assert (again.issued, again.standing_count) == ([], 1)
    (anew,) = world.close(*NOVEMBER)
    assert due(anew.issued) == [("INV-000002", "acme", "10.00")]


def test_a_void_between_lines_and_header_leaves_an_invoice_whole(world):
    """The step has written three lines, with a correction of October; October's invoice is made void before it issues: two are left.

    Of the three nobody hears again, and later runs close as ever.
    """
    (october,) = world.at("2026-11-02").close("2026-10-01", "2026-11-01")[0].issued
    world.at("2026-11-10").use("acme", "2026-10-20", 100)
    write, written = world.booked.write, []

    def write_and_void(tenant, rows):
        write(tenant, rows)
        written.append(rows.num_rows)
        if len(written) == 1:
            world.invoices.void(TENANT, october.invoice_id, 0, "wrong", world.now_us)

    world.booked.write = write_and_void
    (step,) = world.at("2026-12-02").close(*NOVEMBER)
    assert (written, due(step.issued)) == ([3, 2], [("INV-000002", "acme", "10.00")])
    assert len(world.lines(step.issued[0])) == 2
    world.at("2027-01-02").close(*DECEMBER)
    world.close("2026-10-01", "2026-11-01")
    # October to December of acme, and 100 calls; December of bolt.
    assert world.totals()["acme", "USD"]["due"] == Decimal("80.00")


def test_a_customer_whose_invoice_no_account_holds_is_left_open(world):
    """5 x 10^20 calls at 0.50; others are billed."""
    world.at("2026-12-01").use("acme", "2026-11-05", 5 * 10**20)
    (step,) = world.at("2026-12-20").close("2026-11-01", "2026-12-16")
    assert (due(step.issued), step.open_customer_count) == ([("INV-000001", "bolt", "10.00")], 1)


def test_usage_that_came_before_an_overtaken_run_went_on_is_billed(world):
    """November's run breaks off; 100 late calls come; December's bills; November's goes on with its old watermark; January bills them."""
    november = world.at("2026-12-02").closer.begin(TENANT, *_span(NOVEMBER), 0, "tests")
    world.at("2026-12-20").use("acme", "2026-11-20", 100)
    world.at("2027-01-02").close(*DECEMBER)
    world.at("2027-01-05").closer.step(november, 0)
    world.at("2027-02-02").close("2027-01-01", "2027-02-01")
    # Three months' fees, and the calls.
    assert world.totals()["acme", "USD"]["due"] == Decimal("80.00")


def test_a_step_begins_where_a_customer_does(world):
    """Half a customer would be an invoice that lacks lines; and behind the last customer a run would end that has closed nobody."""
    more = (
        "plans: [{id: extra, name: Extra, currency: USD, prices: [{id: fee, model: flat, flat_amount: 1}]}]\n"
    )
    world.apply(f"{more}subscriptions: [{{customer: acme, plan: extra, start: 2026-10-01}}]")
    run = world.at("2026-12-02").closer.begin(TENANT, *_span(NOVEMBER), 0, "tests")
    assert world.closer.step(run, 0, 1).next_row == 2
    for row in (1, 3, 99):
        with pytest.raises(InvalidRequestError, match="page_token"):
            world.closer.step(run, row)


def test_lines_are_read_some_at_a_time(world):
    """As all of them at once; and none is left out silently."""
    (step,) = world.at("2026-12-02").close(*NOVEMBER)
    (invoice,) = step.issued
    pages = [world.booked.some_of_invoice(invoice, after, 1).to_pylist() for after in (0, 1, 2)]
    assert [row for page in pages for row in page] == world.lines(invoice)
    with pytest.raises(MeterlineError, match="was issued with 3"):
        world.booked.some_of_invoice(replace(invoice, line_count=3), 0, 10)


def test_amounts_of_lines_have_the_digits_of_their_currency():
    """Two digits, none, and three; exact, and signed."""
    minor = pa.table({name: pa.array([-5, 123456], pa.decimal128(38, 0)) for name in AMOUNTS})
    assert amount_texts(minor, "USD")["due"] == ["-0.05", "1234.56"]
    assert amount_texts(minor, "JPY")["due"] == ["-5", "123456"]
    assert amount_texts(minor, "KWD")["amount"] == ["-0.005", "123.456"]


MARS = """
meters: [{id: trips, event_type: trip, aggregation: sum, value: value, group_by: [region]}]
plans:
  - id: far
    name: Far
    currency: USD
    prices:
      - {id: trips, meter: trips, model: matrix, dimensions: [region], cells: [{match: {region: moon}, unit_amount: 1}]}
subscriptions:
  - {customer: acme, plan: far, start: 2026-10-01}
  - {customer: bolt, plan: far, start: 2026-11-01}
"""


def test_a_customer_with_a_line_that_cannot_be_rated_is_left_open(world):
    """Whole, and named once, however many such lines it has; others are billed."""
    world.apply(MARS)
    world.use("acme", "2026-11-05", 4, "trip", region="mars")
    world.use("acme", "2026-11-06", 4, "trip", region="venus")
    world.use("bolt", "2026-11-05", 4, "trip", region="moon")
    (step,) = world.at("2026-12-02").close(*NOVEMBER)
    assert due(step.issued) == [("INV-000001", "bolt", "4.00")]
    assert step.open_customer_count == 1
    (line,) = step.unrateable
    assert (line.charge.subscription.customer, "region=mars" in line.unrateable_reason) == ("acme", True)


def test_a_run_that_ends_after_a_later_one_gives_nothing_back(world):
    """December's is begun, then usage of October comes in, and January's bills it; December's goes on, and leaves it alone."""
    world.at("2026-11-02").close("2026-10-01", "2026-11-01")
    world.at("2026-12-02").close(*NOVEMBER)
    december = world.at("2027-01-02").closer.begin(TENANT, *_span(DECEMBER), 0, "tests")
    world.use("acme", "2026-10-31", 3)
    (january,) = world.at("2027-02-02").close("2027-01-01", "2027-02-01")
    assert january.adjusted_count == 1
    late = world.closer.step(december, 0)
    assert (len(late.issued), late.adjusted_count) == (2, 0)
    # October to January of acme, and 1.50; December and January of bolt.
    assert world.totals()["acme", "USD"]["due"] == Decimal("41.50")
    world.at("2027-03-02").close("2027-02-01", "2027-03-01")
    assert world.totals()["acme", "USD"]["due"] == Decimal("51.50")


def _span(period):
    return instant_us(period[0]), instant_us(period[1])
