"""Whether the stores answer: each is asked every few seconds, by a thread of its own.

Rules:
1. Nobody who wants to know waits for a store: they are told of the last answer.
2. A store that takes longer than ANSWER_TIMEOUT_S does not answer, though it may yet.
3. What is told names the store and nothing of its address, user or error. The log has the error, once an outage.
"""

import threading
from collections.abc import Callable
from typing import Final

import structlog

from engine.errors import log_text
from engine.health.outages import Outage
from engine.metrics import METRICS

_log = structlog.get_logger(__name__)
# An outage is told within this and ANSWER_TIMEOUT_S. A check costs the engine about a millisecond.
CHECK_EVERY_S: Final = 5
# Several times what a busy store takes.
ANSWER_TIMEOUT_S: Final = 5
_S_NS: Final = 1_000_000_000


class StoreCheck:
    """Asks one store. `ask` returns when it answers, and raises when it does not."""

    def __init__(self, store: str, ask: Callable[[], object], monotonic_ns: Callable[[], int]) -> None:
        """`store` names it in metrics ("usage", "catalog")."""
        self.store = store
        self._ask = ask
        self._monotonic_ns = monotonic_ns
        self._asked_ns: int | None = None
        self._answers = False
        self._outage = Outage()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"meterline-{store}-check", daemon=True)
        METRICS.store_up.labels(store).set_function(lambda: int(self.trouble() is None))

    def start(self) -> None:
        """Asks once, then again and again in the background."""
        self.check()
        self._thread.start()

    def stop(self) -> None:
        """Waits for a check that runs, no longer than a store may take."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(ANSWER_TIMEOUT_S)

    def trouble(self) -> str | None:
        """What is wrong with the store, in words for whoever asks; None: it answers."""
        asked_ns = self._asked_ns
        if asked_ns is not None and self._monotonic_ns() - asked_ns > ANSWER_TIMEOUT_S * _S_NS:
            return f"the {self.store} store has not answered for more than {ANSWER_TIMEOUT_S} s"
        return None if self._answers else f"the {self.store} store does not answer"

    def check(self) -> None:
        """Asks the store, and waits for its answer."""
        self._asked_ns = began_ns = self._monotonic_ns()
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001 - whatever it is, the store does not answer, and is asked again
            self._noted(answers=False, error=error)
        else:
            self._noted(answers=True)
        self._asked_ns = None
        METRICS.store_check_duration_seconds.labels(self.store).observe(
            (self._monotonic_ns() - began_ns) / _S_NS
        )

    def _noted(self, *, answers: bool, error: Exception | None = None) -> None:
        if error is not None and self._outage.failed():
            _log.warning("a store does not answer", store=self.store, error=log_text(error))
        elif answers and (failed_checks := self._outage.worked()):
            _log.info("a store answers again", store=self.store, failed_checks=failed_checks)
        self._answers = answers

    def _run(self) -> None:
        while not self._stop.wait(CHECK_EVERY_S):
            self.check()
