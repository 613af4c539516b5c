"""What the catalog says of itself is a document that changes nothing, whatever was applied."""

import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.catalog.definition import definition, fields_of, read_definition
from engine.catalog.diff import differences
from engine.catalog.document import read_document
from engine.catalog.entries import SECTIONS
from engine.catalog.read import ResourceError, read_resource
from engine.catalog.snapshot import Catalog
from engine.catalog.store import CatalogStore
from engine.catalog.versions import Versioned, Versions
from engine.meters.filters import Conditions

EXAMPLE = Path(__file__).parents[2] / "examples" / "llm.yaml"
APPLIED_AT = datetime(2023, 11, 16, 12, 0, tzinfo=UTC)

texts = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=12)
ids = st.text("abcXYZ019_.:@-", min_size=1, max_size=8)
amounts = st.decimals("0", "1000000", places=9).map(lambda amount: f"{amount:f}")
schedules = st.tuples(
    st.lists(st.integers(1, 10**9), min_size=0, max_size=4, unique=True).map(sorted),
    st.lists(st.fixed_dictionaries({"unit_amount": amounts}, optional={"flat_amount": amounts}), min_size=5),
).map(
    lambda parts: [
        {"up_to": up_to, **tier} for up_to, tier in zip([*map(str, parts[0]), None], parts[1], strict=False)
    ]
)
# 5, 5.0, 005 and +5 are one number, and so is every filter that they stand in.
decimals = st.sampled_from(["5", "5.0", "005", "+5", "-5", "0", "-0", "0.000000000001", "9" * 26])
values = texts | st.lists(texts, min_size=1, unique=True)
conditions = st.one_of(
    st.fixed_dictionaries({"not": values}, optional={"exists": st.just("true"), "at_most": decimals}),
    st.fixed_dictionaries({"exists": st.sampled_from(["true", "false"])}),
    st.sampled_from(["greater_than", "at_least", "less_than", "at_most"]).flatmap(
        lambda name: st.fixed_dictionaries({name: decimals})
    ),
)


def possible(filters):
    """What no event passes is refused, and has a test of its own."""
    try:
        read_resource("meter", {"id": "m", "event_type": "e", "aggregation": "count", "filters": filters})
    except ResourceError:
        return False
    return True


# A property may have the name of a group: what stands behind it makes the difference.
names = texts | st.sampled_from(["any", "all", "not"])
flat_filters = st.dictionaries(names, values | conditions, max_size=3)
filters = st.recursive(
    flat_filters,
    lambda inner: st.builds(
        lambda flat, groups: {**flat, **groups},
        flat_filters,
        st.dictionaries(
            st.sampled_from(["any", "all", "not"]), st.lists(inner, min_size=1, max_size=3), min_size=1
        ),
    ),
    max_leaves=6,
).filter(possible)
quoted = texts.map(lambda name: '"' + name.replace('"', '""') + '"')
expressions = st.recursive(
    quoted | st.sampled_from(["a", "b.c", "_1"]) | decimals.map(lambda number: number.lstrip("+-")),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" + ", "-", " -  "]), inner).map("".join),
        st.tuples(inner, st.sampled_from(["*", " * "]), st.sampled_from(["2", "a", "-b"])).map("".join),
        inner.map(lambda text: f"( {text})"),
        inner.map(lambda text: f"-({text})"),
    ),
    max_leaves=6,
).filter(lambda text: text.count("*") < 4 and re.search('[a-z_"]', text))
meter_values = texts | st.fixed_dictionaries(
    {"expression": expressions.map(lambda text: f"{text} - v")}
).flatmap(
    lambda given: st.fixed_dictionaries(
        {k: st.just(v) for k, v in given.items()}, optional={"defaults": st.just({}) | st.just({"v": "007"})}
    )
)
roundings = st.fixed_dictionaries(
    {"mode": st.sampled_from(["half_up", "down"]), "digits": st.sampled_from(["0", "12"])}
)
conversions = st.fixed_dictionaries(
    {"factor": st.sampled_from(["2", "2.0", "0.001"])}, optional={"rounding": roundings}
) | st.fixed_dictionaries({"divisor": st.sampled_from(["1e3", "1000", "3"]), "rounding": roundings})
aggregations = st.one_of(
    st.fixed_dictionaries({"aggregation": st.sampled_from(["sum", "max", "avg", "unique_count"])}),
    st.fixed_dictionaries({"aggregation": st.sampled_from(["sum", "max", "avg"]), "value": meter_values}),
    st.fixed_dictionaries(
        {"aggregation": st.sampled_from(["sum", "latest", "time_weighted"])},
        optional={"carries_over": st.sampled_from(["true", "false"])},
    ),
    st.fixed_dictionaries(
        {"aggregation": st.just("percentile"), "percentile": st.sampled_from(["95", "95.0", "99.9", "0.001"])}
    ),
)
price_models = st.one_of(
    st.fixed_dictionaries({"model": st.just("per_unit"), "unit_amount": amounts}),
    st.fixed_dictionaries({"model": st.sampled_from(["graduated", "volume"]), "tiers": schedules}),
    st.fixed_dictionaries(
        {"model": st.just("package"), "package_size": st.just("1000"), "package_amount": amounts},
        optional={"minimum_amount": st.just("1"), "percent_off": st.just("12.5")},
    ),
)


