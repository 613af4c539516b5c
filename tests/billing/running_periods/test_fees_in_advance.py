"""Fees in advance: invoiced when what they are for begins, once, and with the close of the period what one close would give."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from engine.billing.explaining.explainer import Explainer
from engine.billing.explaining.replay import Replay, replayed
from engine.billing.explaining.sentences import sentences
from engine.billing.reconciliation.findings import Check
from engine.catalog.kinds.plan import Plan
from engine.catalog.single.single_changes import end
from engine.errors import CatalogDocumentError, InUseError
from fields import FieldsError
from tests.support.closing_world import TENANT, instant_us
from tests.support.part_worlds import ACME, HEAD, PER_CALL, due, plan
from tests.support.reconciled_world import reconciled

BASE = "{id: base, model: flat, flat_amount: 31, timing: in_advance}"
LATER = "{id: later, model: flat, flat_amount: 5, timing: in_arrears}"


def closed(world, start="2026-08-01", before="2026-09-01"):
    ((invoice,),) = [step.issued for step in world.close(start, before)]
    return invoice


def test_a_fee_in_advance_is_invoiced_at_the_start_and_the_close_bills_the_rest(made):
    """31 on the first of the month; its close bills 4 calls and the other fee, and has a line of the fee, of nothing."""
    world = made.world(plan(f"{BASE}, {LATER}, {PER_CALL}") + ACME, "2026-08-01T00:00:01")
    (part,) = world.bill_parts()
    assert (part.sums["due"], part.part, part.line_count) == (31, 1, 1)
    assert (part.key.start_us, part.key.end_us) == (instant_us("2026-08-01"), instant_us("2026-09-01"))
    world.use(made.customer, "2026-08-05", 4)
    assert world.at("2026-08-20").bill_parts() == []
    closing = closed(world.at("2026-09-02"))
    assert closing.sums["due"] == 9
    assert [(line["price_id"], int(line["due_minor"])) for line in world.lines(closing)] == [
        ("base", 0),
        ("later", 500),
        ("calls", 400),
    ]
    # The next period has begun, and the close changes nothing of what is due for it.
    assert due(world.bill_parts()) == [31]
    assert closed(world.at("2026-10-02"), "2026-09-01", "2026-10-01").sums["due"] == 5
    assert made.is_as_one_close(world, "2026-10-01")


def test_a_fee_waits_for_its_period(made):
    """Nothing a second before the subscription begins, or of what has ended."""
    world = made.world(plan(BASE) + ACME, "2026-07-31T23:59:59")
    assert world.bill_parts() == []
    assert due(world.at("2026-08-01").bill_parts()) == [31]


def test_a_period_that_ended_before_anybody_looked_is_billed_by_its_close(made):
    """August is over: the part is of September."""
    world = made.world(plan(BASE) + ACME, "2026-09-03")
    (part,) = world.bill_parts()
    assert part.key.start_us == instant_us("2026-09-01")
    assert closed(world).sums["due"] == 31
    assert closed(world.at("2026-10-02"), "2026-09-01", "2026-10-01").sums["due"] == 0
    assert made.is_as_one_close(world, "2026-10-01")


def test_usage_waits_for_its_threshold_apart_from_the_fee(made):
    """Fee and usage are on one invoice where both are due, and the fee counts for no threshold."""
    world = made.world(plan(f"{BASE}, {PER_CALL}", invoicing_threshold=10) + ACME, "2026-08-02")
    world.use(made.customer, "2026-08-01", 9)
    assert due(world.bill_parts()) == [31]
    world.use(made.customer, "2026-08-01", 1)
    assert due(world.bill_parts()) == [10]
    world.at("2026-09-02").use(made.customer, "2026-09-01", 12)
    assert due(world.bill_parts()) == [43]
    closed(world)
    closed(world.at("2026-10-02"), "2026-09-01", "2026-10-01")
    assert made.is_as_one_close(world, "2026-10-01")


def test_a_subscription_of_part_of_a_period_pays_for_that_part(made):
    """From the 22nd: 10 of 31 days of 31."""
    late = ACME.replace("start: 2026-08-01", "start: 2026-08-22, anchor: 2026-09-01")
    world = made.world(plan(BASE) + late, "2026-08-22")
    assert due(world.bill_parts()) == [10]
    assert closed(world.at("2026-09-02")).sums["due"] == 0
    assert made.is_as_one_close(world)


TWO = (
    "plans:\n"
    "  - {id: pro, name: Pro, currency: USD, prices: [" + BASE + "]}\n"
    "  - {id: max, name: Max, currency: USD, prices: [{id: base, model: flat, flat_amount: 62, timing: in_advance}]}\n"
)


def changed(made, world, to, start="2026-08-12"):
    text = HEAD + TWO + ACME.replace("acme", made.customer)
    text = text.replace("start: 2026-08-01", f"start: 2026-08-01, phases: [{{start: {start}, plan: {to}}}]")
    world.apply(text)
    return text


def test_an_upgrade_inside_a_period_is_invoiced_when_it_begins(made):
    """From the 12th 20 of 31 days of 62 are 40, and 20 of the 31 are given back; not before the 12th."""
    world = made.world(TWO + ACME, "2026-08-01")
    assert due(world.bill_parts()) == [31]
    text = changed(made, world.at("2026-08-10"), "max")
    assert world.bill_parts() == []
    (part,) = world.at("2026-08-12").bill_parts()
    assert (part.sums["due"], part.part) == (20, 2)
    assert sorted(int(line["due_minor"]) for line in world.lines(part)) == [-2000, 4000]
    assert closed(world.at("2026-09-02")).sums["due"] == 0
    assert made.is_as_one_close(world, text=text)


def test_a_downgrade_is_given_back_by_the_close(made):
    """62 are billed, and from the 12th on it is 31: 20 days of the 31 less."""
    world = made.world(TWO + ACME.replace("plan: pro", "plan: max"), "2026-08-01")
    assert due(world.bill_parts()) == [62]
    text = (
        HEAD
        + TWO
        + ACME.replace("acme", made.customer)
        .replace("plan: pro", "plan: max")
        .replace("start: 2026-08-01", "start: 2026-08-01, phases: [{start: 2026-08-12, plan: pro}]")
    )
    world.at("2026-08-12").apply(text)
    assert world.bill_parts() == []
    assert closed(world.at("2026-09-02")).sums["due"] == -20
    assert made.is_as_one_close(world, text=text)


def test_a_subscription_that_ends_early_gets_the_rest_back(made):
    """Ended on the 11th: 10 of 31 days are due."""
    world = made.world(plan(BASE) + ACME, "2026-08-01")
    assert due(world.bill_parts()) == [31]
    text = made.text.replace("start: 2026-08-01", "start: 2026-08-01, end: 2026-08-11")
    world.at("2026-08-11").apply(text)
    assert world.bill_parts() == []
    assert closed(world.at("2026-08-12"), before="2026-08-11").sums["due"] == -21
    assert made.is_as_one_close(world, "2026-08-11", text=text)


def test_credit_that_is_shared_anew_makes_no_invoice(made):
    """5 of credit, spent on the fee while there is no usage, and by shares once there is: the fee's amount is what it was."""
    grant = f"credit_grants: [{{id: g{made.customer}, customer: acme, currency: USD, amount: 5, effective_at: 2026-08-01}}]\n"
    world = made.world(plan(f"{PER_CALL}, {BASE}") + ACME + grant, "2026-08-01")
    assert due(world.bill_parts()) == [26]
    world.use(made.customer, "2026-08-02", 100)
    assert world.at("2026-08-03").bill_parts() == []
    assert closed(world.at("2026-09-02")).sums["due"] == 100
    assert made.is_as_one_close(world)


