"""What the catalog says of itself is a document that changes nothing, whatever was applied."""

import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog.documents.changes import differences
from engine.catalog.documents.document import read_document
from engine.catalog.kinds import KINDS, definition, read_definition
from engine.catalog.kinds.meter import Meter
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from engine.catalog.store import CatalogStore
from engine.meters.filters import Conditions
from tests.support.catalog.random_catalogs import catalogs
from tests.support.catalogs import versions_of

EXAMPLE = Path(__file__).parents[2] / "examples" / "llm.yaml"
APPLIED_AT = datetime(2023, 11, 16, 12, 0, tzinfo=UTC)


def said_by(catalog: Catalog) -> str:
    """The catalog as a document, made of its resources' definitions."""
    sections = defaultdict(list)
    for each in catalog.all():
        sections[each.resource.section].append(json.loads(definition(each.resource)))
    return json.dumps(sections, ensure_ascii=False)


# A random catalog of all kinds takes a tenth of a second to make.
EXAMPLES = pytest.mark.parametrize(
    "examples", [20, pytest.param(400, marks=[pytest.mark.long, pytest.mark.timeout(900)])]
)


@EXAMPLES
def test_a_catalog_applied_to_itself_is_unchanged(tmp_path_factory, examples):
    """apply(read back) makes no revision, and reading back loses nothing."""

    def holds(sections):
        _applied_to_itself(tmp_path_factory.mktemp("c"), sections)

    settings(max_examples=examples)(given(sections=catalogs())(holds))()


def _applied_to_itself(directory, sections):
    store = CatalogStore.open(f"sqlite:///{directory / 'catalog.sqlite'}")
    try:
        text = json.dumps(sections, ensure_ascii=False)
        first = store.apply("t", read_document(text, "a.json"), applied_at=APPLIED_AT)
        assert len(first.changes) == sum(map(len, sections.values()))
        before = store.snapshot("t")
        again = store.apply("t", read_document(said_by(before), "b.json"), applied_at=APPLIED_AT)
        assert (again.revision, again.changes, again.unchanged_count) == (1, (), len(first.changes))
    finally:
        store.close()


@EXAMPLES
def test_resources_are_equal_if_and_only_if_nothing_differs(examples):
    """Values, definitions and differences agree on what a change is."""
    settings(max_examples=examples)(given(first=catalogs(), second=catalogs())(_agree_on_changes))()


def _agree_on_changes(first, second):
    for kind in KINDS.values():
        for one in first[kind.section]:
            for other in [one, *second[kind.section]]:
                before, after = kind.read(one), kind.read(other)
                same = before == after
                assert (definition(before) == definition(after)) == same
                assert (differences(before.to_fields(), after.to_fields()) == ()) == same


@EXAMPLES
def test_a_snapshot_brought_forward_is_the_snapshot_made_anew(examples):
    """Step by step or at once, the fold over versions comes to the same catalog."""
    settings(max_examples=examples)(given(steps=st.lists(catalogs(), min_size=1, max_size=4))(_one_fold))()


def _one_fold(steps):
    versions: list[Versioned] = []
    stepwise = Catalog.empty("t")
    for revision, sections in enumerate(steps, start=1):
        made = []
        for kind in KINDS.values():
            for fields in sections[kind.section]:
                resource = kind.read(fields)
                known = stepwise.of_kind(kind.kind).get(resource.id)
                if known is None or known.resource != resource:
                    made.append(Versioned(resource, known.version + 1 if known else 1, revision))
        stepwise = stepwise.advanced(revision, versions_of(made))
        versions += made
    at_once = Catalog.empty("t").advanced(len(steps), versions_of(versions))
    assert stepwise == at_once
    assert billed_rows(stepwise) == billed_rows(at_once)


def billed_rows(catalog):
    """What is billed row by row, subscriptions and items, as it is kept: but for its place among all, which a subscription loses that
    comes to another customer, as none does that is applied.
    """
    rows = [row for chunk in catalog.billed.chunks() for row in chunk.drop_columns(["created"]).to_pylist()]
    return sorted(rows, key=lambda row: (row["customer"], row["id"]))


@pytest.mark.parametrize(
    "stored",
    [
        '{"aggregation":"sum","event_type":"e","id":"m","value":"a + 4 * b"}',
        (
            '{"aggregation":"count","event_type":"e","filters":{"all":["x"],"any":["x","y"],"not":{"exists":true}},'
            '"id":"m"}'
        ),
        (
            '{"aggregation":"latest","carries_over":true,"event_type":"e","filters":{"not":["x"],'
            '"size":{"at_least":"5","not":["7"]}},"group_by":["any"],"id":"m","unit":"GB","value":"expression"}'
        ),
    ],
)
def test_what_was_stored_before_there_were_expressions_and_groups_reads_as_before(stored):
    """Names are names, whatever characters they have and whatever else they mean since."""
    meter = read_definition("meter", stored)
    assert definition(meter) == stored
    assert all(isinstance(each, tuple | Conditions) for each in meter.filters.values())
    assert isinstance(meter.value, str | None)


def test_one_arithmetic_and_one_group_have_one_definition():
    """Spaces, needless parentheses, zeros and the order of a group are no change."""
    first, second = (
        Meter.read(
            {"id": "m", "event_type": "e", "aggregation": "sum", "value": {"expression": text}, **more},
        )
        for text, more in (
            (" (a+(4.0*b))-(c-d)", {"filters": {"any": [{"x": ["2", "1"]}, {"a": "1"}]}}),
            ("a + 4 * b - (c - d)", {"filters": {"any": [{"a": "1"}, {"x": ["1", "2"]}]}}),
        )
    )
    assert first == second
    assert definition(first) == (
        '{"aggregation":"sum","event_type":"e","filters":{"any":[{"a":["1"]},{"x":["1","2"]}]},"id":"m",'
        '"value":{"expression":"a + 4 * b - (c - d)"}}'
    )


def test_the_example_applies_without_a_mistake():
    """The first thing that newcomers edit."""
    resources = read_document(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE.name).resources(
        Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC)
    )
    kinds = [resource.kind for resource in resources]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "meter": 4,
        "plan": 2,
        "customer": 64,
        "subscription": 64,
    }
    assert {each.customer for each in resources if each.kind == "subscription"} == {
        each.id for each in resources if each.kind == "customer"
    }


@pytest.mark.parametrize("plan", ["developer", "scale"])
def test_the_example_shows_the_common_models(plan):
    """Graduated with a tier's flat amount, per unit, package, flat."""
    resources = read_document(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE.name).resources(
        Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC)
    )
    (found,) = (each for each in resources if each.kind == "plan" and each.id == plan)
    models = {str(price.price.model) for price in found.prices}
    assert models >= {"graduated", "per_unit", "package"}
    assert ("flat" in models) == (plan == "scale")
    tiers = [tier for price in found.prices for tier in price.price.tiers or ()]
    assert any(tier.flat_amount for tier in tiers) == (plan == "scale")
