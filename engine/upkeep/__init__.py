"""What keeps stored usage in order, in the background or when an operator asks for it.

rollup_keeper        the rollups of all meters are kept up; rollup_check reads some answers in both ways
retention            what an operator may let expire, and in which order that is safe
expire               raw events before a month are deleted; rollup_verification compares first what stays
"""

__all__ = ["expire", "retention", "rollup_check", "rollup_keeper"]
