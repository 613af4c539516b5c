"""What keeps stored usage in order, in the background or when an operator asks for it.

rollup_keeper  the rollups of all meters are kept up
rollup_check   answers read in both ways: some all the time, and all that are to stand alone before events expire
retention      what an operator may let expire, and in which order that is safe
expire         raw events before a month are deleted
"""

__all__ = ["expire", "retention", "rollup_check", "rollup_keeper"]
