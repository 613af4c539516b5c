"""The catalog reference tells the truth and misses nothing: its examples are read, rated and applied.

An example that names a file in its first line (`# shop.yaml`) is applied by the commands of the page. Every
other one is read here: a list as the prices of a plan, against a catalog that has what it names and lacks.
"""

import os
import re
import shlex
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
import yaml

from engine.catalog import limits
from engine.catalog.documents.document import read_document
from engine.catalog.kinds import KINDS
from engine.catalog.kinds.customer import Customer
from engine.catalog.kinds.meter import Meter
from engine.catalog.kinds.plan import Plan, usage_problem
from engine.catalog.snapshots.snapshot import Catalog
from engine.meters import limits as meter_limits
from engine.meters.kinds import AGGREGATIONS
from examples.engine_process import EngineProcess
from fields import Choice, declaration
from rating import Cell, Charges, Conversion, DecimalColumn, Dimension, EventAmounts, Model, Price, Tier, rate
from rating.prices import models
from rating.prices.models import MODELS, PER_EVENT
from tests.support.catalogs import catalog_of
from tests.support.command_processes import run_command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
RATING_PAGE = (ROOT / "docs" / "rating.md").read_text(encoding="utf-8")
STORAGE = (ROOT / "examples" / "storage" / "catalog.yaml").read_text(encoding="utf-8")

BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
FILES = {match[1]: block for block in BLOCKS if (match := re.match(r"# (\S+\.yaml)\n", block))}
# JSON has no comment to say a file's name: it is the one of the command that follows.
LINES = dict(
    re.findall(r"```json\n(?P<text>.*?)```\n\n```console\n\$ meterline apply (?P<name>\S+)", PAGE, re.DOTALL)
)
EXAMPLES = [STORAGE, *(block for block in BLOCKS if block not in FILES.values())]
COST = re.compile(r"# (\w+)((?: \w+=\w+)*): ([\d.,]+) costs ([\d.]+)$", re.MULTILINE)
EVENT_COST = re.compile(r"# (\w+): events of ([\d., ]+) cost ([\d.]+)$", re.MULTILINE)

# A price's currency is its plan's, and its fields lie flat beside `id` and `meter`.
FIELDS = declaration(Price).names
ROUNDING_FIELDS = declaration(type(Price.rounding)).names
OF_PLAN = {"id", "meter", "product", "quantity", "proration", "tier_proration"}
PRICE_FIELDS = {*OF_PLAN, *FIELDS} - {"currency"}
# A default that the class can't name, since it is made of other fields.
COMPUTED = {"subscription": {"id"}, "exchange_rate": {"id"}}
# They bound what the reader does, not what a document may hold.
INTERNAL_LIMITS = {"FILE_NAME_CHARS_MAX", "DOCUMENT_BYTES_MAX"}


def section(title):
    """The text under a heading of the page, up to the next heading of its level or above."""
    found, level, fenced = [], 0, False
    for line in PAGE.splitlines(keepends=True):
        fenced ^= line.startswith("```")
        mark, _, text = line.partition(" ")
        if set(mark) == {"#"} and not fenced:
            if found and len(mark) <= level:
                break
            if text.strip() == title:
                level = len(mark)
        if level:
            found.append(line)
    assert found, title
    return "".join(found)


