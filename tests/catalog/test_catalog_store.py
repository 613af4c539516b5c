"""Documents become versions; a document is applied as a whole or not at all."""

from datetime import UTC, datetime

import pytest

from engine.catalog.documents.changes import FieldChange
from engine.catalog.kinds import definition
from engine.errors import CatalogDocumentError, NotFoundError

DAY = datetime(2023, 11, 1, tzinfo=UTC)


def refusals(apply, text: str) -> list[str]:
    with pytest.raises(CatalogDocumentError) as caught:
        apply(text)
    return [str(mistake) for mistake in caught.value.mistakes]


def price_versions(catalog):
    """Of the newest version of the plan."""
    return catalog.plan_versions["starter"].price_versions[-1]


def test_a_tenant_starts_with_an_empty_catalog(store):
    """Revision 0, and nothing in it."""
    catalog = store.snapshot("t")
    assert (catalog.revision, list(catalog.all())) == (0, [])


def test_an_applied_document_is_the_catalog(apply, store, document):
    """Every resource of the document is there, at version 1, indexed as it is asked for."""
    applied = apply(document)
    assert applied.revision == 1
    assert [(change.action, change.kind, change.id, change.version) for change in applied.changes] == [
        ("create", "meter", "input", 1),
        ("create", "meter", "requests", 1),
        ("create", "plan", "starter", 1),
        ("create", "customer", "acme", 1),
        ("create", "customer", "foxglove", 1),
        ("create", "subscription", "acme:starter", 1),
    ]
    catalog = store.snapshot("t")
    assert catalog.revision == 1
    assert list(catalog.meters) == ["input", "requests"]
    (subscription,) = catalog.subscriptions_of("acme")
    assert (subscription.resource.plan, subscription.resource.start) == ("starter", DAY)
    assert catalog.subscriptions_of("foxglove") == ()
    assert [price.id for price in catalog.plans["starter"].resource.prices] == ["platform", "input"]
    assert price_versions(catalog) == {"platform": 1, "input": 1}


def test_numbers_are_what_was_written(apply, store, document):
    """No binary float comes between the file and the price."""
    apply(document)
    assert '{"unit_amount":"0.000003","up_to":"1000"}' in definition(
        store.snapshot("t").plans["starter"].resource
    )


def test_words_of_yaml_are_words(apply, store, document):
    """Norway is NO, a yes is a yes, and a version stays 1.10."""
    apply(document.replace("group_by: [model]", "filters: {country: [NO, SE], beta: yes, version: 1.10}"))
    filters = store.snapshot("t").meters["input"].resource.filters
    assert filters == {"country": ("NO", "SE"), "beta": ("yes",), "version": ("1.10",)}


def test_applying_the_same_again_changes_nothing(apply, store, document):
    """However the same is written: no revision, no version."""
    apply(document)
    before = store.snapshot("t")
    reordered = document.replace("20.00", "20").replace("2023-11-01", "2023-11-01T01:00:00+01:00")
    again = apply(reordered)
    assert (again.revision, again.changes, again.unchanged_count) == (1, (), 6)
    assert store.snapshot("t") is before


def test_a_document_may_mention_only_what_changes(apply, store, document):
    """What the document doesn't mention stays, and can be referred to."""
    apply(document)
    applied = apply("subscriptions: [{customer: foxglove, plan: starter, start: 2023-12-01}]")
    assert (applied.revision, len(applied.changes), applied.unchanged_count) == (2, 1, 0)
    assert len(list(store.snapshot("t").all())) == 7


def test_a_mistake_leaves_nothing_behind(apply, store, document):
    """One wrong line among good ones: nothing is applied."""
    assert len(refusals(apply, document.replace("plan: starter", "plan: none"))) == 1
    assert store.snapshot("t").revision == 0
    assert list(store.snapshot("t").all()) == []


