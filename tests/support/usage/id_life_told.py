"""Versions and steps in words, for a failure."""

from tests.support.usage.id_life_engine import BOUNDS_US
from tests.support.usage.id_life_steps import Again, Correct, CorrectSelected, Deliver, Undo


def shown(version):
    """A version of an id that is known."""
    customer_id, event_type, time_us, properties = version
    return f"{customer_id} {event_type} T{BOUNDS_US.index(time_us)} value {dict(properties)['value']}"


def told(step):
    """A step on a line."""
    match step:
        case Deliver(gateway, events):
            way = "the store" if gateway is None else f"gateway {gateway}"
            return f"{way} gets {', '.join(f'{event_id} {shown(version)}' for event_id, version in events)}"
        case Correct():
            return f"{step.name}: {step.kind} {', '.join(map(_meant, step.meant))}{_change(step.change)}"
        case CorrectSelected():
            windows = f"T{step.windows[0]} to T{step.windows[1]}"
            return (
                f"{step.name}: {step.kind} of {' '.join(step.events)} what is in {windows}, customer "
                f"{step.customer_id or 'any'}, value {step.value or 'any'}{_change(step.change)}"
            )
        case Undo():
            return f"{step.name}: undo {step.undone} (about {' '.join(step.about)})"
        case Again():
            return f"{step.name} is sent again"
        case _:
            return step.what + (f" ({step.events_at_once} events at once)" if step.what == "some" else "")


def _meant(meant):
    if not meant.named:
        return meant.event_id
    return f"{meant.event_id} ({' and '.join(meant.named)} of {shown(meant.version)})"


def _change(change):
    if change is None:
        return ""
    time = None if change.time_us is None else f"T{BOUNDS_US.index(change.time_us)}"
    parts = (("value", change.value), ("customer", change.customer_id), ("time", time))
    return " to " + ", ".join(f"{name} {what}" for name, what in parts if what is not None)
