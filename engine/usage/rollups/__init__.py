"""Rollups: what events came to, by hour and by day, computed again whenever anything happened to a slice.

rollups    keeps the rollups of a meter up
write      the SQL that computes slices, and which customers are worth it
changes    when a slice has changed
coverage   which customers have rollups, and up to where
plan       what rollups can do for a request; read is the statement that does it
"""

__all__ = ["changes", "coverage", "plan", "read", "rollups"]
