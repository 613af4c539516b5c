"""Drafts: rated until they are approved, held back, released; and what the engine leaves to the reviewer."""

import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.billing.automatic.automatic_close import AutomaticClose
from engine.billing.automatic.billing_settings import BillingSettingsStore
from engine.billing.closing.closer import Closer
from engine.billing.closing.invoice import PeriodSelection
from engine.billing.drafts.draft_invoices import DraftInvoices
from engine.billing.holds.held_periods import CustomerPeriod, PeriodHold
from engine.billing.items.billed_items import BilledItems
from engine.billing.items.invoice_items import InvoiceItems
from engine.catalog.store import Write
from engine.errors import InvalidRequestError, InvoiceStateError, NotFoundError
from engine.times import us_datetime
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld, instant_us
from tests.support.command_processes import run_module
from tests.support.reconciled_world import reconciled

# A month is 10.00, and 0.50 a call; acme's and cole's begin on the 1st, bolt's on the 15th.
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
  - {id: cole, name: Cole}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-10-01}
  - {customer: bolt, plan: pro, start: 2026-10-15}
  - {customer: cole, plan: pro, start: 2026-10-01}
"""
# Trips to other places than the moon can't be rated.
ODD = CATALOG.replace(
    "plans:",
    "  - {id: trips, event_type: trip, aggregation: sum, value: value, group_by: [region]}\nplans:",
).replace(
    "customers:",
    """      - id: trips
        meter: trips
        model: matrix
        dimensions: [region]
        cells: [{match: {region: moon}, unit_amount: 1}]
customers:""",
)
OCTOBER = ("2026-10-01", "2026-11-01")
ACME = PeriodSelection(customers=frozenset({"acme"}))
ALL = PeriodSelection()


def period(customer, start=OCTOBER[0], end=OCTOBER[1]):
    return CustomerPeriod(customer, instant_us(start), instant_us(end))


class Review:
    """A tenant that the engine bills, beside what reviews it."""

    def __init__(self, url, store, catalog=CATALOG):
        self.world = ClosingWorld(url, store, catalog, "2026-10-01")
        world = self.world
        self.settings = BillingSettingsStore(world.database)
        self.drafts = DraftInvoices(
            world.database, world.catalog, self.settings, world.closer, lambda: world.now_us
        )
        self.upkeep = AutomaticClose(
            self.settings, world.closer, contextlib.nullcontext, lambda: world.now_us, lambda: False
        )
        self.turn_on(reviewed=True)

    def turn_on(self, *, reviewed):
        return self.settings.change(
            TENANT,
            grace_us=None,
            automatic=True,
            since_us=None,
            now_us=self.world.now_us,
            reviewed=reviewed,
        )

    def passes(self, at):
        self.world.at(at)
        self.upkeep.next_pass()
        return self.issued()

    def issued(self):
        return [(each.key.customer_id, str(each.sums["due"])) for each in self.world.standing()]

    def found(self, selection=ALL, subscriptions=10_000):
        """The drafts' headers and lines, in the order of a list."""
        of, row, found = self.drafts.look(TENANT, self.drafts.span(TENANT, None, None)), 0, []
        while True:
            step = self.drafts.some(of, selection, row, subscriptions)
            for due in step.due:
                found += [
                    (each, [row for row in due.rows.to_pylist() if row["invoice_id"] == each.invoice_id])
                    for each in due.invoices
                ]
            row = step.next_row
            if not row:
                return found

    def dues(self, selection=ALL, **wanted):
        return [(each.key.customer_id, str(each.sums["due"])) for each, _ in self.found(selection, **wanted)]

    def approve(self, selection=ALL, subscriptions=10_000):
        """All steps; what was issued, and how many were held."""
        run, row, issued, held = (
            self.drafts.approve(TENANT, self.drafts.span(TENANT, None, None), "tests"),
            0,
            [],
            0,
        )
        while True:
            done = self.drafts.issue(run, selection, row, subscriptions)
            issued += done.issued
            held += done.held_count
            row = done.next_row
            if not row:
                return [(each.key.customer_id, str(each.sums["due"])) for each in issued], held

    def hold(self, customer, reason="asks back", **of):
        self.drafts.hold(TENANT, period(customer, **of), PeriodHold(reason, self.world.now_us, "key-1"))

    def release(self, customer, **of):
        self.drafts.release(TENANT, period(customer, **of))

    def after_a_step(self, monkeypatch, wanted, do):
        """Something happens once, behind the first step of a run whose outcome is wanted."""
        step, closer = self.world.closer.step, self.world.closer

        def stepped(*of):
            done = step(*of)
            if wanted(done):
                monkeypatch.setattr(closer, "step", step)
                do()
            return done

        monkeypatch.setattr(closer, "step", stepped, raising=False)

    def items(self):
        return InvoiceItems(self.world.catalog, BilledItems(self.world.database, self.world.booked))

    def write(self):
        return Write(us_datetime(self.world.now_us), "tests", "0" * 64)

    def give(self, item_id, customer, amount, at):
        fields = {
            "id": item_id,
            "customer": customer,
            "description": "One-off",
            "currency": "USD",
            "amount": amount,
            "service_start": f"{at}T00:00:00Z",
        }
        self.items().create(TENANT, fields, instant_us(at), self.write())
        return self.world.catalog.snapshot(TENANT).invoice_items[item_id].resource

    def finish(self):
        self.world.finish()
        self.world.store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    return request.getfixturevalue("postgres_server").new_url()


