"""The oracles of the rating core."""
