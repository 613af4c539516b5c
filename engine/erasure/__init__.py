"""What is held about one customer: exported, and erased so that every amount stays what it was.

erasures      erases, step by step, and goes on where it broke off
held_records  all that is held about a customer, in pages
usage_erasure what one does in the usage store
jobs          which erasures there were, and which are under way
extent        what an erasure finds
naming        which texts name a customer, and which ids are pseudonyms
"""

__all__ = ["erasures", "extent", "held_records", "jobs", "naming", "usage_erasure"]