def rows(text):
    """The cells of every row of every table in the text, without marks of code."""
    return [
        [cell.strip().replace("`", "") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("| ") and not line.startswith("|---")
    ]


def names(text):
    return {row[0] for row in rows(text)}


def first_table(title):
    """The rows of the first table under a heading, without its head, by what they are about."""
    table = re.search(r"(?:^\|.*\n)+", section(title), re.MULTILINE)
    assert table, title
    return {row[0]: row for row in rows(table[0])[1:]}


def plain(text):
    """A document as lists, mappings and texts."""
    return yaml.load(text, Loader=yaml.BaseLoader)


def as_document(example):
    """The rule of the page: a list shows prices of a plan."""
    if isinstance(plain(example), dict):
        return example
    head = "plans:\n- id: example\n  name: Example\n  currency: USD\n  prices:\n"
    return head + "".join(f"  {line}\n" for line in example.splitlines())


def surroundings(document):
    """A catalog that has the meters, plans and customers which the document names but doesn't hold."""
    given = plain(document)
    subscriptions = given.get("subscriptions", [])
    prices = [price for plan in given.get("plans", []) for price in plan["prices"]]
    grouped = {}
    for price in prices:
        if "meter" in price:
            grouped.setdefault(price["meter"], set()).update(price.get("dimensions", []))
    resources = [
        *(
            Meter.read({"id": name, "event_type": "e", "aggregation": "count", "group_by": [*by]})
            for name, by in grouped.items()
        ),
        *(
            Plan.read({"id": name, "name": "P", "currency": "USD", "prices": []})
            for each in subscriptions
            for name in {each["plan"], *(phase.get("plan", each["plan"]) for phase in each.get("phases", ()))}
        ),
        *(Customer.read({"id": each["customer"], "name": "C"}) for each in subscriptions),
    ]
    held = {
        (KINDS[kind], each["id"])
        for kind in ("meter", "plan", "customer")
        for each in given.get(f"{kind}s", [])
    }
    lacking = [each for each in resources if (type(each), each.id) not in held]
    return catalog_of(lacking)


def read(example):
    """The resources of an example, through the reader that `meterline apply` uses."""
    document = as_document(example)
    return read_document(document, "example.yaml").resources(
        surroundings(document), datetime(2026, 1, 1, tzinfo=UTC)
    )


def cost_of(price, dimensions, quantity):
    """The amount of one line."""
    values = dict(pair.split("=") for pair in dimensions.split())
    charges = Charges(
        prices=[price],
        price_index=np.array([0]),
        quantity=DecimalColumn.of([Decimal(quantity.replace(",", ""))]),
        dimensions={name: Dimension.of([value]) for name, value in values.items()},
    )
    return str(rate(charges).line(0).amount)


def costs():
    """Every comment that says what a quantity costs: its example, price, dimensions, quantity and amount."""
    return [
        pytest.param(example, *found, id=f"{place}-{found[0]}-{found[2]}")
        for place, example in enumerate(EXAMPLES)
        for found in COST.findall(example)
    ]


def event_costs():
    """Every comment that says what events cost: its example, price, their amounts, and the amount of the line."""
    return [(example, *found) for example in EXAMPLES for found in EVENT_COST.findall(example)]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_reads_without_a_mistake(example):
    """Those of the page, and the catalog of the storage seller."""
    assert read(example)


def test_the_storage_seller_needs_nothing_else():
    """Its catalog stands alone, and shows two currencies."""
    resources = read_document(STORAGE, "storage.yaml").resources(
        Catalog.empty("t"), datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert {each.currency for each in resources if isinstance(each, Plan)} == {"USD", "EUR"}


@pytest.mark.parametrize(("example", "price_id", "dimensions", "quantity", "amount"), costs())
def test_a_quantity_costs_what_the_comment_says(example, price_id, dimensions, quantity, amount):
    """Worked out by hand. Where several plans have a price of that id, one of them is meant."""
    prices = [
        price
        for plan in read(example)
        if isinstance(plan, Plan)
        for price in plan.prices
        if price.id == price_id
    ]
    assert amount in [cost_of(price.price, dimensions, quantity) for price in prices]


@pytest.mark.parametrize(("example", "price_id", "amounts", "amount"), event_costs())
def test_events_cost_what_the_comment_says(example, price_id, amounts, amount):
    """Worked out by hand: the amounts of single events, in order."""
    prices = [price for plan in read(example) if isinstance(plan, Plan) for price in plan.prices]
    (price,) = [each.price for each in prices if each.id == price_id]
    events = [Decimal(each) for each in amounts.split(", ")]
    charges = Charges(
        prices=[price],
        price_index=np.array([0]),
        quantity=DecimalColumn.of([sum(events)]),
        events=EventAmounts.of([events]),
    )
    assert str(rate(charges).line(0).amount) == amount


def test_every_cost_comment_is_understood():
    """A comment with the word that doesn't have the form would never be rated."""
    for text in (PAGE, STORAGE):
        written = [line for line in text.splitlines() if re.match(r"\s*# .* costs? [\d.]+$", line)]
        assert len(written) == len(COST.findall(text)) + len(EVENT_COST.findall(text)), written


def test_every_model_that_a_plan_can_have_has_an_example_with_a_cost():
    """Each under its own heading, by a price of that model."""
    for model in {*Model} - {Model.CAPACITY}:
        examples = re.findall(r"```yaml\n(.*?)```", section(model), re.DOTALL)
        assert examples, model
        assert all(plain(example)[0]["model"] == model and COST.search(example) for example in examples)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_field_of_a_resource_is_explained(kind):
    """No other is, and it is called required if and only if it is."""
    described = first_table(kind.section.capitalize().replace("_", " "))
    fields = {field.name: field for field in declaration(kind).fields}
    assert described.keys() == fields.keys()
    for name in fields.keys() - COMPUTED.get(kind.kind, set()):
        assert (described[name][2] == "required") == (fields[name].default is MISSING), name


def test_every_aggregation_is_explained():
    """One row each."""
    assert {*AGGREGATIONS} <= names(section("Meters"))


def test_every_field_of_a_price_is_explained():
    """And no other."""
    assert first_table("Prices").keys() == PRICE_FIELDS
    assert first_table("Tiers of a price").keys() == declaration(Tier).names.keys()
    around = names(section("Around the model"))
    assert {*declaration(Conversion).names, *ROUNDING_FIELDS} <= around
    assert first_table("matrix").keys() == declaration(Cell).names.keys()


def test_every_choice_and_its_default_is_named():
    """In the row of its field."""
    described = {row[0]: row for row in rows(section("Prices"))}
    choices = {name: kind for name, kind in {**FIELDS, **ROUNDING_FIELDS}.items() if isinstance(kind, Choice)}
    for name, kind in choices.items():
        if name != "model":
            assert set(described[name][1].split(", ")) == kind.choices.keys(), name
    for field in fields(Price):
        if isinstance(field.default, StrEnum):
            assert described[field.name][2] == field.default
    for field in fields(type(Price.rounding)):
        if isinstance(field.default, StrEnum):
            assert described[field.name][2] == field.default


def test_a_field_belongs_to_the_models_that_take_it():
    """Where the page lists models they are those, and what they must have is called required."""
    described = first_table("Prices")
    models = {str(model): takes for model, takes in MODELS.items() if model is not Model.CAPACITY}
    for name in PRICE_FIELDS - OF_PLAN - {"model"}:
        _, _, default, of, _ = described[name]
        must = {model for model, takes in models.items() if name in takes.must}
        takers = must | {model for model, takes in models.items() if name in takes.may}
        assert (default == "required") == bool(must), name
        if listed := {*of.split(", ")} & models.keys():
            assert listed == takers == {*of.split(", ")}, name
        else:
            assert not must, name


def test_what_a_plan_cannot_have_yet_is_what_is_refused():
    """A price that becomes possible must leave the list."""
    assert "`capacity`" in section("Not in a plan yet")
    steps = [{"up_to": {"seats": "5"}, "flat_amount": "1"}, {"flat_amount": "2"}]
    assert usage_problem(Price.read({"currency": "USD", "model": "capacity", "tiers": steps}))
    for name in sorted(PER_EVENT):
        price = {"currency": "USD", "model": "percentage", "percent": "1", name: "1"}
        assert usage_problem(Price.read(price)) is None


def test_every_limit_is_named():
    """In digits, as they are in the code."""
    text = section("Limits")
    for name, value in {**vars(limits), **vars(meter_limits)}.items():
        if name.isupper() and name not in INTERNAL_LIMITS:
            shown = str(value) if "YEAR" in name else f"{value:,}"
            assert re.search(rf"(?<![\d,]){shown}(?![\d,]\d)", text), name
    assert f"{limits.DOCUMENT_BYTES_MAX // 1024**2} MiB" in text
    number = FIELDS["unit_amount"]
    assert f"{number.integer_digits} digits before and {number.fraction_digits} after the point" in text
    for name in (name for name in vars(models) if name.endswith("_MAX")):
        assert re.search(rf"(?<![\d,]){getattr(models, name):,}(?![\d,]\d)", text), name


def test_the_commands_of_the_page_print_what_it_shows(tmp_path):
    """All of them, in their order, against an engine of their own."""
    for name, text in [*FILES.items(), *((name, text) for text, name in LINES.items())]:
        (tmp_path / name).write_text(text, encoding="utf-8")
    session = "".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
    shown = re.findall(r"^\$ meterline (.*)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE)
    assert "".join(f"$ meterline {command}\n{output}" for command, output in shown) == session
    assert {word for command, _ in shown for word in shlex.split(command)} >= FILES.keys()
    with EngineProcess(tmp_path / "data") as engine:
        for command, output in shown:
            target = [] if command.startswith("quote") else ["--target", engine.target]
            done = run_command(
                *shlex.split(command), *target, cwd=tmp_path, env={**os.environ, "COLUMNS": "80"}
            )
            printed = done.stdout + done.stderr
            assert [line.rstrip() for line in printed.splitlines()] == output.splitlines(), command


def test_the_links_of_the_page_lead_somewhere():
    """To headings of this page and of the one about rating, and to files."""
    for target in re.findall(r"\]\(([^)]+)\)", PAGE):
        path, _, anchor = target.partition("#")
        text = {"": PAGE, "rating.md": RATING_PAGE}.get(path)
        if text is None:
            assert (ROOT / "docs" / path).is_file(), target
        else:
            headings = [
                line.lstrip("#").strip().lower() for line in text.splitlines() if line.startswith("#")
            ]
            assert anchor in {"", *(heading.replace(" ", "-") for heading in headings)}, target
