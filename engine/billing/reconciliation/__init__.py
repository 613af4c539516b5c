"""Reconciliation: what closed periods come to, worked out a second time, by other code than what billed them.

price_arithmetic   one charge at a time, in fractions: what a price makes of a quantity. Pure
"""
