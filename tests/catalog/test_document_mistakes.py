"""A mistake in a document is told as `FILE:LINE: FIELD: what is wrong`, all mistakes at once."""

import time

import pytest
import yaml

from engine.catalog import limits, yaml_tree
from engine.catalog.document import read_document
from engine.catalog.snapshot import Catalog, Versioned
from engine.errors import CatalogDocumentError

# What is replaced in the document of conftest.py, by what, and every mistake that this makes.
TABLE = {
    "a section that isn't one": (
        "customers:\n",
        "costumers:\n",
        [
            "llm.yaml:23: costumers: is not a field of a catalog document; did you mean 'customers'?",
            (
                "llm.yaml:27: subscriptions.acme:starter.customer: "
                "there is no customer 'acme' in this document or in the catalog"
            ),
        ],
    ),
    "an unknown field of a meter": (
        "value: input_tokens",
        "valeu: input_tokens",
        [
            "llm.yaml:2: meters.input.value: is missing: name the property to aggregate by sum",
            "llm.yaml:5: meters.input.valeu: is not a field of a meter; did you mean 'value'?",
        ],
    ),
    "an aggregation of a later version": (
        "aggregation: count",
        "aggregation: percentile",
        [
            (
                "llm.yaml:7: meters.requests.aggregation: percentile is not supported yet: "
                "one of count, sum, min, max, unique_count"
            )
        ],
    ),
    "an aggregation with a spelling mistake": (
        "aggregation: sum",
        "aggregation: summ",
        [
            (
                "llm.yaml:4: meters.input.aggregation: must be one of count, sum, min, max, unique_count, "
                "is 'summ'; did you mean 'sum'?"
            )
        ],
    ),
    "a count of a value": (
        "aggregation: count}",
        "aggregation: count, value: tokens}",
        [
            "llm.yaml:7: meters.requests.value: does not belong to a count, which counts events: remove it",
        ],
    ),
    "a text where a list belongs": (
        "group_by: [model]",
        "group_by: model",
        ["llm.yaml:6: meters.input.group_by: must be a list, is the text 'model'"],
    ),
    "a dimension twice": (
        "[model]",
        "[model, region, model]",
        ["llm.yaml:6: meters.input.group_by: names 'model' twice"],
    ),
    "a filter that is a list": (
        "group_by: [model]",
        "filters: [model]",
        ["llm.yaml:6: meters.input.filters: must be a mapping, is a list"],
    ),
    "a filter without a value": (
        "group_by: [model]",
        "filters: {model: null}",
        ["llm.yaml:6: meters.input.filters.model: needs the value that is accepted, or a list of them"],
    ),
    "a filter with a value too deep": (
        "group_by: [model]",
        "filters: {model: [large, [small]]}",
        ["llm.yaml:6: meters.input.filters.model[1]: must be text, is a list"],
    ),
    "a missing field": (
        "    name: Starter\n",
        "",
        ["llm.yaml:9: plans.starter.name: is missing"],
    ),
    "a field that is null is a missing field": (
        "name: Starter",
        "name: ~",
        ["llm.yaml:10: plans.starter.name: is missing"],
    ),
    "a field without a value": (
        "name: Starter",
        "name:",
        ["llm.yaml:10: plans.starter.name: has no value: write one, or remove the field"],
    ),
    "an empty text": (
        "name: Starter",
        "name: ''",
        ["llm.yaml:10: plans.starter.name: is empty"],
    ),
    "no such currency": (
        "currency: USD",
        "currency: DOLLAR",
        ["llm.yaml:11: plans.starter.currency: must be an ISO 4217 code such as USD, is 'DOLLAR'"],
    ),
    "a currency of a price": (
        "flat_amount: 20.00",
        "flat_amount: 20.00\n        currency: USD",
        [
            (
                "llm.yaml:16: plans.starter.prices.platform.currency: "
                "is not a field of a price: it is the plan's, remove it here"
            )
        ],
    ),
    "a billing period of a later version": (
        "currency: USD",
        "currency: USD\n    billing_period: week",
        ["llm.yaml:12: plans.starter.billing_period: 'week' is not supported yet: only month is"],
    ),
    "an unknown field of a price": (
        "flat_amount: 20.00",
        "flat_amount: 20.00\n        minimum_amuont: 5",
        [
            (
                "llm.yaml:16: plans.starter.prices.platform.minimum_amuont: "
                "is not a field of a price; did you mean 'minimum_amount'?"
            )
        ],
    ),
    "a flat price of a meter": (
        "model: flat\n",
        "model: flat\n        meter: requests\n",
        [
            (
                "llm.yaml:15: plans.starter.prices.platform.meter: "
                "does not belong to a flat price, which has no usage: remove it"
            )
        ],
    ),
    "a price of usage without a meter": (
        "        meter: input\n",
        "",
        [
            (
                "llm.yaml:16: plans.starter.prices.input.meter: "
                "is missing: a graduated price rates the quantity of a meter"
            )
        ],
    ),
    "a price of a meter that there isn't": (
        "meter: input",
        "meter: inputs",
        [
            (
                "llm.yaml:17: plans.starter.prices.input.meter: "
                "there is no meter 'inputs' in this document or in the catalog; did you mean 'input'?"
            )
        ],
    ),
    "a price id twice in a plan": (
        "- id: input\n        meter",
        "- id: platform\n        meter",
        ["llm.yaml:16: plans.starter.prices.platform.id: 'platform' is the id of a price above, too"],
    ),
    "tiers out of order": (
        "up_to: 5000",
        "up_to: 500",
        [
            (
                "llm.yaml:21: plans.starter.prices.input.tiers[1].up_to: "
                "must be greater than the tier before (1000), is 500"
            )
        ],
    ),
    "a field given twice": (
        "name: Starter",
        "name: Starter\n    currency: EUR",
        ["llm.yaml:12: plans.starter.currency: is given twice, first on line 11"],
    ),
    "a field of a tier given twice": (
        "unit_amount: 0.000002}",
        "unit_amount: 0.000002, up_to: 6000}",
        ["llm.yaml:21: plans.starter.prices.input.tiers[1].up_to: is given twice, first on line 21"],
    ),
    "an id of characters that make trouble": (
        "id: foxglove",
        "id: fox glove",
        ["llm.yaml:25: customers.fox glove.id: may hold only A-Z a-z 0-9 _ . : @ -, is 'fox glove'"],
    ),
    "an id twice": (
        "id: foxglove",
        "id: acme",
        ["llm.yaml:25: customers.acme.id: 'acme' is the customer on line 24, too"],
    ),
    "an entry without an id": (
        "{id: foxglove, name",
        "{name",
        ["llm.yaml:25: customers[1].id: is missing"],
    ),
    "an entry that is a text": (
        "{id: foxglove, name: Foxglove Analytics}",
        "foxglove",
        ["llm.yaml:25: customers[1]: must be a mapping with the fields of a customer"],
    ),
    "a subscription of a customer that there isn't": (
        "customer: acme",
        "customer: acmee",
        [
            (
                "llm.yaml:27: subscriptions.acmee:starter.customer: "
                "there is no customer 'acmee' in this document or in the catalog; did you mean 'acme'?"
            )
        ],
    ),
    "a subscription to a plan that there isn't": (
        "plan: starter",
        "plan: enterprise",
        [
            (
                "llm.yaml:27: subscriptions.acme:enterprise.plan: "
                "there is no plan 'enterprise' in this document or in the catalog"
            )
        ],
    ),
    "a day that isn't in the calendar": (
        "2023-11-01",
        "2023-02-29",
        [
            (
                "llm.yaml:27: subscriptions.acme:starter.start: "
                "is no time of the calendar: '2023-02-29' (day is out of range for month)"
            )
        ],
    ),
    "an instant without an offset": (
        "2023-11-01",
        "2023-11-01T00:00:00",
        [
            (
                "llm.yaml:27: subscriptions.acme:starter.start: must be a date such as 2023-11-01 or an instant "
                "such as 2023-11-01T08:30:00Z, is '2023-11-01T00:00:00'"
            )
        ],
    ),
    "an end before the start": (
        "start: 2023-11-01",
        "start: 2023-11-01, end: 2023-11-01",
        ["llm.yaml:27: subscriptions.acme:starter.end: must be after start"],
    ),
    "a section that is a mapping": (
        "  - {id: acme, name: Acme Robotics}\n  - {id: foxglove, name: Foxglove Analytics}\n",
        "  acme: {name: Acme Robotics}\n",
        [
            "llm.yaml:23: customers: must be a list: write each entry as `- id: ...`",
            (
                "llm.yaml:26: subscriptions.acme:starter.customer: "
                "there is no customer 'acme' in this document or in the catalog"
            ),
        ],
    ),
    "a matrix by a property that the meter does not group by": (
        (
            "model: graduated\n        tiers:\n          - {up_to: 1000, unit_amount: 0.000003}\n"
            "          - {up_to: 5000, unit_amount: 0.000002}\n          - {unit_amount: 0.10}\n"
        ),
        "model: matrix\n        dimensions: [region]\n        cells: [{match: {region: eu}, unit_amount: 1}]\n",
        [
            (
                "llm.yaml:19: plans.starter.prices.input.dimensions: "
                "'region' is not in the group_by of the meter 'input'"
            )
        ],
    ),
}