@st.composite
def catalogs(draw):
    """Sections of a document, by id: whatever the format allows."""
    meters = draw(
        st.lists(
            st.builds(
                lambda meter, aggregation: {**meter, **aggregation},
                st.fixed_dictionaries(
                    {"id": ids, "event_type": texts, "value": texts},
                    optional={
                        "filters": filters,
                        "group_by": st.lists(texts, max_size=3, unique=True),
                        "conversion": conversions,
                        "unit": st.none() | texts,
                    },
                ),
                aggregations,
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda meter: meter["id"],
        )
    )
    usage = st.builds(
        lambda model, price_id, meter: {"id": price_id, "meter": meter, **model},
        price_models,
        ids,
        st.sampled_from([meter["id"] for meter in meters]),
    )
    flat = st.builds(
        lambda price_id, amount: {"id": price_id, "model": "flat", "flat_amount": amount}, ids, amounts
    )
    prices = st.lists(usage | flat, max_size=4, unique_by=lambda price: price["id"])
    plans = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "id": ids,
                    "name": texts,
                    "currency": st.sampled_from(["USD", "JPY", "KWD"]),
                    "prices": prices,
                }
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda plan: plan["id"],
        )
    )
    customers = draw(
        st.lists(
            st.fixed_dictionaries(
                {"id": ids, "name": texts},
                optional={"metadata": st.dictionaries(texts, st.text("aé \u4e2d"), max_size=5)},
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda customer: customer["id"],
        )
    )
    start = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(microseconds=draw(st.integers(0, 10**15)))
    subscriptions = [
        {
            "id": f"s{number}",
            "customer": customer["id"],
            "plan": draw(st.sampled_from(plans))["id"],
            "start": start.isoformat(),
            "end": draw(st.none() | st.just("2100-01-01")),
        }
        for number, customer in enumerate(customers)
    ]
    return {"meters": meters, "plans": plans, "customers": customers, "subscriptions": subscriptions}


def said_by(catalog: Catalog) -> str:
    """The catalog as a document, made of its resources' definitions."""
    sections = defaultdict(list)
    names = {kind: section for section, kind in SECTIONS.items()}
    for each in catalog.all():
        sections[names[each.resource.kind]].append(json.loads(definition(each.resource)))
    return json.dumps(sections, ensure_ascii=False)


@settings(
    max_examples=60,
    deadline=None,
    print_blob=True,
)
@given(sections=catalogs())
def test_a_catalog_applied_to_itself_is_unchanged(tmp_path_factory, sections):
    """apply(read back) makes no revision, and reading back loses nothing."""
    store = CatalogStore.open(f"sqlite:///{tmp_path_factory.mktemp('c') / 'catalog.sqlite'}")
    try:
        text = json.dumps(sections, ensure_ascii=False)
        first = store.apply("t", read_document(text, "a.json"), applied_at=APPLIED_AT)
        assert len(first.changes) == sum(map(len, sections.values()))
        before = store.snapshot("t")
        again = store.apply("t", read_document(said_by(before), "b.json"), applied_at=APPLIED_AT)
        assert (again.revision, again.changes, again.unchanged_count) == (1, (), len(first.changes))
    finally:
        store.close()


@settings(max_examples=100, deadline=None, print_blob=True)
@given(first=catalogs(), second=catalogs())
def test_resources_are_equal_if_and_only_if_nothing_differs(first, second):
    """Values, definitions and differences agree on what a change is."""
    for section, kind in SECTIONS.items():
        for one in first[section]:
            for other in [one, *second[section]]:
                before, after = read_resource(kind, one), read_resource(kind, other)
                same = before == after
                assert (definition(before) == definition(after)) == same
                assert (differences(fields_of(before), fields_of(after)) == ()) == same


@settings(max_examples=100, deadline=None, print_blob=True)
@given(steps=st.lists(catalogs(), min_size=1, max_size=4))
def test_a_snapshot_brought_forward_is_the_snapshot_made_anew(steps):
    """Step by step or at once, the fold over versions comes to the same catalog."""
    versions: list[Versioned] = []
    stepwise = Catalog.empty("t")
    for revision, sections in enumerate(steps, start=1):
        made = []
        for section, kind in SECTIONS.items():
            for fields in sections[section]:
                resource = read_resource(kind, fields)
                known = stepwise.of_kind(kind).get(resource.id)
                if known is None or known.resource != resource:
                    made.append(Versioned(resource, known.version + 1 if known else 1, revision))
        stepwise = stepwise.advanced(revision, Versions.of(made))
        versions += made
    assert stepwise == Catalog.empty("t").advanced(len(steps), Versions.of(versions))


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
        read_resource(
            "meter",
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
    resources = read_document(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE.name).resources(Catalog.empty("t"))
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
    resources = read_document(EXAMPLE.read_text(encoding="utf-8"), EXAMPLE.name).resources(Catalog.empty("t"))
    (found,) = (each for each in resources if each.kind == "plan" and each.id == plan)
    models = {str(price.price.model) for price in found.prices}
    assert models >= {"graduated", "per_unit", "package"}
    assert ("flat" in models) == (plan == "scale")
    tiers = [tier for price in found.prices for tier in price.price.tiers or ()]
    assert any(tier.flat_amount for tier in tiers) == (plan == "scale")
