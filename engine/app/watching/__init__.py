"""Builds what watches spend and credit in the background."""
