"""Events in: acknowledged when they are durable, with a verdict for each.

intake         admits requests, and bounds what waits
committer      groups that are admitted while an insert runs share the next one
problem_log    why events were not stored, written down beside their way
recorder       the one way in for every call that brings events; what became of them is counted and logged
void_listener  what was decided on acknowledged events, brought to the hot window
worker         one thread that takes what waits, as much as there is
"""

__all__ = ["committer", "intake", "problem_log", "recorder", "void_listener", "worker"]