@pytest.fixture
def review(url, tmp_path):
    made = Review(url, UsageStore.open_embedded(tmp_path / "usage"))
    yield made
    made.finish()


def without_id(rows):
    return [{name: value for name, value in row.items() if name != "invoice_id"} for row in rows]


def test_what_is_due_waits_as_a_draft_and_takes_what_comes_in_until_it_is_approved(review):
    """Late usage and one-off items are on it at once; what is approved has the very lines of the draft."""
    review.world.at("2026-10-20").use("acme", "2026-10-20", 4)
    assert review.passes("2026-11-01T02:30:00") == []
    assert review.settings.of(TENANT).draft_count == 2
    assert review.dues() == [("acme", "12.00"), ("cole", "10.00")]
    review.world.use("acme", "2026-10-31", 2)
    assert review.dues(ACME) == [("acme", "13.00")]
    item = review.give("sorry", "acme", "-3.50", "2026-10-25")
    assert (item.period_start, item.period_end) == tuple(us_datetime(instant_us(each)) for each in OCTOBER)
    ((draft, lines),) = review.found(ACME)
    assert str(draft.sums["due"]) == "9.50"
    assert review.approve(ACME) == ([("acme", "9.50")], 0)
    (invoice,) = review.world.standing()
    assert invoice.sums == draft.sums
    assert without_id(review.world.lines(invoice)) == without_id(lines)
    assert review.dues() == [("cole", "10.00")]


def test_what_was_approved_stays_and_the_span_goes_on_behind_the_first_draft(review):
    """Nothing is approved twice, and later usage is an adjustment of the next invoice."""
    review.passes("2026-11-01T02:30:00")
    assert review.approve(ACME) == ([("acme", "10.00")], 0)
    assert review.approve(ACME) == ([], 0)
    review.world.use("acme", "2026-10-30", 2)
    assert review.passes("2026-12-01T02:30:00") == [("acme", "10.00")]
    # cole's October begins the span: what acme used of October waits until that is approved.
    assert review.dues() == [("acme", "10.00"), ("bolt", "10.00"), ("cole", "10.00"), ("cole", "10.00")]
    assert review.approve(PeriodSelection(until_us=instant_us("2026-11-15"))) == (
        [("bolt", "10.00"), ("cole", "10.00")],
        0,
    )
    review.passes("2026-12-01T03:40:00")
    assert review.settings.of(TENANT).closed_until_us == instant_us("2026-12-01") - 1
    assert review.dues() == [("acme", "11.00"), ("cole", "10.00")]
    assert review.approve() == ([("acme", "11.00"), ("cole", "10.00")], 0)
    assert review.passes("2026-12-01T05:00:00") == [
        *(("acme", "10.00"), ("bolt", "10.00"), ("cole", "10.00"), ("acme", "11.00"), ("cole", "10.00")),
    ]
    assert review.settings.of(TENANT).draft_count == 0
    assert review.settings.of(TENANT).closed_until_us == instant_us("2026-12-01T04:00:00")


