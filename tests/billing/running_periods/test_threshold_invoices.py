"""Usage billed while its period runs: what is on which invoice, and that all documents add up to one close at the end."""

from decimal import Decimal

from engine.billing.explaining.explainer import Explainer
from engine.billing.explaining.replay import Replay, replayed
from engine.billing.explaining.sentences import sentences
from tests.support.closing_world import TENANT, instant_us
from tests.support.part_worlds import ACME, FEE, HEAD, PER_CALL, due, plan
from tests.support.reconciled_world import reconciled


def test_usage_is_invoiced_when_it_comes_to_the_threshold_and_the_close_bills_the_rest(made):
    """3 at 1 and 9 more, tiers to 5 at 1, to 10 at 2, then 3: the fee waits, and the period begins where it did."""
    tiers = "{id: calls, meter: calls, model: graduated, tiers: [{up_to: 5, unit_amount: 1}, {up_to: 10, unit_amount: 2}, {unit_amount: 3}]}"
    world = made.world(plan(f"{FEE}, {tiers}", invoicing_threshold=15) + ACME)
    world.use(made.customer, "2026-08-05", 3)
    assert world.bill_parts() == []
    world.use(made.customer, "2026-08-06", 7)
    (part,) = world.bill_parts()
    # 5 x 1 + 5 x 2.
    assert (part.sums["due"], part.part) == (15, 1)
    assert (part.key.start_us, part.key.end_us) == (instant_us("2026-08-01"), instant_us("2026-09-01"))
    assert world.bill_parts() == []
    world.use(made.customer, "2026-08-07", 4)
    assert world.bill_parts() == []
    ((closing,),) = [step.issued for step in world.at("2026-09-02").close("2026-08-01", "2026-09-01")]
    # The fee, and 4 x 3.
    assert (closing.sums["due"], closing.part) == (22, 0)
    assert closing.key == part.key
    assert [line["corrects_invoice_id"] for line in world.lines(closing)] == ["", ""]
    assert made.is_as_one_close(world)


def test_a_period_has_as_many_parts_as_it_comes_to_thresholds(made):
    """10 each time it is reached, and what is above with it."""
    world = made.world(plan(PER_CALL, invoicing_threshold=10) + ACME)
    parts = []
    for day, count in ((3, 12), (4, 5), (5, 5), (6, 31)):
        world.use(made.customer, f"2026-08-0{day}", count)
        parts += world.bill_parts()
    assert [(each.part, each.sums["due"]) for each in parts] == [(1, 12), (2, 10), (3, 31)]
    world.at("2026-09-02").close("2026-08-01", "2026-09-01")
    assert made.is_as_one_close(world)


def test_minimums_and_commitments_count_at_the_end_only(made):
    """20 of usage: the price's minimum of 50, and then what is committed, 80, are due with the rest."""
    price = "{id: calls, meter: calls, model: per_unit, unit_amount: 1, minimum_amount: 50}"
    world = made.world(plan(price, invoicing_threshold=20, minimum_amount=80) + ACME)
    world.use(made.customer, "2026-08-05", 20)
    assert due(world.bill_parts()) == [20]
    ((closing,),) = [step.issued for step in world.at("2026-09-02").close("2026-08-01", "2026-09-01")]
    # The minimum is 30 more, the commitment another 30.
    assert (closing.sums["amount"], closing.sums["commitments"]) == (30, 30)
    assert made.is_as_one_close(world)


def test_usage_beyond_a_commitment_costs_more_at_once(made):
    """100 of usage, 60 of them committed, what is beyond half as much again: 100 + 40 x 0.5."""
    world = made.world(
        plan(PER_CALL, invoicing_threshold=100, commitments="[{amount: 60, overage_factor: 1.5}]") + ACME
    )
    world.use(made.customer, "2026-08-05", 100)
    assert due(world.bill_parts()) == [120]
    world.at("2026-09-02").close("2026-08-01", "2026-09-01")
    assert made.is_as_one_close(world)


def test_what_crosses_at_the_renewal_is_billed_by_the_close(made):
    """Used in the last second: when the engine looks, the next period runs."""
    world = made.world(plan(PER_CALL, invoicing_threshold=10) + ACME, "2026-09-01")
    world.use(made.customer, "2026-08-31T23:59:59", 50)
    world.at("2026-09-01T00:00:05").use(made.customer, "2026-09-01T00:00:01", 3)
    assert world.bill_parts() == []
    ((closing,),) = [step.issued for step in world.at("2026-09-02").close("2026-08-01", "2026-09-01")]
    assert closing.sums["due"] == 50
    assert made.is_as_one_close(world)


