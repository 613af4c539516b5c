"""What several tests share: oracles, doubles and readers of the sources. No test imports another test."""