def mistakes_of(text: str, catalog: Catalog | None = None) -> list[str]:
    with pytest.raises(CatalogDocumentError) as caught:
        read_document(text, "llm.yaml").resources(catalog or Catalog.empty("t"))
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize(("old", "new", "expected"), TABLE.values(), ids=TABLE.keys())
def test_a_mistake_names_file_line_and_field(document, old, new, expected):
    """Each fragment makes exactly the mistakes that the table says."""
    assert document.count(old) == 1
    assert mistakes_of(document.replace(old, new)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "llm.yaml:1: the document is empty"),
        ("# nothing yet\n", "llm.yaml:1: the document is empty"),
        ("--- ~\n", "llm.yaml:1: the document is empty"),
        ("- a\n", "llm.yaml:1: a catalog document is a mapping with the fields meters, plans, customers, "),
        ("customers: []\n---\ncustomers: []\n", "llm.yaml:2: a second document starts here"),
        ("customers: [\n", "llm.yaml:2: is not YAML: "),
        ("customers:\n  - {id: 'acme}\n", "(while scanning a quoted scalar that starts on line 2)"),
        ("customers:\n  - id: a: b\n", "llm.yaml:2: is not YAML: mapping values are not allowed"),
        ("customers:\n  - \x00", "llm.yaml:2: holds a character that YAML does not allow: U+0000"),
        ("customers: !!python/object:os.system x\n", "llm.yaml:1: has the tag "),
        ("customers: *nobody\n", "llm.yaml:1: *nobody stands for nothing"),
        ("customers: &a [*a]\n", "llm.yaml:1: *a stands for nothing"),
        ("customers:\n  ? [1]\n  : 2\n", "llm.yaml:2: the name of a field must be text"),
        ("<<: 5\n", "llm.yaml:1: << takes a mapping"),
        ("customers: " + "[" * 40 + "]" * 40, "llm.yaml:1: is nested deeper than 32 levels"),
        ("customers:\n", "llm.yaml:1: customers: must be a list of entries, or [] if there are none"),
    ],
)
def test_a_text_that_is_no_catalog_is_refused_with_its_line(text, expected):
    """Syntax, tags, several documents and nesting: one mistake, at its line."""
    (mistake,) = mistakes_of(text)
    assert expected in mistake
    assert mistake.startswith("llm.yaml:")