def test_taxes_and_coupons_are_those_of_the_period(made):
    """Half off 31 is 15.50, 20 percent of it 3.10; the coupon is of one period, and counts for what the close bills of it."""
    acme = ACME.replace(
        "{id: acme, name: A}",
        "{id: acme, name: A, tax_region: DE, coupons: [{coupon: half, start: 2026-08-01}]}",
    )
    world = made.world(plan(f"{BASE}, {PER_CALL}") + acme, "2026-08-01")
    (part,) = world.bill_parts()
    assert (part.sums["discounts"], part.sums["tax"], part.sums["due"]) == (
        *map(Decimal, ("15.50", "3.10", "18.60")),
    )
    world.use(made.customer, "2026-08-02", 10)
    # Half of 10, and a fifth of that.
    assert closed(world.at("2026-09-02")).sums["due"] == 6
    # September is whole: 31 and a fifth.
    assert due(world.bill_parts()) == [Decimal("37.20")]
    closed(world.at("2026-10-02"), "2026-09-01", "2026-10-01")
    assert made.is_as_one_close(world, "2026-10-01")


def test_a_void_invoice_of_a_fee_is_billed_by_the_close(made):
    """The engine leaves the period alone; a person may bill it anew."""
    world = made.world(plan(BASE) + ACME, "2026-08-01")
    (part,) = world.bill_parts()
    world.invoices.void(TENANT, part.invoice_id, 0, "said so", world.now_us)
    assert world.bill_parts(anew=False) == []
    assert closed(world.at("2026-09-02")).sums["due"] == 31
    assert made.is_as_one_close(world)