def test_a_dry_run_tells_the_changes_and_makes_none(apply, store, document):
    """The same answer as an apply, with the revision as it is."""
    tried = apply(document, dry_run=True)
    assert tried.revision == 0
    assert store.snapshot("t").revision == 0
    assert apply(document).changes == tried.changes


def test_a_dry_run_finds_the_mistakes(apply, document):
    """Nobody learns of a mistake only after the dry run."""
    with pytest.raises(CatalogDocumentError):
        apply(document.replace("meter: input", "meter: nothing"), dry_run=True)


def test_an_edit_makes_a_version_that_names_the_fields(apply, document):
    """A change of a tier is told as that tier's field."""
    apply(document)
    applied = apply(
        document.replace("0.000002", "0.0000015").replace("{unit_amount: 0.10}", "{unit_amount: 1}")
    )
    (change,) = applied.changes
    assert (applied.revision, applied.unchanged_count) == (2, 5)
    assert (change.action, change.kind, change.id, change.version) == ("update", "plan", "starter", 2)
    assert change.fields == (
        FieldChange("prices.input.tiers.1.unit_amount", '"0.000002"', '"0.0000015"'),
        FieldChange("prices.input.tiers.2.unit_amount", '"0.1"', '"1"'),
    )


def test_a_price_version_is_the_plan_version_that_last_changed_the_price(apply, store, document):
    """Other edits of the plan leave a price's version alone."""
    apply(document)
    renamed = document.replace("name: Starter", "name: Start")
    apply(renamed)
    dearer = renamed.replace("20.00", "25.00")
    apply(dearer)
    catalog = store.snapshot("t")
    assert catalog.plans["starter"].version == 3
    assert price_versions(catalog) == {"platform": 3, "input": 1}
    apply(dearer.replace("currency: USD", "currency: EUR"))
    assert price_versions(store.snapshot("t")) == {"platform": 4, "input": 4}


def test_a_price_that_comes_back_is_of_the_version_in_which_it_came_back(apply, store, document):
    """Between, it was not for sale."""
    platform = "      - id: platform\n        model: flat\n        flat_amount: 20.00\n"
    apply(document)
    apply(document.replace(platform, ""))
    assert "platform" not in price_versions(store.snapshot("t"))
    apply(document)
    assert price_versions(store.snapshot("t")) == {"platform": 3, "input": 1}


def test_an_older_revision_is_still_there(apply, store, document, url):
    """A revision reads the same for ever, from this process or the next."""
    apply(document)
    apply(document.replace("20.00", "25.00"))
    apply(document.replace("20.00", "25.00").replace("name: Acme Robotics", "name: Acme"))
    seen = [store.snapshot("t", revision) for revision in range(4)]
    with_another = type(store).open(url)
    try:
        assert [with_another.snapshot("t", revision) for revision in (3, 1, 0, 2)] == [
            seen[3],
            seen[1],
            seen[0],
            seen[2],
        ]
    finally:
        with_another.close()
    assert [str(each.plans["starter"].resource.prices[0].price.flat_amount) for each in seen[1:]] == [
        "20",
        "25",
        "25",
    ]
    assert [each.customers["acme"].resource.name for each in seen[1:]] == ["Acme Robotics"] * 2 + ["Acme"]


def test_a_revision_that_there_isn_t_is_not_found(apply, store, document):
    """The error says which is the newest."""
    apply(document)
    with pytest.raises(NotFoundError, match="no revision 2: its newest is 1"):
        store.snapshot("t", 2)


def test_no_tenant_sees_another(apply, store, document):
    """The same ids in two tenants are two resources; references don't cross."""
    apply(document, tenant="a")
    assert store.snapshot("b").revision == 0
    with pytest.raises(CatalogDocumentError):
        apply("subscriptions: [{customer: acme, plan: starter, start: 2024-01-01}]", tenant="b")
    apply(document.replace("20.00", "30"), tenant="b")
    assert str(store.snapshot("a").plans["starter"].resource.prices[0].price.flat_amount) == "20"


