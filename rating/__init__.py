"""Prices to amounts: pure, arrays in, arrays out."""
