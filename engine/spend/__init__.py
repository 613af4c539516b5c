"""Spend: what the line items sum up to."""
