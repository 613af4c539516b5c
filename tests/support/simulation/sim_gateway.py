"""One life of a simulated gateway: the real pipeline, watched, on a simulated store, disk and clock.

The pipeline is put together as engine.app does it; instead of threads the scheduler takes the workers' turns. The
committer is an actor: an insert pauses, and anything may happen meanwhile.
"""

from engine.errors import InvalidRequestError, RetryLaterError, StoreUnavailableError
from engine.usage.recording.committer import Committer, Decisions
from engine.usage.recording.intake import Intake
from ingest import Admission, Fingerprinter, HotWindow, Verdict
from tests.support.ingest.admission_oracle import admit
from tests.support.ingest.event_columns import columns_of, rows_of
from tests.support.simulation.sim_actor import Actor, pause
from tests.support.simulation.sim_model import WindowModel


class WatchedCommitter(Committer):
    """Tells the gateway what is put in line, what is about to be committed together, and how that went."""

    gateway = None

    def put(self, group):
        super().put(group)
        self.gateway.admitted(group)

    def learn(self, every):
        super().learn(every)
        self.gateway.learned(every)

    def commit(self, groups):
        self.gateway.committing(groups)
        try:
            super().commit(groups)
        except Exception:
            self.gateway.failed()
            raise


class WatchedOrder:
    """Tells the gateway when a group's end is agreed on."""

    def __init__(self, order, gateway):
        self._order, self._gateway = order, gateway

    def __getattr__(self, name):
        return getattr(self._order, name)

    def end(self, stamp_us):
        self._order.end(stamp_us)
        self._gateway.ended()


