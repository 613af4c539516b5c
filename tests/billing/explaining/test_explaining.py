"""A line explained: a draft, one of an invoice, one that corrects; every number worked out by hand."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from engine.billing.explaining import replay
from engine.billing.explaining.explainer import Explainer
from engine.billing.explaining.explanation import InvoiceRow
from engine.billing.explaining.line_steps import line_steps
from engine.billing.explaining.replay import Difference, Replay, replayed
from engine.billing.explaining.sentences import sentences
from engine.errors import NotFoundError
from engine.usage.store.usage_store import UsageStore
from tests.support.closing_world import TENANT, ClosingWorld, instant_us

# 1,204 calls: 1,000 are free, 204 x 0.50 = 102.00, less 10 % = 91.80. The fee of 10.00, less 10 %: 9.00. Commitment: 120 - 100.80.
CATALOG = """
meters:
  - {id: calls, event_type: call, aggregation: sum, value: value}
  - {id: seats, event_type: seat, aggregation: latest, value: value, carries_over: true}
plans:
  - id: pro
    name: Pro
    currency: USD
    prices:
      - {id: fee, model: flat, flat_amount: 10}
      - {id: calls, meter: calls, model: graduated, tiers: [{up_to: 1000, unit_amount: 0}, {unit_amount: 0.50}]}
      - {id: seats, meter: seats, model: per_unit, unit_amount: 0}
coupons:
  - {id: launch, name: Launch offer, percent_off: 10}
tax_regions:
  - {id: home, name: Home, rates: [{id: vat, percent: 20}]}
credit_grants:
  - {id: gift, customer: acme, currency: USD, amount: 5, effective_at: 2026-11-01}
customers:
  - {id: acme, name: Acme, aliases: [acme-eu], tax_region: home, coupons: [{coupon: launch, start: 2026-10-01}]}
  - {id: bolt, name: Bolt}
subscriptions:
  - {customer: acme, plan: pro, start: 2026-11-01, commitments: [{amount: 120}]}
  - {customer: bolt, plan: pro, start: 2026-11-15}
"""
NOVEMBER = ("2026-11-01", "2026-12-01")
DECEMBER = ("2026-12-01", "2027-01-01")


class ExplainedWorld(ClosingWorld):
    """With an explainer."""

    def __init__(self, *given):
        super().__init__(*given)
        self.explainer = Explainer(self.rater, self.invoices, self.booked, self.store)

    def draft(self, customer, price, at):
        """The draft line of a price."""
        snapshot = self.rater.snapshot(TENANT, instant_us(at), None)
        rated = self.rater.rate_customer(snapshot, customer)
        items = rated.line_items(np.arange(len(rated)))
        (line,) = [each for each in items if each.charge.billed.price.id == price]
        return self.explainer.draft(snapshot, line.line_item_id, customer)

    def explain(self, invoice, number):
        return self.explainer.of_invoice(self.explainer.row_of_invoice(invoice, number, ""))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A month with usage, closed; late usage, also under an alias; the next month closed."""
    folder = tmp_path_factory.mktemp("explaining")
    store = UsageStore.open_embedded(folder / "usage")
    made = ExplainedWorld(f"sqlite:///{folder / 'catalog.sqlite'}", store, CATALOG, "2026-11-20")
    made.use("acme", "2026-10-05", 3, "seat")
    made.use("acme", "2026-11-05", 1000)
    made.use("acme", "2026-11-06", 204)
    (first,) = made.at("2026-12-02").close(*NOVEMBER)
    made.first = first.issued[0]
    made.at("2026-12-03").use("acme-eu", "2026-11-30", 6)
    made.use("acme", "2026-11-30", 4, color="red")
    (second,) = made.at("2027-01-02").close(*DECEMBER)
    (made.second,) = [each for each in second.issued if each.key.customer_id == "acme"]
    yield made
    made.finish()
    store.close()


def test_a_line_replays_to_the_same_from_events_alone(world):
    """All lines of both invoices: charges, what a commitment adds, and corrections."""
    for invoice in (world.first, world.second):
        for number in range(1, invoice.line_count + 1):
            booked = world.explainer.row_of_invoice(invoice, number, "")
            assert replayed(world.explainer, booked) == Replay(), (invoice.name, number)


