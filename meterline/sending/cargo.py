"""A batch on its way: its events, where they lie on disk, and which of them stay there for another time."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from meterline.events import Judgement
from meterline.sending.batching import Batch
from meterline.sending.delivery import stays
from meterline.spooling.spool import Spool
from meterline.spooling.spool_format import Slot

_log = logging.getLogger("meterline")
_WARNING_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Cargo:
    """The frames of a batch; with a spool, the slot of each. `lost_count` more could not be read back."""

    first_ordinal: int
    frames: Sequence[bytes]
    slots: Sequence[Slot] = ()
    lost_count: int = 0


@dataclass(frozen=True, slots=True)
class Sorted:
    """The judged events of a cargo: those that ended, with their frames, and batches of those that stay."""

    frames: Sequence[bytes]
    judged: Sequence[Judgement]
    ended: Sequence[Slot] = ()
    staying: Sequence[Batch] = ()


def cargo_of(batch: Batch, spool: Spool | None) -> Cargo:
    """Fetch the events of a batch. Raises OSError if the disk can't give them now."""
    if spool is None:
        return Cargo(batch.first_ordinal, batch.frames)
    loaded = spool.load(batch.extents)
    return Cargo(batch.first_ordinal, loaded.frames, loaded.slots, loaded.lost_count)


def sort_out(cargo: Cargo, judged: Sequence[Judgement]) -> Sorted:
    """Tell apart what came to its end and what stays. In memory all come to their end."""
    if not cargo.slots or not any(map(stays, judged)):
        return Sorted(cargo.frames, judged, cargo.slots)
    ended = [index for index, judgement in enumerate(judged) if not stays(judgement)]
    staying: list[Batch] = []
    for index, judgement in enumerate(judged):
        if not stays(judgement):
            continue
        if not (index and stays(judged[index - 1])):
            staying.append(Batch(cargo.first_ordinal + index, 0.0))
        staying[-1].append(cargo.slots[index])
    return Sorted(
        [cargo.frames[index] for index in ended],
        [judged[index] for index in ended],
        [cargo.slots[index] for index in ended],
        staying,
    )


@dataclass(slots=True)
class StayingLog:
    """Warns of events that stay in the spool: at once for a new reason, else once a minute."""

    directory: str
    _last_reason: str = ""
    _last_at_s: float = field(default=float("-inf"))

    def tell(self, judged: Sequence[Judgement]) -> None:
        """Some of these judged events stay."""
        first = next(filter(stays, judged))
        now_s = time.monotonic()
        if first.reason == self._last_reason and now_s < self._last_at_s + _WARNING_EVERY_S:
            return
        self._last_reason, self._last_at_s = first.reason, now_s
        _log.warning(
            "events stay in the spool %s and are tried again (%s): %s",
            self.directory,
            first.reason,
            first.message,
        )
