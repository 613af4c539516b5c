"""`on_problem` of an AsyncClient: asked for by a sender's thread, run on the owner's event loop.

1. The thread waits until the callbacks of its batch have returned: so `flush` comes after them, and a slow
   callback slows the sending instead of piling up.
2. The loop is the one in which the client was used first; when that no longer runs, the one of the next use.
3. Where no loop runs any more the problems go to the log. None is swallowed, none is told twice.
"""

import asyncio
import concurrent.futures
import inspect
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from meterline.events import Receipt
from meterline.sending.reporting import log_raised

AsyncOnProblem: TypeAlias = Callable[[Receipt], object] | Callable[[Receipt], Awaitable[object]]

_log = logging.getLogger("meterline")
_LOOK_AT_LOOP_S = 1.0  # how often the thread looks whether the loop still runs
_YIELD_EVERY = 8  # plain functions after which the loop's other tasks have a turn


@dataclass(slots=True)
class _Telling:
    """The problems of one batch: how far the loop has come, and whether the thread still waits for it."""

    receipts: Sequence[Receipt]
    told_count: int = 0
    given_up: bool = False
    done: "concurrent.futures.Future[None]" = field(default_factory=concurrent.futures.Future)


class LoopCallback:
    """Calls the owner's function or coroutine function on its loop."""

    def __init__(self, on_problem: AsyncOnProblem) -> None:
        self._on_problem = on_problem
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process_id = os.getpid()
        self._tasks: set[asyncio.Task[None]] = set()
        self.told_count = 0

    def bind(self) -> None:
        """Run callbacks on the loop that runs now, unless an earlier one of this process still runs."""
        if self._loop is None or self._process_id != os.getpid() or not self._loop.is_running():
            self._loop = asyncio.get_running_loop()
            self._process_id = os.getpid()

    def is_running_here(self) -> bool:
        """Whether the current task is a callback."""
        return asyncio.current_task() in self._tasks

    def __call__(self, receipts: Sequence[Receipt]) -> None:
        """Run the callback for each and wait until that is done. For a sender's thread."""
        telling = _Telling(receipts)
        if self._loop is not None:
            self._hand_over(telling, self._loop)
        if telling.told_count < len(receipts):
            _log_untold(receipts[telling.told_count :])

    def _hand_over(self, telling: _Telling, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.call_soon_threadsafe(self._start, telling, loop)
        except RuntimeError:  # it is closed
            return None
        while True:
            try:
                return telling.done.result(_LOOK_AT_LOOP_S)
            except TimeoutError:
                if not loop.is_running():
                    telling.given_up = True
                    return None

    def _start(self, telling: _Telling, loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(self._run(telling))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._end(task, telling))

    def _end(self, task: "asyncio.Task[None]", telling: _Telling) -> None:
        self._tasks.discard(task)
        telling.done.set_result(None)

    async def _run(self, telling: _Telling) -> None:
        for receipt in telling.receipts:
            if telling.given_up:
                return
            telling.told_count += 1
            self.told_count += 1
            try:
                result = self._on_problem(receipt)
                if inspect.isawaitable(result):
                    await result
            except asyncio.CancelledError:  # the loop ends and cancels its tasks
                return
            except BaseException:  # noqa: BLE001 - the owner's sys.exit() must not end the loop from here
                log_raised(receipt)
            if not telling.told_count % _YIELD_EVERY:
                await asyncio.sleep(0)


def _log_untold(receipts: Sequence[Receipt]) -> None:
    first = receipts[0]
    _log.warning(
        "on_problem could not run for %d events, its event loop has ended; "
        "first: event %s of customer %s was %s (%s%s): %s",
        len(receipts),
        first.event_id,
        first.event.customer_id,
        first.verdict,
        first.reason,
        f" {first.field}" if first.field else "",
        first.message,
    )
