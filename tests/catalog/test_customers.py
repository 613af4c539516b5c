"""Customers' other ids, and who is above whom: each id is one customer's, and nobody stands above themselves."""

import pytest

from engine.catalog.limits import CUSTOMER_LEVELS_MAX
from engine.errors import CatalogDocumentError


def customer(customer_id, **fields):
    more = "".join(f", {name}: {value}" for name, value in fields.items())
    return f"  - {{id: {customer_id}, name: N{more}}}\n"


def document(*customers):
    return "customers:\n" + "".join(customers)


@pytest.fixture
def refused(apply):
    def refusals(*customers):
        with pytest.raises(CatalogDocumentError) as caught:
            apply(document(*customers))
        return [each.message.partition(":")[0] for each in caught.value.mistakes]

    return refusals


def test_an_alias_is_found_by_customer_and_by_itself(apply, store):
    """At every revision as it was, in a fresh process too."""
    apply(document(customer("a", aliases="[a1, a2]"), customer("b", aliases="[b1]"), customer("c")))
    first = store.snapshot("t")
    apply(document(customer("a", aliases="[a2]"), customer("b")))
    for catalog, aliases in ((first, {"a": ["a1", "a2"], "b": ["b1"]}), (store.snapshot("t"), {"a": ["a2"]})):
        assert catalog.customers.aliases_of(["a", "b", "c", "nobody"]) == aliases
        assert catalog.customers.links.aliases_of(["a", "b", "c"]) == aliases
        owners = {alias: key for key, each in aliases.items() for alias in each}
        assert catalog.customers.links.owners_of(["a1", "a2", "b1", "c"]) == owners
    assert first.customers.with_aliases(("c", "a")) == ("a", "a1", "a2", "c")
    assert first.customers.with_aliases(("c",)) == ("c",)


def test_an_alias_is_one_customers(apply, refused):
    """No other's alias, nobody's id, in the document and in the catalog."""
    assert refused(customer("a", aliases="[x]"), customer("b", aliases="[x]")) == [
        "is an alias of the customer 'a'"
    ]
    assert refused(customer("a", aliases="[b]"), customer("b")) == ["is the id of the customer 'b'"]
    assert refused(customer("a", aliases="[a]")) == ["is this customer's own id"]
    apply(document(customer("a", aliases="[x]"), customer("b")))
    assert refused(customer("c", aliases="[x, b]")) == [
        "is an alias of the customer 'a'",
        "is the id of the customer 'b'",
    ]
    assert refused(customer("x")) == ["is an alias of the customer 'a'"]
    assert apply(document(customer("a", aliases="[x, y]"))).changes


def test_an_alias_moves_by_two_changes(apply, refused):
    """So that no revision has it twice, and each says whose it is."""
    apply(document(customer("a", aliases="[x]"), customer("b")))
    assert refused(customer("a"), customer("b", aliases="[x]")) == ["is an alias of the customer 'a'"]
    apply(document(customer("a")))
    apply(document(customer("b", aliases="[x]")))


def test_a_parent_is_a_customer_and_makes_no_circle(apply, refused, store):
    """Of any length, in one document or with those of the catalog."""
    assert refused(customer("a", parent="nobody")) == [
        "there is no customer 'nobody' in this document or in the catalog"
    ]
    assert refused(customer("a", parent="a")) == ["makes a circle"]
    assert (
        refused(customer("a", parent="b"), customer("b", parent="c"), customer("c", parent="a"))
        == ["makes a circle"] * 3
    )
    apply(document(customer("top"), customer("mid", parent="top"), customer("low", parent="mid")))
    assert refused(customer("top", parent="low")) == ["makes a circle"]
    links = store.snapshot("t").customers.links
    assert links.children_of(["top", "mid", "low"]) == {"top": ["mid"], "mid": ["low"]}


def test_customers_have_so_many_levels(apply, refused):
    """Counted from the top to the lowest one, whichever of them the document has."""
    chain = [customer("l1")]
    chain += [customer(f"l{n}", parent=f"l{n - 1}") for n in range(2, CUSTOMER_LEVELS_MAX + 1)]
    apply(document(*chain))
    too_many = f"makes {CUSTOMER_LEVELS_MAX + 1} levels of customers"
    assert refused(customer("under", parent=f"l{CUSTOMER_LEVELS_MAX}")) == [too_many]
    assert refused(customer("over"), customer("l1", parent="over")) == [too_many]
    apply(document(customer("l3")))
    apply(document(customer("over"), customer("l1", parent="over")))
