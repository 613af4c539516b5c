"""ReconciliationService: closed periods worked out a second time."""