def test_all_mistakes_come_at_once_in_the_order_of_lines(document):
    """Form, fields, prices and references are judged together."""
    for old, new in [
        ("value: input_tokens", "value: [input_tokens]"),
        ("name: Starter", "nmae: Starter"),
        ("up_to: 1000", "up_to: 0"),
        ("name: Foxglove Analytics", "name: null"),
        ("plan: starter", "plan: startup"),
    ]:
        document = document.replace(old, new)
    assert [mistake.split(": ")[0] for mistake in mistakes_of(document)] == [
        "llm.yaml:5",
        "llm.yaml:9",
        "llm.yaml:10",
        "llm.yaml:20",
        "llm.yaml:25",
        "llm.yaml:27",
    ]


def test_a_billion_laughs_are_refused_before_they_are_counted():
    """Aliases count with all that they stand for: the bound strikes while the text is parsed."""
    laughs = "a0: &a0 [" + ", ".join(["lol"] * 10) + "]\n"
    for level in range(1, 12):
        laughs += f"a{level}: &a{level} [" + ", ".join([f"*a{level - 1}"] * 10) + "]\n"
    started = time.perf_counter()
    (mistake,) = mistakes_of(laughs)
    assert f"has more than {limits.DOCUMENT_NODES_MAX} values, aliases expanded" in mistake
    assert time.perf_counter() - started < 2


