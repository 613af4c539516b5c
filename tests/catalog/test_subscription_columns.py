"""Subscriptions as columns: in one order, found by customer, with their instants to the microsecond."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.documents.document import read_document
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.kinds.terms import SubscriptionTerms
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.subscription_columns import BY_START, NO_END_US
from engine.catalog.snapshots.versions import Versioned
from tests.support.catalogs import catalog_of, versions_of

# One second after 2026 began, and one microsecond more: 20,454 days since 1970.
START_US = 20_454 * 86_400 * 1_000_000 + 1_000_000
START = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)


def _subscription(customer, plan="free", id=None, start=START, end=None):  # noqa: A002 - the field's name
    return Subscription(id=id or f"{customer}:{plan}", customer=customer, plan=plan, start=start, end=end)


def test_rows_are_ordered_by_customer_and_subscription_whatever_the_document_says():
    """By code point: '-' before digits, digits before capitals, capitals before small letters."""
    given_order = [
        _subscription("b"),
        _subscription("a", id="s2"),
        _subscription("B"),
        _subscription("a", id="s10"),
        _subscription("a-1"),
        _subscription("a", plan="pro", id="s1"),
    ]
    columns = catalog_of(given_order).subscription_columns
    assert columns.customer_id.to_pylist() == ["B", "a", "a", "a", "a-1", "b"]
    assert columns.subscription_id.to_pylist() == ["B:free", "s1", "s10", "s2", "a-1:free", "b:free"]
    assert [SubscriptionTerms.read(columns.terms[place]).plan for place in columns.step_terms] == [
        "free",
        "pro",
        "free",
        "free",
        "free",
        "free",
    ]


def test_instants_are_microseconds_and_an_open_end_is_later_than_all_of_them():
    """Whole microseconds since 1970, exact."""
    ends = datetime(2026, 1, 1, 0, 0, 1, 1, tzinfo=UTC)
    columns = catalog_of([_subscription("a", end=ends), _subscription("b")]).subscription_columns
    assert columns.start_us.tolist() == [START_US, START_US]
    assert columns.end_us.tolist() == [START_US + 1, NO_END_US]


def test_a_customer_without_a_subscription_has_no_rows():
    """Before, between and behind the others, and in an empty catalog."""
    columns = catalog_of([_subscription("b"), _subscription("d")]).subscription_columns
    for customer in ("a", "bb", "c", "e", ""):
        assert columns.customer_id[columns.rows_of(customer)].to_pylist() == []
    assert catalog_of([]).subscription_columns.rows_of("a") == slice(0, 0)


ids = st.text("Aa0-._:@", min_size=1, max_size=4)


@given(st.dictionaries(ids, ids, max_size=30), st.tuples(ids, ids))
def test_binary_search_finds_what_a_look_at_every_row_finds(customers, place):
    """Of any customer its rows, and from any place the first row that isn't before it."""
    columns = catalog_of(
        _subscription(customer, id=each) for each, customer in customers.items()
    ).subscription_columns
    rows = list(zip(columns.customer_id.to_pylist(), columns.subscription_id.to_pylist(), strict=True))
    assert rows == sorted((customer, each) for each, customer in customers.items())
    assert rows[columns.row_from(*place) :] == [row for row in rows if row >= place]
    for customer in {*customers.values(), place[0]}:
        assert rows[columns.rows_of(customer)] == [row for row in rows if row[0] == customer]


def test_a_snapshot_has_the_columns_of_its_own_revision():
    """A later revision has its own, and the earlier snapshot keeps what it had."""
    text = """
plans: [{id: free, name: Free, currency: USD, prices: []}]
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: free, start: 2026-01-01T00:00:01Z}]
"""
    empty = Catalog.empty("default")
    versions = [
        Versioned(each, 1, 1)
        for each in read_document(text, "c.yaml").resources(empty, datetime(2026, 1, 1, tzinfo=UTC))
    ]
    catalog = empty.advanced(1, versions_of(versions))
    assert len(empty.subscription_columns) == 0
    assert catalog.subscription_columns.customer_id.to_pylist() == ["acme"]
    assert catalog.subscription_columns is catalog.subscription_columns


def test_terms_say_their_plan_and_version():
    """Two subscriptions of one plan, one of them on its second version: two terms, one plan."""
    pinned = Subscription(id="b:free", customer="b", plan="free", start=START, plan_version=2)
    columns = catalog_of([_subscription("a"), pinned, _subscription("c", plan="pro")]).subscription_columns
    plans = [columns.plans[place] for place in columns.terms_plan[columns.step_terms]]
    assert plans == ["free", "free", "pro"]
    assert columns.terms_version[columns.step_terms].tolist() == [BY_START, 2, BY_START]
    assert columns.rows_of_steps(columns.steps_of_plan("free")).tolist() == [0, 1]
    assert columns.steps_of_plan("gone").tolist() == []
