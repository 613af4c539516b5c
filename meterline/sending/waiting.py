"""Waiting for a change under a lock: threads by a condition, event loops by a call that wakes them.

A wake-up is only a hint: who is woken looks again, under the lock.
"""

import threading
from collections.abc import Callable

Ready = Callable[[], bool]
Wake = Callable[[], None]


class Waiting:
    """Those who wait for one kind of change of what `lock` guards."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._threads = threading.Condition(lock)
        self._wakes: dict[Wake, None] = {}  # in the order in which they came

    def wait_for(self, ready: Ready, timeout_s: float | None) -> bool:
        """Block this thread until `ready()` or the time is over; whether it is ready."""
        with self._lock:
            return self._threads.wait_for(ready, timeout_s)

    def ask(self, ready: Ready, wake: Wake) -> bool:
        """Whether it is ready now. If not, `wake` is called once, from any thread, after the next change."""
        with self._lock:
            if ready():
                return True
            self._wakes[wake] = None
            return False

    def withdraw(self, wake: Wake) -> None:
        """Forget a `wake` that was not called yet."""
        with self._lock:
            self._wakes.pop(wake, None)

    def notify_all(self) -> None:
        """Something changed. Called with the lock held; `wake` must not wait."""
        self._threads.notify_all()
        wakes, self._wakes = self._wakes, {}
        for wake in wakes:
            wake()
