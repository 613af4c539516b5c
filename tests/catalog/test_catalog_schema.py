"""The JSON Schema of a catalog says what a document may be, as far as JSON Schema can."""

import json
import random
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from jsonschema import Draft7Validator

from engine.catalog.kinds import KINDS, catalog_schema
from engine.cli import cli
from fields import json_schema
from rating import Commitment, CreditGrant, Price, Split, TaxProfile
from tests.support.catalog.document_mistakes import TABLE
from tests.support.catalog.random_catalogs import catalogs
from tests.support.rating.oracle_random import REACHES, random_price, reach_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
# One file of the page is refused on purpose.
ON_THE_PAGE = [
    text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "flat_amuont" not in text
]
FILES = [ROOT / "examples" / "llm.yaml", *sorted(ROOT.glob("examples/*/catalog.yaml"))]
EXAMPLES = [path.read_text(encoding="utf-8") for path in FILES]
EXAMPLES += ON_THE_PAGE
SCHEMA = Draft7Validator(catalog_schema())

# JSON Schema knows neither the catalog nor arithmetic, and a mapping has each name once when it sees it.
BEYOND_A_SCHEMA = {
    "a phase before the start",
    "a quantity of a price that has none",
    "a time zone that isn't one",
    "a version that a plan doesn't have",
    "an add-on that there isn't",
    "an override that makes no price",
    "a maximum that carries over",
    "a price with terms per event of a meter that counts",
    "a percentile that there isn't",
    "a percentile without its value and its number",
    "the number of another aggregation",
    "a comparison with what isn't there",
    "a conversion of nothing",
    "a count of a value",
    "a day that isn't in the calendar",
    "a field given twice",
    "a filter without a condition",
    "a field of a tier given twice",
    "a matrix by a property that the meter does not group by",
    "a price id twice in a plan",
    "a price of a meter that there isn't",
    "a price that needs each event's amount",
    "a quotient",
    "a quotient that isn't rounded",
    "a subscription of a customer that there isn't",
    "a subscription to a plan that there isn't",
    "an end before the start",
    "an id twice",
    "bounds that leave nothing",
    "groups in groups without end",
    "groups that no event passes, or that say nothing",
    "tiers out of order",
    "two lower bounds",
    "unique values of an expression",
}


class Typed(yaml.SafeLoader):
    """As an editor reads YAML: numbers and booleans, but no dates."""


Typed.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.mark.parametrize(
    "schema", [catalog_schema(), *map(json_schema, (Price, CreditGrant, Commitment, Split, TaxProfile))]
)
def test_it_is_a_schema(schema):
    """By the schema of schemas, and of JSON types only."""
    Draft7Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("loader", [yaml.BaseLoader, Typed])
@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_are_valid(example, loader):
    """Those that are shipped and those of the page, as the texts that were written and as editors type them."""
    document = yaml.load(example, loader)
    if isinstance(document, list):  # prices of a plan
        document = {"plans": [{"id": "p", "name": "P", "currency": "USD", "prices": document}]}
    assert [error.message for error in SCHEMA.iter_errors(document)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_examples_name_their_schema_for_editors(path):
    """The file that the page of the examples has written."""
    first, _, _ = path.read_text(encoding="utf-8").partition("\n")
    _, _, schema = first.partition("# yaml-language-server: $schema=")
    assert (path.parent / schema).resolve() == ROOT / "examples" / "catalog.schema.json"


@settings(max_examples=60, deadline=None, print_blob=True)
@given(sections=catalogs())
def test_what_the_engine_takes_the_schema_takes(sections):
    """Given by a person, and as the engine writes it."""
    assert [error.message for error in SCHEMA.iter_errors(sections)] == []
    written = {
        kind.section: [kind.read(each).to_fields() for each in sections[kind.section]]
        for kind in KINDS.values()
    }
    assert [error.message for error in SCHEMA.iter_errors(written)] == []


def test_every_price_that_can_be_rated_is_valid(seed):
    """Of every model."""
    dice = random.Random(seed)
    schema = Draft7Validator(json_schema(Price))
    for reach in REACHES * 20:
        price = random_price(dice, reach_of(reach, dice))
        assert [error.message for error in schema.iter_errors(price)] == [], price


@pytest.mark.parametrize("name", TABLE)
def test_a_document_with_a_mistake_is_invalid_where_a_schema_can_know(document, name):
    """What only the engine can know is listed, and nothing else passes."""
    old, new, _ = TABLE[name]
    broken = yaml.load(document.replace(old, new), yaml.BaseLoader)
    # BaseLoader reads a null as its text; the engine, and every editor, as nothing.
    assert SCHEMA.is_valid(_with_nulls(broken)) == (name in BEYOND_A_SCHEMA)


def _with_nulls(given):
    if isinstance(given, dict):
        return {name: _with_nulls(each) for name, each in given.items()}
    if isinstance(given, list):
        return [_with_nulls(each) for each in given]
    return None if given in ("null", "~", "") else given


def test_every_model_is_invalid_without_what_it_must_have():
    """And with what it does not take."""
    schema = Draft7Validator(json_schema(Price))
    flat = {"currency": "USD", "model": "flat", "flat_amount": "1"}
    assert schema.is_valid(flat)
    for wrong in (
        {"flat_amount": None},
        {"unit_amount": "1"},
        {"model": "flatt"},
        {"flat_amount": "-1"},
        {"x": 1},
    ):
        assert not schema.is_valid({**flat, **wrong}), wrong
    tiered = {"currency": "USD", "model": "graduated", "tiers": [{"unit_amount": "1"}]}
    assert schema.is_valid(tiered)
    for tier in (
        {},
        {"percent": "1"},
        {"unit_amount": "1", "percent": "1"},
        {"up_to": "0", "unit_amount": "1e"},
    ):
        assert not schema.is_valid({**tiered, "tiers": [tier]}), tier


def test_the_schema_is_printed_for_an_editor():
    """The same text whenever it is asked for, and no engine runs."""
    run = CliRunner().invoke(cli, ["catalog", "--schema", "--target", "127.0.0.1:1"])
    assert run.exit_code == 0
    assert json.loads(run.stdout) == catalog_schema()
    Draft7Validator.check_schema(json.loads(run.stdout))
