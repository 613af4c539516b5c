"""When events go out, and together with which: pure, with the time as an argument.

1. Frames (encoded events) are appended to one open batch, in the order in which they came.
2. The open batch is sealed when the next frame would pass its bytes, or when its count is reached.
   So no batch ever passes a limit.
3. Sealed batches are due at once, oldest first. The open batch is due when its first frame has
   waited `age_max_s`, or as soon as someone waits for it (`urge`).
4. Each frame has an ordinal, counted from 0. Batches are taken in the order of their ordinals, so
   "all before ordinal n are gone" is one comparison.

Not safe for threads: the owner holds a lock.
"""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Batch:
    """Frames that travel in one request; `first_ordinal` is that of `frames[0]`."""

    first_ordinal: int
    opened_at_s: float
    frames: list[bytes] = field(default_factory=list)
    size_bytes: int = 0

    def payload(self) -> bytes:
        """The request's bytes: serialized messages joined are the serialized message of all."""
        return b"".join(self.frames)


class Batcher:
    """Collects frames into batches. Times are seconds of a monotonic clock."""

    def __init__(self, *, events_max: int, bytes_max: int, age_max_s: float) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._age_max_s = age_max_s
        self._sealed: deque[Batch] = deque()
        self._open: Batch | None = None
        self._urged_before = 0
        self.next_ordinal = 0

    @property
    def empty(self) -> bool:
        """Whether no frame waits."""
        return self._open is None and not self._sealed

    @property
    def first_waiting_ordinal(self) -> int:
        """The ordinal of the oldest frame that waits; `next_ordinal` if none does."""
        if self._sealed:
            return self._sealed[0].first_ordinal
        return self.next_ordinal if self._open is None else self._open.first_ordinal

    def add(self, frame: bytes, now_s: float) -> bool:
        """Take a frame in; true if that makes a batch due, or starts the clock of a new one."""
        changed = False
        if self._open is not None and self._open.size_bytes + len(frame) > self._bytes_max:
            self._seal()
            changed = True
        if self._open is None:
            self._open = Batch(self.next_ordinal, now_s)
            changed = True
        self._open.frames.append(frame)
        self._open.size_bytes += len(frame)
        self.next_ordinal += 1
        if len(self._open.frames) >= self._events_max:
            self._seal()
            changed = True
        return changed

    def urge(self) -> None:
        """Make all that waits now due at once."""
        self._urged_before = self.next_ordinal

    def due_in_s(self, now_s: float) -> float | None:
        """Seconds until a batch is due: 0 for at once, None if nothing waits."""
        if self._sealed:
            return 0.0
        if self._open is None:
            return None
        if self._open.first_ordinal < self._urged_before:
            return 0.0
        return max(0.0, self._open.opened_at_s + self._age_max_s - now_s)

    def take(self, now_s: float) -> Batch | None:
        """The oldest batch that is due, if one is."""
        if self.due_in_s(now_s) != 0.0:
            return None
        if not self._sealed:
            self._seal()
        return self._sealed.popleft()

    def _seal(self) -> None:
        if self._open is not None:
            self._sealed.append(self._open)
            self._open = None
