"""Billing: which charges a catalog makes, and their line items."""
