"""What an earlier version stored keeps its bytes: definitions, which say what differs, and keys of rollups."""

import json
from pathlib import Path

import pytest

from engine.billing.meter_usage import rollup_key
from engine.catalog.kinds import KINDS, definition, read_definition

# Random resources of every kind as version 0.1 kept them, when pydantic read them, and the keys that it gave to meters; kinds that came
# later as they were kept first.
# Never written anew: usage that has expired is found by its key only.
STORED = [
    json.loads(line)
    for line in (Path(__file__).parent / "stored_definitions.jsonl").read_text("ascii").splitlines()
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_document_gives_the_definition_that_it_gave(kind):
    stored = [each for each in STORED if each["kind"] == kind]
    assert stored
    for each in stored:
        assert definition(KINDS[kind].read(each["fields"])) == each["definition"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_definition_reads_back_to_its_bytes(kind):
    for each in STORED:
        if each["kind"] == kind:
            assert definition(read_definition(kind, each["definition"])) == each["definition"]


def test_rollups_are_found_by_the_keys_that_meters_had():
    keys = [each for each in STORED if "rollup_keys" in each]
    assert len({each["rollup_keys"]["2"] for each in keys}) > 50
    for each in keys:
        meter = read_definition("meter", each["definition"])
        assert {form: rollup_key(meter, int(form)) for form in ("1", "2")} == each["rollup_keys"]
