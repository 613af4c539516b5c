"""Maps on the wire come in the order of their keys, wherever in a message they are."""

import importlib

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.api.grpc.answer_bytes import answer_bytes
from meterline.v1 import correction_pb2, metering_pb2
from meterline.v1.billing_pb2 import LineItem
from meterline.v1.correction_pb2 import GetCorrectionResponse, LineChange
from meterline.v1.metering_pb2 import QueryUsageResponse, UsageRow

FILES = ("billing", "catalog", "correction", "usage", "events", "metering", "retention", "spend")
# Alike at their beginnings, as protobuf's own order has those wrong.
KEYS = st.text(alphabet="ab\x00\N{LATIN SMALL LETTER E WITH ACUTE}\N{ROCKET}￮", max_size=3) | st.text(
    max_size=9
)
MAPS = st.dictionaries(KEYS, st.text(max_size=300), max_size=6)


def _with_maps_as_lists():
    """The contract again, with every map as the list of entries that it is on the wire."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(importlib.import_module("google.protobuf.timestamp_pb2").DESCRIPTOR.serialized_pb)
    for name in FILES:
        file = descriptor_pb2.FileDescriptorProto()
        importlib.import_module(f"meterline.v1.{name}_pb2").DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            for nested in message.nested_type:
                nested.options.ClearField("map_entry")
        pool.Add(file)
    return pool


AS_LISTS = _with_maps_as_lists()


def _entries(data, message):
    """What is on the wire, read without any notion of a map."""
    return message_factory.GetMessageClass(
        AS_LISTS.FindMessageTypeByName(message.DESCRIPTOR.full_name)
    ).FromString(data)


def _keys(entries):
    return [each.key for each in entries]


@settings(max_examples=300)
@given(st.lists(MAPS, max_size=4), st.integers(0, 2**63), st.text(max_size=200))
@example([{"model_version": "1", "model": "large", "": "x"}], 300, "acme")
def test_rows_have_their_dimensions_in_order(maps, count, customer_id):
    """Between fields of every kind, as long as they may be; nothing else changes."""
    message = QueryUsageResponse(
        rows=[
            UsageRow(customer_id=customer_id, dimensions=each, event_count=count, quantity="1")
            for each in maps
        ],
        catalog_revision=count,
        next_page_token=customer_id,
    )
    data = answer_bytes(message)
    assert QueryUsageResponse.FromString(data) == message
    for row, given_map in zip(_entries(data, message).rows, maps, strict=True):
        assert _keys(row.dimensions) == sorted(given_map, key=str.encode)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.none() | MAPS, st.none() | MAPS), max_size=4))
def test_events_deep_in_an_answer_have_their_properties_in_order(pairs):
    """In messages of messages, some of which are absent."""

    def version(properties):
        return None if properties is None else correction_pb2.EventVersion(properties=properties)

    message = GetCorrectionResponse(
        events=[
            correction_pb2.CorrectedEvent(event_id="e", before=version(before), after=version(after))
            for before, after in pairs
        ]
    )
    data = answer_bytes(message)
    assert GetCorrectionResponse.FromString(data) == message
    for event, given_maps in zip(_entries(data, message).events, pairs, strict=True):
        for field, given_map in zip(("before", "after"), given_maps, strict=True):
            assert event.HasField(field) == (given_map is not None)
            assert _keys(getattr(event, field).properties) == sorted(given_map or (), key=str.encode)


@given(MAPS)
def test_a_map_before_and_behind_which_there_is_much(dimensions):
    """A line item and a change of one: the map is somewhere in the middle."""
    for message in (
        LineItem(line_item_id="x" * 500, meter_version=300, dimensions=dimensions, amount="1" * 200),
        LineChange(customer_id="c", dimensions=dimensions, event_count_after=2**40),
    ):
        data = answer_bytes(message)
        assert type(message).FromString(data) == message
        assert _keys(_entries(data, message).dimensions) == sorted(dimensions, key=str.encode)


def test_a_message_without_maps_is_as_protobuf_has_it():
    """Its bytes are those of any client."""
    message = metering_pb2.UsageGrouping(customer=True, properties=["b", "a"])
    assert answer_bytes(message) == message.SerializeToString()


@pytest.mark.parametrize("name", FILES)
def test_the_keys_of_every_map_are_texts(name):
    """What the order of an answer's maps is said to be has a meaning for texts."""
    messages = importlib.import_module(f"meterline.v1.{name}_pb2").DESCRIPTOR.message_types_by_name
    for message in messages.values():
        for entry in message.nested_types:
            assert entry.GetOptions().map_entry
            assert entry.fields_by_name["key"].type == entry.fields_by_name["key"].TYPE_STRING
