"""A text that is not a catalog, or too much of one, is refused quickly and on one line; all mistakes come at once."""

import time
from datetime import UTC, datetime

import pytest
import yaml

from engine.catalog import limits
from engine.catalog.documents import yaml_tree
from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import CatalogDocumentError
from tests.support.catalogs import catalog_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "llm.yaml:1: the document is empty"),
        ("# nothing yet\n", "llm.yaml:1: the document is empty"),
        ("--- ~\n", "llm.yaml:1: the document is empty"),
        ("- a\n", "llm.yaml:1: a catalog document is a mapping with the fields meters, plans, coupons, "),
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
def test_a_text_that_is_no_catalog_is_refused_with_its_line(mistakes_of, text, expected):
    """Syntax, tags, several documents and nesting: one mistake, at its line."""
    (mistake,) = mistakes_of(text)
    assert expected in mistake
    assert mistake.startswith("llm.yaml:")


def test_all_mistakes_come_at_once_in_the_order_of_lines(mistakes_of, document):
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


def test_a_billion_laughs_are_refused_before_they_are_counted(mistakes_of):
    """Aliases count with all that they stand for: the bound strikes while the text is parsed."""
    laughs = "a0: &a0 [" + ", ".join(["lol"] * 10) + "]\n"
    for level in range(1, 12):
        laughs += f"a{level}: &a{level} [" + ", ".join([f"*a{level - 1}"] * 10) + "]\n"
    started = time.process_time()
    (mistake,) = mistakes_of(laughs)
    assert f"has more than {limits.DOCUMENT_NODES_MAX} values, aliases expanded" in mistake
    assert time.process_time() - started < 5


def test_a_document_above_the_limit_is_refused(mistakes_of):
    """4 MiB is what the wire contract says."""
    text = "# " + "x" * limits.DOCUMENT_BYTES_MAX
    assert mistakes_of(text) == ["llm.yaml:1: the document is larger than 4194304 bytes: apply it in parts"]


def test_past_a_screenful_the_mistakes_are_counted(mistakes_of):
    """A list of a hundred, and how many more there are."""
    text = "customers:\n" + "".join(f"  - {{id: c{number}}}\n" for number in range(1000))
    mistakes = mistakes_of(text)
    assert len(mistakes) == limits.MISTAKES_MAX + 1
    assert mistakes[0] == "llm.yaml:2: customers.c0.name: is missing"
    assert mistakes[-1] == "llm.yaml: and 900 more mistakes: mend these first"


def test_thousands_of_wrong_references_are_refused_quickly(mistakes_of):
    """Looking for the names that were meant stops once nobody would read them."""
    text = "customers:\n" + "".join(f"  - {{id: c{number}, name: N}}\n" for number in range(1500))
    text += "subscriptions:\n" + "".join(
        f"  - {{customer: d{number}, plan: none, start: 2023-11-01}}\n" for number in range(3000)
    )
    started = time.process_time()
    assert len(mistakes_of(text)) == limits.MISTAKES_MAX + 1
    assert time.process_time() - started < 10


def test_a_mistake_stays_on_one_line_whatever_the_document_holds():
    """Neither a file's name nor a value can break the line, or the terminal that shows it."""
    with pytest.raises(CatalogDocumentError) as caught:
        read_document('customers: [{id: "a\\n\\e[31m", name: N}]', "a\nb.yaml").resources(
            Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC)
        )
    (mistake,) = caught.value.mistakes
    assert str(mistake).isprintable()
    assert str(mistake).startswith("a\N{REPLACEMENT CHARACTER}b.yaml:1: ")


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
def test_both_parsers_of_yaml_tell_lines_alike(mistakes_of, monkeypatch, document, loader):
    """Where PyYAML was built without libyaml, its own parser reads the same."""
    monkeypatch.setattr(yaml_tree, "_LOADER", loader)
    assert [mistake.split(": ")[0] for mistake in mistakes_of(document.replace("name:", "nmae:"))] == [
        f"llm.yaml:{line}" for line in (9, 10, 24, 24, 25, 25)
    ]
    (mistake,) = mistakes_of('customers:\n  - {id: "\\ud800"}')
    assert mistake.startswith("llm.yaml:2: ")
    (mistake,) = mistakes_of("customers: []\nplans: [\n")
    assert mistake.startswith("llm.yaml:3: is not YAML: ")


def test_a_plan_of_too_many_prices_is_refused(mistakes_of):
    """Each price would be a line of every subscription."""
    prices = "".join(f"      - {{id: p{number}, model: flat, flat_amount: 1}}\n" for number in range(201))
    assert mistakes_of(f"plans:\n  - id: p\n    name: P\n    currency: USD\n    prices:\n{prices}") == [
        "llm.yaml:5: plans.p.prices: has 201 entries; at most 200 are allowed"
    ]


def test_a_catalog_of_too_many_meters_is_refused(mistakes_of):
    """Those of the document and those of the catalog count together."""
    text = "meters:\n" + "".join(
        f"  - {{id: m{number}, event_type: e, aggregation: count}}\n" for number in range(limits.METERS_MAX)
    )
    more = "meters:\n  - {id: one-more, event_type: e, aggregation: count}\n"
    resources = read_document(text, "a").resources(Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC))
    catalog = catalog_of(resources)
    assert mistakes_of(more, catalog) == [
        "llm.yaml:1: meters: there would be 1001 meters, counting those of the catalog; at most 1000 are allowed"
    ]
