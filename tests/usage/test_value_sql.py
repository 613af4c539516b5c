"""The value of each single event, computed by ClickHouse: every step exact, and nothing wraps."""

import itertools
import random
from fractions import Fraction

import pytest

from engine.meters.value import ValueExpression
from engine.usage.facts.value_sql import value_sql
from engine.usage.store.tables.schema import EVENTS_TABLE
from engine.usage.store.usage_store import Query
from tests.support.usage.meter_oracle import value_of
from tests.support.usage.meter_reads import deliver
from tests.support.usage.usage_histories import PERIOD_US, random_value

LARGEST = "99999999999999999999999999.999999999999"
SMALLEST = "0.000000000001"
TENANTS = itertools.count()


@pytest.fixture
def values_of(shared_store):
    """(given, value or None, what lies beneath a NULL) of events with these properties, one after the other."""

    def read(value, events):
        tenant = f"value-{next(TENANTS)}"
        deliver(
            shared_store,
            [
                {
                    "tenant": tenant,
                    "event_id": f"{number:06}",
                    "event_type": "e",
                    "customer": "acme",
                    "time_us": PERIOD_US[0],
                    "properties": properties,
                    "ingested_us": 1,
                }
                for number, properties in enumerate(events)
            ],
        )
        return again(value, tenant)

    def again(value, tenant):
        parameters = {"tenant": tenant}
        sql = value_sql(value if isinstance(value, str) else ValueExpression.read(value), parameters)
        rows = shared_store.query(
            Query(
                f"SELECT toString({sql.decimal}), {sql.given}, toString(assumeNotNull({sql.decimal})) "
                f"FROM {EVENTS_TABLE} WHERE tenant = {{tenant:String}} ORDER BY event_id",
                parameters,
            )
        )
        return [(bool(given), text and Fraction(text), Fraction(beneath)) for text, given, beneath in rows]

    read.again = again
    return read


def the_value(values_of, text, **properties):
    [(given, value, _)] = values_of({"expression": text}, [properties])
    assert given
    return value


def test_random_expressions_are_computed_as_in_fractions(values_of, seed):
    """Over values at the bounds, unreadable and missing ones, and with defaults; beneath a NULL there is 0."""
    dice = random.Random(seed)
    texts = (
        "0",
        "1",
        "-1",
        "2.5",
        SMALLEST,
        f"-{SMALLEST}",
        LARGEST,
        f"-{LARGEST}",
        "1000000",
        "0.333333333333",
    )
    texts += ("50000000000000000000000000", "10000000000000", "0.000001", "1e3", "", "+7", None)
    events = [{name: text for name in "abc" if (text := dice.choice(texts)) is not None} for _ in range(80)]
    values_of("a", events)
    tenant = f"value-{next(TENANTS) - 1}"
    readable = unreadable = 0
    for _ in range(120):
        value = random_value(dice, ("a", "b", "c"))
        found = values_of.again(value, tenant)
        expected = [value_of(properties, value) for properties in events]
        assert [(given, read) for given, read, _ in found] == expected, value
        assert {beneath for _, read, beneath in found if read is None} <= {0}
        readable += sum(read is not None for _, read in expected)
        unreadable += sum(given and read is None for given, read in expected)
    assert min(readable, unreadable) > 500


