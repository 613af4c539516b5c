"""Tiers in the cells of a matrix: what they come to by hand, how they are shown, prorated and refused."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from fields import FieldsError
from rating import (
    CellTerms,
    Charges,
    DecimalColumn,
    Dimension,
    Part,
    PartColumns,
    Price,
    TierProration,
    prorated,
    rate,
    times,
)

CDN = {
    "currency": "USD",
    "model": "matrix",
    "dimensions": ["region"],
    "cells": [
        {"match": {"region": "ap"}, "unit_amount": "0.12"},
        {
            "match": {"region": "eu"},
            "model": "graduated",
            "tiers": [
                {"up_to": "100", "unit_amount": "0.04", "flat_amount": "3"},
                {"up_to": "500", "unit_amount": "0.03"},
                {"unit_amount": "0.02"},
            ],
        },
        {
            "match": {"region": "us"},
            "model": "volume",
            "tiers": [{"up_to": "100", "unit_amount": "0.05"}, {"unit_amount": "0.035", "flat_amount": "1"}],
        },
    ],
    "default": {"model": "graduated", "tiers": [{"up_to": "10", "unit_amount": "1"}, {"unit_amount": "0.5"}]},
}


def lines_of(price: dict, *charges: tuple[str, str], **columns):
    """One line for each (region, quantity)."""
    regions, quantities = zip(*charges, strict=True)
    return rate(
        Charges(
            prices=[Price.read(price)],
            price_index=np.zeros(len(charges), dtype=np.int64),
            quantity=DecimalColumn.of(quantities),
            dimensions={"region": Dimension.of(regions)},
            **columns,
        )
    )


@pytest.mark.parametrize(
    ("region", "quantity", "amount"),
    [
        ("ap", "600", "72.00"),  # 600 x 0.12
        ("eu", "0", "3.00"),  # the first tier is always entered
        ("eu", "600", "21.00"),  # 3 + 100 x 0.04 + 400 x 0.03 + 100 x 0.02
        ("eu", "100", "7.00"),  # a bound belongs to its tier
        ("us", "600", "22.00"),  # 600 x 0.035 + 1
        ("us", "100", "5.00"),  # 100 x 0.05
        ("mars", "600", "305.00"),  # 10 x 1 + 590 x 0.5
    ],
)
def test_each_cell_counts_by_its_own_tiers(region, quantity, amount):
    """Graduated, volume, an amount a unit and a default with tiers, side by side in one price."""
    assert str(lines_of(CDN, (region, quantity)).line(0).amount) == amount
    together = lines_of(CDN, ("us", "7"), (region, quantity), ("eu", "1"), ("moon", "2"), ("ap", "0"))
    assert str(together.line(1).amount) == amount


def test_groups_that_fall_in_one_cell_each_count_from_zero():
    """As groups of any price with tiers do: two of 10 cost 10.00 each, one of 20 would cost 15.00."""
    lines = lines_of(CDN, ("mars", "10"), ("moon", "10"), ("mars", "20"))
    assert [str(line.amount) for line in lines.in_full()] == ["10.00", "10.00", "15.00"]


def test_a_line_shows_the_tiers_of_its_cell():
    """Numbered through the cells: one of ap, three of eu, two of us, two of the default."""
    lines = lines_of(CDN, ("eu", "600"), ("us", "600"), ("mars", "11"), ("ap", "1"))
    shown = [
        [(tier.index, str(tier.from_quantity), tier.up_to and str(tier.up_to)) for tier in line.tiers]
        for line in lines.in_full()
    ]
    assert shown == [
        [(1, "0", "100"), (2, "100", "500"), (3, "500", None)],
        [(5, "100", None)],
        [(6, "0", "10"), (7, "10", None)],
        [(0, "0", None)],
    ]
    assert lines.line(0).formula == "100 × 0.04 + 3 + 400 × 0.03 + 100 × 0.02 = 21 → 21.00 USD"
    assert lines.breakdown().tier.tolist() == [1, 2, 3, 5, 6, 7, 0]


def test_a_matrix_of_more_tiers_than_16_bits_count_numbers_them_all():
    """300 cells of 128 tiers: the last of them is number 38,399, and has one unit at 128."""
    tiers = [{"up_to": str(step), "unit_amount": str(step)} for step in range(1, 128)] + [
        {"unit_amount": "128"}
    ]
    cells = [{"match": {"region": str(place)}, "model": "graduated", "tiers": tiers} for place in range(300)]
    line = lines_of({**CDN, "cells": cells, "default": None}, ("299", "128")).line(0)
    assert [tier.index for tier in line.tiers] == [*range(299 * 128, 300 * 128)]
    assert (line.tiers[-1].quantity, line.amount) == (1, 128 * 129 // 2)


def test_a_running_counter_goes_on_in_its_cell():
    """90 of eu before and 30 now: 10 x 0.04 + 20 x 0.03 is 1.00; its flat amount was due before."""
    lines = lines_of(CDN, ("eu", "30"), consumed_before=DecimalColumn.of(["90"]))
    assert str(lines.line(0).amount) == "1.00"


def test_stages_around_the_price_hold_for_every_cell():
    """20 free units and 10 % off: 600 of eu are 580: 3 + 4 + 12 + 80 x 0.02 is 20.60, less 2.06."""
    price = {**CDN, "free_units": "20", "percent_off": "10"}
    assert str(lines_of(price, ("eu", "600")).line(0).amount) == "18.54"


def test_a_part_of_the_period_has_a_part_of_the_bounds_and_flat_amounts_of_each_cell():
    """A quarter of usage that sums up: bounds 25 and 125, flat amount 0.75; amounts a unit stay."""
    price = prorated(Price.read(CDN), Part(0, 1, 4), TierProration.PRORATE)
    ap, eu, us = price.cells
    assert ap.unit_amount == Decimal("0.12")
    assert [(tier.up_to, tier.unit_amount, tier.flat_amount) for tier in eu.tiers] == [
        (25, Decimal("0.04"), Decimal("0.75")),
        (125, Decimal("0.03"), None),
        (None, Decimal("0.02"), None),
    ]
    assert [tier.up_to for tier in us.tiers] == [25, None]
    assert [tier.up_to for tier in price.default.tiers] == [Decimal("2.5"), None]


def test_tiers_that_restart_keep_their_bounds_and_flat_amounts_are_a_part():
    """Each part has the bounds in full."""
    price = prorated(Price.read(CDN), Part(0, 1, 4), TierProration.RESTART)
    assert [(tier.up_to, tier.flat_amount) for tier in price.cells[1].tiers] == [
        (100, Decimal("0.75")),
        (500, None),
        (None, None),
    ]


def test_tiers_that_carry_over_owe_later_flat_amounts_once_in_full():
    """Of graduated cells; the first tier's, and those of volume cells, are a part. Bounds stand in full."""
    first, second, last = CDN["cells"][1]["tiers"]
    eu = {**CDN["cells"][1], "tiers": [first, {**second, "flat_amount": "2"}, last]}
    price = Price.read({**CDN, "cells": [CDN["cells"][0], eu, CDN["cells"][2]]})
    _, graduated, volume = prorated(price, Part(0, 1, 4), TierProration.CARRY_OVER).cells
    assert [(tier.up_to, tier.flat_amount) for tier in graduated.tiers] == [
        (100, Decimal("0.75")),
        (500, Decimal(2)),
        (None, None),
    ]
    assert [(tier.up_to, tier.flat_amount) for tier in volume.tiers] == [(100, None), (None, Decimal("0.25"))]


