"""Rates a single charge in tests, from plain text."""

from typing import Any

import numpy as np

from rating import Charges, DecimalColumn, Dimension, EventAmounts, Price, RatedLine, RatedLines, rate

Fields = dict[str, Any]


def rate_one(fields: Fields, quantity: str = "0", currency: str = "USD", **more: Any) -> RatedLine:
    """The line of one charge; `more` are further columns of the charge, as single values."""
    return rated(fields, quantity, currency, **more).line(0)


def rated(fields: Fields, quantity: str = "0", currency: str = "USD", **more: Any) -> RatedLines:
    """The lines of a single charge."""
    price = Price.read({"currency": currency, **fields})
    columns: Fields = {}
    for name in ("consumed_before", "carried", "booked"):
        if name in more:
            columns[name] = DecimalColumn.of([more.pop(name)])
    for name in ("final", "counter_started"):
        if name in more:
            columns[name] = np.array([more.pop(name)])
    if "events" in more:
        columns["events"] = EventAmounts.of([more.pop("events")])
    if "dimensions" in more:
        columns["dimensions"] = {
            name: Dimension.of([value]) for name, value in more.pop("dimensions").items()
        }
    if "quantities" in more:
        columns["quantities"] = {
            unit: DecimalColumn.of([value]) for unit, value in more.pop("quantities").items()
        }
    if more:
        raise TypeError(f"unknown columns: {', '.join(more)}")
    index = np.zeros(1, dtype=np.int64)
    return rate(Charges(prices=[price], price_index=index, quantity=DecimalColumn.of([quantity]), **columns))
