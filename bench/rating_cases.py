"""One price of each model and a million seeded charges for it: what `bench_rating` measures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rating import Charges, DecimalColumn, Dimension, EventAmounts, Price

Fields = dict[str, Any]

FIVE_TIERS = [
    {"up_to": "1000", "unit_amount": "0.01", "flat_amount": "1"},
    {"up_to": "10000", "unit_amount": "0.008"},
    {"up_to": "50000", "unit_amount": "0.006"},
    {"up_to": "200000", "unit_amount": "0.005"},
    {"up_to": None, "unit_amount": "0.004", "flat_amount": "5"},
]
EVERY_STAGE = {
    "conversion": {"factor": "0.125", "rounding": {"mode": "up", "digits": 0}},
    "free_units": "100",
    "percent_off": "10",
    "amount_off": "1",
    "maximum_amount": "900",
    "minimum_amount": "2",
}
REGIONS = ("eu", "us", "ap", "sa")
SIZES = ("small", "medium", "large")

MODELS: Mapping[str, Fields] = {
    "flat": {"model": "flat", "flat_amount": "49"},
    "per_unit": {"model": "per_unit", "unit_amount": "0.001234"},
    "overage": {"model": "overage", "unit_amount": "0.02", "included_units": "100000"},
    "package": {"model": "package", "package_size": "1000", "package_amount": "0.75"},
    "graduated": {"model": "graduated", "tiers": FIVE_TIERS},
    "graduated, every stage": {"model": "graduated", "tiers": FIVE_TIERS, **EVERY_STAGE},
    "graduated, rounded by tier": {"model": "graduated", "tiers": FIVE_TIERS, "rounding": {"scope": "tier"}},
    "volume": {"model": "volume", "tiers": FIVE_TIERS},
    "stairstep": {
        "model": "stairstep",
        "tiers": [
            {"up_to": tier["up_to"], "flat_amount": str(10 * step)} for step, tier in enumerate(FIVE_TIERS)
        ],
    },
    "graduated_percentage": {
        "model": "graduated_percentage",
        "tiers": [
            {"up_to": "10000", "percent": "2.9"},
            {"up_to": None, "percent": "1.9", "flat_amount": "10"},
        ],
    },
    "dynamic": {"model": "dynamic", "multiplier": "1.0375"},
    "percentage": {"model": "percentage", "percent": "1.3", "free_amount": "250"},
    "percentage by event": {
        "model": "percentage",
        "percent": "2.9",
        "fixed_amount_per_event": "0.30",
        "minimum_per_event": "0.50",
        "maximum_per_event": "12",
        "free_events": "2",
    },
    "matrix": {
        "model": "matrix",
        "dimensions": ["region", "size"],
        "cells": [
            {"match": {"region": region, "size": size}, "unit_amount": f"0.0{place + 1}{step + 1}"}
            for place, region in enumerate(REGIONS)
            for step, size in enumerate(SIZES)
        ],
    },
    "matrix, tiers in cells": {
        "model": "matrix",
        "dimensions": ["region", "size"],
        "cells": [
            {"match": {"region": region, "size": size}} | terms
            for region in REGIONS
            for size, terms in zip(
                SIZES,
                (
                    {"model": "graduated", "tiers": FIVE_TIERS},
                    {"model": "volume", "tiers": FIVE_TIERS[-3:]},
                    {"unit_amount": "0.031"},
                ),
                strict=True,
            )
        ],
    },
    "capacity": {
        "model": "capacity",
        "tiers": [
            {"up_to": {"seats": "10", "storage": "1000"}, "flat_amount": "20"},
            {"up_to": {"seats": "100", "storage": "5000"}, "flat_amount": "150"},
            {"up_to": None, "flat_amount": "900"},
        ],
    },
}
EVENTS_A_CHARGE_MAX = 6
MIXED = "1,000 prices, mixed"
"""Prices of four models at random: what a bill run over a catalog of contracts looks like."""


def _mixed_fields() -> list[Fields]:
    """A thousand prices, no two alike."""
    fields = []
    for place in range(250):
        tiers = [{**tier, "flat_amount": str(place)} for tier in FIVE_TIERS]
        fields += [
            {"model": "graduated", "tiers": tiers},
            {"model": "volume", "tiers": tiers, "percent_off": "10"},
            {"model": "per_unit", "unit_amount": f"0.00{place:03}", "minimum_amount": "5"},
            {"model": "package", "package_size": str(100 + place), "package_amount": "0.75"},
        ]
    return fields


@dataclass(frozen=True, eq=False)
class Case:
    """Prices and charges; `columns` are the same numbers as plain int64 columns, for the SQL side."""

    name: str
    fields: Sequence[Fields]
    charges: Charges
    columns: Mapping[str, Any]


def case_of(name: str, charges: int, seed: int) -> Case:
    """A case of a number of charges: whole quantities up to 300,000, events up to 500, uniformly."""
    rng = np.random.default_rng(seed)
    fields = [{"currency": "USD", **own} for own in (_mixed_fields() if name == MIXED else [MODELS[name]])]
    quantity = rng.integers(0, 300_001, charges)
    columns: dict[str, Any] = {"quantity": quantity}
    extra: dict[str, Any] = {}
    if name.startswith("matrix"):
        for dimension, values in (("region", REGIONS), ("size", SIZES)):
            codes = rng.integers(0, len(values), charges)
            columns[dimension] = codes
            extra.setdefault("dimensions", {})[dimension] = Dimension(codes, values)
    if name == "capacity":
        for unit, most in (("seats", 120), ("storage", 6000)):
            columns[unit] = rng.integers(0, most + 1, charges)
            extra.setdefault("quantities", {})[unit] = DecimalColumn(columns[unit], 0)
    if name == "percentage by event":
        offsets = np.concatenate([[0], np.cumsum(rng.integers(0, EVENTS_A_CHARGE_MAX + 1, charges))])
        columns["offsets"], columns["events"] = offsets, rng.integers(0, 501, offsets[-1])
        extra["events"] = EventAmounts(offsets, DecimalColumn(columns["events"], 0))
    prices = [Price.read(own) for own in fields]
    index = rng.integers(0, len(prices), charges)
    made = Charges(prices=prices, price_index=index, quantity=DecimalColumn(quantity, 0), **extra)
    return Case(name, fields, made, columns)
