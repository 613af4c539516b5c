"""Gateways that share one database and one usage store, whose calls are interleaved by a seed: the real reservations, a played store.

One thread runs at a time. Each stops wherever it asks the world for something, and the seed says who goes on, or is killed
there for good. Clocks of gateways differ by some seconds.
"""

import base64
import threading
from datetime import UTC, datetime
from decimal import Decimal

from engine.billing.rater import Snapshot
from engine.catalog.documents.document import read_document
from engine.catalog.snapshots.snapshot import Catalog
from engine.entitlements.reservation import ReservationState
from engine.entitlements.reservation_store import ReservationStore
from engine.entitlements.reservations import Reservations, SentEvent, StoredEvent
from engine.errors import MeterlineError
from engine.times import datetime_us
from tests.support.catalogs import catalog_of

S = 1_000_000
DAY_US = 86_400 * S
BOUND = 100
CATALOG = """
meters: [{id: tokens, event_type: call, aggregation: sum, value: tokens}]
plans:
  - {id: p, name: P, currency: USD, billing_period: day, prices: [], limits: [{id: tokens, meter: tokens, quantity: 100}]}
customers: [{id: acme, name: Acme}]
subscriptions: [{customer: acme, plan: p, start: 2026-01-01}]
"""
NOON_US = datetime_us(datetime(2026, 3, 1, 12, tzinfo=UTC))


class _KilledError(BaseException):
    """The gateway of a call died."""


class Call:
    """One call of a gateway, in a thread that runs when it is told to."""

    def __init__(self, work):
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._killed, self.ended, self.failed = False, False, None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work):
        self._go.acquire()
        try:
            if not self._killed:
                work(self)
        except (_KilledError, MeterlineError):
            pass
        except BaseException as error:  # noqa: BLE001 - told by who steps
            self.failed = error
        self.ended = True
        self._stopped.release()

    def pause(self):
        """Called by the thread: lets others go on."""
        self._stopped.release()
        self._go.acquire()
        if self._killed:
            raise _KilledError

    def step(self, *, kill=False):
        """Called by the scheduler: goes on to the next pause, or dies."""
        self._killed |= kill
        self._go.release()
        self._stopped.acquire()
        if self.failed is not None:
            raise self.failed


