"""Writes of event loops to the spool: by one thread, those that came together in one write and one flush.

1. The loop never touches the disk. What tasks want to write is in a queue; the thread takes all of it.
2. An event that was written belongs to its task until that passes it on to the sender: so a task that is
   cancelled before leaves nothing behind. What it had written is settled before CancelledError goes on.
"""

import asyncio
import threading
from collections import deque
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeAlias

from meterline.aio.waiting import resolve, to_the_end
from meterline.spooling.spool import Spool
from meterline.spooling.spool_format import Slot

_Written: TypeAlias = Slot | Exception | None


@dataclass(eq=False, slots=True)
class _Entry:
    frame: bytes
    loop: asyncio.AbstractEventLoop
    written: "asyncio.Future[_Written]"


class Spooling:
    """Puts events of any number of tasks, loops and threads into one spool."""

    def __init__(self, spool: Spool, executor: Executor) -> None:
        self._spool = spool
        self._executor = executor
        self._lock = threading.Lock()
        self._queue: deque[_Entry] = deque()
        self._running = False

    async def put(self, frame: bytes) -> Slot | None:
        """Write an event; None if there is no room. Raises what `Spool.put` raises; cancelled: not written."""
        loop = asyncio.get_running_loop()
        entry = _Entry(frame, loop, loop.create_future())
        with self._lock:
            self._queue.append(entry)
            begin = not self._running
            self._running = True
        if begin:
            self._executor.submit(self._write_all)
        try:
            written = await asyncio.shield(entry.written)
        except asyncio.CancelledError:
            await to_the_end(self._take_back(entry))
            raise
        if isinstance(written, Exception):
            raise written
        return written

    async def _take_back(self, entry: _Entry) -> None:
        with self._lock:
            if entry in self._queue:
                self._queue.remove(entry)
                return
        written = await entry.written
        if isinstance(written, Slot):
            await entry.loop.run_in_executor(self._executor, self._spool.settle, [written])

    def _write_all(self) -> None:
        while True:
            with self._lock:
                entries = list(self._queue)
                self._queue.clear()
                if not entries:
                    self._running = False
                    return
            for entry, written in zip(entries, self._write(entries), strict=True):
                resolve(entry.loop, entry.written, written)

    def _write(self, entries: list[_Entry]) -> list[_Written]:
        results: list[_Written] = []
        while len(results) < len(entries):
            rest = entries[len(results) :]
            try:
                slots = self._spool.put([entry.frame for entry in rest])
            except Exception as error:  # noqa: BLE001 - it is raised where the event was recorded
                return results + [error] * len(rest)
            if not slots:
                return results + [None] * len(rest)
            results += slots
        return results
