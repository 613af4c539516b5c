"""The family of commands about single customers."""