class ReservationWorld:
    """`stored`: event id -> (stamp, amount, event time), the first of each; the played usage store."""

    def __init__(self, database, dice):
        self.dice = dice
        self.now_us = NOON_US
        self.stored = {}
        document = read_document(CATALOG, "c.yaml")
        before = datetime(2026, 1, 1, tzinfo=UTC)
        self.catalog = catalog_of(document.resources(Catalog.empty("t"), before))
        self.store = ReservationStore(database)
        self.skews_us = [0, 3 * S, -2 * S]
        self.calls = []
        self._numbers = iter(range(1_000_000))
        self.ids = []

    def watermark_us(self):
        """Rises at every question, as the order of ingestion hands it out."""
        self.now_us += 1
        return self.now_us

    def used(self, start_us, end_us, as_of_us):
        return sum(
            (
                amount
                for stamp, amount, at_us in self.stored.values()
                if stamp <= as_of_us and start_us <= at_us < end_us
            ),
            Decimal(0),
        )

    # --- calls ----------------------------------------------------------------------------------------------

    def begin_one(self):
        """A call of some gateway, about something that others may be about, too."""
        gateway = self.dice.randrange(len(self.skews_us))
        kind = self.dice.choice(["reserve"] * 4 + ["commit"] * 4 + ["release", "upkeep", "access"])
        known = self.dice.choice(self.ids[-6:]) if self.ids else None
        if kind == "reserve":
            # Sometimes again.
            if known is None or self.dice.random() < 0.9:
                quantity = Decimal(self.dice.randrange(1, 60))
                known = (f"r{next(self._numbers)}", quantity, self.dice.choice([5, 60, 600]))
                self.ids.append(known)
            self._begin(gateway, lambda own: own.reserve("t", known[0], "acme", "tokens", known[1], known[2]))
        elif kind == "access":
            self._begin(gateway, lambda own: own.access("t", "acme", []))
        elif kind == "upkeep":
            self._begin(gateway, lambda own: own.next_pass())
        elif known is not None and kind == "release":
            self._begin(gateway, lambda own: own.release("t", known[0]))
        elif known is not None:
            # Mostly the same event; a few come to more than was reserved, or are of another time.
            amount = known[1] if self.dice.random() < 0.7 else Decimal(self.dice.randrange(0, 60))
            at_us = self.now_us + self.dice.choice([0, 0, 0, -60 * S, 4 * 60 * S])
            event = self._event(known[0], amount, at_us)
            self._begin(gateway, lambda own: own.commit("t", known[0], event))

    def _event(self, reservation_id, amount, at_us):
        request = f"{reservation_id} {amount} {at_us}".encode()
        return SentEvent(request, "acme", "call", at_us, {"tokens": str(amount)}, "key:test")

    def _begin(self, gateway, work):
        self.calls.append(Call(lambda call: work(self.reservations_of(gateway, call))))

    def reservations_of(self, gateway, call):
        """As one gateway has them, in one call; None: alone, without stopping."""
        return Reservations(
            _Rater(self, call), _Used(self, call), _Store(self.store, call), _Amounts(), _Recorder(self, call),
            lambda: self.now_us + self.skews_us[gateway],
        )  # fmt: skip

    # --- the schedule ---------------------------------------------------------------------------------------

    def step(self):
        """One call goes on, begins or dies; or time passes. Whether anything may have changed."""
        throw = self.dice.random()
        if throw < 0.05:
            self.now_us += self.dice.choice([1, 1, 1, 4, 20, 100]) * S
        elif throw < 0.07:
            # To about midnight: another day, whose limit is unused.
            self.now_us = max(
                self.now_us, (self.now_us // DAY_US + 1) * DAY_US - self.dice.choice([1, 100]) * S
            )
        elif len(self.calls) < 8 and throw < 0.4:
            self.begin_one()
        elif self.calls:
            call = self.dice.choice(self.calls)
            call.step(kill=self.dice.random() < 0.015)
            if call.ended:
                self.calls.remove(call)
            return True
        return False

    def check(self):
        """What is held and what is used stay within the bound, in whichever day the next grant would be."""
        day_us = self.now_us // DAY_US * DAY_US
        for start_us in (day_us - DAY_US, day_us):
            used = self.used(start_us, start_us + DAY_US, self.now_us)
            assert used <= BOUND, f"{used} used of {BOUND}"
        held = sum((each.held for each in self._open() if not self._is_stored(each)), Decimal(0))
        used = self.used(day_us, day_us + DAY_US, self.now_us)
        assert used + held <= BOUND, f"{used} used and {held} held of {BOUND}"

    def _open(self):
        states = ["pending", "committing"]
        return self.store.listed("t", "acme", states, None, 10_000)

    def _is_stored(self, reservation):
        return bool(reservation.event) and event_id(base64.b64decode(reservation.event)) in self.stored

    def settle(self):
        """Every gateway dies; another one does the upkeep once the time of everything is over."""
        for call in self.calls:
            while not call.ended:
                call.step(kill=True)
        self.calls.clear()
        self.now_us += DAY_US
        self.reservations_of(0, None).next_pass()

    def check_settled(self):
        """Nothing is held, and what is committed is what is stored."""
        every = self.store.listed("t", "", [], None, 100_000)
        assert {each.state for each in every} <= {
            ReservationState.COMMITTED,
            ReservationState.RELEASED,
            ReservationState.EXPIRED,
        }
        assert self.store.held("t", "acme", self.watermark_us(), self.now_us) == {}
        committed = {
            each.reservation_id: each.committed_quantity
            for each in every
            if each.state is ReservationState.COMMITTED
        }
        stored = {name.split()[0]: amount for name, (_, amount, _) in self.stored.items()}
        assert stored == committed


def event_id(request):
    return request.decode()


class _Rater:
    def __init__(self, world, call):
        self._world, self._call = world, call

    def snapshot(self, _tenant, _at_us, _as_of_us):
        _stop(self._call)
        as_of_us = self._world.watermark_us()
        return Snapshot(self._world.catalog, as_of_us, as_of_us)


class _Used:
    def __init__(self, world, call):
        self._world, self._call = world, call

    def used(self, snapshot, _customer_id, limits):
        _stop(self._call)
        return {each: self._world.used(each.start_us, each.end_us, snapshot.as_of_us) for each in limits}


class _Amounts:
    def query(self, query):
        names, values = query.parameters["property_names"], query.parameters["property_values"]
        return [[dict(zip(names, values, strict=True))["tokens"]]]


class _Recorder:
    """Dies before the event is stored, or after it and before anybody is told."""

    def __init__(self, world, call):
        self._world, self._call = world, call

    def __call__(self, _tenant, request, _credential):
        _stop(self._call)
        world = self._world
        stamp_us = world.watermark_us()
        name = event_id(request)
        _, amount, at_us = name.split()
        world.stored.setdefault(name, (stamp_us, Decimal(amount), int(at_us)))
        _stop(self._call)
        return StoredEvent(stamp_us)


class _Store:
    """The real one, with a stop before each transaction."""

    def __init__(self, store, call):
        self._store, self._call = store, call

    def __getattr__(self, name):
        method = getattr(self._store, name)

        def stopping(*arguments):
            _stop(self._call)
            return method(*arguments)

        return stopping


def _stop(call):
    if call is not None:
        call.pause()
