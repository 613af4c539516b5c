"""Exact numbers: columns of decimals, named rounding, currencies, and shares that add up."""