def test_a_second_subscription_over_the_same_time_is_double_billing(apply, document):
    """The same customer on the same plan, in the document or against the catalog."""
    second = "  - {id: again, customer: acme, plan: starter, start: 2024-01-01}\n"
    assert refusals(apply, document + second) == [
        (
            "llm.yaml:28: subscriptions.again.start: overlaps 'acme:starter' (line 27), the same customer on the "
            "same plan: its usage would be billed twice; end the earlier one by the start of the later"
        )
    ]
    apply(document)
    (mistake,) = refusals(apply, "subscriptions:\n" + second)
    assert mistake.startswith("llm.yaml:2: subscriptions.again.start: overlaps 'acme:starter' (the catalog)")


def test_an_older_subscription_that_reaches_into_a_known_one_is_double_billing(apply, document):
    """The mistake is told where it can be mended: in the document."""
    apply(document)
    (mistake,) = refusals(
        apply, "subscriptions: [{id: old, customer: acme, plan: starter, start: 2023-01-01}]"
    )
    assert mistake.startswith("llm.yaml:1: subscriptions.old.start: overlaps 'acme:starter'")


def test_a_customer_may_come_back_to_a_plan(apply, store, document):
    """One subscription ends as the next begins; half-open times touch without overlap."""
    apply(document)
    apply(
        "subscriptions:\n"
        "  - {customer: acme, plan: starter, start: 2023-11-01, end: 2024-01-01}\n"
        "  - {id: again, customer: acme, plan: starter, start: 2024-01-01}\n"
    )
    assert [each.resource.id for each in store.snapshot("t").subscriptions_of("acme")] == [
        "acme:starter",
        "again",
    ]


def test_a_subscription_stays_its_customer_s(apply, document):
    """An id that moved to another customer would take its usage along."""
    apply(document)
    (mistake,) = refusals(
        apply, "subscriptions: [{id: 'acme:starter', customer: foxglove, plan: starter, start: 2023-11-01}]"
    )
    assert "can't change from 'acme' to 'foxglove'" in mistake


def test_a_meter_keeps_the_dimensions_that_prices_look_up(apply, document):
    """A matrix price in the catalog would find no cell any more."""
    matrix = (
        "plans:\n  - id: grid\n    name: Grid\n    currency: USD\n    prices:\n      - {id: by-model, meter: input,"
        " model: matrix, dimensions: [model], cells: [{match: {model: large}, unit_amount: 1}]}\n"
    )
    apply(document)
    apply(matrix)
    meter = "meters: [{id: input, event_type: llm.completion, aggregation: sum, value: tokens}]"
    assert refusals(apply, meter) == [
        (
            "llm.yaml:1: meters.input.group_by: must keep 'model': the price 'by-model' of the plan 'grid' in the "
            "catalog looks its amounts up by it"
        )
    ]


def test_anchors_and_merge_keys_save_repetition(apply, store):
    """Shared fields, the entry's own first."""
    apply(
        "meters:\n"
        "  - &tokens {id: input, event_type: llm.completion, aggregation: sum, value: input_tokens}\n"
        "  - {<<: *tokens, id: output, value: output_tokens}\n"
    )
    meters = store.snapshot("t").meters
    assert [(each.resource.id, each.resource.value) for each in meters.values()] == [
        ("input", "input_tokens"),
        ("output", "output_tokens"),
    ]


def test_json_is_a_document_too(apply, store):
    """YAML holds JSON: tabs, escapes, and characters beyond 16 bits as JSON writes them."""
    apply(
        '{\n\t"customers": [\n\t\t{"id": "acme", "name": "Acme \\u00e9\\ud83d\\ude80 \\\\ud83d\\\\ude80", "metadata": {"crm": "17"}}\n\t]\n}'
    )
    customer = store.snapshot("t").customers["acme"].resource
    assert (customer.name, customer.metadata) == ("Acme é🚀 \\ud83d\\ude80", {"crm": "17"})
