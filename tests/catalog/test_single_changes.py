"""Single resources: created, updated field by field, archived, deleted; on SQLite and PostgreSQL alike."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from engine.catalog import idempotency
from engine.catalog.documents.document import read_document
from engine.catalog.idempotency import Once
from engine.catalog.single.etags import etag_of
from engine.catalog.single.listing import ResourceChoice, chosen
from engine.catalog.single.single_changes import create, end, find, update
from engine.catalog.store import Write
from engine.errors import (
    AlreadyExistsError,
    IdempotencyKeyUsedError,
    InUseError,
    InvalidRequestError,
    NotFoundError,
    StaleError,
)

AT = datetime(2023, 12, 1, tzinfo=UTC)


@pytest.fixture
def write(store):
    """Makes a change for the tenant "t"."""

    def written(change, *arguments, by="key:abc", once=None, at=AT):
        return store.write(
            "t", lambda catalog: change(*arguments, at, catalog), Write(at, by, "0" * 64, once)
        )

    return written


@pytest.fixture
def world(apply, document):
    apply(document)


def fields_of(store, kind, resource_id):
    return store.snapshot("t").of_kind(kind)[resource_id].resource.to_fields()


def test_a_created_resource_is_one_of_the_catalog(store, write, world):
    """With its first version; a second one of its id is refused, and so is one with mistakes."""
    applied = write(create, "customer", {"id": "new", "name": "New", "metadata": {"team": "eu"}})
    assert [(each.action, each.version) for each in applied.changes] == [("create", 1)]
    assert fields_of(store, "customer", "new") == {"id": "new", "name": "New", "metadata": {"team": "eu"}}
    with pytest.raises(AlreadyExistsError, match="there is a customer 'new' already"):
        write(create, "customer", {"id": "new", "name": "Other"})
    with pytest.raises(InvalidRequestError) as refused:
        write(create, "subscription", {"customer": "nobody", "plan": "starter", "start": "then"})
    assert {each.field for each in refused.value.mistakes} == {"customer", "start"}


def test_an_update_sets_what_it_names_and_leaves_the_rest(store, write, world):
    """Without a mask what is given; with one what it names, into mappings too; null and absence remove."""
    write(update, "customer", "acme", {"metadata": {"team": "eu", "a.b": "1"}}, (), "")
    assert fields_of(store, "customer", "acme")["name"] == "Acme Robotics"
    write(update, "customer", "acme", {"metadata": {"team": "us"}}, ("metadata.team",), "")
    assert fields_of(store, "customer", "acme")["metadata"] == {"team": "us", "a.b": "1"}
    write(update, "customer", "acme", {"name": "ignored"}, ("metadata.a.b",), "")
    assert fields_of(store, "customer", "acme") == {
        "id": "acme",
        "name": "Acme Robotics",
        "metadata": {"team": "us"},
    }
    write(update, "customer", "acme", {"metadata": None}, (), "")
    write(update, "customer", "acme", {"name": "Acme"}, ("*",), "")
    assert fields_of(store, "customer", "acme") == {"id": "acme", "name": "Acme"}
    for fields, mask, field in (
        ({"id": "other"}, (), "id"),
        ({}, ("nmae",), "update_mask"),
        ({}, ("name.first",), "update_mask"),
        ({}, ("name",), "name"),
    ):
        with pytest.raises(InvalidRequestError) as refused:
            write(update, "customer", "acme", fields, mask, "")
        assert [each.field for each in refused.value.mistakes] == [field]


def test_a_stale_etag_is_refused_with_both_versions(write, world):
    """And one that was never given out, as a mistake; the newest lets the write go on."""
    seen = etag_of("customer", "acme", 1)
    write(update, "customer", "acme", {"name": "Second"}, (), seen)
    with pytest.raises(StaleError, match=r"was version 1 .* is version 2 .* read it again"):
        write(update, "customer", "acme", {"name": "Third"}, (), seen)
    with pytest.raises(StaleError):
        write(end, "customer", "acme", "delete", seen)
    for other in ("x", "1-", "-1", "1-00", etag_of("customer", "bolt", 2), "²-1"):
        with pytest.raises(InvalidRequestError, match="etag"):
            write(update, "customer", "acme", {"name": "Third"}, (), other)


def test_twenty_writers_of_one_resource_lose_no_update(store, write, world):
    """Each adds an entry to what it read: it wins, or is told that it read something old and reads again."""
    refusals = []

    def add(number):
        while True:
            seen = find("customer", "acme", store.snapshot("t"))
            metadata = fields_of(store, "customer", "acme").get("metadata", {})
            etag = etag_of("customer", "acme", seen.version)
            # What was read apart may be newer than the etag, never older: then the write is refused.
            try:
                write(update, "customer", "acme", {"metadata": metadata | {f"n{number}": "1"}}, (), etag)
            except StaleError:
                refusals.append(number)
            else:
                return

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert set(fields_of(store, "customer", "acme")["metadata"]) == {f"n{number}" for number in range(20)}
    assert find("customer", "acme", store.snapshot("t")).version == 21


def test_updates_of_different_fields_that_meet_both_stand(store, write, world):
    """Without an etag: each is made of what the one before it left."""
    threads = [
        threading.Thread(
            target=write,
            args=(update, "customer", "acme", {"metadata": {f"n{n}": "1"}}, (f"metadata.n{n}",), ""),
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert set(fields_of(store, "customer", "acme")["metadata"]) == {f"n{n}" for n in range(8)}


def test_a_write_with_a_key_counts_once(store, write, world):
    """Sent again it is answered as before, by a later catalog too; with other content it is refused."""
    once = Once("k1", "a" * 64)
    new = {"id": "new", "name": "New"}
    first = write(create, "customer", new, once=once)
    write(update, "customer", "new", {"name": "Newer"}, (), "")
    assert write(create, "customer", new, once=once) == first
    assert store.snapshot("t").revision == first.revision + 1
    with pytest.raises(IdempotencyKeyUsedError, match="'k1' was used for another request"):
        write(create, "customer", {"id": "other", "name": "O"}, once=Once("k1", "b" * 64))
    renamed = Once("k2", "c" * 64)
    changed = write(update, "customer", "new", {"name": "Newest"}, (), "", once=renamed)
    assert [each.path for each in changed.changes[0].fields] == ["name"]
    assert write(update, "customer", "new", {"name": "Newest"}, (), "", once=renamed) == changed
    unchanged = write(update, "customer", "new", {"name": "Newest"}, (), "", once=Once("k3", "d" * 64))
    assert (unchanged.changes, unchanged.unchanged_count) == ((), 1)
    write(update, "customer", "new", {"name": "Last"}, (), "")
    again = write(update, "customer", "new", {"name": "Newest"}, (), "", once=Once("k3", "d" * 64))
    assert again == unchanged
    assert store.version_at("t", "customer", "new", again.revision).version == 3


def test_a_document_with_a_key_is_answered_whole(store, document):
    """Every change of it, and how much it left; another tenant's key is another."""
    read = read_document(document, "llm.yaml")
    once = Once("apply", "a" * 64)
    first = store.apply("t", read, applied_at=AT, once=once)
    assert len(first.changes) == 6
    assert store.apply("t", read, applied_at=AT, once=once) == first
    assert store.apply("u", read, applied_at=AT, once=once).revision == 1


