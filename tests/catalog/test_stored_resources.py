"""Customers and subscriptions are mappings of objects, whatever they are kept as, and the store's text is checked."""

import json

import pyarrow as pa
import pytest

from engine.catalog import history
from engine.catalog.snapshots import sorted_rows
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import VERSION_ROWS, Versions
from engine.errors import MeterlineError

PLANS = "plans: [{id: p, name: P, currency: USD, prices: []}, {id: q, name: Q, currency: USD, prices: []}]\n"


def catalog_text(customers: range, name: str) -> str:
    """Customers in descending order, each with two subscriptions."""
    given = sorted(customers, reverse=True)
    people = ", ".join(f"{{id: c{number:04}, name: {name}}}" for number in given)
    bought = ", ".join(
        f"{{customer: c{number:04}, plan: {plan}, start: 2026-01-01, end: {name}-01-01}}"
        for number in given
        for plan in "pq"
    )
    return f"{PLANS}customers: [{people}]\nsubscriptions: [{bought}]\n"


def test_a_mapping_of_customers_is_one(apply, store):
    """Length, membership, iteration in the order of creation, and KeyError."""
    apply(catalog_text(range(3), "2027"))
    apply(catalog_text(range(1, 5), "2028"))
    customers = store.snapshot("t").customers
    assert list(customers) == ["c0002", "c0001", "c0000", "c0004", "c0003"]
    assert [each.resource.name for each in customers.values()] == ["2028", "2028", "2027", "2028", "2028"]
    assert len(customers) == 5
    assert ("c0004" in customers, "c0005" in customers, 7 in customers) == (True, False, False)
    assert customers.get("c0005") is None
    with pytest.raises(KeyError, match="c0005"):
        customers["c0005"]
    assert customers["c0001"].version == 2
    assert customers.ids.to_pylist() == sorted(customers)


def test_subscriptions_are_found_by_id_and_by_customer(apply, store):
    """The default id begins with the customer; an id of its own is found as well."""
    apply(catalog_text(range(3), "2027"))
    apply("subscriptions: [{id: a-first, customer: c0002, plan: p, start: 2025-01-01, end: 2026-01-01}]")
    catalog = store.snapshot("t")
    assert catalog.subscriptions["a-first"].resource.customer == "c0002"
    assert [each.resource.id for each in catalog.subscriptions_of("c0002")] == [
        "a-first",
        "c0002:p",
        "c0002:q",
    ]
    assert catalog.subscriptions_of("c000") == ()
    assert catalog.subscription_columns.subscription_id.to_pylist() == [
        "c0000:p",
        "c0000:q",
        "c0001:p",
        "c0001:q",
        "a-first",
        "c0002:p",
        "c0002:q",
    ]


def test_a_catalog_is_the_same_in_whatever_parts_it_is_read(apply, store, url, monkeypatch):
    """Chunks of few rows and parts of few batches, brought forward step by step or read at once."""
    monkeypatch.setattr(sorted_rows, "_CHUNK_ROWS_MAX", 5)
    for customers, name in ((range(40), "2027"), (range(20, 60), "2028"), (range(5, 30), "2029")):
        apply(catalog_text(customers, name))
        store.snapshot("t")
    revisions = range(1, 4)
    for split, folded in ((1, 1), (200, 1), (1, 300), (1000, 1000)):
        monkeypatch.setattr(history, "_SPLIT_ROWS", split)
        monkeypatch.setattr(history, "_FOLDED_ROWS", folded)
        anew = type(store).open(url)
        try:
            for revision in revisions:
                catalog, known = anew.snapshot("t", revision), store.snapshot("t", revision)
                assert catalog == known
                assert list(catalog.listed(0)) == list(known.listed(0))
                assert list(catalog.listed(17)) == list(known.listed(0))[17:]
        finally:
            anew.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"seats": "4"},
        {"start": "soon"},
        {"start": None},
        {"customer": None},
        {"plan": 5},
        {"end": "2025-01-01T00:00:00Z"},
        {"end": "2345-01-01T00:00:00Z"},
        {"start": "1969-12-31T23:59:59Z"},
        {"id": "another"},
    ],
)
def test_a_stored_subscription_that_this_version_can_t_read_is_refused(wrong):
    """A field that it doesn't know might decide about money."""
    fields = {"id": "s", "customer": "c", "plan": "p", "start": "2026-01-01T00:00:00Z"} | wrong
    row = {"kind": "subscription", "id": "s", "version": 1, "revision": 1, "position": 0}
    text = json.dumps({name: value for name, value in fields.items() if value is not None})
    with pytest.raises(MeterlineError, match="start the version that wrote"):
        Versions.read(pa.Table.from_pylist([row | {"definition": text}], schema=VERSION_ROWS))


def test_a_stored_customer_is_checked_when_it_is_asked_for():
    """A million customers are not read one by one at the start."""
    row = {
        "kind": "customer",
        "id": "c",
        "version": 1,
        "revision": 1,
        "position": 0,
        "definition": '{"id":"c"}',
    }
    rows = pa.Table.from_pylist([row], schema=VERSION_ROWS)
    catalog = Catalog.empty("t").advanced(1, Versions.read(rows))
    with pytest.raises(MeterlineError, match=r"can't read \('c', version 1\): name: is missing"):
        catalog.customers["c"]
