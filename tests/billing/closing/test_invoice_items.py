"""Invoice items: charged or given back once, whatever is closed, voided, billed in parts or broken off."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from engine.billing.terms.history import History
from engine.catalog.single.single_changes import end
from engine.catalog.store import Write
from engine.errors import CatalogDocumentError
from engine.spend.spend import spend_of
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld, instant_us

# 10 for the month, and 0.50 a call, each 10 % off for acme, who is taxed with 20 %; bolt commits to 50.
CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
plans:
  - id: pro
    name: Pro
    currency: USD
    payment_terms_days: 14
    prices:
      - {id: fee, model: flat, flat_amount: 10}
      - {id: calls, meter: calls, model: per_unit, unit_amount: 0.50}
coupons: [{id: ten, name: Ten, percent_off: 10}]
tax_regions: [{id: home, name: Home, rates: [{id: vat, percent: 20}]}]
customers:
  - {id: acme, name: Acme, currency: USD, tax_region: home, coupons: [{coupon: ten, start: 2026-01-01}]}
  - {id: bolt, name: Bolt}
  - {id: cole, name: Cole}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-10-01, invoicing_threshold: 20}
  - {customer: bolt, plan: pro, start: 2026-10-01, commitments: [{amount: 50}]}
"""
OCTOBER = ("2026-10-01", "2026-11-01")
NOVEMBER = ("2026-11-01", "2026-12-01")
DECEMBER = ("2026-12-01", "2027-01-01")
JANUARY = ("2027-01-01", "2027-02-01")


@pytest.fixture
def store(tmp_path):
    opened = UsageStore.open_embedded(tmp_path / "usage")
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request, tmp_path, store):
    """On 20 November; October is closed."""
    url = f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").new_url()
    made = ClosingWorld(url, store, CATALOG, "2026-11-20")
    made.close(*OCTOBER)
    yield made
    made.finish()


def give(world, item, customer, amount, currency="USD", period=NOVEMBER, **more):
    """An item of a billing period, whose service is on the fifth day of it."""
    fields = {
        "id": item,
        "customer": customer,
        "description": f"What {item} is",
        "amount": amount,
        "currency": currency,
        "service_start": f"{period[0][:8]}05",
        "period_start": period[0],
        "period_end": period[1],
    } | more
    said = ", ".join(f"{name}: {value}" for name, value in fields.items())
    world.apply(f"invoice_items: [{{{said}}}]")


