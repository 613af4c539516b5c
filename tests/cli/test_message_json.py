"""Messages as JSON: the contract's order of fields, and maps by their keys."""

import json
from collections.abc import Iterator

from google.protobuf.timestamp_pb2 import Timestamp

from engine.api.message_json import json_fields, json_line
from engine.cli.terminal.text import snapshot_fields
from meterline.v1.billing_pb2 import LineItem, TierAmount
from meterline.v1.correction_pb2 import CorrectedEvent, EventVersion

NAMES = ["model_version", "model", "zone", "Zone", "\N{ROCKET}", "￮", "region", "a", ""]


def _pairs(text: str) -> Iterator[list[str]]:
    """The keys of every object in it, in the order of the text."""
    found = []
    json.loads(text, object_pairs_hook=lambda pairs: found.append([key for key, _ in pairs]))
    return found


def test_the_keys_of_maps_ascend_by_code_point():
    """At any depth, and none is lost."""
    properties = {name: name.upper() for name in NAMES}
    event = CorrectedEvent(event_id="e", after=EventVersion(properties=properties))
    line = json_line(json_fields(event))
    in_order = ["", "Zone", "a", "model", "model_version", "region", "zone", "￮", "\N{ROCKET}"]
    assert in_order in _pairs(line)
    assert json.loads(line)["after"]["properties"] == properties


# Fields that may be absent: one that isn't there has no key.
ABSENT = {
    *("period_start", "period_end", "service_start", "service_end"),
    *("rounding", "conversion", "proration", "event_fees", "product"),
}


def test_fields_come_as_the_contract_has_them():
    """Whatever is at its default, in messages of messages too."""
    item = LineItem(amount="1", tiers=[TierAmount(up_to="5"), TierAmount(index=1)])
    fields = json_fields(item)
    expected = [field.name for field in LineItem.DESCRIPTOR.fields if field.name not in ABSENT]
    assert list(fields) == expected
    names = ["index", "up_to", "quantity", "unit_amount", "flat_amount", "amount"]
    assert [list(tier) for tier in fields["tiers"]] == [names, names]
    assert [tier["index"] for tier in fields["tiers"]] == [0, 1]


def test_what_may_be_absent_and_is_has_no_key():
    """An event that is void has no `after`."""
    assert json_fields(CorrectedEvent(event_id="e", before=EventVersion())).keys() == {"event_id", "before"}


def test_a_snapshot_stands_before_the_fields():
    """To the microsecond; a text beyond ASCII is itself."""
    fields = snapshot_fields(Timestamp(seconds=1, nanos=2_000), 3) | {"id": "\N{ROCKET}"}
    assert json_line(fields) == (
        '{"as_of": "1970-01-01T00:00:01.000002Z", "catalog_revision": 3, "id": "\N{ROCKET}"}'
    )
