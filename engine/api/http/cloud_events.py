"""CloudEvents 1.0 as usage events: structured (JSON), batched, and binary (attributes in headers).

Rules:
1. `id` is the event's id, `type` its type, `subject` the customer, `time` its time. Every field of the data is a property,
   those of an object in it with dots in their names; `source` is the property `ce_source`, so that two producers who use
   one id are a conflict and not a retry.
2. The same CloudEvent gives the same usage event here and in `meterline import`: sent by both, it is counted once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote

from starlette.datastructures import Headers

from engine.errors import FieldMistake, InvalidRequestError
from engine.json_cells import (
    Flaw,
    JsonNumber,
    flattened,
    json_object,
    not_a_number,
    repeated_name,
)
from engine.times import datetime_us, to_timestamp
from meterline.v1.usage_pb2 import (
    EventProblem,
    ProblemReason,
    PropertyValue,
    RecordUsageRequest,
    RecordUsageResponse,
    UsageEvent,
    Verdict,
)

STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
_HEADER: Final = "ce-"
_REQUIRED: Final = ("specversion", "id", "source", "type")
_DATA: Final = "data."
_DECODER: Final = json.JSONDecoder(
    parse_float=JsonNumber, parse_int=JsonNumber, parse_constant=not_a_number, object_pairs_hook=json_object
)


@dataclass(frozen=True, slots=True)
class ReadEvents:
    """The events of a request in their order; of those that are no CloudEvents, why, by their places in the request."""

    request: RecordUsageRequest
    flaws: dict[int, FieldMistake]

    def with_flaws(self, answer: RecordUsageResponse) -> RecordUsageResponse:
        """The answer to the sound events, with a verdict for the others at their places."""
        if not self.flaws:
            return answer
        count = len(self.request.events) + len(self.flaws)
        places = [place for place in range(count) if place not in self.flaws]
        verdicts = dict.fromkeys(self.flaws, Verdict.VERDICT_REJECTED)
        verdicts |= dict(zip(places, answer.verdicts, strict=True))
        whole = RecordUsageResponse(verdicts=[verdicts[place] for place in range(count)])
        if answer.HasField("as_of"):
            whole.as_of.CopyFrom(answer.as_of)
        problems = [
            EventProblem(
                index=place,
                field=flaw.field,
                reason=ProblemReason.PROBLEM_REASON_MALFORMED,
                message=flaw.message,
            )
            for place, flaw in self.flaws.items()
        ]
        for problem in answer.problems:
            moved = EventProblem()
            moved.CopyFrom(problem)
            moved.index = places[problem.index]
            problems.append(moved)
        whole.problems.extend(sorted(problems, key=lambda each: each.index))
        return whole


def read_events(body: bytes, media: str, headers: Headers) -> ReadEvents:
    """The events of a request.

    Raises:
        InvalidRequestError: it is not a CloudEvent, or not a batch.
    """
    if media == BATCHED:
        batch = _json(body)
        if not isinstance(batch, list):
            raise _mistake("", "is not a JSON array of CloudEvents")
        events, flaws = [], {}
        for place, each in enumerate(batch):
            try:
                events.append(_event(each))
            except InvalidRequestError as error:
                flaws[place] = error.mistakes[0]
        return ReadEvents(RecordUsageRequest(events=events), flaws)
    if media == STRUCTURED:
        return ReadEvents(RecordUsageRequest(events=[_event(_json(body))]), {})
    attributes = _attributes(headers)
    if not attributes:
        raise _mistake(
            "",
            f"is not a CloudEvent: send {STRUCTURED}, {BATCHED}, or its attributes in headers that begin with ce-",
        )
    data = _json(body) if body else None
    return ReadEvents(RecordUsageRequest(events=[_event({**attributes, "data": data})]), {})


def _attributes(headers: Headers) -> dict[str, Any]:
    """Of binary mode: percent-encoded in headers, since those hold ASCII alone."""
    found: dict[str, Any] = {}
    for name, value in headers.items():
        if name.startswith(_HEADER):
            attribute = name.removeprefix(_HEADER)
            if attribute in found:
                raise _mistake(name, "comes twice")
            try:
                found[attribute] = unquote(value, errors="strict")
            except UnicodeDecodeError:
                raise _mistake(name, "is not UTF-8 in percent-encoding") from None
    return found


def _event(value: object, where: str = "") -> UsageEvent:
    if not isinstance(value, Mapping):
        raise _mistake(where, "is not a JSON object")
    name = repeated_name(value)
    if name is not None:
        raise _mistake(where, f"has {name!r} twice")
    cells = flattened(value)
    missing = [name for name in _REQUIRED if not cells.get(name)]
    if missing:
        raise _mistake(where, f"is not a CloudEvent: it has no {missing[0]}")
    if cells["specversion"] != "1.0":
        raise _mistake(where, f"has specversion {cells['specversion']}: send 1.0")
    if "data_base64" in cells or "data" in cells:
        raise _mistake(where, "has data that is not a JSON object")
    if "data.ce_source" in cells:
        raise _mistake(where, "has ce_source in its data, which is the property of its source")
    event = UsageEvent(
        event_id=_text(cells, "id", where),
        event_type=_text(cells, "type", where),
        customer_id=_text(cells, "subject", where),
        properties={
            name: PropertyValue(string_value=_text(cells, column, where))
            for column, name in _properties(cells).items()
        },
    )
    time = _text(cells, "time", where)
    if time:
        event.event_time.CopyFrom(to_timestamp(_time_us(time, where)))
    return event


def _properties(cells: Mapping[str, object]) -> dict[str, str]:
    """Columns with the names of their properties."""
    found = {column: column.removeprefix(_DATA) for column in cells if column.startswith(_DATA)}
    return {**found, "source": "ce_source"}


def _text(cells: Mapping[str, object], column: str, where: str) -> str:
    cell = cells.get(column, "")
    if isinstance(cell, Flaw):
        raise _mistake(f"{where}.{column}".strip("."), cell.message)
    text = str(cell)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _mistake(f"{where}.{column}".strip("."), "is not UTF-8") from None
    return text


def _time_us(text: str, where: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise _mistake(f"{where}.time".strip("."), f"{text[:64]!r} has no time zone")
        return datetime_us(instant)
    except (ValueError, OverflowError):
        raise _mistake(f"{where}.time".strip("."), f"{text[:64]!r} is not an RFC 3339 time") from None


def _json(body: bytes) -> object:
    try:
        return _DECODER.decode(body.decode().strip())
    except (ValueError, RecursionError) as error:
        raise _mistake("", f"is not JSON: {' '.join(str(error).split())[:200]}") from None


def _mistake(where: str, message: str) -> InvalidRequestError:
    return InvalidRequestError(FieldMistake(where or "request", message))
