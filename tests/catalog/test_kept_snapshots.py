"""Earlier snapshots are kept as long as there is room for what they hold besides the newest."""

from datetime import UTC, datetime

import pytest

from engine.catalog.kinds.customer import Customer
from engine.catalog.kinds.subscription import Subscription
from engine.catalog.snapshots import kept_snapshots
from engine.catalog.snapshots.kept_snapshots import KeptSnapshots
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from tests.support.catalogs import versions_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def next_of(catalog, *resources):
    """The next revision. Small catalogs are one chunk a kind, which each change copies."""
    revision = catalog.revision + 1
    return catalog.advanced(revision, versions_of(Versioned(each, revision, revision) for each in resources))


def customers(count):
    return [Customer(id=f"c{number}", name="C") for number in range(count)]


def subscription(customer, plan="p"):
    return Subscription(id=f"{customer}:p", customer=customer, plan=plan, start=START)


@pytest.fixture
def room(monkeypatch):
    def rows(count):
        monkeypatch.setattr(kept_snapshots, "EARLIER_ROWS_MAX", count)

    return rows


def kept_of(snapshots):
    kept = KeptSnapshots()
    for each in snapshots:
        kept.keep(each)
    return kept


def revisions(kept, tenant="t", last=20):
    return [revision for revision in range(last) if kept.get(tenant, revision) is not None]


def in_pieces(pieces, of=10):
    """Revisions of a catalog that grows by so many customers in each; each copies those before it."""
    found = [Catalog.empty("t")]
    for number in range(pieces):
        found.append(next_of(found[-1], *customers((number + 1) * of)[number * of :]))
    return found[1:]


def test_the_newest_stays_whatever_it_holds(room):
    room(0)
    assert revisions(kept_of(in_pieces(5))) == [5]


def test_those_used_longest_ago_go_first(room):
    """Revisions 1 to 4 hold 10 to 40 rows each, none shared: 40 and 30 fit into 70."""
    room(70)
    assert revisions(kept_of(in_pieces(5))) == [3, 4, 5]
    *earlier, last = in_pieces(5)
    kept = kept_of(earlier[:2])
    for each in earlier[2:]:
        kept.get("t", 1)
        kept.keep(each)
    kept.get("t", 1)
    kept.keep(last)
    assert revisions(kept) == [1, 4, 5]


def test_what_the_newest_shares_takes_no_room(room):
    """A change of the one subscription leaves the hundred customers where they are; it copies itself twice, by its id too."""
    first = next_of(Catalog.empty("t"), *customers(100), subscription("c1"))
    second = next_of(first, subscription("c1", "q"))
    room(2)
    assert revisions(kept_of([first, second])) == [1, 2]
    room(1)
    assert revisions(kept_of([first, second])) == [2]


def test_columns_of_earlier_ones_are_forgotten_first(room):
    first = next_of(Catalog.empty("t"), subscription("c1"), subscription("c2"))
    second = next_of(first, subscription("c1", "q"))
    for each in (first, second):
        assert len(each.subscription_columns) == 2
    # Two subscriptions, found by id as well; columns of them would be two rows more.
    room(4)
    assert revisions(kept_of([first, second])) == [1, 2]
    assert first.subscriptions.column_rows == 0
    assert second.subscriptions.column_rows == 2
    assert first.subscription_columns.subscription_id.to_pylist() == ["c1:p", "c2:p"]


def test_columns_that_the_newest_shares_stay(room):
    first = next_of(Catalog.empty("t"), subscription("c1"))
    assert len(first.subscription_columns) == 1
    second = next_of(first, *customers(3))
    room(0)
    kept_of([first, second])
    assert second.subscriptions.column_rows == 1


def test_a_revision_that_was_asked_for_stays_until_another_is(room):
    """An earlier revision that is read anew isn't dropped by its own coming."""
    room(0)
    first, second, third = in_pieces(3)
    kept = kept_of([third, first])
    assert revisions(kept) == [1, 3]
    kept.keep(second)
    assert revisions(kept) == [2, 3]


def test_rows_are_counted_as_long_as_one_shares_them(room):
    """After all that came and went, what is kept is what there is room for."""
    room(70)
    kept = kept_of(in_pieces(5))
    for each in in_pieces(4):
        kept.keep(each)
    kept.keep(in_pieces(6)[-1])
    held = {id(chunk): chunk.num_rows for each in kept._snapshots.values() for chunk in each.chunks()}
    assert kept._rows == sum(held.values())


def test_so_many_snapshots_are_kept(monkeypatch):
    monkeypatch.setattr(kept_snapshots, "SNAPSHOTS_MAX", 3)
    kept = KeptSnapshots()
    for number in range(5):
        kept.keep(Catalog.empty(f"t{number}"))
    assert [revisions(kept, f"t{number}") for number in range(5)] == [[], [], [0], [0], [0]]
