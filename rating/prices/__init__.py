"""What a price is: its models, tiers, cells and conversion. A price that breaks a rule can't be constructed."""
