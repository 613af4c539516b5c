"""The largest meter that the catalog takes can still be read."""

from fractions import Fraction

from engine.billing.meter_usage import measure_of
from engine.catalog.kinds.meter import Meter
from engine.usage.facts.queries import usage_query
from tests.support.usage.meter_oracle import passes, value_of
from tests.support.usage.meter_reads import deliver, usage_by_store
from tests.support.usage.usage_histories import PERIOD_US

# A chain of 32 operands whose steps may all leave the bounds, as deep as it goes; 31 properties of long names.
NAMES = [f'p{number} "{chr(0x410 + number)}" ' + "x" * 40 for number in range(31)]
OPERANDS = ['"' + name.replace('"', '""') + '"' for name in NAMES]
PAIRS = [f"{left} * {right}" for left, right in zip(OPERANDS[::2], OPERANDS[1::2], strict=False)]
EXPRESSION = "-" * 15 + f"({' - '.join([*PAIRS, OPERANDS[-1]])} + 99999999999999999999999999)"
CONDITION = {"not": ["a", "b"], "exists": "true", "at_least": "-5", "less_than": "1000.000000000001"}


def filters_of(prefix):
    return {f"{prefix} {number} {'ы' * 50}": CONDITION for number in range(16)}


METER = {
    "id": "m",
    "event_type": "e",
    "aggregation": "time_weighted",
    "carries_over": "true",
    "value": {"expression": EXPRESSION, "defaults": dict.fromkeys(NAMES[:15], "2.5")},
    "filters": {"any": [{"all": [{"not": [{"not": [filters_of(prefix)]}]}]} for prefix in "abcd"]},
    "group_by": [f"group {number}" for number in range(8)],
}


def test_the_largest_meter_fits_into_a_query():
    """ClickHouse takes 256 KiB, and a read through rollups has the text of a meter up to three times."""
    request = measure_of("largest", Meter.read(METER)).asked(["acme"], PERIOD_US, 1)
    assert 4 * len(usage_query(request, 10, any_facts=True).sql) < 256 * 1024


def test_the_largest_meter_can_be_read(shared_store):
    """32 operands, 64 filters four groups deep, and groups of eight properties."""
    properties = {name: str(number) for number, name in enumerate(NAMES[10:])} | dict.fromkeys(
        filters_of("c"), "12.5"
    )
    assert passes(properties, METER["filters"])
    deliver(
        shared_store,
        [
            {
                "tenant": "largest",
                "event_id": "1",
                "event_type": "e",
                "customer": "acme",
                "time_us": PERIOD_US[0],
                "properties": properties,
                "ingested_us": 1,
            }
        ],
    )
    scope = {"tenant": "largest", "customers": ["acme"], "period_us": PERIOD_US, "as_of_us": 1}
    [usage] = usage_by_store(shared_store, METER, **scope).values()
    # The oracle's names can't have quotes in them.
    renamed = {
        "expression": EXPRESSION.replace('""', "'"),
        "defaults": {name.replace('"', "'"): "2.5" for name in NAMES[:15]},
    }
    given, value = value_of({name.replace('"', "'"): text for name, text in properties.items()}, renamed)
    assert given
    assert Fraction(usage.quantity) == value
