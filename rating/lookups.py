"""What must be looked up before tiers can count: the cell of a matrix, the tier that capacity units reach."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from rating.charges import Dimension, RatingError
from rating.decimals import DecimalColumn
from rating.price import Price
from rating.schema import Boundary

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
    names, cells = price.dimensions or (), price.cells or ()
    keys = [tuple(dict(cell.match)[name] for name in names) for cell in cells]
    place = np.zeros(len(rows), dtype=np.int64)
    known = np.ones(len(rows), dtype=np.bool_)
    shape = []
    axes = []
    for axis, name in enumerate(names):
        if name not in dimensions:
            raise RatingError(
                f"a matrix price needs the dimension {name}; charges have {', '.join(dimensions) or 'none'}"
            )
        values = {value: code for code, value in enumerate(dict.fromkeys(key[axis] for key in keys))}
        column = dimensions[name]
        translated = np.array([values.get(value, -1) for value in column.values] + [-1], dtype=np.int64)
        code = translated[column.codes[rows]]
        known &= code >= 0
        place = place * len(values) + np.maximum(code, 0)
        shape.append(len(values))
        axes.append(values)
    table = np.full(int(np.prod(shape)), -1, dtype=np.int64)
    for cell, key in enumerate(keys):
        table[np.ravel_multi_index([axes[axis][value] for axis, value in enumerate(key)], shape)] = cell
    found = np.where(known, table[place], -1)
    if price.default is not None:
        return np.where(found < 0, len(cells), found)
    if (found < 0).any():
        raise RatingError(_no_cell(names, int(rows[np.argmin(found)]), dimensions))
    return found


def _no_cell(names: Sequence[str], row: int, dimensions: Mapping[str, Dimension]) -> str:
    codes = [(name, int(dimensions[name].codes[row])) for name in names]
    shown = ", ".join(
        f"{name}={dimensions[name].values[code] if code >= 0 else 'none'}" for name, code in codes
    )
    return f"charge {row} has no cell in its matrix price, which has no default: {shown}"


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
