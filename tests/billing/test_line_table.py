"""Lines as an Arrow table say what the messages of the same lines say."""

import random
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from engine.api.messages import line_item_message
from engine.billing.charges import charges_at
from engine.billing.line_table import LINE_SCHEMA, line_table
from engine.billing.rate_charges import rate_charges
from engine.times import datetime_us, to_timestamp
from meterline.v1.billing_pb2 import LineItem
from tests.support.billing_cases import CATALOG, catalog_of, plan, random_case, rated, subscriptions

NESTED = {"event_fees", "proration", "rounding", "tiers", "stages", "conversion"}
# What only the messages have: the working.
WORKING = {"formula", "allowance", "free_amount", "package_size", "block_size"}

INSTANTS = ("period_start", "period_end", "service_start", "service_end")


def _value(message, name):
    """A field of a message as the column has it."""
    value = getattr(message, name)
    if name == "dimensions":
        return sorted(value.items())
    if name in INSTANTS:
        return value
    is_absent = value in ("", 0) and name in (
        *(
            "meter_id",
            "meter_version",
            "exact_amount",
            "amount",
            "unrateable_reason",
            "billable_quantity",
            "product",
        ),
    )
    return None if is_absent else value


def _rows(batch):
    found = batch.to_pydict()
    for name in INSTANTS:
        found[name] = [to_timestamp(each) for each in batch[name].cast(pa.int64()).to_pylist()]
    return [dict(zip(found, values, strict=True)) for values in zip(*found.values(), strict=True)]


def test_the_columns_are_the_fields_of_a_line():
    """Every field is a column, or part of the working, in the order of neither."""
    fields = {field.name for field in LineItem.DESCRIPTOR.fields}
    assert {*LINE_SCHEMA.names} == fields - NESTED - WORKING


def test_a_table_says_what_messages_say(seed):
    """Random plans, currencies, anchors and usage; all lines, and some of them; rated and not."""
    dice = random.Random(seed)
    for _ in range(40):
        catalog, usage = random_case(dice)
        found = rated(catalog, usage)
        for lines in (
            np.arange(len(found)),
            np.flatnonzero([dice.random() < 0.3 for _ in range(len(found))]),
        ):
            messages = [line_item_message(item) for item in found.line_items(lines)]
            expected = [{name: _value(each, name) for name in LINE_SCHEMA.names} for each in messages]
            table = line_table(found, lines)
            assert table.schema == LINE_SCHEMA
            assert _rows(table) == expected


def test_a_line_carries_the_product_of_its_price():
    """In its message and in its column; nothing where the price has none."""
    text = CATALOG + plan("labelled", "USD", ["fee", "calls"])
    catalog = catalog_of(text + subscriptions({"customer": "c", "plan": "labelled", "start": "2026-03-01"}))
    at_us = datetime_us(datetime(2026, 3, 9, tzinfo=UTC))
    found = rate_charges(charges_at(catalog, np.arange(1), at_us), {})
    table = line_table(found, np.arange(len(found)))
    assert table["price_id"].to_pylist() == ["fee", "calls"]
    assert table["product"].to_pylist() == ["base", None]
    messages = [line_item_message(item) for item in found.line_items(np.arange(len(found)))]
    assert [(each.product, each.HasField("product")) for each in messages] == [("base", True), ("", False)]
