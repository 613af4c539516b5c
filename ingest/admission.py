"""From events as they were sent to events that are stored: each event is admitted or gets a problem of its own.

Rules:
1. An event stands alone: nothing in one event changes what becomes of another.
2. Every problem of an event is reported at once, the first broken rule of each field: of form first, in the order of
   the wire contract's fields, then of time, then of the catalog, then its properties.
3. A property that a meter of the event's type reads as its value must be a decimal number, if it is there.
   An event without it is admitted: it adds nothing to that meter.
4. Time enters as an argument.
5. Rules that change with time or catalog refuse an event; they don't say that it was never stored. It keeps
   its row, to be compared with what is stored.
6. Each rule is written once: a mask over all events, and the problems of those that it hits, all at once. There may be
   none or nothing else: a bad event must not cost more than a good one, or a flood of them delays everybody.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ingest.columns import EVENT_SCHEMA, INSTANT
from ingest.decoding.sent_events import Instants, SentEvents
from ingest.event import Problem, Reason
from ingest.limits import MICROSECONDS, Limits
from ingest.properties import Properties, properties_of, too_long

_DAY_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Admitted:
    """Of n rows: the events (EVENT_SCHEMA) of good form, in order; the place of each among the rows; which of
    them a rule refuses by now that changes with time or catalog: their age, their type, what a meter reads; and
    the problems at the place of each of these, and of each row that is not of good form.

    A refused event may have been stored before the rule said so; then it is a duplicate.
    """

    events: pa.RecordBatch
    places: NDArray[np.int64]
    refused: NDArray[np.bool_]
    problems: dict[int, list[Problem]]


@dataclass(frozen=True, slots=True)
class _Rule:
    """Which rows break a rule about a field, and what is wrong with each of some that do."""

    field: str
    broken: NDArray[np.bool_]
    problems: Callable[[NDArray[np.int64]], list[Problem]]


@dataclass(frozen=True, slots=True)
class Admission:
    """The rules that hold for one tenant at one moment.

    `value_properties` maps each event type that a meter reads to the properties that its meters sum up or
    compare as quantities. Raw events before `expired_before_us` have expired: one more could not be counted.
    """

    limits: Limits
    value_properties: Mapping[str, frozenset[str]]
    expired_before_us: int = 0

    def admit(self, tenant: str, events: SentEvents, now_us: int) -> Admitted:
        """Judges n events, whatever decoded them."""
        types, instants = events.event_types, events.instants
        properties = properties_of(events.properties, types, self.value_properties, self.limits)
        form = [
            *self._id_rules(events),
            *_calendar_rules(instants),
            self._count_rule(properties),
        ]
        changing = [*self._time_rules(instants, now_us), self._type_rule(types)]
        bad = _any(form) | properties.malformed()
        refused = _any(changing) | properties.not_decimal()
        good = ~bad
        admitted = pa.RecordBatch.from_arrays(
            [
                pa.repeat(tenant, len(events)),
                events.customer_ids,
                types,
                pa.array(instants.times_us).cast(INSTANT),
                events.event_ids,
                properties.as_map(),
            ],
            schema=EVENT_SCHEMA,
        )
        if not good.all():
            admitted = admitted.filter(pa.array(good))
        problems = _problems([*form, *changing])
        for row, problem in zip(*properties.problems(self.limits), strict=True):
            problems[int(row)].append(problem)
        return Admitted(admitted, np.flatnonzero(good), refused[good], problems)

    def _id_rules(self, events: SentEvents) -> list[_Rule]:
        rules = []
        for field, ids in (
            ("event_id", events.event_ids),
            ("event_type", events.event_types),
            ("customer_id", events.customer_ids),
        ):
            lengths = pc.binary_length(ids).to_numpy()
            rules += [
                _Rule(field, lengths == 0, _always(Problem(field, Reason.MISSING, f"{field} is empty"))),
                _Rule(field, lengths > self.limits.id_bytes_max, self._long_id(field, lengths)),
            ]
        return rules

    def _long_id(
        self, field: str, lengths: NDArray[np.int32]
    ) -> Callable[[NDArray[np.int64]], list[Problem]]:
        return lambda rows: [
            too_long(field, length, "id_bytes_max", self.limits) for length in lengths[rows].tolist()
        ]

    def _time_rules(self, instants: Instants, now_us: int) -> list[_Rule]:
        age_max_us = self.limits.event_age_max_s * MICROSECONDS
        ahead_max_us = self.limits.event_ahead_max_s * MICROSECONDS
        ages_us = now_us - instants.times_us
        expired_before = datetime.fromtimestamp(self.expired_before_us // MICROSECONDS, UTC).date()
        past = (
            f"in the past; at most {_span(age_max_us)} are taken (event_age_max_s): "
            "meterline serve --event-age-max-days sets how many"
        )
        ahead = (
            f"in the future; at most {_span(ahead_max_us)} are taken (event_ahead_max_s): "
            "check the producer's clock"
        )
        return [
            _Rule(
                "event_time",
                instants.times_us < self.expired_before_us,
                _always(
                    Problem(
                        "event_time",
                        Reason.TOO_OLD,
                        f"usage before {expired_before} has expired: nothing can be added to it",
                    )
                ),
            ),
            _Rule(
                "event_time",
                ages_us > age_max_us,
                lambda rows: _time_problems(Reason.TOO_OLD, ages_us[rows], past),
            ),
            _Rule(
                "event_time",
                -ages_us > ahead_max_us,
                lambda rows: _time_problems(Reason.IN_FUTURE, -ages_us[rows], ahead),
            ),
        ]

    def _type_rule(self, types: pa.StringArray) -> _Rule:
        encoded = types.dictionary_encode()
        names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
        unknown = np.array([name not in self.value_properties for name in names], np.bool_)

        def problems(rows: NDArray[np.int64]) -> list[Problem]:
            of_rows = codes[rows]
            made = {code: _unknown_type(names[code]) for code in np.unique(of_rows).tolist()}
            return [made[code] for code in of_rows.tolist()]

        return _Rule("event_type", unknown[codes], problems)

    def _count_rule(self, properties: Properties) -> _Rule:
        counts, properties_max = properties.counts, self.limits.properties_max
        return _Rule(
            "properties",
            counts > properties_max,
            lambda rows: [
                Problem(
                    "properties",
                    Reason.TOO_LONG,
                    f"has {count} properties; properties_max is {properties_max}",
                )
                for count in counts[rows].tolist()
            ],
        )


def _any(rules: Sequence[_Rule]) -> NDArray[np.bool_]:
    """Which rows break one of them."""
    found: NDArray[np.bool_] = np.logical_or.reduce([rule.broken for rule in rules])
    return found


def _problems(rules: Sequence[_Rule]) -> defaultdict[int, list[Problem]]:
    """The problems at the place of each row that breaks a rule, the first of each field."""
    problems: defaultdict[int, list[Problem]] = defaultdict(list)
    told: dict[str, NDArray[np.bool_]] = {}
    for rule in rules:
        before = told.get(rule.field)
        rows = np.flatnonzero(rule.broken if before is None else rule.broken & ~before)
        if len(rows):
            told[rule.field] = rule.broken if before is None else rule.broken | before
            for row, problem in zip(rows.tolist(), rule.problems(rows), strict=True):
                problems[row].append(problem)
    return problems


def _time_problems(reason: Reason, spans_us: NDArray[np.int64], what: str) -> list[Problem]:
    # Of one text for all that it is right for: days past the second.
    seconds = spans_us // MICROSECONDS
    told, of_row = np.unique(
        np.where(seconds >= 2 * _DAY_S, seconds // _DAY_S * _DAY_S, seconds), return_inverse=True
    )
    made = [
        Problem("event_time", reason, f"event_time is {_span(each * MICROSECONDS)} {what}")
        for each in told.tolist()
    ]
    return [made[place] for place in of_row.tolist()]


def _unknown_type(name: str) -> Problem:
    return Problem(
        "event_type",
        Reason.UNKNOWN_EVENT_TYPE,
        f"no meter reads event_type {name!r}: check its spelling, or apply a meter for it first",
    )


def _calendar_rules(instants: Instants) -> list[_Rule]:
    missing = Problem("event_time", Reason.MISSING, "event_time is not set")
    wild = Problem("event_time", Reason.OUT_OF_RANGE, "event_time must lie between the years 1970 and 9999")
    return [
        _Rule("event_time", instants.missing, _always(missing)),
        _Rule("event_time", instants.wild, _always(wild)),
    ]


def _span(span_us: int) -> str:
    """A span of time for people, rounded down: "36 days", "90 s"."""
    seconds = span_us // MICROSECONDS
    return f"{seconds // _DAY_S} days" if seconds >= 2 * _DAY_S else f"{seconds} s"


def _always(problem: Problem) -> Callable[[NDArray[np.int64]], list[Problem]]:
    return lambda rows: [problem] * len(rows)
