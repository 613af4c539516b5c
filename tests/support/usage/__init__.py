"""The oracles of usage, its stores and its worlds."""