def test_add_ons_in_advance_are_invoiced_when_they_are_added(made):
    """Two of 15.50 for 20 of 31 days, from the 12th on."""
    plans = (
        "plans:\n  - {id: pro, name: Pro, currency: USD, prices: [" + BASE + "]}\n"
        "  - {id: more, name: More, currency: USD, prices: [{id: more, model: flat, flat_amount: 15.50, timing: in_advance}]}\n"
    )
    world = made.world(plans + ACME, "2026-08-01")
    assert due(world.bill_parts()) == [31]
    text = made.text.replace(
        "start: 2026-08-01", "start: 2026-08-01, phases: [{start: 2026-08-12, add_ons: {more: 2}}]"
    )
    world.at("2026-08-12").apply(text)
    assert due(world.bill_parts()) == [20]
    assert closed(world.at("2026-09-02")).sums["due"] == 0
    assert made.is_as_one_close(world, text=text)


def test_reconciliation_finds_fees_in_advance_right(made):
    """Parts and the invoice that closes their period are judged together."""
    world = made.world(plan(f"{BASE}, {PER_CALL}") + ACME, "2026-08-01")
    world.bill_parts()
    world.use(made.customer, "2026-08-02", 10)
    closed(world.at("2026-09-02"))
    found = reconciled(world)
    assert (found.differences, found.judged[Check.CORRECTIONS]) == ([], 2)
    assert made.is_as_one_close(world)


def test_a_fee_that_is_free_in_a_trial_is_invoiced_behind_it(made):
    """Free until the 15th: 17 of 31 days are left."""
    trial = ACME.replace(
        "start: 2026-08-01",
        "start: 2026-08-01, phases: [{start: 2026-08-01, trial: free}, {start: 2026-08-15, plan: pro}]",
    )
    world = made.world(plan(BASE) + trial, "2026-08-01")
    assert world.bill_parts() == []
    assert due(world.at("2026-08-15").bill_parts()) == [17]
    assert closed(world.at("2026-09-02")).sums["due"] == 0
    assert made.is_as_one_close(world)


def test_lines_of_fees_in_advance_explain_themselves_and_replay(made):
    """The fee, the upgrade with what it gives back, and the close; reconciling finds the whole of them right."""
    world = made.world(TWO + ACME, "2026-08-01")
    world.bill_parts()
    changed(made, world.at("2026-08-12"), "max")
    world.bill_parts()
    closed(world.at("2026-09-02"))
    explainer = Explainer(world.rater, world.invoices, world.booked, world.store)
    said = []
    for invoice in world.standing():
        for number in range(1, invoice.line_count + 1):
            row = explainer.row_of_invoice(invoice, number, "")
            assert replayed(explainer, row) == Replay(), (invoice.name, number)
            said.append(" ".join(sentences(explainer.of_invoice(row))))
    assert (len(said), all("base" in each for each in said)) == (5, True)
    assert reconciled(world).differences == []


SEATS = "{id: seats, model: per_unit, unit_amount: 31, quantity: 3, timing: in_advance}"


def test_seats_in_advance_are_invoiced_for_the_period_and_more_of_them_when_they_come(made):
    """3 of 31; from the 12th on two more for 20 of 31 days, then one of five less for 10 days, which the close gives back."""
    world = made.world(plan(SEATS) + ACME, "2026-08-01")
    assert due(world.bill_parts()) == [93]
    more = made.text.replace(
        "start: 2026-08-01", "start: 2026-08-01, phases: [{start: 2026-08-12, quantities: {seats: 5}}]"
    )
    world.at("2026-08-12").apply(more)
    assert due(world.bill_parts()) == [40]
    fewer = more.replace("seats: 5}}", "seats: 5}}, {start: 2026-08-22, quantities: {seats: 4}}")
    world.at("2026-08-22").apply(fewer)
    assert world.bill_parts() == []
    assert closed(world.at("2026-09-02")).sums["due"] == -10
    assert made.is_as_one_close(world, text=fewer)