def test_many_are_approved_by_a_filter_in_steps_that_hold_whole_customers(review):
    """By customer, by end of the period, all of the rest."""
    review.passes("2026-12-15T02:30:00")
    assert len(review.dues(subscriptions=1)) == 6
    october = PeriodSelection(until_us=instant_us("2026-11-01"))
    assert review.approve(october, subscriptions=1) == ([("acme", "10.00"), ("cole", "10.00")], 0)
    two = PeriodSelection(customers=frozenset({"bolt", "cole"}), after_us=instant_us("2026-11-15"))
    assert review.approve(two, subscriptions=1) == ([("bolt", "10.00"), ("cole", "10.00")], 0)
    assert review.approve(subscriptions=1) == ([("acme", "10.00"), ("bolt", "10.00")], 0)


def test_two_approvals_at_once_bill_each_draft_once(review):
    """Both end well, and what they issued together is each draft once."""
    review.passes("2026-11-01T02:30:00")
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: review.approve()[0], range(2)))
    assert sorted(done[0] + done[1]) == [("acme", "10.00"), ("cole", "10.00")]
    assert sorted(review.issued()) == [("acme", "10.00"), ("cole", "10.00")]


def test_what_is_held_is_not_approved_until_it_is_released(review):
    """It stays a draft that takes what comes in."""
    review.passes("2026-11-01T02:30:00")
    review.hold("acme")
    assert review.approve() == ([("cole", "10.00")], 1)
    review.world.use("acme", "2026-10-31", 2)
    assert review.dues() == [("acme", "11.00")]
    review.drafts.release(TENANT, period("acme"))
    assert review.approve() == ([("acme", "11.00")], 0)


def test_without_a_review_one_customer_is_held_while_all_others_are_closed(review):
    """Its usage and items stay billable; what is released is closed within the hour."""
    review.turn_on(reviewed=False)
    review.hold("acme")
    assert review.passes("2026-11-01T02:30:00") == [("cole", "10.00")]
    review.world.use("acme", "2026-10-31", 2)
    review.give("setup", "acme", "5", "2026-10-25")
    assert review.dues() == [("acme", "16.00")]
    later = [("cole", "10.00"), ("acme", "10.00"), ("bolt", "10.00"), ("cole", "10.00")]
    assert review.passes("2026-12-01T02:30:00") == later
    review.drafts.release(TENANT, period("acme"))
    assert review.passes("2026-12-01T02:40:00") == [*later, ("acme", "16.00")]
    assert review.dues() == []


def test_what_is_released_while_the_engine_closes_its_span_is_billed(review, monkeypatch):
    """The run has passed the customer already: the next pass bills it."""
    review.turn_on(reviewed=False)
    review.hold("acme")
    review.passes("2026-10-31T20:00:00")
    review.after_a_step(monkeypatch, lambda done: done.held_count, lambda: review.release("acme"))
    assert review.passes("2026-11-01T02:30:00") == [("cole", "10.00")]
    assert review.passes("2026-11-01T02:40:00") == [("cole", "10.00"), ("acme", "10.00")]
    review.passes("2026-11-01T03:40:00")
    settings = review.settings.of(TENANT)
    assert (settings.closed_until_us, settings.open_since_us) == (instant_us("2026-11-01T02:00:00"), None)


def test_what_is_released_while_the_engine_bills_what_was_released_before_is_billed(review, monkeypatch):
    """Two holds of one month: the second is released behind the step that billed the first."""
    review.turn_on(reviewed=False)
    review.hold("acme")
    review.hold("cole")
    assert review.passes("2026-11-01T02:30:00") == []
    review.passes("2026-11-01T21:00:00")
    review.release("acme")
    review.after_a_step(monkeypatch, lambda done: done.issued, lambda: review.release("cole"))
    assert review.passes("2026-11-01T21:10:00") == [("acme", "10.00")]
    assert review.passes("2026-11-01T21:20:00") == [("acme", "10.00"), ("cole", "10.00")]
    assert review.settings.of(TENANT).open_since_us is None


