"""`on_problem` of an AsyncClient: called by a sender's thread, run on the owner's event loop.

1. The thread waits until the callback has returned: so `flush` comes after it, and a slow callback slows the
   sending instead of piling up.
2. The loop is the one in which the client was used first; when that no longer runs, the one of the next use.
3. Where no loop runs any more the problem goes to the log. It is never swallowed.
"""

import asyncio
import concurrent.futures
import inspect
import logging
import os
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from meterline.events import Receipt

AsyncOnProblem: TypeAlias = Callable[[Receipt], object] | Callable[[Receipt], Awaitable[object]]

_log = logging.getLogger("meterline")
_LOOK_AT_LOOP_S = 1.0  # how often the thread looks whether the loop still runs


class LoopCallback:
    """Calls the owner's function or coroutine function on its loop."""

    def __init__(self, on_problem: AsyncOnProblem) -> None:
        self._on_problem = on_problem
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process_id = os.getpid()
        self._tasks: set[asyncio.Task[object]] = set()

    def bind(self) -> None:
        """Run callbacks on the loop that runs now, unless an earlier one of this process still runs."""
        if self._loop is None or self._process_id != os.getpid() or not self._loop.is_running():
            self._loop = asyncio.get_running_loop()
            self._process_id = os.getpid()

    def is_running_here(self) -> bool:
        """Whether the current task is a callback."""
        return asyncio.current_task() in self._tasks

    def __call__(self, receipt: Receipt) -> None:
        """Run the callback and wait for it. Raises what it raises."""
        loop = self._loop
        if loop is None or loop.is_closed():
            _tell(receipt)
            return
        call = self._run(receipt)
        try:
            future = asyncio.run_coroutine_threadsafe(call, loop)
        except RuntimeError:  # closed since
            call.close()
            _tell(receipt)
            return
        error = self._outcome(future, loop, receipt)
        if error is not None:
            raise error

    def _outcome(
        self,
        future: "concurrent.futures.Future[BaseException | None]",
        loop: asyncio.AbstractEventLoop,
        receipt: Receipt,
    ) -> BaseException | None:
        while True:
            try:
                return future.result(_LOOK_AT_LOOP_S)
            except TimeoutError:
                if loop.is_running():
                    continue
                future.cancel()
                _tell(receipt)
                return None
            except concurrent.futures.CancelledError:  # the loop ends and cancels its tasks
                _tell(receipt)
                return None

    async def _run(self, receipt: Receipt) -> BaseException | None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a callback runs in a task")
        self._tasks.add(task)
        try:
            result = self._on_problem(receipt)
            if inspect.isawaitable(result):
                await result
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - the owner's sys.exit() must not end the loop from here
            return error
        finally:
            self._tasks.discard(task)
        return None


def _tell(receipt: Receipt) -> None:
    event = receipt.event
    _log.warning(
        "on_problem could not run, its event loop has ended: event %s of customer %s was %s (%s%s): %s",
        event.event_id,
        event.customer_id,
        receipt.verdict,
        receipt.reason,
        f" {receipt.field}" if receipt.field else "",
        receipt.message,
    )