def test_usage_that_falls_below_what_is_billed_is_given_back_by_the_close(made):
    """50 billed, 30 of it void: nothing is issued meanwhile, also by threshold, and the close gives 30 back."""
    world = made.world(plan(PER_CALL, invoicing_threshold=10) + ACME)
    gone = world.use(made.customer, "2026-08-05", 30)
    world.use(made.customer, "2026-08-06", 20)
    assert due(world.bill_parts()) == [50]
    world.correct(gone)
    assert world.bill_parts() == []
    ((closing,),) = [step.issued for step in world.at("2026-09-02").close("2026-08-01", "2026-09-01")]
    assert closing.sums["due"] == -30
    assert made.is_as_one_close(world)


def test_a_price_of_the_whole_quantity_at_one_tier_goes_down_and_up(made):
    """15 at 10 are billed; with 16 all are at 5: 80, so 150 is 70 too much until usage makes up for it."""
    tiers = (
        "{id: calls, meter: calls, model: volume, tiers: [{up_to: 15, unit_amount: 10}, {unit_amount: 5}]}"
    )
    world = made.world(plan(tiers, invoicing_threshold=100) + ACME)
    world.use(made.customer, "2026-08-05", 15)
    assert due(world.bill_parts()) == [150]
    world.use(made.customer, "2026-08-06", 1)
    assert world.bill_parts() == []
    world.use(made.customer, "2026-08-07", 34)
    # 50 x 5 are 250.
    assert due(world.bill_parts()) == [100]
    world.at("2026-09-02").close("2026-08-01", "2026-09-01")
    assert made.is_as_one_close(world)


def test_averages_are_billed_as_they_stand(made):
    """20 and 40 are 30 on average; with 3 it is 21: the close gives 9 back, by whole units of the average."""
    price = "{id: mean, meter: mean, model: per_unit, unit_amount: 1}"
    world = made.world(plan(price, invoicing_threshold=30) + ACME)
    world.use(made.customer, "2026-08-05", 20)
    world.use(made.customer, "2026-08-06", 40)
    assert due(world.bill_parts()) == [30]
    world.use(made.customer, "2026-08-07", 3)
    ((closing,),) = [step.issued for step in world.at("2026-09-02").close("2026-08-01", "2026-09-01")]
    assert closing.sums["due"] == -9
    assert made.is_as_one_close(world)


def test_a_plan_that_changes_inside_the_period_is_billed_for_its_own_time(made):
    """Billed on the first plan, then changed from the 12th on, and billed on the second, each by its own threshold."""
    two = (
        "plans:\n"
        "  - {id: pro, name: Pro, currency: USD, invoicing_threshold: 10, prices: ["
        + FEE
        + ", "
        + PER_CALL
        + "]}\n"
        "  - {id: max, name: Max, currency: USD, invoicing_threshold: 40, prices: ["
        + FEE
        + ", {id: calls, meter: calls, model: per_unit, unit_amount: 2}]}\n"
    )
    world = made.world(two + ACME)
    world.use(made.customer, "2026-08-05", 15)
    assert due(world.bill_parts()) == [15]
    changed = ACME.replace("start: 2026-08-01", "start: 2026-08-01, phases: [{start: 2026-08-12, plan: max}]")
    changed = HEAD + two + changed.replace("acme", made.customer)
    world.at("2026-08-13").apply(changed)
    world.use(made.customer, "2026-08-11", 3)
    world.use(made.customer, "2026-08-12T12:00:00", 18)
    # 3 at 1 and 18 at 2 are 39.
    assert world.bill_parts() == []
    world.use(made.customer, "2026-08-12T13:00:00", 1)
    assert due(world.bill_parts()) == [41]
    world.at("2026-09-02").close("2026-08-01", "2026-09-01")
    assert made.is_as_one_close(world, text=changed)