def test_what_is_released_meanwhile_hides_nobody_who_was_left_open_earlier(url, tmp_path, monkeypatch):
    """An engine that stood still: the released period ends behind that of a customer who can't be rated, in one run."""
    review = Review(url, UsageStore.open_embedded(tmp_path / "usage"), ODD)
    review.turn_on(reviewed=False)
    trip = review.world.use("acme", "2026-10-20", 2, event_type="trip", region="mars")
    bolts = {"start": "2026-10-15", "end": "2026-11-15"}
    review.hold("bolt", **bolts)
    review.after_a_step(monkeypatch, lambda done: done.held_count, lambda: review.release("bolt", **bolts))
    assert review.passes("2026-11-16T02:30:00") == [("cole", "10.00")]
    assert review.passes("2026-11-16T02:40:00") == [("cole", "10.00"), ("bolt", "10.00")]
    review.world.correct(trip)
    assert review.passes("2026-11-16T04:00:00") == [("cole", "10.00"), ("bolt", "10.00"), ("acme", "10.00")]
    review.finish()


def test_a_close_by_hand_bills_what_waits_and_leaves_what_is_held(review):
    """Also under review: whoever closes a span approves it. A void invoice is billed anew by it."""
    review.hold("acme")
    review.world.at("2026-11-01T02:30:00")
    (step,) = review.world.close(*OCTOBER)
    assert (len(step.issued), step.held_count) == (1, 1)
    (cole,) = review.world.standing()
    review.world.invoices.void(TENANT, cole.invoice_id, 0, "wrong address", review.world.now_us)
    assert review.dues() == [("acme", "10.00")]
    assert review.approve() == ([], 1)
    (step,) = review.world.close(*OCTOBER)
    assert [each.key.customer_id for each in step.issued] == ["cole"]


def test_a_review_that_ends_leaves_all_to_the_engine_and_one_that_begins_stops_it(review):
    """Drafts are closed by the next pass; what the engine had left open is a draft again."""
    review.passes("2026-11-01T02:30:00")
    review.turn_on(reviewed=False)
    assert review.passes("2026-11-01T03:30:00") == [("acme", "10.00"), ("cole", "10.00")]
    review.turn_on(reviewed=True)
    assert len(review.passes("2026-12-01T02:30:00")) == 2
    assert review.dues() == [("acme", "10.00"), ("bolt", "10.00"), ("cole", "10.00")]


def test_what_can_not_be_held_is_refused(review):
    """No period of the customer, an invoice that stands, nobody; and what is not held can't be released."""
    review.passes("2026-11-01T02:30:00")
    review.approve(ACME)
    with pytest.raises(InvoiceStateError, match="an invoice of it stands"):
        review.hold("acme")
    with pytest.raises(InvalidRequestError, match="no billing period"):
        review.hold("cole", end="2026-11-02")
    with pytest.raises(NotFoundError):
        review.hold("nobody")
    with pytest.raises(NotFoundError, match="is not held"):
        review.drafts.release(TENANT, period("cole"))


ACME_ENDS = CATALOG.replace(
    "plan: pro, start: 2026-10-01}", "plan: pro, start: 2026-10-01, end: 2026-10-20}", 1
)


def test_what_is_held_stays_held_where_its_period_ends_earlier_than_it_did(review):
    """The engine leaves it open, items are of it, and once released it is billed: of 31 days 19, 6.13, and of 4 calls 2.00."""
    review.turn_on(reviewed=False)
    review.world.at("2026-10-05").use("acme", "2026-10-03", 4)
    review.hold("acme")
    review.world.at("2026-10-20").apply(ACME_ENDS)
    assert review.passes("2026-10-21T04:00:00") == []
    assert review.dues() == [("acme", "8.13")]
    ((draft, _),) = review.found()
    assert draft.key.end_us == instant_us("2026-10-20")
    assert review.drafts.held(TENANT)[draft.key.begin].reason == "asks back"
    item = review.give("sorry", "acme", "-1.13", "2026-10-10")
    assert item.period_end == us_datetime(instant_us("2026-10-20"))
    assert review.passes("2026-11-01T02:30:00") == [("cole", "10.00")]
    review.release("acme")
    assert review.passes("2026-11-01T02:40:00") == [("cole", "10.00"), ("acme", "7.00")]
    assert review.dues() == []