@pytest.mark.parametrize(
    ("text", "properties", "expected"),
    [
        ("input + 4 * output", {"input": "374", "output": "44"}, "550"),
        ("a - b - c", {"a": "10", "b": "3", "c": "2"}, "5"),
        ("-(a - 2) * b", {"a": "0.5", "b": "-3"}, "-4.5"),
        # 10^26 - 10^-12 is the largest value; one unit more is none.
        ("a", {"a": LARGEST}, LARGEST),
        ("a + b", {"a": LARGEST, "b": SMALLEST}, None),
        ("-a - b", {"a": LARGEST, "b": SMALLEST}, None),
        ("a + b - c", {"a": LARGEST, "b": LARGEST, "c": LARGEST}, LARGEST),
        # 12 fractional digits at the end, as many as it takes on the way.
        ("a * b", {"a": "0.000001", "b": "0.000001"}, SMALLEST),
        ("a * b", {"a": "0.0000001", "b": "0.000001"}, None),
        ("a * b * c", {"a": SMALLEST, "b": SMALLEST, "c": "1000000000000"}, SMALLEST),
        ("a * b * c * d", {"a": SMALLEST, "b": SMALLEST, "c": SMALLEST, "d": "1" + "0" * 24}, SMALLEST),
        ("a * b - c * d", {"a": "1.1", "b": "1.1", "c": "0.1", "d": "0.1"}, "1.2"),
        # Steps of 10^28 - 1 and 10^28.
        ("a * 100 + 99 - b * 99 - 99", {"a": "9" * 26, "b": "9" * 26}, "9" * 26),
        ("a * 100 + 100 - b * 99 - 100", {"a": "9" * 26, "b": "9" * 26}, None),
        ("a * b - a * b", {"a": "9" * 26, "b": "100"}, "0"),
        ("a * b - a * b", {"a": "1" + "0" * 25, "b": "1000"}, None),
        # What wraps in 256 bits: 10^104, and products that come back near 0 after it.
        ("a * b * c", {"a": LARGEST, "b": LARGEST, "c": LARGEST}, None),
        ("a * b * c * d", {"a": LARGEST, "b": LARGEST, "c": LARGEST, "d": LARGEST}, None),
        ("a * b * c * 0", {"a": LARGEST, "b": LARGEST, "c": LARGEST}, None),
        ("a * 99999999999999999999999999 * b", {"a": f"{2**64}", "b": f"{2**64}"}, None),
        ("a * a * a * a", {"a": f"{2**64 * 2**20}"}, None),
        ("a * b * c * d", {"a": "1" + "0" * 25, "b": "0.0000000001", "c": "100000", "d": "0"}, "0"),
        ("0 * a", {"a": LARGEST}, "0"),
        ("a * b", {"a": "many", "b": "0"}, None),
    ],
)
def test_a_value_is_exact_or_none(values_of, text, properties, expected):
    """By hand; None is an unreadable event."""
    assert the_value(values_of, text, **properties) == (None if expected is None else Fraction(expected))


def test_missing_is_not_unreadable(values_of):
    """An event that lacks a property lacks the value, whatever the others hold; a default stands in for absence only."""
    events = [{}, {"a": "1"}, {"a": "many"}, {"b": "2"}, {"a": "1", "b": "2"}, {"a": "1", "b": "many"}]
    plain = [each[:2] for each in values_of({"expression": "a + b"}, events)]
    assert plain == [(False, None)] * 4 + [(True, 3), (True, None)]
    half = [each[:2] for each in values_of({"expression": "a + b", "defaults": {"b": "-0.5"}}, events)]
    assert half == [
        (False, None),
        (True, Fraction(1, 2)),
        (True, None),
        (False, None),
        (True, 3),
        (True, None),
    ]
    both = {"expression": "a + b", "defaults": {"b": "10", "a": LARGEST}}
    values = [each[:2] for each in values_of(both, events)]
    assert values == [(True, None), (True, 11), (True, None), (True, None), (True, 3), (True, None)]


@pytest.mark.parametrize(
    "name",
    [
        "'\\\"); DROP TABLE events; --",
        "{tenant:String}",
        "a` = `a",
        'say "x"',
        "\\",
        "🚀",
        "value_step_0",
        "SELECT",
        "any",
        "x" * 128,
    ],
)
def test_names_never_become_sql(values_of, name):
    """Of properties, as a value and in an expression; and values of all kinds are data."""
    events = [{name: "2", "b": "1"}, {name: "'; --", "b": "1"}, {"b": "1"}, {name: "\x00", "b": "\\'"}]
    quoted = '"' + name.replace('"', '""') + '"'
    assert [each[1] for each in values_of(name, events)] == [2, None, None, None]
    value = {"expression": f"{quoted} * {quoted} + b", "defaults": {name: "7"}}
    assert [each[1] for each in values_of(value, events)] == [5, None, 50, None]
    plain = {"expression": "p * p + b", "defaults": {"p": "3"}}
    assert sql_of(value) == sql_of(plain)
    assert sql_of(name) == sql_of("p")


def sql_of(value):
    return value_sql(value if isinstance(value, str) else ValueExpression.read(value), {})


def test_numbers_never_become_sql_either():
    """Two numbers of a kind make one text."""
    assert sql_of({"expression": "0.5 * a", "defaults": {"a": "1"}}) == sql_of(
        {"expression": "0.7 * a", "defaults": {"a": "2"}}
    )