@pytest.mark.parametrize(
    ("price", "problem"),
    [
        (
            {"meter": "calls", "timing": "in_advance"},
            "timing: does not belong to a price with a meter, whose usage is billed when it is over",
        ),
        ({"quantity": "3", "timing": "once"}, "timing: once belongs to a flat price only"),
    ],
)
def test_a_timing_belongs_to_what_is_known_in_advance(price, problem):
    """Not to usage; and what is sold once is a flat amount."""
    price = {"id": "p", "model": "per_unit", "unit_amount": "1", **price}
    with pytest.raises(FieldsError) as refused:
        Plan.read({"id": "p", "name": "P", "currency": "USD", "prices": [price]})
    assert f"prices[0].{problem}" in str(refused.value)


def test_a_cent_that_lines_share_makes_no_invoice(made):
    """Three seats of 3.3347 are 10.0041, billed as 10.00: calls add half a cent to the sum, and no line of the fee is more for it."""
    prices = (
        "{id: seats, model: per_unit, unit_amount: 3.3347, quantity: 3, timing: in_advance, rounding: {digits: 4}}, "
        "{id: calls, meter: calls, model: per_unit, unit_amount: 0.0017, rounding: {digits: 4}}"
    )
    world = made.world(plan(prices) + ACME, "2026-08-01")
    assert due(world.bill_parts()) == [10]
    for day in range(2, 8):
        world.at(f"2026-08-0{day}").use(made.customer, f"2026-08-0{day}", 1)
        assert world.bill_parts() == []
    closed(world.at("2026-09-02"))
    assert made.is_as_one_close(world)


def test_an_override_may_put_a_fee_in_advance(made):
    """The plan says in arrears; this subscription pays first."""
    own = "start: 2026-08-01, overrides: {later: {timing: in_advance}}"
    world = made.world(plan(LATER) + ACME.replace("start: 2026-08-01", own), "2026-08-01")
    assert due(world.bill_parts()) == [5]
    assert closed(world.at("2026-09-02")).sums["due"] == 0
    assert made.is_as_one_close(world)


@pytest.mark.parametrize("timing", ["once", "in_advance"])
def test_an_override_gives_usage_no_timing(made, timing):
    """It would be billed in one period alone, or before it is there."""
    own = f"start: 2026-08-01, overrides: {{calls: {{timing: {timing}}}}}"
    with pytest.raises(CatalogDocumentError, match="timing: does not belong to a price with a meter"):
        made.world(plan(PER_CALL) + ACME.replace("start: 2026-08-01", own))


def test_a_subscription_that_was_invoiced_in_advance_stays_in_the_catalog(made):
    """Ended on the 11th, archived on the 12th: nobody would give 21 back. The same where its start is moved, and it is deleted."""
    world = made.world(plan(BASE) + ACME, "2026-08-01")
    world.bill_parts()
    name = f"{made.customer}:pro"
    at = datetime(2026, 8, 12, tzinfo=UTC)
    world.at("2026-08-12").apply(made.text.replace("start: 2026-08-01", "start: 2026-08-01, end: 2026-08-11"))
    with pytest.raises(InUseError, match="can't be archived: its fees are invoiced in advance"):
        end("subscription", name, "archive", "", at, world.catalog.snapshot(TENANT))
    world.apply(made.text.replace("start: 2026-08-01", "start: 2026-10-01"))
    with pytest.raises(InUseError, match="can't be deleted: it has been billed"):
        end("subscription", name, "delete", "", at, world.catalog.snapshot(TENANT))


def test_reconciliation_leaves_a_fee_to_the_invoice_that_closes_its_shorter_period(made):
    """Of two subscriptions the one with the fee ends on the 11th: the other's month has nothing of it."""
    plans = (
        "plans:\n  - {id: pro, name: Pro, currency: USD, prices: [" + BASE + "]}\n"
        "  - {id: side, name: Side, currency: USD, prices: [" + LATER + "]}\n"
    )
    two = ACME.replace(
        "start: 2026-08-01}]", "start: 2026-08-01}, {customer: acme, plan: side, start: 2026-08-01}]"
    )
    world = made.world(plans + two, "2026-08-01")
    assert due(world.bill_parts()) == [31]
    ended = made.text.replace("plan: pro, start: 2026-08-01", "plan: pro, start: 2026-08-01, end: 2026-08-11")
    world.at("2026-08-11").apply(ended)
    assert closed(world.at("2026-08-12"), before="2026-08-11").sums["due"] == -21
    assert closed(world.at("2026-09-02"), "2026-08-11", "2026-09-01").sums["due"] == 5
    assert reconciled(world).differences == []
