"""Catalogs with mistakes."""
