"""Ways to break the pipeline, each of which the simulation must notice.

A mutant replaces one function of the real pipeline by one that is wrong in a way in which somebody could write it.
"""

import contextlib
import dataclasses
from unittest.mock import patch

import numpy as np
import pyarrow as pa

from engine.usage.recording import committer, intake, worker
from ingest import Verdict, admission, fingerprint, identity, watermark
from tests.support.simulation.sim_mutants_shared import SHARED_MUTANTS

Committer, Intake, Worker = committer.Committer, intake.Intake, worker.Worker
HotWindow, IngestClock = identity.HotWindow, watermark.IngestClock


def _replaced(owner, name, make):
    """Replaces `owner.name` by `make(original)`."""
    return patch.object(owner, name, make(getattr(owner, name)))


def _ack_without_insert(store):
    def swallow(self, events, fingerprints):
        with contextlib.suppress(Exception):
            store(self, events, fingerprints)

    return swallow


def _ack_before_insert(commit):
    def early(self, groups):
        stored = []
        with patch.object(self, "_store", lambda *arguments: stored.append(arguments)):
            commit(self, groups)
        for arguments in stored:
            Committer._store(self, *arguments)

    return early


def _remember_before_insert(store):
    def early(self, events, fingerprints):
        self._window.remember(fingerprints)
        store(self, events, fingerprints)

    return early


def _remember_after_failure(store):
    def anyway(self, events, fingerprints):
        try:
            store(self, events, fingerprints)
        finally:
            self._window.remember(fingerprints)

    return anyway


def _remember_before_the_end(store):
    def early(self, events, fingerprints):
        end = self._clock.end

        def remember_then_end(stamp_us):
            self._window.remember(fingerprints)
            end(stamp_us)

        with patch.object(self._clock, "end", remember_then_end):
            store(self, events, fingerprints)

    return early


def _forget_last_partition(batches):
    def fewer(*arguments):
        every = list(batches(*arguments))
        return every[:-1] if len(every) > 1 else every

    return fewer


def _one_batch_for_all_partitions(_batches):
    def joined(events, stamp_us, _rows_max):
        yield committer.EventBatch(events, stamp_us), np.arange(len(events))

    return joined


def _stamp_equals_watermark(_begin):
    def begin(self, now_us):
        self._advance(max(now_us, self._latest_us))
        self._in_flight.add(self._latest_us)
        return self._latest_us

    return begin


def _stamp_by_the_machine_clock(_begin):
    def begin(self, now_us):
        self._advance(now_us)
        self._in_flight.add(now_us)
        return now_us

    return begin


def _watermark_over_what_is_in_flight(_watermark):
    def watermark(self, now_us):
        self._advance(max(now_us, self._latest_us))
        return self._latest_us

    return watermark


def _watermark_that_never_advances(_watermark):
    return lambda self, _now_us: min(self._in_flight, default=self._latest_us + 1) - 1


def _ceiling_not_kept(_advance):
    def advance(self, instant_us):
        self._latest_us = instant_us

    return advance


def _end_left_out(_end):
    return lambda _self, _stamp_us: None


def _window_keeps_the_older_generation(look_up):
    def all_of_it(self, events):
        known, contents = look_up(self, events)
        if self._old is not None:
            older = self._old.find(events.identities)
            more = ~known & (older >= 0)
            contents[:, more] = self._old.contents[:, older[more]]
            known = known | more
        return known, contents

    return all_of_it


def _window_drops_the_older_generation(enter):
    def forgetful(self, events):
        enter(self, events)
        self._old = None

    return forgetful


def _same_id_twice_in_a_group(_firsts):
    return lambda identities: np.arange(identities.shape[1])


def _doubt_for_the_first_that_comes(_judge):
    def judge(self, events):
        firsts = identity._firsts(events.identities)
        accepted = firsts == np.arange(len(events))
        verdicts = np.where(accepted, Verdict.ACCEPTED, Verdict.CONFLICT).astype(np.uint8)
        return identity.Judged(verdicts, events.contents)

    return judge


def _refused_are_stored(admit):
    def all_in(self, *arguments):
        admitted = admit(self, *arguments)
        return dataclasses.replace(admitted, refused=np.zeros_like(admitted.refused))

    return all_in


def _refused_are_never_duplicates(classify):
    def strict(self, events, refused):
        judged = classify(self, events, refused)
        verdicts = np.where(refused, Verdict.REJECTED, judged.verdicts).astype(np.uint8)
        return dataclasses.replace(judged, verdicts=verdicts)

    return strict