def test_what_is_held_and_ends_earlier_is_not_approved_and_is_held_once(review):
    """The shorter period may be held too: one release is enough."""
    review.hold("acme")
    review.world.at("2026-10-20").apply(ACME_ENDS)
    review.passes("2026-11-01T02:30:00")
    assert review.approve() == ([("cole", "10.00")], 1)
    review.hold("acme", end="2026-10-20", reason="left us")
    assert [each.reason for each in review.drafts.held(TENANT).values()] == ["left us"]
    review.release("acme", end="2026-10-20")
    assert review.approve() == ([("acme", "6.13")], 0)


def test_nothing_is_billed_by_threshold_of_what_is_held_and_ends_earlier(tmp_path, url):
    """It runs still when its end is moved."""
    limit = "    name: Pro\n    invoicing_threshold: 5\n"
    review = Review(
        url, UsageStore.open_embedded(tmp_path / "usage"), CATALOG.replace("    name: Pro\n", limit)
    )
    review.hold("acme")
    review.world.at("2026-10-10").apply(ACME_ENDS.replace("    name: Pro\n", limit))
    review.world.use("acme", "2026-10-10", 20)
    review.world.use("cole", "2026-10-10", 20)
    assert [each.key.customer_id for each in review.world.bill_parts()] == ["cole"]
    review.finish()


def test_a_hold_of_what_people_close_makes_nothing_else_a_draft(review):
    """The engine began on 20 November: October is listed by its span alone, and a close by hand bills what is released of it."""
    review.world.at("2026-11-20T00:30:00")
    review.settings.change(TENANT, grace_us=None, automatic=False, since_us=None, now_us=review.world.now_us)
    review.turn_on(reviewed=True)
    review.hold("acme")
    review.world.at("2026-11-21")
    assert (review.dues(), review.approve()) == ([], ([], 0))
    span = review.drafts.span(TENANT, instant_us("2026-10-31"), instant_us("2026-11-01"))
    listed = review.drafts.some(review.drafts.look(TENANT, span), ALL, 0, 10_000).due
    assert [each.key.customer_id for due in listed for each in due.invoices] == ["acme", "cole"]
    review.release("acme")
    review.passes("2026-12-01T02:30:00")
    assert review.dues() == [("acme", "10.00"), ("cole", "10.00")]
    (step,) = review.world.close(*OCTOBER)
    assert [each.key.customer_id for each in step.issued] == ["acme", "cole"]
    assert review.dues() == [("acme", "10.00"), ("cole", "10.00")]


def test_where_people_close_all_a_span_is_asked_for(review):
    """What is held gives none."""
    review.settings.change(TENANT, grace_us=None, automatic=False, since_us=None, now_us=review.world.now_us)
    review.hold("acme")
    review.world.at("2026-11-21")
    with pytest.raises(InvalidRequestError, match="closes nothing by itself"):
        review.dues()


def test_a_customer_who_can_not_be_rated_moves_what_is_looked_back_for_no_further_each_day(url, tmp_path):
    """It stays a hundred days before 31 October, 19:00, when it was looked back first."""
    review = Review(url, UsageStore.open_embedded(tmp_path / "usage"), ODD)
    world = review.world
    review.settings.change(TENANT, grace_us=None, automatic=False, since_us=None, now_us=world.now_us)
    review.settings.change(
        TENANT,
        grace_us=None,
        automatic=True,
        since_us=instant_us("2026-01-01"),
        now_us=world.now_us,
        reviewed=True,
    )
    review.passes("2026-10-31T20:00:00")
    world.use("acme", "2026-10-20", 2, event_type="trip", region="mars")
    review.passes("2026-11-01T02:30:00")
    for day in range(2, 8):
        world.at(f"2026-11-0{day}T03:00:00").apply(
            ODD.replace("customers:", f"customers:\n  - {{id: x{day}, name: X}}")
        )
        review.passes(f"2026-11-0{day}T04:30:00")
    settings = review.settings.of(TENANT)
    assert (settings.open_customer_count, settings.closed_until_us) == (1, instant_us("2026-07-23T19:00:00"))
    review.finish()


