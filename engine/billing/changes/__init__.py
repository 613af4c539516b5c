"""Running subscriptions changed: one at an instant (single_change.py), or all of a plan to another (migrations.py). Pure."""
