"""What probes are told of the engine: whether it has started, lives, and is ready.

Rules:
1. Started: it has served once. It stays so.
2. Alive: the threads without which no call is served are there and move. Stores don't matter: to start the process anew
   mends none of them.
3. Ready: it serves calls, is not draining, and the stores answer.
4. Each answer is a list of reasons in plain words, empty for yes. To ask takes no time and waits for nobody.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum

from engine.health.store_checks import StoreCheck


class Phase(StrEnum):
    """Of one engine's life, in their order."""

    STARTING = "the engine is starting: its stores are being opened"
    SERVING = "the engine serves"
    DRAINING = "the engine is stopping: it finishes what it has taken"


class Condition:
    """Told by who builds the engine; asked by anybody."""

    def __init__(self) -> None:
        self._phase = Phase.STARTING
        self._checks: Sequence[StoreCheck] = ()
        self._parts: Sequence[tuple[str, Callable[[], bool]]] = ()

    def serves(
        self, checks: Sequence[StoreCheck], parts: Sequence[tuple[str, Callable[[], bool]]] = ()
    ) -> None:
        """The engine has started. `parts`: what must move for it to be alive, each with its name."""
        self._checks, self._parts = checks, parts
        self._phase = Phase.SERVING

    def drains(self) -> None:
        """Calls are no longer taken."""
        self._phase = Phase.DRAINING

    def is_serving(self) -> bool:
        """Whether calls are taken, whatever becomes of them."""
        return self._phase is Phase.SERVING

    def is_ready(self) -> bool:
        return not self.not_ready()

    def not_started(self) -> list[str]:
        return [self._phase.value] if self._phase is Phase.STARTING else []

    def not_alive(self) -> list[str]:
        # What ends while the engine drains, ends as it should.
        if self._phase is not Phase.SERVING:
            return []
        return [f"{name} does not move" for name, is_moving in self._parts if not is_moving()]

    def not_ready(self) -> list[str]:
        if self._phase is not Phase.SERVING:
            return [self._phase.value]
        troubles = (check.trouble() for check in self._checks)
        return [trouble for trouble in troubles if trouble is not None]
