"""Breaks off a blocking call of another thread: the attempt under way, and the wait for the next one."""

import threading
from typing import Any


class Interruption:
    """One for each call. `interrupt` may come at any moment, from any thread, and more than once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._attempt: Any = None

    def guard(self, attempt: Any) -> Any:  # noqa: ANN401 - grpc types its futures too loosely
        """The attempt that begins now."""
        with self._lock:
            self._attempt = attempt
            if self._event.is_set():
                attempt.cancel()
        return attempt

    def pause(self, seconds: float) -> bool:
        """Wait between attempts; true if interrupted."""
        return self._event.wait(seconds)

    def interrupt(self) -> None:
        """Break off."""
        with self._lock:
            self._event.set()
            if self._attempt is not None:
                self._attempt.cancel()
