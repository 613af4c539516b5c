"""The scheduler of a simulated history: one seed decides everything that happens, in which order.

Rules:
1. After every step what the model has against the pipeline ends the history (HistoryError), with the seed and the
   last steps.
2. In the end every fault heals, every client that has not given up is answered, and what was sent is compared with
   what is stored.
"""

import contextlib
import logging
import random

import structlog

from engine.errors import InvalidRequestError, StoreUnavailableError
from ingest import Limits
from tests.support.simulation.sim_actor import Actor
from tests.support.simulation.sim_clients import Clients
from tests.support.simulation.sim_gateway import Gateway
from tests.support.simulation.sim_model import Ledger
from tests.support.simulation.sim_order import EmbeddedOrder, SharedOrder
from tests.support.simulation.sim_store import FATES, SERVER_FATES, SimStore

START_US = 1_796_083_198_000_000  # 2026-11-30T23:59:58Z: partitions change two seconds later
_HOUR_US = 3_600_000_000
_TRACE_MAX = 60
_HEALING_STEPS_MAX = 2_000
LIMITS = Limits(
    request_events_max=4,
    columns_events_max=4,
    insert_events_max=6,
    queue_events_max=10,
    hot_window_events_max=10,
    request_bytes_max=6_000,
    queue_bytes_max=6_000,
    insert_bytes_max=1_500,
    properties_max=4,
)


class HistoryError(AssertionError):
    """An invariant does not hold."""


def play(seed, steps=80):
    """Plays one history; its trace. Raises HistoryError."""
    with _quiet():
        world = World(seed)
        world.run(steps)
        return world.trace