def test_a_subscription_that_is_ended_in_hindsight_is_closed_at_its_end_less_what_was_billed(made):
    """Billed on the 10th; on the 11th it turns out to have ended on the 8th, before some of the usage."""
    world = made.world(plan(f"{FEE}, {PER_CALL}", invoicing_threshold=10) + ACME)
    world.use(made.customer, "2026-08-05", 15)
    world.use(made.customer, "2026-08-09", 4)
    assert due(world.bill_parts()) == [19]
    ended = HEAD + plan(f"{FEE}, {PER_CALL}", invoicing_threshold=10)
    ended += ACME.replace("acme", made.customer).replace(
        "start: 2026-08-01", "start: 2026-08-01, end: 2026-08-08"
    )
    world.at("2026-08-11").apply(ended)
    assert world.bill_parts() == []
    ((closing,),) = [step.issued for step in world.close("2026-08-01", "2026-08-09")]
    # A fee of 7 days of 31, 2.26, and 4 less.
    assert closing.sums["due"] == Decimal("-1.74")
    assert made.is_as_one_close(world, "2026-08-09", text=ended)
    assert world.at("2026-10-02").close("2026-08-09", "2026-10-01")[0].issued == []


def test_late_usage_is_on_the_close_and_after_it_on_the_next(made):
    """Recorded between the part and the close, and behind the close: each is billed once."""
    world = made.world(plan(PER_CALL, invoicing_threshold=10) + ACME)
    world.use(made.customer, "2026-08-05", 15)
    assert due(world.bill_parts()) == [15]
    world.at("2026-09-02").use(made.customer, "2026-08-04", 2)
    ((closing,),) = [step.issued for step in world.close("2026-08-01", "2026-09-01")]
    assert closing.sums["due"] == 2
    world.use(made.customer, "2026-08-04", 3)
    ((later,),) = [step.issued for step in world.at("2026-10-02").close("2026-09-01", "2026-10-01")]
    assert later.sums["due"] == 3
    assert [each["corrects_invoice_id"] for each in world.lines(later)] == ["", closing.invoice_id]
    assert made.is_as_one_close(world, "2026-10-01")


def test_a_void_part_is_billed_by_the_close_and_not_again_by_the_engine(made):
    """The engine leaves the period alone; a person may bill it anew."""
    world = made.world(plan(PER_CALL, invoicing_threshold=10) + ACME)
    world.use(made.customer, "2026-08-05", 15)
    (part,) = world.bill_parts()
    world.invoices.void(TENANT, part.invoice_id, 0, "said so", world.now_us)
    assert world.bill_parts(anew=False) == []
    (again,) = world.bill_parts()
    assert (again.sums["due"], again.part) == (15, 2)
    world.invoices.void(TENANT, again.invoice_id, 0, "said so", world.now_us)
    ((closing,),) = [step.issued for step in world.at("2026-09-02").close("2026-08-01", "2026-09-01")]
    assert closing.sums["due"] == 15
    assert made.is_as_one_close(world)


def test_a_part_that_is_void_behind_the_close_is_on_the_next_invoice(made):
    """The period stays closed: what the part billed is owed with what corrects it."""
    world = made.world(plan(PER_CALL, invoicing_threshold=10) + ACME)
    world.use(made.customer, "2026-08-05", 15)
    (part,) = world.bill_parts()
    world.at("2026-09-02").close("2026-08-01", "2026-09-01")
    world.invoices.void(TENANT, part.invoice_id, 0, "said so", world.now_us)
    ((later,),) = [step.issued for step in world.at("2026-10-02").close("2026-09-01", "2026-10-01")]
    assert later.sums["due"] == 15
    assert made.is_as_one_close(world, "2026-10-01")


def test_a_closing_invoice_that_is_void_is_made_anew_beside_the_parts(made):
    """The part stands: the close bills the rest again, not the whole."""
    world = made.world(plan(PER_CALL, invoicing_threshold=10) + ACME)
    world.use(made.customer, "2026-08-05", 15)
    world.bill_parts()
    world.use(made.customer, "2026-08-06", 4)
    ((closing,),) = [step.issued for step in world.at("2026-09-02").close("2026-08-01", "2026-09-01")]
    world.invoices.void(TENANT, closing.invoice_id, 0, "said so", world.now_us)
    ((anew,),) = [step.issued for step in world.close("2026-08-01", "2026-09-01")]
    assert anew.sums["due"] == 4
    assert made.is_as_one_close(world)