def test_of_a_level_every_amount_is_a_part_and_no_bound_is():
    """What is measured anew in each part is billed for it: a quarter of 72.00, 21.00, 22.00 and 305.00."""
    regions = [("ap", "600"), ("eu", "600"), ("us", "600"), ("mars", "600")]
    lines = lines_of(CDN, *regions, proration=PartColumns.of([Part(1, 2, 4)] * 4))
    assert [str(line.amount) for line in lines.in_full()] == ["18.00", "5.25", "5.50", "76.25"]


def test_parts_of_a_price_with_cells_add_up_to_the_whole():
    """Bounds and amounts of three parts of a third, each rounded to 12 digits."""
    parts = [prorated(Price.read(CDN), Part(at, at + 1, 3), TierProration.PRORATE) for at in range(3)]
    for cell, whole in ((1, Fraction(100)), (2, Fraction(100))):
        assert sum(Fraction(part.cells[cell].tiers[0].up_to) for part in parts) == whole
    assert sum(Fraction(part.cells[1].tiers[0].flat_amount) for part in parts) == 3


def test_bounds_too_small_to_divide_stay_whole_in_their_cell_only():
    """A billionth of 1e-4 is no bound of 12 digits; the other cells' bounds are cut."""
    fine = {
        "match": {"region": "us"},
        "model": "volume",
        "tiers": [{"up_to": "0.0001", "unit_amount": "1"}, {"unit_amount": "2"}],
    }
    price = Price.read({**CDN, "cells": [*CDN["cells"][:2], fine]})
    eu, us = prorated(price, Part(0, 1, 10**9), TierProration.PRORATE).cells[1:]
    assert us.tiers[0].up_to == Decimal("0.0001")
    assert eu.tiers[0].up_to == Decimal("1E-7")


