"""What a rated charge says: its amount, its tiers and stages, its formula, and the share of its charge."""