def take(world, item, action="delete"):
    at = datetime.fromtimestamp(world.now_us // 1_000_000, UTC)
    world.catalog.write(
        TENANT, lambda catalog: end("invoice_item", item, action, "", at, catalog), Write(at, "p", "")
    )


def items_of(world, invoice):
    """(item, amount, discount, tax, due) of each line of one, in cents."""
    return [
        (row["price_id"], *(int(row[f"{name}_minor"]) for name in ("amount", "discount", "tax", "due")))
        for row in world.lines(invoice)
        if row["subscription_id"].startswith("item/")
    ]


def billed(world, item):
    """What all documents that stand bill of an item, in cents."""
    rows = (row for each in world.standing() for row in world.lines(each))
    return sum(int(row["amount_minor"]) for row in rows if row["subscription_id"] == f"item/{item}")


def invoice_of(world, customer, period, currency="USD"):
    """The standing one of a period."""
    span = tuple(map(instant_us, period))
    (found,) = (
        each for each in world.standing() if each.key == (customer, currency, *span) and not each.part
    )
    return found


def test_an_item_is_a_line_of_its_own_on_the_invoice_of_its_period(world):
    """100.00 and 20 % of it: no coupon is off it. What is given back gives its tax back."""
    give(world, "setup", "acme", "100.00", product="services", service_end="2026-11-08")
    give(world, "sorry", "acme", "-30.00")
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    invoice = invoice_of(world, "acme", NOVEMBER)
    assert items_of(world, invoice) == [("setup", 10000, 0, 2000, 12000), ("sorry", -3000, 0, -600, -3600)]
    # 10.00 less 10 % and 20 % tax: 10.80.
    assert invoice.sums["due"] == Decimal("10.80") + Decimal("120.00") - Decimal("36.00")
    row = next(each for each in world.lines(invoice) if each["price_id"] == "setup")
    assert (row["kind"], row["product"], row["plan_id"]) == ("charge", "services", "item/setup")
    assert [str(row[f"service_{each}"].date()) for each in ("start", "end")] == ["2026-11-05", "2026-11-08"]
    # The plan's terms of payment are the invoice's: an item has none.
    assert invoice.payment_terms_days == 14


def test_an_item_that_is_not_taxed_has_no_tax_beside_lines_that_have(world):
    give(world, "travel", "acme", "7.77", taxed="false")
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    assert items_of(world, invoice_of(world, "acme", NOVEMBER)) == [("travel", 777, 0, 0, 777)]


def test_no_commitment_is_drawn_by_an_item(world):
    """Bolt committed to 50.00 and spent 10.00: 40.00 are owed, and the item besides."""
    give(world, "setup", "bolt", "45.00")
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    sums = invoice_of(world, "bolt", NOVEMBER).sums
    assert (sums["amount"], sums["commitments"], sums["due"]) == (55, 40, 95)


def test_credit_pays_for_an_item_unless_it_is_for_some_plans_or_prices(world):
    """The grant for prices called `fee` is not for an item of this name: 25.00 of 45.00 are paid."""
    world.apply("""
credit_grants:
  - {id: gift, customer: cole, currency: USD, amount: 25, effective_at: 2026-11-01}
  - {id: other, customer: cole, currency: USD, amount: 99, effective_at: 2026-11-01, prices: [fee]}
""")
    give(world, "fee", "cole", "45.00")
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    sums = invoice_of(world, "cole", NOVEMBER).sums
    assert (sums["amount"], sums["credits"], sums["due"]) == (45, 25, 20)


def test_a_customer_without_a_subscription_is_billed_and_so_is_another_currency(world):
    """Cole buys nothing else; acme's euros are an invoice of their own, though its currency is dollars."""
    give(world, "training", "cole", "250")
    give(world, "abroad", "acme", "12.50", currency="EUR")
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    assert invoice_of(world, "cole", NOVEMBER).sums["due"] == 250
    assert invoice_of(world, "acme", NOVEMBER, "EUR").sums["due"] == 15
    assert not world.close(*NOVEMBER)[0].issued


def test_live_spend_is_what_the_close_bills(world):
    give(world, "setup", "acme", "100.00")
    give(world, "sorry", "acme", "-30.00")
    give(world, "abroad", "acme", "12.50", currency="EUR")
    world.use("acme", "2026-11-05", 4)
    snapshot, rated = world.rated_at("2026-11-30")
    live = spend_of(rated, History.of(world.rater, snapshot)).by_amount(10)
    shown = {(each.customer_id, each.currency): (each.amount, each.settled.due) for each in live}
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    for currency in ("USD", "EUR"):
        sums = invoice_of(world, "acme", NOVEMBER, currency).sums
        assert shown["acme", currency] == (sums["amount"], sums["due"])
    assert [each.amount for each in live if each.customer_id == "acme" and each.currency == "USD"] == [82]


def test_live_spend_shows_an_item_while_its_period_runs_and_not_behind_it(world):
    give(world, "setup", "acme", "100.00")
    give(world, "alone", "cole", "60.00")
    give(world, "abroad", "acme", "12.50", currency="EUR")

    def shown(at):
        snapshot, rated = world.at(at).rated_at(at)
        live = spend_of(rated, History.of(world.rater, snapshot)).by_amount(10)
        return {(each.customer_id, each.currency): each.amount for each in live}

    fees = {("acme", "USD"): 10, ("bolt", "USD"): 10}
    items = {("acme", "USD"): 110, ("acme", "EUR"): Decimal("12.50"), ("cole", "USD"): 60}
    assert shown("2026-11-30T23:59:59") == fees | items
    assert shown("2026-12-01") == fees
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    assert shown("2026-12-20") == fees


def test_credit_that_an_item_drew_is_not_there_for_the_next(world):
    """Of 25.00 the first takes 20.00: 5.00 are left, live and billed alike."""
    world.apply(
        "credit_grants: [{id: gift, customer: cole, currency: USD, amount: 25, effective_at: 2026-11-01}]"
    )
    give(world, "first", "cole", "20.00")
    give(world, "second", "cole", "20.00", period=DECEMBER)
    snapshot, rated = world.at("2026-12-20").rated_at("2026-12-20")
    live = spend_of(rated, History.of(world.rater, snapshot)).by_amount(10)
    (shown,) = (each for each in live if each.customer_id == "cole")
    assert (shown.amount, shown.settled.credits, shown.settled.due) == (20, 5, 15)
    world.close(*NOVEMBER)
    world.at("2027-01-01T01:00:00").close(*DECEMBER)
    assert [invoice_of(world, "cole", each).sums["credits"] for each in (NOVEMBER, DECEMBER)] == [20, 5]


def test_what_is_given_back_beyond_what_is_billed_is_balance(world):
    give(world, "sorry", "cole", "-30.00")
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    assert invoice_of(world, "cole", NOVEMBER).sums["due"] == -30
    give(world, "training", "cole", "100", period=DECEMBER)
    world.at("2027-01-01T01:00:00").close(*DECEMBER)
    (paid,) = (each for each in world.standing() if each.sums["due"] == 100)
    assert (paid.figures.paid_minor, paid.figures.outstanding_minor) == (3000, 7000)


def test_an_item_of_a_closed_period_is_on_the_next_invoice_and_corrects(world):
    give(world, "late", "acme", "11.00", period=OCTOBER)
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    november, october = (invoice_of(world, "acme", each) for each in (NOVEMBER, OCTOBER))
    assert items_of(world, november) == [("late", 1100, 0, 220, 1320)]
    (row,) = (each for each in world.lines(november) if each["price_id"] == "late")
    assert row["corrects_invoice_id"] == october.invoice_id
    world.at("2027-01-01T01:00:00").close(*DECEMBER)
    assert billed(world, "late") == 1100


def test_voids_and_what_is_billed_anew_add_up_to_what_was_given_once(world):
    """Whichever invoice is void in between, the item is billed once when all is closed again."""
    give(world, "setup", "acme", "100.00")
    give(world, "late", "acme", "-11.00", period=OCTOBER)
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    for period, name in ((NOVEMBER, "b"), (OCTOBER, "c"), (NOVEMBER, "d")):
        world.invoices.void(TENANT, invoice_of(world, "acme", period).invoice_id, 0, name, world.now_us)
        world.close(*OCTOBER)
        world.close(*NOVEMBER)
    world.at("2027-01-01T01:00:00").close(*DECEMBER)
    world.at("2027-02-01T01:00:00").close(*JANUARY)
    assert (billed(world, "setup"), billed(world, "late")) == (10000, -1100)
    # Four months of 10.80, 120.00 and 13.20 back.
    assert world.totals()["acme", "USD"]["due"] == Decimal("43.20") + Decimal("120.00") - Decimal("13.20")


def test_parts_of_a_period_that_are_billed_while_it_runs_leave_the_item_to_its_close(world):
    """40 calls are 20.00, billed at once; the close bills the fee, the item, and nothing of the calls again."""
    give(world, "setup", "acme", "100.00")
    world.use("acme", "2026-11-05", 50)
    (part,) = world.bill_parts()
    assert items_of(world, part) == []
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    assert items_of(world, invoice_of(world, "acme", NOVEMBER)) == [("setup", 10000, 0, 2000, 12000)]
    assert billed(world, "setup") == 10000
    # (10.00 + 25.00) less 10 %, 20 % tax: 37.80.
    before = Decimal("10.80")
    assert world.totals()["acme", "USD"]["due"] == before + Decimal("37.80") + Decimal("120.00")


def test_an_item_that_goes_while_a_close_runs_is_billed_and_given_back(world):
    """The run has a revision of the catalog in which it is there: the next one gives it back, to the cent."""
    give(world, "oops", "acme", "100.00")
    give(world, "alone", "cole", "60.00")
    world.at("2026-12-01T01:00:00")
    run = world.closer.begin(TENANT, *map(instant_us, NOVEMBER), 0, "tests")
    take(world, "oops")
    take(world, "alone", "archive")
    world.closer.step(run, 0)
    assert (billed(world, "oops"), billed(world, "alone")) == (10000, 6000)
    world.at("2027-01-01T01:00:00").close(*DECEMBER)
    assert (billed(world, "oops"), billed(world, "alone")) == (0, 0)
    assert world.totals()["cole", "USD"]["due"] == 0
    world.at("2027-02-01T01:00:00").close(*JANUARY)
    assert world.totals()["acme", "USD"]["due"] == Decimal("43.20")


def test_an_item_that_is_gone_before_the_close_is_not_billed(world):
    give(world, "oops", "acme", "100.00")
    take(world, "oops")
    world.at("2026-12-01T01:00:00").close(*NOVEMBER)
    assert items_of(world, invoice_of(world, "acme", NOVEMBER)) == []
    assert world.catalog.snapshot(TENANT).invoice_items == {}


def test_another_tenant_has_nothing_of_it(world):
    give(world, "setup", "acme", "100.00")
    assert world.catalog.snapshot("t2").invoice_items == {}
    assert len(world.catalog.snapshot("t2").subscription_columns) == 0


def test_an_item_stays_its_customers_also_when_it_was_deleted(world):
    """Else what was billed of it would be given back to another."""
    give(world, "setup", "acme", "100.00")
    with pytest.raises(CatalogDocumentError, match="can't change from 'acme' to 'cole'"):
        give(world, "setup", "cole", "100.00")
    take(world, "setup")
    with pytest.raises(CatalogDocumentError, match="can't change from 'acme' to 'cole'"):
        give(world, "setup", "cole", "100.00")


@pytest.mark.parametrize(
    ("amount", "currency", "why"),
    [("0", "USD", "must not be 0"), ("1.005", "USD", "at most 2"), ("1.5", "JPY", "at most 0")],
)
def test_an_amount_is_whole_minor_units_and_not_nothing(world, amount, currency, why):
    with pytest.raises(CatalogDocumentError, match=why):
        give(world, "setup", "acme", amount, currency=currency)


def test_snapshots_brought_forward_are_those_read_at_once(world):
    """Rows of items are merged revision by revision, in the order of customers."""
    give(world, "b", "acme", "1")
    give(world, "a", "bolt", "2")
    give(world, "b", "acme", "3")
    take(world, "a")
    forward = world.catalog.snapshot(TENANT)
    world.catalog._kept.forget(TENANT)
    anew = world.catalog.snapshot(TENANT)
    assert anew is not forward
    for name in ("customer_id", "subscription_id", "terms"):
        first, second = (getattr(each.subscription_columns, name) for each in (forward, anew))
        assert list(first) == list(second)
    assert replace(anew.invoice_items["b"].resource, amount=Decimal(3)) == anew.invoice_items["b"].resource
