"""What must be looked up before tiers can count: the cell of a matrix, the tier that capacity units reach."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from rating.kernels.charges import Dimension, RatingError
from rating.numbers.decimals import DecimalColumn
from rating.prices.models import Boundary
from rating.prices.price import Price

Rows = npt.NDArray[np.int64]


def matrix_cells(price: Price, rows: Rows, dimensions: Mapping[str, Dimension]) -> Rows:
    """The cell of each charge: int64[m], where the default comes after the last cell.

    Args:
        price: a matrix price.
        rows: int64[m], the charges' places in the dimensions' columns.
        dimensions: the columns.

    Raises:
        RatingError: no column for one of the price's dimensions, or a charge without a cell under a price
            without default; the message names the dimensions' values.
    """
    found = _cells_or_none(price, rows, dimensions)
    if len(found) and found.min() < 0:
        row = int(rows[np.argmin(found)])
        raise RatingError(f"charge {row} {no_cell(price, row, dimensions)}")
    return found


def rows_without_cell(price: Price, rows: Rows, dimensions: Mapping[str, Dimension]) -> Rows:
    """Those of a matrix price's charges for which it has no cell, as `matrix_cells` takes them."""
    return rows[_cells_or_none(price, rows, dimensions) < 0]


def no_cell(price: Price, row: int, dimensions: Mapping[str, Dimension]) -> str:
    """Why a matrix price can't rate a charge, to stand behind the charge's name."""
    shown = ", ".join(f"{name}={dimensions[name].value(row) or 'none'}" for name in price.dimensions or ())
    return f"has no cell in its matrix price, which has no default: {shown}"


def _cells_or_none(price: Price, rows: Rows, dimensions: Mapping[str, Dimension]) -> Rows:
    """The cell of each charge; -1 for none."""
    axes, table = _cell_table(price)
    place = np.zeros(len(rows), dtype=np.int64)
    for name, values in zip(price.dimensions or (), axes, strict=True):
        if name not in dimensions:
            raise RatingError(
                f"a matrix price needs the dimension {name}; charges have {', '.join(dimensions) or 'none'}"
            )
        column = dimensions[name]
        positions = [values.get(value, len(values)) for value in column.values]
        place *= len(values) + 1
        place += np.array([*positions, len(values)], dtype=np.int64).take(column.codes[rows])  # -1: no value
    found: Rows = table.take(place)
    return found if price.default is None else np.where(found < 0, len(price.cells or ()), found)


@lru_cache(maxsize=1024)
def _cell_table(price: Price) -> tuple[list[dict[str, int]], Rows]:
    """(place of each value on its axis, the raveled table of cells); the last place of an axis is any other value."""
    names, cells = price.dimensions or (), price.cells or ()
    keys = [tuple(dict(cell.match)[name] for name in names) for cell in cells]
    distinct = [dict.fromkeys(key[axis] for key in keys) for axis in range(len(names))]
    axes = [{value: place for place, value in enumerate(values)} for values in distinct]
    table = np.full([len(values) + 1 for values in axes], -1, dtype=np.int64)
    for cell, key in enumerate(keys):
        table[tuple(values[value] for values, value in zip(axes, key, strict=True))] = cell
    return axes, table.ravel()


def capacity_tiers(
    prices: Sequence[Price], price_index: Rows, rows: Rows, quantities: Mapping[str, DecimalColumn]
) -> DecimalColumn:
    """The index of the highest tier that any unit reaches, for capacity prices of equally many tiers.

    Args:
        prices: the distinct prices.
        price_index: int64[m], the price of each charge.
        rows: int64[m], the charges' places in the quantities' columns.
        quantities: a column for each unit.

    Raises:
        RatingError: a unit of a price has no column.
    """
    highest = np.zeros(len(rows), dtype=np.int64)
    bounds = [
        [dict(tier.up_to) if isinstance(tier.up_to, tuple) else {} for tier in one.tiers or ()]
        for one in prices
    ]
    inclusive = np.array([one.boundary is Boundary.LOWER_INCLUSIVE for one in prices])[price_index]
    for unit in dict.fromkeys(name for one in bounds for tier in one for name in tier):
        if unit not in quantities:
            raise RatingError(
                f"a capacity price needs the quantity of {unit}; charges have {', '.join(quantities) or 'none'}"
            )
        quantity = quantities[unit].take(rows)
        reached = np.zeros(len(rows), dtype=np.int64)
        for tier in range(len(bounds[0]) - 1):
            named = [one[tier].get(unit) for one in bounds]
            bound = DecimalColumn.of(value or Decimal(0) for value in named).take(price_index)
            counts = np.array([value is not None for value in named])[price_index]
            side = quantity.compare(bound)
            reached += counts & ((side > 0) | (inclusive & (side == 0)))
        highest = np.maximum(highest, reached)
    return DecimalColumn(highest, 0)