def test_a_price_that_the_kernels_rate_otherwise_than_fractions_do_is_shown(world, monkeypatch):
    """The second opinion is asked: one that says 103 instead of 102 is a difference."""
    monkeypatch.setattr(replay, "exact_amount", lambda *_: Fraction(103))
    booked = world.explainer.row_of_invoice(world.first, 2, "")
    assert replayed(world.explainer, booked).differences == (
        Difference("exact_amount in fractions", "102", "103"),
    )


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("amount_minor", Decimal(10201), ("amount", "102.01", "102.00")),
        ("tax_minor", Decimal(1837), ("tax", "18.37", "18.36")),
        ("quantity", "1205", ("quantity", "1205", "1204")),
        ("event_count", 3, ("event_count", "3", "2")),
        ("event_digest", "0" * 32, ("event_digest", "0" * 32, None)),
    ],
)
def test_a_line_that_was_booked_otherwise_is_shown_field_by_field(world, field, value, shown):
    booked = world.explainer.row_of_invoice(world.first, 2, "")
    changed = InvoiceRow(booked.invoice, {**booked.row, field: value})
    (found,) = replayed(world.explainer, changed).differences
    name, was, now = shown
    assert (found.field, found.booked, found.replayed) == (name, was, now or booked.row["event_digest"])


def said(explained):
    return list(sentences(explained))


def terms(explained):
    return [(each.kind, each.id, str(each.amount)) for each in explained.settled.terms]


def test_the_line_of_an_invoice_says_what_was_used_and_what_it_costs(world):
    """Credit pays the fee's 9.00 with all of its 5.00 first: nothing of it is left for the calls."""
    explained = world.explain(world.first, 2)
    assert said(explained) == [
        "In November 2026 you used 1,204 calls.",
        "The first 1,000 are included.",
        "204 at 0.50 USD come to 102.00 USD.",
        "The coupon launch takes 10 % off: 10.20 USD.",
        "20 % vat on top: 18.36 USD.",
        "What is due for it is 110.16 USD.",
    ]
    steps = [(each.step, each.quantity, each.amount) for each in line_steps(explained.item)]
    assert steps == [
        ("metered", 1204, None),
        ("tier", 1000, 0),
        ("tier", 204, 102),
        ("price", None, 102),
        ("rounding", None, 102),
    ]
    assert (explained.item.event_count, explained.revision, explained.as_of_us) == (
        2,
        1,
        world.first.as_of_us,
    )


def test_every_term_of_money_that_touched_a_line_is_named(world):
    """10.00 - 1.00 - 5.00 = 4.00, and a fifth of it."""
    explained = world.explain(world.first, 1)
    assert terms(explained) == [
        ("coupon", "launch", "1.00"),
        ("credit", "gift", "5.00"),
        ("tax", "vat", "0.80"),
    ]
    assert str(explained.settled.amounts["due"]) == "4.80"
    row = explained.booked.row
    booked = [row[f"{name}_minor"] for name in ("amount", "discount", "credit", "tax", "due")]
    own = [explained.settled.amounts[name] * 100 for name in ("amount", "discount", "credit", "tax", "due")]
    assert own == booked


def test_what_a_commitment_adds_names_what_was_committed_and_spent(world):
    """120 - (9.00 + 91.80) = 19.20, and a fifth of it is tax."""
    explained = world.explain(world.first, 4)
    assert explained.item is None
    assert said(explained) == [
        "In November 2026 you committed to spend 120.00 USD, and spent 100.80 USD.",
        "The rest, 19.20 USD, is due as well.",
        "20 % vat on top: 3.84 USD.",
        "What is due for it is 23.04 USD.",
    ]


def test_what_a_commitment_over_a_term_adds_names_the_term(world, tmp_path):
    """November's 102.00 and 10.00 of 300.00, then December's 10.00: 178.00 are left. Of 115.00, 7.00 lie beyond, at twice the price."""
    terms = "commitments: [{amount: 300, periods: 2}]"
    assert _said_of_last_line(world, tmp_path, "dora", terms) == [
        "From 1 November to 31 December 2026 you committed to spend 300.00 USD, and spent 122.00 USD up to the end of December 2026.",
        "The rest, 178.00 USD, is due as well.",
    ]
    terms = "commitments: [{amount: 115, periods: 2, overage_factor: 2}]"
    assert _said_of_last_line(world, tmp_path, "edie", terms) == [
        "From 1 November to 31 December 2026 you committed to spend 115.00 USD, and spent 122.00 USD up to the end of December 2026.",
        "What of December 2026 is beyond it has a price of its own, which adds 7.00 USD.",
    ]


