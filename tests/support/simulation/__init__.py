"""The simulator: its world, its actors and its mutants."""
