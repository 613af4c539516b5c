"""What decoding makes of requests, whichever way their events are written."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.sent_events import SentEvents


class RequestKind(enum.Enum):
    """The requests that carry events, by the name of their message."""

    RECORD = "RecordUsageRequest"
    STREAM = "StreamUsageRequest"
    COLUMNS = "RecordUsageColumnsRequest"


@dataclass(frozen=True, slots=True)
class RequestMistake:
    """Why a request as a whole can't be read: the field at fault, and one line that says what is wrong."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The events of several requests of one kind, one after the other, unjudged.

    `offsets`: n + 1 places, the events of request i are the rows [offsets[i], offsets[i + 1]).
    `sequences`: n uint64, 0 for requests that have none. `mistakes`: the requests that can't be read, by place;
    they have no events.
    """

    offsets: NDArray[np.int64]
    sequences: NDArray[np.uint64]
    mistakes: Mapping[int, RequestMistake]
    events: SentEvents