def test_an_item_of_a_draft_is_taken_back_where_a_review_broke_the_engines_run_off(review, monkeypatch):
    """The run has one customer a step: the review begins behind the first."""
    review.turn_on(reviewed=False)
    review.world.at("2026-10-20")
    review.give("wrong", "cole", "500", "2026-10-19")
    monkeypatch.setattr(Closer.step, "__defaults__", (1, ALL))
    review.after_a_step(monkeypatch, lambda done: done.issued, lambda: review.turn_on(reviewed=True))
    assert review.passes("2026-11-01T02:30:00") == [("acme", "10.00")]
    monkeypatch.undo()
    assert review.dues() == [("cole", "510.00")]
    review.items().delete(TENANT, "wrong", review.write())
    assert review.dues() == [("cole", "10.00")]


def test_a_hold_is_seen_by_a_run_that_has_computed_already(review, monkeypatch):
    """It was placed between the lines and the header of an approval: nothing of it is issued."""
    review.passes("2026-11-01T02:30:00")
    write, world = review.world.booked.write, review.world

    def held_meanwhile(tenant, rows):
        write(tenant, rows)
        monkeypatch.setattr(world.booked, "write", write)
        review.hold("acme")

    monkeypatch.setattr(world.booked, "write", held_meanwhile, raising=False)
    assert review.approve() == ([("cole", "10.00")], 1)


def test_an_approval_that_is_killed_is_begun_again_and_bills_each_draft_once(tmp_path, url):
    """At touch after touch of its stores; all that was booked agrees with the events."""
    usage, catalog, at = tmp_path / "usage", tmp_path / "catalog.yaml", "2026-12-15T02:30:00"
    catalog.write_text(CATALOG)
    review = Review(url, UsageStore.open_embedded(usage))
    review.world.at("2026-11-20")
    for number, customer in enumerate(("acme", "bolt", "cole")):
        review.world.use(customer, "2026-11-10", 2 + number)
    review.passes(at)
    drafted = [(each.key, each.sums, without_id(lines)) for each, lines in review.found()]
    review.finish()
    codes = [_killed(usage, url, catalog, at, touches) for touches in (12, 17, 22, 27, 32, 37, 42)]
    assert -signal.SIGKILL in codes
    assert _killed(usage, url, catalog, at, 0) == 0
    store = UsageStore.open_embedded(usage)
    world = ClosingWorld(url, store, CATALOG, at)
    standing = world.standing()
    billed = [(each.key, each.sums, without_id(world.lines(each))) for each in standing]
    assert sorted(billed, key=_by_key) == sorted(drafted, key=_by_key)
    assert [each.number for each in standing] == [1, 2, 3, 4, 5, 6]
    assert reconciled(world).differences == []
    world.finish()
    store.close()


def _by_key(each):
    return each[0]


def _killed(directory, url, catalog, at, touches):
    done = run_module("tests.support.killed_approval", directory, url, catalog, at, touches)
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


def test_parts_that_were_billed_while_a_held_period_ran_are_taken_off_what_it_comes_to(tmp_path, url):
    """No part is billed of what is held, nothing is given back while it waits, and all adds up, also by events."""
    catalog = CATALOG.replace("    name: Pro\n", "    name: Pro\n    invoicing_threshold: 5\n")
    review = Review(url, UsageStore.open_embedded(tmp_path / "usage"), catalog)
    world = review.world
    world.at("2026-10-10").use("acme", "2026-10-10", 20)
    assert [str(each.sums["due"]) for each in world.bill_parts()] == ["10.00"]
    review.hold("acme")
    world.at("2026-10-11").use("acme", "2026-10-11", 20)
    assert world.bill_parts() == []
    review.passes("2026-11-01T02:30:00")
    # Of 40 calls and the fee, 30.00, a part of 10.00 is billed.
    assert review.dues() == [("acme", "20.00"), ("cole", "10.00")]
    world.at("2026-12-02")
    world.close("2026-11-01", "2026-12-01")
    assert review.issued() == [("acme", "10.00"), ("acme", "10.00"), ("bolt", "10.00"), ("cole", "10.00")]
    assert reconciled(world).differences == []
    review.drafts.release(TENANT, period("acme"))
    assert review.approve() == ([("acme", "20.00"), ("cole", "10.00")], 0)
    world.at("2027-01-02")
    world.close("2026-12-01", "2027-01-01")
    assert review.issued()[-3:] == [("acme", "10.00"), ("bolt", "10.00"), ("cole", "10.00")]
    assert reconciled(world).differences == []
    review.finish()
