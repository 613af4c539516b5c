"""Admission of events: pure, no I/O. Bytes and columns in, verdicts and columns out."""
