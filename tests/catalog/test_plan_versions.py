"""Versions of plans: who has which, and what an apply refuses because somebody would pay something else."""

from datetime import UTC, datetime

import numpy as np
import pytest

from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.plan_versions import NO_VERSION
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.subscription_columns import BY_START
from engine.errors import CatalogDocumentError
from engine.times import datetime_us

NOW = datetime(2026, 3, 10, tzinfo=UTC)
WORLD = "customers: [{id: c, name: C}, {id: d, name: D}]\n"


def plan(price, **fields):
    more = "".join(f", {name}: {value}" for name, value in fields.items())
    return f"plans: [{{id: p, name: P, currency: USD{more}, prices: [{{id: fee, {price}}}]}}]\n"


def flat(amount, **fields):
    return plan(f"model: flat, flat_amount: {amount}", **fields)


def subscription(start, **fields):
    more = "".join(f", {name}: {value}" for name, value in fields.items())
    return f"subscriptions: [{{customer: c, plan: p, start: {start}{more}}}]\n"


def applied(*texts, at=NOW):
    catalog = Catalog.empty("t")
    for text in texts:
        catalog = read_document(text, "c.yaml").changes(catalog, at).applied_to(catalog)
    return catalog


def refusal(*texts):
    *before, last = texts
    catalog = applied(*before)
    with pytest.raises(CatalogDocumentError) as caught:
        read_document(last, "c.yaml").changes(catalog, NOW)
    return str(caught.value.mistakes[0])


def version_at(catalog, at):
    versions = catalog.plan_versions["p"]
    return versions.versions[int(versions.places_at(np.array([datetime_us(at)]))[0])].version


def test_a_changed_plan_is_for_who_starts_from_then_on():
    """Who runs, or is entered later with a start before, has the first; from the apply on it is the second."""
    catalog = applied(WORLD + flat(10), subscription("2026-03-01"), flat(20))
    assert version_at(catalog, datetime(2026, 3, 9, tzinfo=UTC)) == 1
    assert version_at(catalog, NOW) == 2


def test_a_version_that_nobody_has_is_replaced():
    """A price list is mended until somebody is on it."""
    catalog = applied(WORLD + flat(10), flat(20), subscription("2026-03-01"))
    assert version_at(catalog, datetime(2026, 3, 1, tzinfo=UTC)) == 2


def test_the_same_document_again_changes_nothing():
    """Also once its plan has an instant from which it is effective."""
    catalog = applied(WORLD + flat(10), subscription("2026-03-01"), flat(20))
    assert read_document(flat(20), "c.yaml").changes(catalog, NOW).changes == ()


def test_a_version_is_not_effective_where_somebody_would_pay_something_else():
    """Before the subscription's start; and at the first version's own instant, which stands for all before it, too."""
    assert "since when 'c:p' runs on this plan" in refusal(
        WORLD + flat(10), subscription("2026-03-01"), flat(20, effective_from="2026-02-01")
    )
    later = "2027-01-01"
    assert "since when 'c:p' runs on this plan" in refusal(
        WORLD + flat(10, effective_from=later), subscription("2026-03-01"), flat(50, effective_from=later)
    )


def test_a_version_that_there_isn_t_yet_can_t_be_had():
    """Not even by a document that has the plan, but doesn't change it; one that does change it makes the next."""
    assert "has no version 2" in refusal(
        WORLD + flat(10), flat(10) + subscription("2026-03-01", plan_version=2)
    )
    assert applied(WORLD + flat(10), flat(20) + subscription("2026-03-01", plan_version=2)).revision == 2


def test_a_billing_period_stays_while_an_earlier_version_can_be_had():
    """Also where nobody has the plan yet; a version that replaces all before it may have another."""
    monthly = WORLD + flat(10)
    assert "can't change from month to year" in refusal(
        monthly, flat(100, billing_period="year", effective_from="2027-01-01")
    )
    assert applied(monthly, flat(100, billing_period="year")).plans["p"].version == 2


SEATS = "model: per_unit, unit_amount: 5, quantity: 1"


def test_overrides_and_quantities_are_of_the_version_that_is_had():
    """A running subscription goes on with what its version has, whatever the newest has; a scheduled one isn't it yet."""
    scheduled = plan(SEATS, effective_from="2027-01-01")
    override = subscription("2026-03-01", overrides="{fee: {unit_amount: 5}}")
    assert "is not taken by a flat price" in refusal(WORLD + flat(10), scheduled, override)
    seats = subscription("2026-03-01", quantities="{fee: 5}")
    assert (
        applied(
            WORLD + plan(SEATS), seats, flat(10), subscription("2026-03-01", quantities="{fee: 6}")
        ).revision
        == 4
    )


def test_an_override_must_fit_the_version_that_a_phase_brings():
    """Flat in the first version, by the unit in the second."""
    phases = "[{start: 2026-03-20, plan_version: 2}]"
    moved = subscription("2026-03-01", plan_version=1, overrides="{fee: {flat_amount: 5}}", phases=phases)
    assert "is not taken by a per_unit price" in refusal(WORLD + flat(10), plan(SEATS) + "", moved)


def test_a_version_is_named_or_follows_from_the_start():
    """Named 2; by the start the first and the third; and no version has the number 4."""
    catalog = applied(
        WORLD + flat(10),
        flat(20, effective_from="2026-04-01"),
        flat(30, effective_from="2026-05-01"),
    )
    versions = catalog.plan_versions["p"]
    march, june = (datetime_us(datetime(2026, month, 1, tzinfo=UTC)) for month in (3, 6))
    numbers, since_us = np.array([2, BY_START, BY_START, 4]), np.array([march, march, june, june])
    assert versions.places_held(numbers, since_us).tolist() == [1, 0, 2, NO_VERSION]
    assert versions.place_held(2, june) == 1
    assert versions.place_held(None, june) == 2
    assert versions.place_held(4, june) == NO_VERSION


def test_who_has_a_plan_as_an_add_on_keeps_its_version_too():
    """A running add-on of the plan since March: the new price is for who comes later."""
    base = "plans: [{id: base, name: B, currency: USD, prices: []}]\n"
    running = (
        "subscriptions: [{customer: c, plan: base, start: 2026-03-01, add_ons: {p: 1}}, "
        "{customer: d, plan: base, start: 2026-03-02}]\n"
    )
    added = WORLD + flat(10).replace("plans: [", base.strip().removesuffix("]") + ", ") + running
    catalog = applied(added, flat(20))
    assert version_at(catalog, datetime(2026, 3, 9, tzinfo=UTC)) == 1
    change = read_document(flat(30), "c.yaml").changes(applied(added), NOW).changes[0]
    assert change.kept_subscription_count == 1
    assert "'c:base' runs on this plan" in refusal(added, flat(20, effective_from="2026-02-01"))
