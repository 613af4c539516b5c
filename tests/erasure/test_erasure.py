"""One customer erased: nothing of hers is in any file, and every amount is what it was."""

import base64
import json
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from engine.billing.accounts.account_store import AccountKey
from engine.billing.receivables.payment import PaymentReport, RefundReport
from engine.billing.receivables.payment_store import PaymentStore
from engine.billing.receivables.statement import Statements
from engine.catalog.store import CatalogStore
from engine.entitlements.reservation import NEVER_US, Reservation, ReservationState
from engine.entitlements.reservation_store import ReservationStore
from engine.erasure.jobs import ErasureStep
from engine.erasure.naming import is_pseudonym
from engine.errors import InvalidRequestError, NotFoundError
from engine.spend.top_ups.store import TopUpStore
from engine.spend.top_ups.top_up_pass import TopUpPass
from engine.sql.alert_tables import ALERT_CROSSINGS
from engine.sql.catalog_address import read_catalog_address
from engine.sql.schema import OUTBOX
from engine.sql.top_up_table import TOP_UPS
from engine.usage.corrections.correction import Amendment
from engine.usage.corrections.voids import Kind
from tests.support.erasure.erasure_world import (
    BOB,
    DAY_US,
    DEVICE,
    EMAIL,
    JUNE_US,
    NAME,
    NOTE,
    SEATS,
    SHE,
    TENANT,
    TEXTS,
    VAT_ID,
    call,
    files_of_postgresql,
    files_with,
    fill,
    now_us,
    open_world,
)

PAGE = (Path(__file__).parents[2] / "docs" / "usage.md").read_text(encoding="utf-8")
(CODE,) = re.findall(r"```python\n(from hashlib.*?)```", PAGE, re.DOTALL)


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog(request):
    if request.param == "sqlite":
        return None
    return read_catalog_address(request.getfixturevalue("postgres_server").new_url())


@pytest.fixture
def world(tmp_path, catalog):
    with open_world(tmp_path / "data", catalog) as opened:
        fill(opened)
        yield opened


def test_an_erased_customer_is_in_no_file_and_owes_what_she_owed(world):
    """Quantities, amounts, event counts and digests are the same under the pseudonym, and Bob's are as well."""
    hers, his = world.lines(SHE), world.lines(BOB)
    assert files_with(world.data, TEXTS)
    assert files_of_postgresql(world.stores.database, [NAME]) or not world.stores.database.is_shared
    job = world.erase()
    assert is_pseudonym(job.pseudonym)
    assert world.lines(job.pseudonym) == hers
    assert world.lines(BOB) == his
    assert files_with(world.data, TEXTS) == []
    assert files_of_postgresql(world.stores.database, TEXTS) == []
    with pytest.raises(NotFoundError):
        world.lines(SHE)
    held = "\n".join(each.text for each in world.held(job.pseudonym))
    assert [text for text in TEXTS if text.lower() in held.lower()] == []
    with pytest.raises(NotFoundError):
        world.held(SHE)


def test_facts_that_nobody_was_told_yet_are_told_of_the_pseudonym(world):
    """Her own id and her subscription's are what took their place, in the object and the payload; Bob's stay."""
    hers = {"id": f"{SHE}:p", "customer_id": SHE, "amount": "9.99", "lines": [f"of {SHE}", 3]}
    world.tell("subscription", f"{SHE}:p", hers)
    world.tell("subscription", "bob:p", {"customer_id": BOB})
    assert "outbox" in {each.section for each in world.held(SHE)}
    pseudonym = world.erase().pseudonym
    with world.stores.database.reading() as connection:
        told = select(OUTBOX).where(OUTBOX.c.object_kind == "subscription").order_by(OUTBOX.c.number)
        rows = connection.execute(told).all()[-2:]
    assert [(row.object_id, json.loads(row.payload)) for row in rows] == [
        (
            f"{pseudonym}:1",
            {
                "id": f"{pseudonym}:1",
                "customer_id": pseudonym,
                "amount": "9.99",
                "lines": [f"of {pseudonym}", 3],
            },
        ),
        ("bob:p", {"customer_id": BOB}),
    ]
    assert files_with(world.data, [SHE]) == []


