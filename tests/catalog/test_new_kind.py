"""A new kind of resource is one class: documents, definitions, changes, the store and the schema follow from it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import pytest
from jsonschema import Draft7Validator

from engine.catalog.documents.changes import FieldChange
from engine.catalog.kinds import KINDS, catalog_schema, definition, read_definition
from engine.catalog.kinds.resource import Name, Reference, Resource
from fields import DecimalNumber, Instant, ListOf, Problem, rule


@dataclass(frozen=True, kw_only=True)
class Voucher(Resource, section="vouchers", count_max=2):
    """A toy: so much off, on these plans, until then."""

    name: Name
    percent_off: Annotated[Decimal, DecimalNumber(positive=True, at_most=100)]
    plans: Annotated[tuple[str, ...], ListOf(Reference(to="plan"), 0, 10, distinct=True)] = ()
    customer: Annotated[str | None, Reference(to="customer")] = None
    end: Annotated[datetime | None, Instant()] = None

    @rule("percent_off", "end")
    def _nothing_is_free_for_ever(self) -> Iterator[Problem]:
        if self.percent_off == 100 and self.end is None:
            yield Problem(("end",), "is missing: all off must end")


DOCUMENT = """\
plans:
  - {id: starter, name: Starter, currency: USD, prices: []}
vouchers:
  - {id: welcome, name: Welcome, percent_off: 12.50, plans: [starter], end: 2026-01-01}
"""
WELCOME = Voucher(
    id="welcome",
    name="Welcome",
    percent_off=Decimal("12.5"),
    plans=("starter",),
    end=datetime(2026, 1, 1, tzinfo=UTC),
)


@pytest.fixture(autouse=True)
def _vouchers(monkeypatch):
    """All that makes it a kind of the catalog."""
    monkeypatch.setitem(KINDS, Voucher.kind, Voucher)


def test_its_definition_is_canonical_and_is_read_again():
    """JSON of the fields."""
    text = definition(WELCOME)
    assert text == (
        '{"end":"2026-01-01T00:00:00Z","id":"welcome","name":"Welcome","percent_off":"12.5","plans":["starter"]}'
    )
    assert read_definition("voucher", text) == WELCOME


def test_it_is_applied_stored_listed_and_compared(apply, store):
    """From a document, by a revision; what comes after is told field by field."""
    assert [(each.action, each.kind, each.id) for each in apply(DOCUMENT).changes] == [
        ("create", "plan", "starter"),
        ("create", "voucher", "welcome"),
    ]
    catalog = store.snapshot("t")
    assert catalog.of_kind("voucher")["welcome"].resource == WELCOME
    assert [each.resource.kind for each in catalog.all()] == ["plan", "voucher"]
    assert [(each.kind, each.id, each.definition) for each in catalog.listed(1)] == [
        ("voucher", "welcome", definition(WELCOME))
    ]
    assert apply(DOCUMENT).changes == ()
    (change,) = apply(DOCUMENT.replace("12.50", "15")).changes
    assert (change.version, change.fields) == (2, (FieldChange("percent_off", '"12.5"', '"15"'),))
    again = "vouchers: [{id: more, name: N, percent_off: 1, plans: [starter]}]"
    assert apply(again).revision == 3


def test_its_mistakes_have_their_places_and_its_references_are_looked_up(mistakes_of):
    """Those of fields, of its rule, of other resources, and of too many of them."""
    text = DOCUMENT + (
        "  - {id: welcome, name: N, percent_off: 0, plans: [startre]}\n"
        "  - {id: free, name: N, percent_off: 100, customer: acme}\n"
        "  - {id: more, nmae: N, percent_off: 10}\n"
    )
    assert mistakes_of(text) == [
        "llm.yaml:3: vouchers: there would be 3 vouchers, counting those of the catalog; at most 2 are allowed",
        "llm.yaml:5: vouchers.welcome.id: 'welcome' is the voucher on line 4, too",
        "llm.yaml:5: vouchers.welcome.percent_off: must be more than 0, is 0",
        (
            "llm.yaml:5: vouchers.welcome.plans[0]: "
            "there is no plan 'startre' in this document or in the catalog; did you mean 'starter'?"
        ),
        "llm.yaml:6: vouchers.free.end: is missing: all off must end",
        "llm.yaml:6: vouchers.free.customer: there is no customer 'acme' in this document or in the catalog",
        "llm.yaml:7: vouchers.more.name: is missing",
        "llm.yaml:7: vouchers.more.nmae: is not a field of a voucher; did you mean 'name'?",
    ]


def test_the_schema_of_documents_has_it():
    """With its bounds."""
    schema = Draft7Validator(catalog_schema())
    fields = WELCOME.to_fields()
    assert schema.is_valid({"vouchers": [fields]})
    for wrong in (
        {"percent_off": "0.0"},
        {"percent_off": 101},
        {"plans": "starter"},
        {"colour": "red"},
        {"id": None},
    ):
        assert not schema.is_valid({"vouchers": [fields | wrong]}), wrong