def test_writers_with_one_key_make_one_change(store, write, world):
    """However many send it at once, all are answered alike."""
    answers = []

    def send():
        answers.append(write(create, "customer", {"id": "new", "name": "N"}, once=Once("k", "a" * 64)))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert len(answers) == 8
    assert all(each == answers[0] for each in answers)


def test_a_refused_write_leaves_its_key_free_and_old_keys_go(store, write, world):
    """What was refused changed nothing: it may be sent again, mended."""
    with pytest.raises(AlreadyExistsError):
        write(create, "customer", {"id": "acme", "name": "A"}, once=Once("k", "a" * 64))
    write(create, "customer", {"id": "b", "name": "B"}, once=Once("k", "b" * 64))
    later = AT + timedelta(microseconds=idempotency.KEPT_US + 1)
    write(create, "customer", {"id": "c", "name": "C"}, once=Once("k2", "c" * 64), at=later)
    write(create, "customer", {"id": "d", "name": "D"}, once=Once("k", "d" * 64), at=later)
    assert idempotency.KEPT_US >= 24 * 3_600 * 1_000_000
    for key in ("", " k", "k\n", "é", "k" * 129):
        with pytest.raises(InvalidRequestError, match="idempotency_key"):
            Once(key or " ", "a" * 64)