def test_crossings_name_the_alert_as_the_catalog_does(world):
    """Of an alert of hers, and of one for all customers that is called after her, which Bob has reached."""
    reached = [(SHE, f"budget-{SHE}"), (BOB, f"like-{SHE}")]
    with world.stores.database.writing() as connection:
        for number, (customer, alert) in enumerate(reached):
            connection.execute(insert(ALERT_CROSSINGS).values(**_crossing(number, customer, alert)))
    pseudonym = world.erase().pseudonym
    with world.stores.database.reading() as connection:
        rows = connection.execute(select(ALERT_CROSSINGS).order_by(ALERT_CROSSINGS.c.number)).all()
    assert [(row.customer_id, row.alert_id) for row in rows] == [
        (pseudonym, f"budget-{pseudonym}"),
        (BOB, f"like-{pseudonym}"),
    ]
    names = {each.id: each.name for each in world.stores.catalog.snapshot(TENANT).alerts}
    assert names == {
        f"budget-{pseudonym}": pseudonym,
        f"like-{pseudonym}": f"Whoever uses as much as {pseudonym}",
    }
    assert files_with(world.data, TEXTS) == []


def test_what_rules_have_granted_names_the_pseudonym_which_is_topped_up_no_more(world):
    """Her rule tops her up, and its grant goes; erased she has nothing again, and it is not made up for."""
    world.apply(f"top_up_rules: [{{id: of-{SHE}, customer: {SHE}, currency: USD, below: 1, amount: 2}}]")
    stores = world.stores
    upkeep = TopUpPass(
        stores.catalog, world.reading.rater, stores.usage, TopUpStore(stores.database, stores.catalog, now_us)
    )
    # Every fee of 9.99 is more than 2.00: it goes on, a top-up each pass.
    assert [upkeep.next_pass() for _ in range(2)] == [1, 1]
    pseudonym = world.erase().pseudonym
    assert upkeep.next_pass() == 0
    with stores.database.reading() as connection:
        rows = connection.execute(select(TOP_UPS).order_by(TOP_UPS.c.number)).all()
    grants = [f"of-{pseudonym}:1", f"of-{pseudonym}:2"]
    assert [(row.customer_id, row.rule_id, row.credit_grant_id) for row in rows] == [
        (pseudonym, f"of-{pseudonym}", each) for each in grants
    ]
    catalog = stores.catalog.snapshot(TENANT)
    assert [each.id for each in catalog.credit_grants_of[pseudonym]] == [f"gift-of-{pseudonym}", *grants]
    assert [each.id for each in catalog.top_up_rules_of[pseudonym]] == [f"of-{pseudonym}"]
    assert files_with(world.data, TEXTS) == []


def _crossing(number, customer, alert):
    texts = {
        "threshold": "1",
        "state": "reached",
        "measure": "usage",
        "subject": "tokens",
        "budget": "",
        "value": "2",
    }
    times = {
        "period_start_us": JUNE_US,
        "period_end_us": JUNE_US + 30 * DAY_US,
        "as_of_us": 1,
        "reached_at_us": 1,
    }
    return {
        "number": number + 1,
        "tenant": TENANT,
        "customer_id": customer,
        "alert_id": alert,
        **texts,
        **times,
    }


def test_what_was_recorded_of_earlier_watermarks_stays_as_it_was(world):
    """Lines as of an instant before the last correction are the same, with the versions that counted then."""
    as_of_us = world.stores.order.watermark(now_us())
    before = world.lines(SHE, as_of_us)
    world.correct(Kind.VOID, [f"{SHE}-8"], "later", "sent twice")
    after = world.lines(SHE)
    assert before != after
    pseudonym = world.erase().pseudonym
    assert world.lines(pseudonym, as_of_us) == before
    assert world.lines(pseudonym) == after


def test_a_correction_can_be_undone_after_the_erasure(world):
    """Of hers and of Bob's events at once: amounts are what they would have been without the erasure."""
    world.undo("double", "first")
    undone = world.lines(SHE), world.lines(BOB)
    world.undo("first", "second")
    assert undone != (world.lines(SHE), world.lines(BOB))
    pseudonym = world.erase().pseudonym
    world.undo("double", "third")
    assert (world.lines(pseudonym), world.lines(BOB)) == undone


