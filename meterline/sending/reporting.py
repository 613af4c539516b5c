"""Tells of the events that were not accepted: to the owner's callback, or to the log."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from meterline.events import Judgement, Receipt, Verdict
from meterline.sending.messages import decode

OnProblem: TypeAlias = Callable[[Receipt], object]

_log = logging.getLogger("meterline")
_FINE = frozenset({Verdict.ACCEPTED, Verdict.DUPLICATE})


class Tell(Protocol):
    """Gives the problems of a batch to their owner, and returns when that is done. Raises nothing."""

    told_count: int
    """Problems that were given so far, of all batches: it grows while the owner's code goes on."""

    def __call__(self, receipts: Sequence[Receipt]) -> None: ...


class ThreadCallback:
    """Calls the owner's function for each problem, on the sender's thread."""

    def __init__(self, on_problem: OnProblem) -> None:
        self._on_problem = on_problem
        self.told_count = 0

    def __call__(self, receipts: Sequence[Receipt]) -> None:
        for receipt in receipts:
            self.told_count += 1
            try:
                self._on_problem(receipt)
            except BaseException:  # noqa: BLE001 - the owner's code, even its sys.exit(), must not end the sender
                log_raised(receipt)


def log_raised(receipt: Receipt) -> None:
    """Log the exception that the owner's callback raises just now."""
    _log.exception("on_problem raised for event %s, which was %s", receipt.event_id, receipt.verdict)


def report(frames: Sequence[bytes], judged: Sequence[Judgement], tell: Tell | None) -> None:
    """Report each event whose verdict is conflict, rejected or failed; without an owner's callback, log.

    The log gets one warning for each kind of problem in the batch, not one for each event.
    """
    problems = [index for index, judgement in enumerate(judged) if judgement.verdict not in _FINE]
    if not problems:
        return
    if tell is None:
        _warn(frames, judged, problems)
    else:
        tell([Receipt(decode(frames[index]), *judged[index]) for index in problems])


def _warn(frames: Sequence[bytes], judged: Sequence[Judgement], problems: Sequence[int]) -> None:
    kinds = Counter((judged[index].verdict, judged[index].reason, judged[index].field) for index in problems)
    named: set[tuple[Verdict, str, str]] = set()
    for index in problems:
        judgement = judged[index]
        kind = (judgement.verdict, judgement.reason, judgement.field)
        if kind in named:
            continue
        named.add(kind)
        event = decode(frames[index])
        _log.warning(
            "%d of %d events %s (%s%s): %s; first: event %s of customer %s",
            kinds[kind],
            len(frames),
            judgement.verdict,
            judgement.reason,
            f" {judgement.field}" if judgement.field else "",
            judgement.message,
            event.event_id,
            event.customer_id,
        )
