"""`meterline reconcile-billing`: closed periods worked out a second time."""