def test_a_void_closing_invoice_in_one_currency_leaves_its_parts_alone(made):
    """15 of 19 dollars are billed while August runs, and 4 by its close, which is void: September gives nothing of the 15 back, though
    August's invoice in euros stands, and August made anew bills 4.
    """
    world = made.world(
        "plans:\n"
        "  - {id: pro, name: Pro, currency: USD, invoicing_threshold: 10, prices: [" + PER_CALL + "]}\n"
        "  - {id: euro, name: Euro, currency: EUR, prices: [" + PER_CALL + "]}\n"
        "customers: [{id: acme, name: A}]\n"
        "subscriptions: [{customer: acme, plan: pro, start: 2026-08-01, add_ons: {euro: 1}}]\n"
    )
    world.use(made.customer, "2026-08-05", 15)
    assert due(world.bill_parts()) == [15]
    world.use(made.customer, "2026-08-06", 4)
    (august,) = [step.issued for step in world.at("2026-09-02").close("2026-08-01", "2026-09-01")]
    (dollars,) = [each for each in august if each.key.currency == "USD"]
    assert dollars.sums["due"] == 4
    world.invoices.void(TENANT, dollars.invoice_id, 0, "said so", world.now_us)
    (september,) = [step.issued for step in world.at("2026-10-02").close("2026-09-01", "2026-10-01")]
    assert due(september) == [0, 0]
    ((anew,),) = [step.issued for step in world.close("2026-08-01", "2026-09-01")]
    assert (anew.key.currency, anew.sums["due"]) == ("USD", 4)
    assert made.is_as_one_close(world, "2026-10-01")


def test_a_period_that_is_left_open_keeps_its_parts(made):
    """September is closed before August: nothing of August is given back, and its close bills the rest."""
    world = made.world(plan(PER_CALL, invoicing_threshold=10) + ACME)
    world.use(made.customer, "2026-08-05", 15)
    world.bill_parts()
    world.use(made.customer, "2026-08-06", 4)
    ((september,),) = [step.issued for step in world.at("2026-10-02").close("2026-09-01", "2026-10-01")]
    assert september.sums["due"] == 0
    ((august,),) = [step.issued for step in world.close("2026-08-01", "2026-09-01")]
    assert august.sums["due"] == 4
    assert made.is_as_one_close(world, "2026-10-01")


def test_each_subscription_has_its_threshold_and_each_currency_its_invoice(made):
    """One of its own, one of its plan, one of none, and an add-on in euros, which waits for the end."""
    world = made.world(
        "plans:\n"
        "  - {id: pro, name: Pro, currency: USD, invoicing_threshold: 10, prices: [" + PER_CALL + "]}\n"
        "  - {id: team, name: Team, currency: USD, invoicing_threshold: 10, prices: [" + PER_CALL + "]}\n"
        "  - {id: free, name: Free, currency: USD, invoicing_threshold: 10, prices: [" + PER_CALL + "]}\n"
        "  - {id: euro, name: Euro, currency: EUR, prices: [" + PER_CALL + "]}\n"
        "customers: [{id: acme, name: A}]\n"
        "subscriptions:\n"
        "  - {customer: acme, plan: pro, start: 2026-08-01, add_ons: {euro: 1}}\n"
        "  - {customer: acme, plan: team, start: 2026-08-01, invoicing_threshold: 25}\n"
        "  - {customer: acme, plan: free, start: 2026-08-01, invoicing_threshold: 0}\n"
    )
    world.use(made.customer, "2026-08-05", 15)
    (part,) = world.bill_parts()
    assert [each["plan_id"] for each in world.lines(part)] == ["pro"]
    world.use(made.customer, "2026-08-06", 10)
    # 10 of the first, 25 of the second: one invoice.
    (both,) = world.bill_parts()
    assert [(each["plan_id"], each["amount_minor"]) for each in world.lines(both)] == [
        ("pro", 1_000),
        ("team", 2_500),
    ]
    by_hand = world.bill_parts(customer_id=made.customer, regardless=True)
    assert {(each.key.currency, each.sums["due"]) for each in by_hand} == {("EUR", 25), ("USD", 25)}
    world.at("2026-09-02").close("2026-08-01", "2026-09-01")
    assert made.is_as_one_close(world)


