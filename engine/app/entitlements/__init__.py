"""Builds what says what customers may use."""