def test_a_price_taken_several_times_costs_several_times_as_much_in_each_cell():
    """Twice: amounts double, bounds stay."""
    twice = times(Price.read(CDN), 2)
    assert twice.cells[0].unit_amount == Decimal("0.24")
    assert [(tier.up_to, tier.unit_amount) for tier in twice.cells[2].tiers] == [
        (100, Decimal("0.10")),
        (None, Decimal("0.070")),
    ]
    assert twice.default.tiers[0].unit_amount == 2


@pytest.mark.parametrize(
    ("cell", "place", "message"),
    [
        (
            {"model": "graduated", "tiers": [{"up_to": "9", "unit_amount": "1"}, {"up_to": "5", "unit_amount": "1"}, {"unit_amount": "1"}]},
            "cells[0].tiers[1].up_to",
            "must be greater than the tier before (9), is 5",
        ),
        (
            {"model": "volume", "tiers": [{"up_to": "9", "unit_amount": "1"}]},
            "cells[0].tiers[0].up_to",
            "must be null: the last tier has no end, is 9",
        ),
        (
            {"model": "volume", "tiers": [{"unit_amount": "1", "percent": "2"}]},
            "cells[0].tiers[0].percent",
            "is not taken by a tier of a volume price",
        ),
        ({"tiers": [{"unit_amount": "1"}]}, "cells[0].model", "is missing: the tiers are graduated or volume"),
        ({"model": "graduated", "unit_amount": "1"}, "cells[0].model", "belongs to tiers only: remove it, or give tiers"),
        (
            {"model": "graduated", "unit_amount": "1", "tiers": [{"unit_amount": "1"}]},
            "cells[0].unit_amount",
            "can't stand beside tiers: remove one of them",
        ),
        ({"model": "package", "unit_amount": "1"}, "cells[0].model", "must be one of graduated, volume, is 'package'"),
        ({}, "cells[0].unit_amount", "is missing: give it, or tiers with their model"),
    ],
)  # fmt: skip
def test_a_schedule_that_is_none_is_refused_with_its_place(cell, place, message):
    """In a cell, and in the default."""
    price = {**CDN, "cells": [{"match": {"region": "eu"}, **cell}], "default": "1"}
    with pytest.raises(FieldsError) as refused:
        Price.read(price)
    assert f"{place}: {message}" in map(str, refused.value.problems)
    with pytest.raises(FieldsError) as refused:
        Price.read({**CDN, "default": cell})
    assert f"{place.replace('cells[0]', 'default')}: {message}" in map(str, refused.value.problems)


def test_an_amount_is_the_same_default_however_it_is_written():
    """A mapping with an amount alone is that amount."""
    price = Price.read({**CDN, "default": {"unit_amount": "0.5"}})
    assert price == Price.read({**CDN, "default": "0.5"})
    assert price.to_fields()["default"] == "0.5"


def test_a_price_with_cells_reads_back_from_its_fields():
    """Also its default."""
    price = Price.read(CDN)
    assert Price.read(price.to_fields()) == price
    assert isinstance(price.default, CellTerms)
