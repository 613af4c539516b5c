"""Events in: acknowledged when they are durable, with a verdict for each.

intake         admits requests, and bounds what waits
committer      groups that are admitted while an insert runs share the next one
void_listener  what was decided on acknowledged events, brought to the hot window
worker         one thread that takes what waits, as much as there is
"""

__all__ = ["committer", "intake", "void_listener", "worker"]