def _content_without_properties(of):
    def less(self, events):
        empty = pa.array([[]] * len(events), events.schema.field("properties").type)
        return of(self, events.set_column(5, "properties", empty))

    return less


def _identity_without_tenant(of):
    def less(self, events):
        return of(self, events.set_column(0, "tenant", pa.repeat("t", len(events))))

    return less


def _times_in_milliseconds(admit):
    def coarse(self, *arguments):
        admitted = admit(self, *arguments)
        times = admitted.events.column("event_time").cast(pa.timestamp("ms", "UTC"), safe=False)
        column = times.cast(admitted.events.schema.field("event_time").type)
        return dataclasses.replace(admitted, events=admitted.events.set_column(3, "event_time", column))

    return coarse


def _tenants_together(_key):
    return property(lambda self: self.kind)


def _answers_in_the_wrong_order(answer):
    def reversed_requests(group, verdicts, as_of_us):
        answer(dataclasses.replace(group, requests=list(reversed(group.requests))), verdicts, as_of_us)

    return reversed_requests


def _watermark_before_the_insert(commit):
    def early(self, groups):
        as_of_us = self._clock.watermark(self._now_us())
        with patch.object(self._clock, "reached", lambda _now_us: as_of_us):
            commit(self, groups)

    return early


def _callers_not_told(_fail):
    return lambda _self, _error: None


def _bytes_never_given_back(_release):
    return lambda _self, _held_bytes: None


def _turn_loses_what_does_not_fit(take):
    def lossy(self):
        taken = take(self)
        self._waiting.clear()
        self._waiting_events = 0
        return taken

    return lossy


def _queue_without_bound(refusal):
    def lenient(self, kind, events, _room, mistake):
        return refusal(self, kind, events, 10**9, mistake)

    return lenient


def _nothing(_original):
    return lambda *_arguments: None


# Name: where the function lives, its name, and what makes the wrong one of it.
MUTANTS = {
    **SHARED_MUTANTS,
    "ack without insert": (Committer, "_store", _ack_without_insert),
    "ack before insert": (Committer, "commit", _ack_before_insert),
    "remember before insert": (Committer, "_store", _remember_before_insert),
    "remember after a failure": (Committer, "_store", _remember_after_failure),
    "remember before the end": (Committer, "_store", _remember_before_the_end),
    "no doubt after a failure": (HotWindow, "doubt", _nothing),
    "doubt ignored": (HotWindow, "_judge_unknown", _doubt_for_the_first_that_comes),
    "a partition forgotten": (committer, "partition_batches", _forget_last_partition),
    "partitions in one batch": (committer, "partition_batches", _one_batch_for_all_partitions),
    "stamp equal to a watermark": (IngestClock, "begin", _stamp_equals_watermark),
    "stamp by the machine's clock": (IngestClock, "begin", _stamp_by_the_machine_clock),
    "watermark over an insert in flight": (IngestClock, "watermark", _watermark_over_what_is_in_flight),
    "watermark of before the insert": (Committer, "commit", _watermark_before_the_insert),
    "ceiling not kept": (IngestClock, "_advance", _ceiling_not_kept),
    "insert in flight for ever": (IngestClock, "end", _end_left_out),
    "window keeps too much": (HotWindow, "_look_up", _window_keeps_the_older_generation),
    "window drops too much": (HotWindow, "enter", _window_drops_the_older_generation),
    "nothing remembered": (HotWindow, "enter", _nothing),
    "nothing forgotten": (HotWindow, "forget", _nothing),
    "one id twice in a group": (identity, "_firsts", _same_id_twice_in_a_group),
    "refused events stored": (admission.Admission, "admit", _refused_are_stored),
    "refused events never duplicates": (HotWindow, "classify", _refused_are_never_duplicates),
    "content without properties": (fingerprint.Fingerprinter, "of", _content_without_properties),
    "identity without tenant": (fingerprint.Fingerprinter, "of", _identity_without_tenant),
    "times in milliseconds": (admission.Admission, "admit", _times_in_milliseconds),
    "tenants together": (intake._Waiting, "key", _tenants_together),
    "answers in the wrong order": (committer, "_answer", _answers_in_the_wrong_order),
    "callers of a failure not told": (committer.CommitGroup, "fail", _callers_not_told),
    "bytes never given back": (Intake, "_release", _bytes_never_given_back),
    "a turn loses what does not fit": (Worker, "_take", _turn_loses_what_does_not_fit),
    "a queue without bound": (Intake, "_refusal", _queue_without_bound),
}


@contextlib.contextmanager
def mutated(name):
    """The pipeline with this mutant in it."""
    with _replaced(*MUTANTS[name]):
        yield
