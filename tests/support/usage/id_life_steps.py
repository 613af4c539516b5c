"""What can happen to ids, as values: a script of steps can be played again, and with some of its ids only."""

from dataclasses import dataclass, replace

from engine.usage.corrections.correction import (
    Amendment,
    EventRef,
    EventRefs,
    PropertyFilter,
    Selection,
    Undone,
)
from tests.support.usage.id_life_engine import BOUNDS_US


@dataclass(frozen=True)
class Meant:
    """An event by its id, and by these fields (of engine.usage.corrections.correction.EventRef) of one of its versions."""

    event_id: str
    named: tuple = ()
    version: tuple | None = None

    def field(self, model, name, version):
        if name == "ingested_at_us":
            return {each: at for at, each in model.arrivals[self.event_id]}[version]
        return version[("customer_id", "event_type", "event_time_us").index(name)]

    def fits(self, model):
        return lambda version: all(
            self.field(model, name, version) == self.field(model, name, self.version) for name in self.named
        )

    def ref(self, model):
        return EventRef(self.event_id, **{name: self.field(model, name, self.version) for name in self.named})


@dataclass(frozen=True)
class Change:
    """What an amendment sets; None leaves it."""

    value: str | None = None
    customer_id: str | None = None
    time_us: int | None = None

    def __call__(self, version):
        customer_id, event_type, time_us, properties = version
        return (
            self.customer_id or customer_id,
            event_type,
            self.time_us or time_us,
            tuple(sorted((dict(properties) | ({"value": self.value} if self.value else {})).items())),
        )

    def amendment(self):
        properties = (("value", self.value),) if self.value else ()
        return Amendment(properties, (), self.customer_id, self.time_us)


@dataclass(frozen=True)
class Deliver:
    """(event_id, version) each, through a gateway, or (None) as one would store them that remembers nothing."""

    gateway: int | None
    events: tuple

    def ids(self):
        return [event_id for event_id, _ in self.events]

    def only(self, ids):
        events = tuple(each for each in self.events if each[0] in ids)
        return replace(self, events=events) if events else None


@dataclass(frozen=True)
class Correct:
    """A void, an amendment or a restoring of events that are named."""

    gateway: int
    name: str
    kind: str
    meant: tuple
    change: Change | None = None

    def ids(self):
        return [each.event_id for each in self.meant]

    def only(self, ids):
        meant = tuple(each for each in self.meant if each.event_id in ids)
        return replace(self, meant=meant) if meant else None

    def chosen(self, model):
        return EventRefs(tuple(each.ref(model) for each in self.meant))

    def in_model(self, model, stamp_us):
        _correct(model, stamp_us, self, [(each.event_id, each.fits(model)) for each in self.meant])


@dataclass(frozen=True)
class CorrectSelected:
    """A void or an amendment of all that count of a customer and type, in a stretch of time, with a value, of some ids."""

    gateway: int
    name: str
    kind: str
    events: tuple
    customer_id: str | None
    windows: tuple
    value: str | None
    change: Change | None = None

    def ids(self):
        return list(self.events)

    def only(self, ids):
        events = tuple(each for each in self.events if each in ids)
        return replace(self, events=events) if events else None

    def chosen(self, _model):
        values = (PropertyFilter("value", (self.value,)),) if self.value else ()
        return Selection(
            BOUNDS_US[self.windows[0]],
            BOUNDS_US[self.windows[1]],
            (self.customer_id,) if self.customer_id else (),
            "call",
            (PropertyFilter("id", self.events), *values),
        )

    def in_model(self, model, stamp_us):
        _correct(model, stamp_us, self, [(each, self._fits) for each in self.events if model.arrivals[each]])

    def _fits(self, version):
        customer_id, event_type, time_us, properties = version
        return (
            self.customer_id in (None, customer_id)
            and event_type == "call"
            and BOUNDS_US[self.windows[0]] <= time_us < BOUNDS_US[self.windows[1]]
            and self.value in (None, dict(properties)["value"])
        )


@dataclass(frozen=True)
class Undo:
    """`about`: the ids of what is undone."""

    gateway: int
    name: str
    undone: str
    about: tuple
    kind: str = "undo"
    change: None = None

    def chosen(self, _model):
        return Undone(self.undone)

    def in_model(self, model, stamp_us):
        model.undo(stamp_us, self.name, self.undone)

    def ids(self):
        return list(self.about)

    def only(self, ids):
        about = tuple(each for each in self.about if each in ids)
        return replace(self, about=about) if about else None


@dataclass(frozen=True)
class Again:
    """A correction is sent again."""

    gateway: int
    name: str
    about: tuple

    def ids(self):
        return list(self.about)

    only = Undo.only


@dataclass(frozen=True)
class Upkeep:
    """Nothing that anybody asked for. `what`: "all", "some" or "exactly" of the reconciler, "hear", "restart", "roll up"."""

    what: str
    gateway: int = 0
    events_at_once: int = 0

    def ids(self):
        return []

    def only(self, _ids):
        return self


def _correct(model, stamp_us, step, wanted):
    match step.kind:
        case "void":
            model.void(stamp_us, step.name, wanted)
        case "amend":
            model.amend(stamp_us, step.name, wanted, step.change)
        case "restore":
            model.restore(stamp_us, step.name, wanted)