def test_what_is_used_is_neither_archived_nor_deleted(write, world):
    """The refusal names what uses it."""
    for kind, resource_id, user in (
        ("customer", "acme", "subscription 'acme:starter'"),
        ("plan", "starter", "subscription 'acme:starter'"),
        ("meter", "input", "plan 'starter'"),
    ):
        for action in ("archive", "delete"):
            with pytest.raises(InUseError, match=f"can't be {action}d: it is used by {user}"):
                write(end, kind, resource_id, action, "")
    with pytest.raises(InUseError, match="can't be deleted: it has been billed"):
        write(end, "subscription", "acme:starter", "delete", "")
    with pytest.raises(InUseError, match="can't be archived while it runs"):
        write(end, "subscription", "acme:starter", "archive", "")
    with pytest.raises(NotFoundError, match="the customer 'nobody' is not in the catalog"):
        write(end, "customer", "nobody", "delete", "")


def test_a_deleted_resource_is_gone_and_its_id_goes_on(store, write, world, url):
    """Its history stays, an earlier revision has it still, and who creates it anew goes on with its versions."""
    write(create, "plan", {"id": "old", "name": "Old", "currency": "USD", "prices": []})
    before = store.snapshot("t")
    write(end, "plan", "old", "delete", "")
    write(end, "customer", "foxglove", "delete", "")
    write(end, "meter", "requests", "delete", "")
    gone = store.snapshot("t")
    assert (set(gone.plans), set(gone.customers), set(gone.meters)) == ({"starter"}, {"acme"}, {"input"})
    with pytest.raises(NotFoundError, match="'foxglove' was deleted"):
        find("customer", "foxglove", gone)
    fresh = type(store).open(url)
    try:
        assert fresh.snapshot("t") == gone
        assert fresh.snapshot("t", before.revision) == before
        assert list(fresh.snapshot("t").listed(0)) == list(gone.listed(0))
    finally:
        fresh.close()
    versions = store.versions("t", "customer", "foxglove", None, 10)
    assert [(each.change.action, each.change.version) for each in versions] == [("delete", 2), ("create", 1)]
    again = write(create, "customer", {"id": "foxglove", "name": "Again"})
    assert [(each.action, each.version) for each in again.changes] == [("create", 3)]
    assert list(store.snapshot("t").customers) == ["acme", "foxglove"]
    assert ("customer", "foxglove") not in store.snapshot("t").ended


def test_an_archived_resource_is_read_and_comes_back(store, write, world):
    """Not by creating it; an update or a document brings it back."""
    write(end, "customer", "foxglove", "archive", "")
    assert "foxglove" not in store.snapshot("t").customers
    assert find("customer", "foxglove", store.snapshot("t")).version == 2
    assert write(end, "customer", "foxglove", "archive", "").changes == ()
    with pytest.raises(AlreadyExistsError, match="is archived: update it"):
        write(create, "customer", {"id": "foxglove", "name": "F"})
    back = write(update, "customer", "foxglove", {}, (), etag_of("customer", "foxglove", 2))
    assert [(each.action, each.version) for each in back.changes] == [("create", 3)]
    assert fields_of(store, "customer", "foxglove")["name"] == "Foxglove Analytics"
    with pytest.raises(InvalidRequestError, match="there is no customer 'bolt'"):
        write(create, "subscription", {"customer": "bolt", "plan": "starter", "start": "2024-01-01"})