def test_an_event_that_is_amended_after_the_erasure_is_another_event(world):
    """The digest that an erased event keeps is not that of what an amendment makes of it."""
    pseudonym = world.erase().pseudonym
    before = {line[5] for line in world.lines(pseudonym)}
    first_id = f"{pseudonym}-{1:012d}"
    amended = Amendment(set_properties=(("level", "900"), ("tokens", "900")))
    world.correct(Kind.AMEND, [first_id], "more-of-hers", "wrong", amended)
    after = {line[5] for line in world.lines(pseudonym)}
    assert after - before
    properties = [each.text for each in world.held(pseudonym) if "900" in each.text]
    assert properties
    assert "meterline:erased_event" not in "".join(properties)


def test_usage_that_comes_in_afterwards_is_of_nobody_and_is_erased_by_another_erasure(world):
    """A late retry counts for nobody; it has a pseudonym of its own when she is erased again."""
    pseudonym = world.erase().pseudonym
    lines = world.lines(pseudonym)
    world.record([call(f"{SHE}-0", 0, 1, SEATS[0], kind="slow")])
    assert world.lines(pseudonym) == lines
    assert files_with(world.data, TEXTS)
    other = world.erase().pseudonym
    assert other != pseudonym
    assert files_with(world.data, TEXTS) == []
    assert world.lines(pseudonym) == lines


def test_who_was_erased_is_known_by_nothing_and_nobody_is_erased_twice(world):
    """The row of the erasure has no hash any more; a pseudonym is not erased, nor anybody of whom nothing is held."""
    job = world.erase()
    assert world.erasures().jobs.under_way(TENANT, SHE) is None
    (row,) = world.erasures().jobs.of_tenant(TENANT, 0, 10)
    assert (row.pseudonym, row.step, row.salt) == (job.pseudonym, ErasureStep.DONE, "")
    with pytest.raises(NotFoundError, match="nothing is held"):
        world.erase()
    with pytest.raises(InvalidRequestError, match="pseudonym of an erased customer"):
        world.erase(job.pseudonym)


def test_other_gateways_read_their_catalog_anew(world):
    """Neither the newest revision nor an earlier one is served from memory with her name."""
    other = CatalogStore(world.stores.database.beside())
    newest = other.snapshot(TENANT).revision
    assert [SHE in other.snapshot(TENANT, revision).customers for revision in (1, newest)] == [True, True]
    pseudonym = world.erase().pseudonym
    for catalog in (other.snapshot(TENANT), *(other.snapshot(TENANT, each) for each in range(1, newest + 1))):
        assert SHE not in catalog.customers
        assert catalog.customers[pseudonym].resource.name == pseudonym
    assert other.snapshot(TENANT).revision == newest
    other.close()


def test_a_property_that_names_nobody_can_be_kept(world):
    """The seats stay as they are, on lines too; the e-mail, which a meter only counts, doesn't."""
    world.erase(keep=["seat"])
    assert {text for _, text in files_with(world.data, TEXTS)} <= set(SEATS)
    assert files_with(world.data, [EMAIL, NOTE]) == []


def test_an_examination_says_what_would_be_erased_and_changes_nothing(world):
    """Counts, and what becomes of each property. Two versions of her and of each alert, her subscription and her grant are 8."""
    lines = world.lines(SHE)
    found = world.erasures().examine(TENANT, SHE, ())
    assert (found.events, found.versions, found.problems, found.audit_records) == (27, 8, 1, 1)
    assert found.kept == ("call.kind", "call.region", "call.tokens", "gauge.level")
    assert found.replaced == ("call.email", "call.seat")
    assert found.dropped == ("call.note", "gauge.note")
    assert world.lines(SHE) == lines
    assert world.erasures().jobs.of_tenant(TENANT, 0, 10) == []


def test_everything_that_is_held_is_exported(world):
    """Every section has what names her, and no hash of a secret."""
    found = world.held(SHE)
    count = Counter(each.section for each in found)
    assert (count["catalog"], count["audit_records"], count["events"], count["problems"]) == (8, 1, 27, 1)
    assert count["corrections"] >= 5
    text = "\n".join(each.text for each in found)
    assert [each for each in TEXTS if each not in text] == []
    assert all(json.loads(each.text) for each in found)


def test_whoever_has_the_erased_events_computes_the_digest_that_a_line_always_had(world):
    """By the program that the page about usage has."""
    (line,) = [each for each in world.lines(SHE) if each[0] == "level" and each[4]]
    pseudonym = world.erase().pseudonym
    texts = [json.loads(each.text) for each in world.held(pseudonym) if each.section == "events"]
    told = [each for each in texts if each["event_type"] == "gauge"]
    program = {}
    exec(CODE, program)
    assert program["event_digest"](told) == line[5]