@contextlib.contextmanager
def _quiet():
    """Without the log of the faults that are simulated."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


class World:
    """One history."""

    def __init__(self, seed):
        self.seed = seed
        self.random = random.Random(seed)
        self.limits = LIMITS
        self.ledger = Ledger()
        self.store = SimStore(self.ledger)
        self.clients = Clients(self.random, LIMITS)
        self.value_properties = {"call": frozenset({"tokens"}), "rare": frozenset({"tokens"})}
        self.now_us = START_US
        gateways = self.random.choice((1, 1, 2, 3))
        self.order = EmbeddedOrder(self) if gateways == 1 else SharedOrder(self)
        self.trace = []
        self.healing = False
        # Each history has its own kinds of trouble: all of them at once would hide each other.
        self._fault_rate = self.random.choice((0, 0, 0.1, 0.4))
        self._catalog_fault_rate = self.random.choice((0, 0, 0.03))
        self._lost_answers = self.random.choice((0, 0.2))
        self._gives_up = self.random.choice((0, 0, 0.2))
        self._jumps = self.random.random() < 0.5
        self._actors = []
        self._reads = []
        self.gateways = [None] * gateways
        self._actions = self._weighted()

    def note(self, text):
        self.trace.append(text)

    def skew_us(self):
        return self.random.choice((0, 0, -_HOUR_US, 5_000_000)) if self._jumps else 0

    def fate(self):
        """How the next insert ends."""
        if self.healing or self.random.random() >= self._fault_rate:
            return "stored"
        return self.random.choice(SERVER_FATES if self.order.shared else FATES)

    def is_dead(self, name):
        return name not in [gateway.name for gateway in self._alive()]

    def nobody_lives(self):
        return not self._alive()

    def catalog_fails(self):
        return not self.healing and self.random.random() < self._catalog_fault_rate

    def run(self, steps):
        """Plays the history. Raises HistoryError."""
        try:
            self._start(0)
            actions, weights = zip(*self._actions, strict=True)
            for _ in range(steps):
                self.random.choices(actions, weights)[0]()
                self._check()
            self._heal()
        finally:
            for actor in self._actors:
                actor.stop()

    def _weighted(self):
        crashes = self.random.choice((0, 0.5, 2))
        outages = self.random.choice((0, 0.5))
        return [
            (self._send_new, 6),
            (self._send_again, 3),
            (self._intake, 6),
            (self._commit, 12),
            (self._read, 3),
            (self._wait, 3),
            (self._jump, 0.7 if self._jumps else 0),
            (self._crash, crashes),
            (self._stop, 0.2),
            (self._start_one, 1),
            (self._outage, outages),
            (self._change_catalog, 0.3),
            (self._merge, 0.5),
            (self._decide, self.random.choice((0, 0, 1))),
            (self._read_on, 4 if self.order.shared else 0),
            (self._apply_late, 1 if self.order.shared else 0),
        ]

    def _alive(self):
        return [gateway for gateway in self.gateways if gateway is not None]

    def _one(self, gateways):
        return self.random.choice(gateways) if gateways else None

    def _send_new(self):
        self._send(self.clients.make(self.now_us, self.ledger))

    def _send_again(self):
        """What failed or got no answer, and at times what was answered long ago."""
        unsettled = [each for each in self.clients.requests if not each.settled and not each.waiting]
        again = unsettled or self.clients.requests
        if again:
            self._send(self.random.choice(again[-20:]))

    def _send(self, request):
        gateway = self._one(self._alive())
        if gateway is None:
            return
        self.note(f"request {request.number} of {request.tenant} to {gateway.name}: {_ids(request)}")
        request.attempts += 1
        request.waiting += 1
        lost = not self.healing and self.random.random() < self._lost_answers

        def heard(error):
            request.waiting -= 1
            self.note(
                f"request {request.number}: {error or 'answered'}{', and nobody hears' if lost else ''}"
            )
            if isinstance(error, InvalidRequestError) or (error is None and not lost):
                request.settled = True
            elif not self.healing and self.random.random() < self._gives_up:
                request.settled = request.given_up = True

        gateway.submit(request, heard)

    def _intake(self):
        gateway = self._one(self._alive())
        if gateway is not None:
            gateway.intake.worker.turn()

    def _commit(self):
        gateway = self._one([each for each in self._alive() if each.busy or each.committer.waiting_events])
        if gateway is not None:
            gateway.commit_some()

    def _read(self):
        gateway = self._one(self._alive())
        if gateway is None or self.store.full or self.store.down:
            return
        self._reads.append((gateway, Actor(gateway.read)))
        self._actors.append(self._reads[-1][1])
        self._reads[-1][1].resume()

    def _read_on(self):
        """A read that waits for other gateways looks again."""
        self._reads = [(by, read) for by, read in self._reads if not read.ended and by in self.gateways]
        if self._reads:
            self.random.choice(self._reads)[1].resume()

    def _apply_late(self):
        late = self._one(self.store.late)
        if late is not None and not self.store.down and not self.store.full:
            self.note(f"the server executes a late insert stamped {late.ingested_at_us}")
            self.store.apply_late(late)

    def _wait(self):
        self.now_us += self.random.choice((0, 1, 1_000, 700_000, 5_000_000, _HOUR_US))

    def _jump(self):
        gateway = self._one(self._alive())
        if gateway is not None:
            gateway.offset_us = self.random.choice(
                (0, -1, 1, 2_000_000, -2_000_000, _HOUR_US, -30 * _HOUR_US)
            )
            self.note(f"{gateway.name}'s clock jumps to {gateway.offset_us} us off")

    def _crash(self):
        gateway = self._one(self._alive())
        if gateway is not None:
            self.note(f"{gateway.name} is killed")
            gateway.crash()
            self._forget(gateway)

    def _stop(self):
        """A drain, as at SIGTERM."""
        gateway = self._one(self._alive())
        if gateway is not None:
            self.note(f"{gateway.name} drains")
            self._finish(gateway)
            self._forget(gateway)

    def _forget(self, gateway):
        self.gateways[self.gateways.index(gateway)] = None

    def _start_one(self):
        if None in self.gateways:
            self._start(self.gateways.index(None))

    def _start(self, place):
        if self.store.down or self.store.full:
            return
        name = f"g{place}.{len(self._actors)}"
        try:
            gateway = Gateway(self, name)
        except StoreUnavailableError as error:
            self.note(f"{name} can't start: {error}")
            return
        self.note(f"{name} starts")
        self._actors.append(gateway.actor)
        self.gateways[place] = gateway

    def _outage(self):
        self.store.down = not self.store.down and self.random.random() < 0.5
        self.store.full = not self.store.full and self.random.random() < 0.5
        self.note(f"the store: down {self.store.down}, full {self.store.full}")

    def _change_catalog(self):
        if self.value_properties.pop("rare", None) is None:
            self.value_properties["rare"] = frozenset({"tokens"})
        self.note(f"the catalog knows {sorted(self.value_properties)}")

    def _merge(self):
        self.store.merge()

    def _decide(self):
        """Somebody voids an event that was acknowledged, perhaps in favour of another under its id; a gateway hears."""
        gateway, acknowledged = self._one(self._alive()), list(self.ledger.acknowledged)
        if gateway is None or not acknowledged:
            return
        void = self.random.choice(acknowledged)
        others = [row for row in acknowledged if (row.tenant, row.event_id) == (void.tenant, void.event_id)]
        standing = [self.random.choice(others)] if self.random.random() < 0.5 else []
        standing = [row for row in standing if row != void]
        self.note(f"{gateway.name} hears that {void.event_id} is void, {len(standing)} stand instead")
        gateway.hears([void], standing)

    def _finish(self, gateway):
        """Does all that waits at this gateway."""
        for _ in range(_HEALING_STEPS_MAX):
            took = gateway.intake.worker.turn()
            if gateway.busy or gateway.committer.waiting_events:
                gateway.commit_some()
            elif not took:
                break
        if gateway.waits():
            self.ledger.blame(f"{gateway.name}: {len(gateway._requests)} callers wait for ever")
        self._check()

    def _heal(self):
        self.note("everything heals")
        self.healing = True
        self.store.down = self.store.full = False
        self.value_properties["rare"] = frozenset({"tokens"})
        for place, gateway in enumerate(self.gateways):
            if gateway is None:
                self._start(place)
            else:
                self._finish(gateway)
        for request in self.clients.requests:
            for _ in range(3):
                if not request.settled:
                    self._send(request)
                    for gateway in self._alive():
                        self._finish(gateway)
            if not request.settled:
                self.ledger.blame(f"request {request.number} gets no answer")
            self._check()
        while self.store.late:
            self._apply_late()
        self._read()
        while self._reads:
            self._read_on()
        self._check()
        self.ledger.close(self.store.first_stamps())
        self._check()

    def _check(self):
        for gateway in self._alive():
            gateway.check_bounds()
        if self.ledger.wrong:
            lines = "\n  ".join(self.trace[-_TRACE_MAX:])
            raise HistoryError(
                f"seed {self.seed}: {self.ledger.wrong[0]}\nthe last steps:\n  {lines}\n"
                f"again: make simulate SEEDS={self.seed}"
            )


def _ids(request):
    return "no message" if request.messages is None else [message.event_id for message in request.messages]
