"""Ways to break the order of ingestion that gateways share (see sim_mutants)."""

import dataclasses
from unittest.mock import patch

from engine.cluster import shared_clock
from engine.errors import StoreUnavailableError

SharedClock = shared_clock.SharedClock


def _shared_stamp_of_the_machine(_advance):
    def advance(self, _instant, then=lambda _connection, _instant_us: None):
        with self._quick.writing() as connection:
            instant_us = self._world.now_us()
            shared_clock._move(connection, latest_us=instant_us)
            then(connection, instant_us)
        return instant_us

    return advance


def _shared_watermark_over_what_is_in_flight(_watermark):
    return lambda self, _now_us: self._read().latest_us


def _shared_watermark_that_does_not_wait(_watermark):
    return lambda self, _now_us: self._read().complete_us


def _settled_without_calling_off(settle):
    def careless(self, stamps_us):
        with patch.object(self, "_world", dataclasses.replace(self._world, call_off=lambda _spans: None)):
            settle(self, stamps_us)

    return careless


def _abandoned_as_if_it_had_ended(_abandon):
    def abandon(self, stamp_us):
        with self._quick.writing() as connection:
            in_flight = shared_clock.INGEST_IN_FLIGHT
            connection.execute(shared_clock.delete(in_flight).where(in_flight.c.stamp_us == stamp_us))

    return abandon


def _end_not_told_to_others(end):
    def alone(self, stamp_us):
        with patch.object(shared_clock, "_move", lambda _connection, **_values: None):
            end(self, stamp_us)

    return alone


def _end_of_what_was_called_off(end):
    def lenient(self, stamp_us):
        try:
            end(self, stamp_us)
        except StoreUnavailableError:
            self._reached_us = max(self._reached_us, stamp_us)

    return lenient


# Name: where the function lives, its name, and what makes the wrong one of it.
SHARED_MUTANTS = {
    "shared: stamps by the machine's clock": (SharedClock, "_advance", _shared_stamp_of_the_machine),
    "shared: watermark over inserts in flight": (
        SharedClock,
        "watermark",
        _shared_watermark_over_what_is_in_flight,
    ),
    "shared: watermark that does not wait": (SharedClock, "watermark", _shared_watermark_that_does_not_wait),
    "shared: settled without calling off": (SharedClock, "_settle", _settled_without_calling_off),
    "shared: abandoned as if ended": (SharedClock, "abandon", _abandoned_as_if_it_had_ended),
    "shared: end not told to others": (SharedClock, "end", _end_not_told_to_others),
    "shared: end of what was called off": (SharedClock, "end", _end_of_what_was_called_off),
}
