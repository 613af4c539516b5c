"""What keeps stored usage in order: raw events expire when their periods are closed.

retention   what an operator may let expire, and in which order that is safe
"""

__all__ = ["retention"]