def test_what_hangs_on_the_customer_hangs_on_the_pseudonym(world):
    """Usage under an alias, who is below in the hierarchy, and the country of a VAT id, which decides on taxes."""
    pseudonym = world.erase().pseudonym
    catalog = world.stores.catalog.snapshot(TENANT)
    customer = catalog.customers[pseudonym].resource
    assert customer.aliases == (f"{pseudonym}-1",)
    ((tax_id,), value) = customer.tax_ids, customer.tax_ids[0].value
    assert value[:2] == "DE"
    assert value != VAT_ID
    assert tax_id.type == "eu_vat"
    assert catalog.customers[BOB].resource.parent == pseudonym


def test_reservations_go_with_the_events_that_were_not_stored_yet(world):
    """What she exported had them; afterwards a commit that was under way finds nothing to record."""
    store = ReservationStore(world.stores.database)
    at_us = now_us()
    asked = Reservation(
        tenant=TENANT, reservation_id=f"run of {SHE}", customer_id=SHE, limit_id="calls",
        state=ReservationState.PENDING, quantity=Decimal(1), committed_quantity=None, ttl_s=60, window_start_us=0,
        reserved_at_us=at_us, expires_at_us=at_us + 60_000_000, ended_at_us=at_us, open_until_us=NEVER_US,
        event="", event_digest="",
    )  # fmt: skip
    store.reserve(asked, 0, lambda _held: True)
    store.claim(
        TENANT, asked.reservation_id, base64.b64encode(NAME.encode()).decode(), "digest", Decimal(1), at_us
    )
    assert "reservations" in {each.section for each in world.held(SHE)}
    world.erase()
    assert store.unfinished(NEVER_US, 10) == []
    assert store.listed(TENANT, "", [], None, 10) == []
    texts = [*TEXTS, base64.b64encode(NAME.encode()).decode()]
    assert files_with(world.data, texts) == []
    assert files_of_postgresql(world.stores.database, texts) == []


def test_an_alias_is_not_erased_by_itself(world):
    """It is one of hers, and goes with her."""
    with pytest.raises(InvalidRequestError, match="is an alias of the customer"):
        world.erase(DEVICE)


def test_invoices_stay_and_name_the_pseudonym(world):
    """June's and July's are closed before, August's after: each is billed once, and no file has anything of hers. What she paid is
    the pseudonym's, to the cent, without what she wrote.
    """
    world.close_until("2026-08-01")
    accounts = PaymentStore(world.stores.database, lambda _tenant, _customer: False)
    hers = AccountKey(TENANT, SHE, "USD")
    report = PaymentReport(hers, f"{SHE}-1", 1_500, (), "card", f"rent of {NAME}, {EMAIL}")
    accounts.record(report, now_us())
    accounts.refund(RefundReport(TENANT, f"{SHE}-2", report.payment_id, 500, f"asked by {NAME}"), now_us())
    statement = Statements(world.stores.database)
    owed = statement.summary(hers, now_us()).balance_minor
    assert "accounts" in {each.section for each in world.held(SHE)}
    before = {each.number: (each.sums, each.key.customer_id) for each in world.invoices()}
    assert {customer for _, customer in before.values()} == {SHE, BOB}
    assert "invoices" in {each.section for each in world.held(SHE)}
    job = world.erase()
    named = {number: (sums, job.pseudonym if who == SHE else who) for number, (sums, who) in before.items()}
    assert {each.number: (each.sums, each.key.customer_id) for each in world.invoices()} == named
    assert files_with(world.data, TEXTS) == []
    assert files_of_postgresql(world.stores.database, TEXTS) == []
    (paid,) = accounts.payments(TENANT, job.pseudonym, None, 10)
    assert (paid.amount_minor, paid.refunded_minor, paid.reference) == (1_500, 500, "")
    assert statement.summary(hers, now_us()) is None
    assert statement.summary(paid.account, now_us()).balance_minor == owed
    # Repeated, it is of somebody whom nobody knows.
    with pytest.raises(NotFoundError):
        accounts.record(report, now_us())
    world.close_until("2026-09-01")
    later = [each for each in world.invoices() if each.number not in before]
    assert {each.key.customer_id for each in later} == {job.pseudonym, BOB}
    # Nothing of June and July is billed again, or given back.
    assert all(not each["corrects_invoice_id"] for one in later for each in world.invoice_lines(one))
