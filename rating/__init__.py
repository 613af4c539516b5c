"""Prices to amounts: pure, arrays in, arrays out.

Construct a price from untrusted fields with `read_price`; `rate(charges)` turns quantities into rated lines.
"""

from rating.decimals import DecimalColumn
from rating.price import Cell, Conversion, Price, Rounding, Tier
from rating.problems import PriceError, Problem
from rating.read import read_price
from rating.rounding import RoundingMode
from rating.schema import BlockScope, Boundary, Model, Scope, Timing, Whole

__all__ = [
    "BlockScope",
    "Boundary",
    "Cell",
    "Conversion",
    "DecimalColumn",
    "Model",
    "Price",
    "PriceError",
    "Problem",
    "Rounding",
    "RoundingMode",
    "Scope",
    "Tier",
    "Timing",
    "Whole",
    "read_price",
]