def test_coupons_credit_and_taxes_are_those_of_the_whole_period(made):
    """A coupon for one period is off August, its parts and its rest, and not off September; credit is drawn once."""
    customers = (
        "customers: [{id: acme, name: A, tax_region: DE, coupons: [{coupon: half, start: 2026-08-01}, {coupon: ten, start: 2026-08-01}]}]\n"
        "credit_grants: [{id: paid, customer: acme, currency: USD, amount: 25, category: paid, effective_at: 2026-08-01}]\n"
        "subscriptions: [{customer: acme, plan: pro, start: 2026-08-01}]\n"
    )
    world = made.world(plan(f"{FEE}, {PER_CALL}", invoicing_threshold=20) + customers)
    for day, count in ((3, 50), (5, 40), (7, 60), (9, 30)):
        world.use(made.customer, f"2026-08-0{day}", count)
        world.bill_parts()
    assert world.standing()
    world.at("2026-09-10").close("2026-08-01", "2026-09-01")
    world.use(made.customer, "2026-09-03", 70)
    # The coupon of one period is over: 70, less 10 x 70 / 80, shared with the fee: 61.25 before taxes.
    (part,) = world.bill_parts()
    assert part.sums["amount"] - part.sums["discounts"] == Decimal("61.25")
    world.at("2026-10-02").close("2026-09-01", "2026-10-01")
    assert made.is_as_one_close(world, "2026-10-01")


def test_two_at_once_bill_once(made, monkeypatch):
    """Another run issues between the computing and the issue of this one: what is computed again finds nothing to bill."""
    world = made.world(plan(PER_CALL, invoicing_threshold=10) + ACME)
    world.use(made.customer, "2026-08-05", 15)
    write, inside = world.booked.write, []

    def written(tenant, rows):
        write(tenant, rows)
        if not inside:
            inside.append(True)
            inside.extend(world.bill_parts())

    monkeypatch.setattr(world.booked, "write", written)
    assert world.bill_parts() == []
    assert due(inside[1:]) == [15]
    assert due(world.standing()) == [15]


def test_a_customer_that_a_price_cannot_rate_is_left_alone(made):
    """All of it, until the price is mended."""
    cells = "{id: calls, meter: by_region, model: matrix, dimensions: [region], cells: [{match: {region: eu}, unit_amount: 1}]}"
    text = "meters: [{id: by_region, event_type: call, aggregation: sum, value: value, group_by: [region]}]\n"
    world = made.world("")
    text = HEAD.replace("meters:", text.rstrip("]\n").replace("meters: [", "meters:\n  - "), 1)
    world.apply(text + (plan(cells, invoicing_threshold=10) + ACME).replace("acme", made.customer))
    world.use(made.customer, "2026-08-05", 15, region="eu")
    world.use(made.customer, "2026-08-05", 1, region="us")
    assert world.bill_parts() == []


def test_lines_of_parts_and_of_the_rest_explain_themselves_and_replay(made):
    """3 of 10 at 1, then 12 at 2: what was billed before belongs to each; reconciling finds nothing wrong with the sum."""
    price = "{id: calls, meter: calls, model: graduated, minimum_amount: 60, tiers: [{up_to: 10, unit_amount: 1}, {unit_amount: 2}]}"
    customers = (
        "customers: [{id: acme, name: A, tax_region: DE, coupons: [{coupon: ten, start: 2026-08-01}]}]\n"
        "credit_grants: [{id: paid, customer: acme, currency: USD, amount: 5, category: paid, effective_at: 2026-08-01}]\n"
        "subscriptions: [{customer: acme, plan: pro, start: 2026-08-01}]\n"
    )
    world = made.world(plan(f"{FEE}, {price}", invoicing_threshold=6, minimum_amount=200) + customers)
    for day, count in ((3, 10), (5, 7), (7, 5)):
        world.use(made.customer, f"2026-08-0{day}", count)
        world.bill_parts()
    world.at("2026-09-02").use(made.customer, "2026-08-08", 2)
    world.close("2026-08-01", "2026-09-01")
    explainer = Explainer(world.rater, world.invoices, world.booked, world.store)
    said = []
    for invoice in world.standing():
        for number in range(1, invoice.line_count + 1):
            row = explainer.row_of_invoice(invoice, number, "")
            assert replayed(explainer, row) == Replay(), (invoice.name, number)
            said.append(" ".join(sentences(explainer.of_invoice(row))))
    assert len(world.standing()) >= 3
    rest = [each for each in said if each.startswith("Of August 2026, the price calls was billed ")]
    assert len(rest) == len(world.standing()) - 1
    assert reconciled(world).differences == []
    assert made.is_as_one_close(world)
