"""Facts are recorded in the transaction of their cause, in order, and kept for a while."""

import json
import threading
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from engine.catalog.catalog_facts import CHANGES_TOLD_MAX
from engine.catalog.documents.document import read_document
from engine.catalog.kinds import KINDS
from engine.catalog.store import CatalogStore
from engine.errors import CatalogDocumentError
from engine.outbox.fact_types import FactType
from engine.outbox.facts import KEPT_US, PAYLOAD_BYTES_MAX, Fact, record_facts
from engine.sql.schema import OUTBOX

DAY_US = 86_400_000_000
NOW_US = 1_700_000_000_000_000


def fact(object_id="a", **payload):
    return Fact(FactType.CATALOG_CHANGED, "thing", object_id, payload)


def record(database, *facts, tenant="t", now_us=NOW_US):
    with database.writing() as connection:
        record_facts(connection, tenant, facts, now_us)


def rows(database):
    with database.reading() as connection:
        return connection.execute(select(OUTBOX).order_by(OUTBOX.c.number)).all()


def test_facts_are_numbered_as_they_were_recorded(database):
    """Across calls and tenants; the payload is canonical JSON."""
    record(database, fact("a", z=1, amount="0.10"), fact("b"))
    record(database, fact("c"), tenant="u", now_us=NOW_US + 1)
    found = rows(database)
    assert [(each.tenant, each.object_id, each.recorded_at_us) for each in found] == [
        ("t", "a", NOW_US),
        ("t", "b", NOW_US),
        ("u", "c", NOW_US + 1),
    ]
    assert found[0].payload == '{"amount":"0.10","z":1}'
    assert [each.number for each in found] == sorted({each.number for each in found})


def test_a_fact_is_there_only_if_its_cause_is(database):
    """A transaction that is undone leaves none."""

    def breaks_off() -> None:
        with database.writing() as connection:
            record_facts(connection, "t", [fact()], NOW_US)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        breaks_off()
    assert rows(database) == []


def test_whoever_has_read_up_to_a_number_has_seen_every_fact_up_to_it(database):
    """Writers that run at once commit in the order of their numbers: nothing turns up behind a reader."""
    seen: list[int] = []
    done = threading.Event()

    def write() -> None:
        for _ in range(40):
            record(database, fact(), fact())

    def read() -> None:
        while True:
            was_done = done.is_set()
            with database.reading() as connection:
                newer = select(OUTBOX.c.number).where(OUTBOX.c.number > (seen[-1] if seen else 0))
                seen.extend(connection.scalars(newer.order_by(OUTBOX.c.number)))
            if was_done:
                return

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write) for _ in range(3)]
    for each in (reader, *writers):
        each.start()
    for each in writers:
        each.join()
    done.set()
    reader.join()
    assert len(seen) == 3 * 40 * 2
    assert seen == [each.number for each in rows(database)]


def test_old_facts_go_with_the_next_write(database):
    """Of every tenant, those past their age alone."""
    record(database, fact("old"), fact("old too"), tenant="u")
    record(database, fact("young"), now_us=NOW_US + DAY_US)
    record(database, fact("new"), now_us=NOW_US + KEPT_US + 1)
    assert [each.object_id for each in rows(database)] == ["young", "new"]


def test_numbers_never_start_again(database):
    """The newest fact stays, so that no number stands for another fact after everything has grown old."""
    record(database, fact("first"))
    (first,) = rows(database)
    record(database, fact("second"), now_us=NOW_US + 10 * KEPT_US)
    (second,) = rows(database)
    assert second.number > first.number


def test_a_payload_that_tells_contents_is_refused(database):
    """It would not fit into a message."""
    with pytest.raises(ValueError, match="tell ids, not contents"):
        record(database, fact(text="x" * PAYLOAD_BYTES_MAX))
    assert rows(database) == []


DOCUMENT = """
plans: [{id: p, name: P, currency: USD, prices: [{id: f, model: flat, flat_amount: 5}]}]
customers: [{id: acme, name: Acme}, {id: bee, name: Bee}]
"""


def apply(store, text, day):
    document = read_document(text, "c.yaml")
    return store.apply("t", document, applied_at=datetime(2026, 3, day, tzinfo=UTC))


def told(database):
    return [(each.fact_type, each.object_id, json.loads(each.payload)) for each in rows(database)]


def test_a_write_of_the_catalog_is_told_change_by_change_and_as_a_whole(url, database):
    """With versions, revision, customer and the names of fields; a write without a change, or with a mistake, is none."""
    store = CatalogStore.open(url)
    apply(store, DOCUMENT, 1)
    apply(store, DOCUMENT, 2)
    with pytest.raises(CatalogDocumentError):
        apply(store, "customers: [{id: cat}]", 3)
    apply(store, "customers: [{id: bee, name: Beehive, metadata: {team: eu}}]", 4)
    store.close()
    assert told(database) == [
        ("plan.created", "p", {"id": "p", "version": 1, "revision": 1}),
        ("customer.created", "acme", {"id": "acme", "version": 1, "revision": 1, "customer_id": "acme"}),
        ("customer.created", "bee", {"id": "bee", "version": 1, "revision": 1, "customer_id": "bee"}),
        (
            "catalog.changed",
            "catalog",
            {"revision": 1, "changes": {"plan.created": 1, "customer.created": 2}},
        ),
        (
            "customer.changed",
            "bee",
            {
                "id": "bee",
                "version": 2,
                "revision": 2,
                "customer_id": "bee",
                "changed_fields": ["metadata", "name"],
            },
        ),
        ("catalog.changed", "catalog", {"revision": 2, "changes": {"customer.changed": 1}}),
    ]


def test_a_subscription_that_gets_an_end_is_canceled(url, database):
    """Once: an end that moves is a change. The customer is told with it."""
    store = CatalogStore.open(url)
    subscription = "subscriptions: [{customer: acme, plan: p, start: 2026-01-01%s}]"
    apply(store, DOCUMENT + subscription % "", 1)
    apply(store, subscription % ", end: 2026-05-01", 2)
    apply(store, subscription % ", end: 2026-06-01", 3)
    store.close()
    found = [(name, payload) for name, of, payload in told(database) if of == "acme:p"]
    assert [name for name, _ in found] == [
        "subscription.created",
        "subscription.canceled",
        "subscription.changed",
    ]
    assert {payload["customer_id"] for _, payload in found} == {"acme"}


def test_an_import_is_told_as_a_whole_alone(url, database):
    """It would be as many messages as it has rows."""
    store = CatalogStore.open(url)
    count = CHANGES_TOLD_MAX + 1
    customers = ", ".join(f"{{id: c{each}, name: C}}" for each in range(count))
    apply(store, f"customers: [{customers}]", 1)
    store.close()
    changes = {"revision": 1, "changes": {"customer.created": count}}
    assert told(database) == [("catalog.changed", "catalog", changes)]


def test_every_change_of_every_kind_has_a_type():
    """A kind that is added gets its types, too."""
    names = {each.value for each in FactType}
    for kind in KINDS:
        assert {f"{kind}.{what}" for what in ("created", "changed", "archived", "deleted")} <= names
