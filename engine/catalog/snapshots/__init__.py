"""A catalog as it was at a revision, in memory: versions folded into columns and objects that snapshots share. Pure."""
