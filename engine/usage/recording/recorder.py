"""Records events, and tells what became of them: the one way to the intake for every call that brings some.

Rules:
1. Whoever brings events, their verdicts are counted, and their problems reach the log of problems.
2. Both happen when the answer is known, before it is given. Of a request that nobody waited for to its end, neither does.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Final

import numpy as np

from engine.errors import StoreUnavailableError
from engine.metrics import METRICS
from engine.usage.recording.committer import Recorded
from engine.usage.recording.intake import Intake
from engine.usage.recording.problem_log import ProblemLog, SentRequest
from ingest import Problem, Verdict

# Longer than any healthy insert; a caller that waits longer does better to ask again.
_COMMIT_TIMEOUT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Submitted:
    """A request, and what will become of it."""

    request: SentRequest
    done: "Future[Recorded]"


class Recorder:
    """Thread-safe."""

    def __init__(self, intake: Intake, problems: ProblemLog) -> None:
        self._intake = intake
        self._problems = problems

    def submit(self, request: SentRequest) -> Submitted:
        """Raises as Intake.submit."""
        return Submitted(request, self._intake.submit(request.tenant, request.kind, request.data))

    def recorded(self, submitted: Submitted) -> Recorded:
        """Waits until the events are durable.

        Raises:
            StoreUnavailableError: the store takes too long; they may be stored yet.
            MeterlineError: as the future of Intake.submit ends.
        """
        try:
            recorded = submitted.done.result(_COMMIT_TIMEOUT_S)
        except FutureTimeoutError as error:
            raise StoreUnavailableError(
                f"the usage store took longer than {_COMMIT_TIMEOUT_S} s", retry_after_ms=1_000
            ) from error
        self._problems.offer(submitted.request, recorded.problems)
        counts = np.bincount(recorded.verdicts, minlength=len(Verdict) + 1)
        for verdict in Verdict:
            METRICS.events.labels(verdict.name.lower()).inc(int(counts[verdict]))
        return recorded

    def rejected(self, request: SentRequest, problems: Sequence[Problem]) -> None:
        """Notes the only event of a request, which admission has rejected before it was submitted."""
        self._problems.offer(request, [(0, each) for each in problems])
        METRICS.events.labels(Verdict.REJECTED.name.lower()).inc()
