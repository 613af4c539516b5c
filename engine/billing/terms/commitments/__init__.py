"""Commitments: of single billing periods, and over terms of several. Entered by committed.py."""