class Gateway:
    """From a start to a crash or a stop."""

    def __init__(self, world, name):
        self.world, self.name, self.limits = world, name, world.limits
        self.offset_us = world.skew_us()
        store, ledger = world.store, world.ledger
        self._ledger = ledger
        self._fingerprinter = fingerprinter = Fingerprinter(world.random.randbytes(8))
        window = HotWindow(self.limits.hot_window_events_max)
        recent_max = self.limits.hot_window_events_max
        window.remember(fingerprinter.of(store.recent_events(recent_max)))
        self._model = WindowModel(recent_max, store.recent_rows(recent_max))
        # After the window has been warmed: what is in it may be acknowledged as a duplicate.
        self.clock = WatchedOrder(world.order.join(self), self)
        self.committer = WatchedCommitter(self, window, self.clock, self.limits, self.now_us)
        self.committer.gateway = self
        self.intake = Intake(self.committer, self._admission_for, fingerprinter, self.limits, self.now_us)
        # By the future of an attempt: its request, then the entries and verdicts that it must get.
        self._requests, self._expected = {}, {}
        # By the identity of what was told: the rows that are void, and those that stand.
        self._decided = {}
        # Of the group that is being committed: what must be new in it, and what was tried so far.
        self._fresh, self._tried = [], []
        self._inserting = None
        self.busy = False
        self.actor = Actor(self._commit)

    def now_us(self):
        return self.world.now_us + self.offset_us

    def submit(self, request, heard):
        """Sends a request; `heard(outcome)` is what its client learns, if it is still there."""
        try:
            future = self.intake.submit(request.tenant, request.kind, request.data)
        except RetryLaterError as error:
            heard(error)
            return
        self._requests[future] = request
        future.add_done_callback(lambda done: self._answered(done, request, heard))

    def hears(self, void, standing):
        """Somebody voided these rows in favour of those: the committer has it in its line."""
        decisions = Decisions(*(self._fingerprinter.of(columns_of(rows)) for rows in (void, standing)))
        self._decided[id(decisions)] = decisions, void, standing
        self.committer.tell(decisions)

    def learned(self, every):
        for decisions in every:
            _, void, standing = self._decided.pop(id(decisions))
            self._model.forget(void)
            self._model.remember(standing)

    def waits(self):
        """Whether the intake or the committer has something to do."""
        return bool(self._requests) or self.busy

    def commit_some(self):
        """The committer goes on, to its next pause."""
        self.busy = True
        self.actor.resume()

    def read(self):
        """One read; it may pause."""
        acknowledged = list(self._ledger.acknowledged)
        try:
            as_of_us = self.clock.watermark(self.now_us())
        except StoreUnavailableError as error:
            self.world.note(f"{self.name} can't read: {error}")
            return
        self.world.note(f"{self.name} reads as of {as_of_us}")
        self._ledger.read(as_of_us, self.world.store.read(as_of_us), acknowledged)

    def check_bounds(self):
        """What waits and what is held stays within its limits."""
        limits, waiting, held_bytes = self.limits, self.committer.waiting_events, self.intake._held_bytes
        if waiting > limits.queue_events_max or held_bytes > limits.queue_bytes_max:
            self._ledger.blame(f"{self.name} holds {waiting} events and {held_bytes} bytes")

    def crash(self):
        """Nothing of it runs any more: the actor stays where it is."""
        for request in self._requests.values():
            request.waiting -= 1
        self._requests.clear()
        if self.world.order.shared and self._inserting is not None and self.world.random.random() < 0.5:
            self.world.store.late.append(self._inserting)

    def _commit(self):
        while True:
            self.committer.worker.turn()
            self.busy = False
            pause()

    def insert(self, batch):
        """The sink of the committer: one insert with its pauses and its fate."""
        rows = rows_of(batch.events)
        self._ledger.batch(rows, self.limits.insert_events_max)
        world = self.world
        world.note(f"{self.name} inserts {[row.event_id for row in rows]} stamped {batch.ingested_at_us}")
        self._tried += rows
        self._inserting = batch
        try:
            self._store(batch, world.fate())
        except Exception as error:
            world.note(f"{self.name}: {error}")
            raise

    def _store(self, batch, fate):
        self._pauses(0, 0, 1, 3)
        self.world.store.check()
        self._inserting = None
        if fate == "late":
            self.world.store.late.append(batch)
        if fate in ("refused", "late"):
            raise StoreUnavailableError(fate, retry_after_ms=1)
        self.world.store.apply(batch)
        self.world.note(f"{self.name}: applied")
        self._pauses(0, 0, 1)
        if fate == "lost ack":
            raise StoreUnavailableError("no answer", retry_after_ms=1)
        if fate == "bug":
            raise RuntimeError("a bug")

    def _pauses(self, *counts):
        for _ in range(self.world.random.choice(counts)):
            pause()

    def admitted(self, group):
        """A group is in line: what the oracle makes of its events now is what counts."""
        now_us = self.now_us()
        for request in group.requests:
            outgoing = self._requests[request.done]
            entries = admit(
                self.limits, self.world.value_properties, outgoing.tenant, outgoing.messages, now_us
            )
            self._expected[request.done] = entries

    def committing(self, groups):
        futures = [request.done for group in groups for request in group.requests]
        entries = [entry for future in futures for entry in self._expected[future]]
        verdicts = self._model.verdicts(entries)
        accepted = zip(entries, verdicts, strict=True)
        self._fresh = [entry for entry, verdict in accepted if verdict is Verdict.ACCEPTED]
        self._tried = []
        first = 0
        for future in futures:
            last = first + len(self._expected[future])
            self._expected[future] = (self._expected[future], verdicts[first:last])
            first = last

    def ended(self):
        self._model.remember(self._fresh)
        self._tried = []

    def failed(self):
        """What was tried and not ended is in doubt."""
        self._model.doubt(self._tried)

    def _answered(self, future, request, heard):
        self._requests.pop(future, None)
        error = future.exception()
        if error is None:
            recorded = future.result()
            entries, verdicts = self._expected.pop(future)
            self._ledger.answered(entries, verdicts, recorded)
            if not self.world.order.shared:
                self._ledger.handed_out(recorded.as_of_us)
            if recorded.sequence != request.sequence:
                self._ledger.blame(f"sequence {recorded.sequence} for {request.sequence}")
        elif isinstance(error, InvalidRequestError):
            if request.messages and len(request.messages) <= self.limits.request_events_max:
                self._ledger.blame(f"a sound request is refused: {error}")
        elif not isinstance(error, RetryLaterError) and str(error) != "a bug":
            self._ledger.blame(f"an unexpected error: {error!r}")
        heard(error)

    def _admission_for(self, _tenant):
        return Admission(self.limits, self.world.value_properties)
