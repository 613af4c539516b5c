"""What becomes of properties, and which texts name a customer."""

import pytest
from sqlalchemy import Text

from engine.billing.closing.invoice import SUMS
from engine.catalog.kinds import KINDS
from engine.catalog.kinds.customer import Customer
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan
from engine.erasure.catalog_erasure import owner_field
from engine.erasure.naming import Naming, is_pseudonym
from engine.erasure.treatment import treatments
from engine.sql.account_tables import ACCOUNT_ENTRIES, CREDIT_NOTE_LINES, CREDIT_NOTES, PAYMENTS, REFUNDS
from engine.sql.alert_tables import ALERT_CROSSINGS
from engine.sql.invoice_tables import DRAFT_HOLDS
from engine.sql.reservation_table import RESERVATIONS
from engine.sql.top_up_table import TOP_UPS
from fields import declaration


def of(*meters, plans=(), keep=()):
    """The treatment of the only event type: kept, numbers, replaced."""
    resources = [
        *(Meter.read({"id": f"m{i}", "event_type": "call", **each}) for i, each in enumerate(meters)),
        *map(Plan.read, plans),
    ]
    found = treatments(resources, keep)["call"]
    return sorted(found.kept), sorted(found.numbers), sorted(found.replaced)


@pytest.mark.parametrize(
    ("meter", "found"),
    [
        ({"aggregation": "count"}, ([], [], [])),
        ({"aggregation": "sum", "value": "tokens"}, ([], ["tokens"], [])),
        ({"aggregation": "unique_count", "value": "email"}, ([], [], ["email"])),
        ({"aggregation": "count", "group_by": ["seat"]}, ([], [], ["seat"])),
        ({"aggregation": "count", "filters": {"region": "eu"}}, (["region"], [], [])),
        ({"aggregation": "count", "filters": {"region": {"not": ["eu"]}}}, (["region"], [], [])),
        ({"aggregation": "count", "filters": {"age": {"at_least": "18"}}}, ([], ["age"], [])),
        ({"aggregation": "count", "filters": {"email": {"exists": True}}}, ([], [], ["email"])),
        (
            {"aggregation": "count", "filters": {"any": [{"region": "eu"}, {"age": {"at_most": "9"}}]}},
            (["region"], ["age"], []),
        ),
        ({"aggregation": "sum", "value": "size", "group_by": ["size", "seat"]}, (["size"], [], ["seat"])),
    ],
)
def test_a_property_is_treated_by_what_meters_read_of_it(meter, found):
    """Kept where its text decides, a number where that is read, replaced where it is only told apart."""
    assert of(meter) == found


def test_what_a_matrix_price_has_as_a_dimension_is_kept():
    """The amount depends on it, in whatever version of the plan."""
    price = {
        "id": "p",
        "meter": "m0",
        "model": "matrix",
        "dimensions": ["kind"],
        "cells": [{"match": {"kind": "fast"}, "unit_amount": "1"}],
        "default": "2",
    }
    plan = {"id": "plan", "name": "P", "currency": "USD", "prices": [price]}
    meter = {"aggregation": "count", "group_by": ["kind", "seat"]}
    assert of(meter, plans=[plan]) == (["kind"], [], ["seat"])


def test_what_the_caller_names_is_kept_if_a_meter_reads_it():
    """What none reads goes all the same."""
    assert of({"aggregation": "count", "group_by": ["model", "seat"]}, keep=["model", "note"]) == (
        ["model"],
        [],
        ["seat"],
    )


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("fix of c1, for Jane Doe", "fix of P, for P"),
        ("c10 and xc1", "c10 and xc1"),
        ("JANE DOE's bill", "P's bill"),
        ("jane@doe.example asked", "P asked"),
        ("gold", "gold"),
    ],
)
def test_whole_words_name_a_customer(text, replaced):
    """Whatever their case; short values of metadata name nobody."""
    naming = Naming.of("c1", ["Jane Doe"], ["jane@doe.example", "gold"])
    assert naming.replaced(text, "P") == replaced
    assert naming.is_in(text) == (text != replaced)


def test_whoever_adds_a_column_of_reservations_decides_what_an_erasure_makes_of_it():
    """Their rows go as a whole; these are why."""
    naming = {"reservation_id", "customer_id", "event", "event_digest"}
    texts = {each.name for each in RESERVATIONS.c if isinstance(each.type, Text)}
    assert texts - naming == {"tenant", "limit_id", "state", "quantity", "committed_quantity"}


def test_pseudonyms_are_told_from_ids():
    """An id that only begins so is a customer's own."""
    assert is_pseudonym("erased-0123456789abcdef")
    assert not is_pseudonym("erased-0123456789abcdef:1")
    assert not is_pseudonym("erased-goods")


def test_whoever_adds_a_field_of_a_customer_decides_what_an_erasure_makes_of_it():
    """engine.erasure.catalog_erasure knows these fields, and these kinds that refer to a customer."""
    assert set(declaration(Customer).names) == {
        *("id", "name", "metadata", "coupons", "currency", "time_zone"),
        *("tax_region", "tax_ids", "tax_exempt", "aliases", "parent"),
        *("billing_name", "billing_address", "billing_email", "purchase_order", "payment_terms_days"),
    }
    referring = {
        kind
        for kind, each in KINDS.items()
        if "customer" in declaration(each).names or "customers" in declaration(each).names
    }
    assert referring == {"subscription", "credit_grant", "top_up_rule", "invoice_item", "alert"}
    assert all(owner_field(kind) == "customer" for kind in referring)


def test_whoever_adds_a_column_of_accounts_decides_what_an_erasure_makes_of_it():
    """engine.erasure.facts_and_invoices knows these: the customer, ids of a reporter, and what people write."""
    known = {"customer_id", "payment_id", "refund_id", "document_id", "digest"}
    known |= {"method", "reference", "failure_reason", "reason", "void_reason"}
    # These name nobody.
    known |= {"tenant", "currency", "kind", "state", "invoice_id", "invoice_ids", "credit_note_id"}
    known |= {"threshold", "measure", "subject", "budget", "value"}
    # What an alert, a rule and its grants are called may name their customer.
    known |= {"alert_id", "rule_id", "credit_grant_id"}
    known |= {"amount", "balance", "month"}
    # A credential, as in the audit log.
    known |= {"held_by"}
    tables = (ACCOUNT_ENTRIES, PAYMENTS, REFUNDS, CREDIT_NOTES, CREDIT_NOTE_LINES, ALERT_CROSSINGS, TOP_UPS)
    tables += (DRAFT_HOLDS,)
    for table in tables:
        texts = {each.name for each in table.c if isinstance(each.type, Text)}
        assert texts - set(SUMS) <= known