def test_what_was_rolled_over_is_given_back_by_a_line_that_says_so(world, tmp_path):
    """November leaves 3.00 of 15.00, the fee of 10.00 and 4 x 0.50; December's 10.00 and 7.00 are 2.00 beyond, which are given back."""
    terms = "commitments: [{amount: 15, rollover_periods: 1}]"
    assert _said_of_last_line(world, tmp_path, "fred", terms, november=1004, december=1014) == [
        "In December 2026 you committed to spend 15.00 USD, and spent 17.00 USD.",
        "2.00 USD of that is what earlier billing periods had left and rolled over.",
        "They were charged for it, so 2.00 USD is given back.",
    ]


def _said_of_last_line(world, folder, customer, terms, november=1204, december=0):
    """Of December's invoice of a customer without taxes or discounts, whose usage is in the same store."""
    text = CATALOG.replace("commitments: [{amount: 120}]", terms).replace(
        ", tax_region: home, coupons: [{coupon: launch, start: 2026-10-01}]", ""
    )
    text = text.replace("effective_at: 2026-11-01", "effective_at: 2027-11-01").replace("acme", customer)
    url = f"sqlite:///{folder / customer}.sqlite"
    made = ExplainedWorld(url, world.store, text, "2027-01-10", world.clock, 1_000 * ord(customer[0]))
    for number, calls in ((5, november), (35, december)):
        if calls:
            made.use(customer, instant_us("2026-11-01") + number * 86_400_000_000, calls)
    made.close(*NOVEMBER)
    (step,) = made.close(*DECEMBER)
    (invoice,) = [each for each in step.issued if each.key.customer_id == customer]
    found = said(made.explain(invoice, invoice.line_count))
    made.finish()
    return found


def test_a_line_that_corrects_says_what_was_before_what_is_now_and_what_came_in(world):
    """Ten more calls, six of them under an alias: 214 x 0.50 = 107.00, less 10 %."""
    lines = world.lines(world.second)
    (number,) = [
        each["line_number"] for each in lines if each["corrects_invoice_id"] and each["price_id"] == "calls"
    ]
    explained = world.explain(world.second, number)
    found = explained.adjustment
    assert (found.before.on, found.now.on) == (["INV-000001"], ["INV-000001", world.second.name])
    assert (found.before.quantity, found.now.quantity, found.before.event_count, found.now.event_count) == (
        1204,
        1214,
        2,
        4,
    )
    assert (str(found.before.amounts["amount"]), str(found.now.amounts["amount"])) == ("102.00", "107.00")
    assert (found.facts.late_events, found.facts.voided, found.changed_after_us) == (
        2,
        0,
        world.first.as_of_us,
    )
    assert explained.settled.amounts == found.now.amounts
    assert said(explained)[:3] == [
        "This corrects November 2026: the price calls was billed 102.00 USD on INV-000001, and comes to 107.00 USD now.",
        "Since 2026-12-02 00:00 UTC: 2 events came in late.",
        "The difference is 5.40 USD more, with discounts, credit and taxes.",
    ]


def test_a_draft_is_explained_as_it_would_be_billed(world):
    """January's calls: none so far."""
    explained = world.draft("acme", "calls", "2027-01-02")
    assert explained.booked is None
    assert said(explained)[:2] == ["In January 2027 you used 0 calls.", "That comes to 0.00 USD."]
    fee = world.draft("bolt", "fee", "2026-11-20")
    assert said(fee) == ["The fee fee for 15 November to 14 December 2026 is 10.00 USD."]
    assert fee.settled.amounts["due"] == Decimal(10)


def test_a_line_of_nobody_is_not_found(world):
    snapshot = world.rater.snapshot(TENANT, instant_us("2026-11-20"), None)
    for customer in ("", "bolt"):
        with pytest.raises(NotFoundError, match="there is no draft line 0000"):
            world.explainer.draft(snapshot, "0" * 32, customer)
    with pytest.raises(NotFoundError, match="INV-000001 has 4 lines, and no line 5"):
        world.explainer.row_of_invoice(world.first, 5, "")