def test_an_archived_subscription_stays_its_customers(store, write, world):
    """It is archived once it has ended, and comes back only to the customer that it billed."""
    write(update, "subscription", "acme:starter", {"end": "2023-11-15T00:00:00Z"}, (), "")
    write(end, "subscription", "acme:starter", "archive", "")
    assert store.snapshot("t").subscriptions_of("acme") == ()
    with pytest.raises(InvalidRequestError, match="can't change from 'acme' to 'foxglove'"):
        write(update, "subscription", "acme:starter", {"customer": "foxglove"}, (), "")
    write(update, "subscription", "acme:starter", {}, (), "")
    assert [each.version for each in store.snapshot("t").subscriptions_of("acme")] == [4]
    write(create, "subscription", {"customer": "acme", "plan": "starter", "id": "s", "start": "2024-01-01"})
    write(end, "subscription", "s", "delete", "")
    write(
        create, "subscription", {"customer": "foxglove", "plan": "starter", "id": "s", "start": "2024-01-01"}
    )
    assert store.snapshot("t").subscriptions["s"].resource.customer == "foxglove"
    assert [each.resource.id for each in store.snapshot("t").subscriptions_of("acme")] == ["acme:starter"]


def test_the_history_of_a_resource_says_who_changed_what_when(store, write, world):
    """The newest first, page by page."""
    write(update, "customer", "acme", {"name": "Acme"}, (), "", by="key:one")
    write(update, "customer", "acme", {"metadata": {"team": "eu"}}, (), "", by="person:eva", at=AT)
    newest, middle, oldest = store.versions("t", "customer", "acme", None, 10)
    assert (newest.changed_by, middle.changed_by, oldest.changed_by) == ("person:eva", "key:one", "")
    assert [(each.path, each.before, each.after) for each in middle.change.fields] == [
        ("name", '"Acme Robotics"', '"Acme"')
    ]
    assert newest.changed_at == AT
    assert (newest.revision, oldest.revision) == (3, 1)
    assert [each.change.version for each in store.versions("t", "customer", "acme", 3, 1)] == [2]
    assert store.versions("u", "customer", "acme", None, 10) == []


def test_a_listing_takes_what_it_is_asked_for(store, write, world):
    """By the beginning of ids and by texts in fields, from any place, the archived ones last."""
    for number in range(6):
        team = ("eu", "us")[number % 2]
        fields = {"id": f"c{number}", "name": f'"{number}"', "metadata": {"team": team}}
        write(create, "customer", fields)
    write(end, "customer", "c1", "archive", "")
    write(end, "customer", "c2", "delete", "")
    catalog = store.snapshot("t")

    def ids(kind, first=0, *, prefix="", archived=False, **fields):
        paths = {name.replace("__", "."): text for name, text in fields.items()}
        return [
            each.id
            for _, each in chosen(ResourceChoice(kind, prefix, paths), catalog, first, archived=archived)
        ]

    assert ids("customer") == ["acme", "foxglove", "c0", "c3", "c4", "c5"]
    assert ids("customer", prefix="c", metadata__team="us", archived=True) == ["c3", "c5", "c1"]
    assert ids("customer", name='"3"') == ["c3"]
    assert ids("customer", name="eu") == []
    assert ids("subscription", plan="starter") == ["acme:starter"]
    assert ids("meter", group_by="model") == ["input"]
    assert ids("plan", prices="x") == []
    for archived in (False, True):
        places = list(chosen(ResourceChoice("customer", "c", {}), catalog, 0, archived=archived))
        for index, (place, _) in enumerate(places):
            assert ids("customer", place, prefix="c", archived=archived) == [
                e.id for _, e in places[index + 1 :]
            ]
    with pytest.raises(InvalidRequestError, match="'nmae' is no field of a customer"):
        ResourceChoice("customer", "", {"nmae": "x"})
    with pytest.raises(InvalidRequestError, match="kind"):
        ResourceChoice("client", "", {})
