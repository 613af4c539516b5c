"""Billing periods that people hold back.

held_periods     which, and why, in the catalog store; every run that bills looks there
"""