def test_a_document_above_the_limit_is_refused():
    """4 MiB is what the wire contract says."""
    text = "# " + "x" * limits.DOCUMENT_BYTES_MAX
    assert mistakes_of(text) == ["llm.yaml:1: the document is larger than 4194304 bytes: apply it in parts"]


def test_past_a_screenful_the_mistakes_are_counted():
    """A list of a hundred, and how many more there are."""
    text = "customers:\n" + "".join(f"  - {{id: c{number}}}\n" for number in range(1000))
    mistakes = mistakes_of(text)
    assert len(mistakes) == limits.MISTAKES_MAX + 1
    assert mistakes[0] == "llm.yaml:2: customers.c0.name: is missing"
    assert mistakes[-1] == "llm.yaml: and 900 more mistakes: mend these first"


def test_thousands_of_wrong_references_are_refused_quickly():
    """Looking for the names that were meant stops once nobody would read them."""
    text = "customers:\n" + "".join(f"  - {{id: c{number}, name: N}}\n" for number in range(1500))
    text += "subscriptions:\n" + "".join(
        f"  - {{customer: d{number}, plan: none, start: 2023-11-01}}\n" for number in range(3000)
    )
    started = time.perf_counter()
    assert len(mistakes_of(text)) == limits.MISTAKES_MAX + 1
    assert time.perf_counter() - started < 10


def test_a_mistake_stays_on_one_line_whatever_the_document_holds():
    """Neither a file's name nor a value can break the line, or the terminal that shows it."""
    with pytest.raises(CatalogDocumentError) as caught:
        read_document('customers: [{id: "a\\n\\e[31m", name: N}]', "a\nb.yaml").resources(Catalog.empty("t"))
    (mistake,) = caught.value.mistakes
    assert str(mistake).isprintable()
    assert str(mistake).startswith("a\N{REPLACEMENT CHARACTER}b.yaml:1: ")


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
def test_both_parsers_of_yaml_tell_lines_alike(monkeypatch, document, loader):
    """Where PyYAML was built without libyaml, its own parser reads the same."""
    monkeypatch.setattr(yaml_tree, "_LOADER", loader)
    assert [mistake.split(": ")[0] for mistake in mistakes_of(document.replace("name:", "nmae:"))] == [
        f"llm.yaml:{line}" for line in (9, 10, 24, 24, 25, 25)
    ]
    (mistake,) = mistakes_of('customers:\n  - {id: "\\ud800"}')
    assert mistake.startswith("llm.yaml:2: ")
    (mistake,) = mistakes_of("customers: []\nplans: [\n")
    assert mistake.startswith("llm.yaml:3: is not YAML: ")


def test_a_plan_of_too_many_prices_is_refused():
    """Each price would be a line of every subscription."""
    prices = "".join(f"      - {{id: p{number}, model: flat, flat_amount: 1}}\n" for number in range(201))
    assert mistakes_of(f"plans:\n  - id: p\n    name: P\n    currency: USD\n    prices:\n{prices}") == [
        "llm.yaml:5: plans.p.prices: has 201 entries; at most 200 are allowed"
    ]


def test_a_catalog_of_too_many_meters_is_refused():
    """Those of the document and those of the catalog count together."""
    text = "meters:\n" + "".join(
        f"  - {{id: m{number}, event_type: e, aggregation: count}}\n" for number in range(limits.METERS_MAX)
    )
    more = "meters:\n  - {id: one-more, event_type: e, aggregation: count}\n"
    resources = read_document(text, "a").resources(Catalog.empty("t"))
    catalog = Catalog.empty("t").advanced(1, [Versioned(resource, 1, 1) for resource in resources])
    assert mistakes_of(more, catalog) == [
        "llm.yaml:1: meters: there would be 1001 meters, counting those of the catalog; at most 1000 are allowed"
    ]
