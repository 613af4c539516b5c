"""Waiting in an event loop for what other threads change."""

import asyncio
import contextlib
from collections.abc import Awaitable
from functools import partial
from typing import TypeVar

from meterline.sending.waiting import Ready, Waiting

_Result = TypeVar("_Result")


async def wait_for(waiting: Waiting, ready: Ready, timeout_s: float | None) -> bool:
    """Wait, without a thread, until `ready()` or the time is over; whether it is ready."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                changed: asyncio.Future[None] = loop.create_future()
                wake = partial(resolve, loop, changed, None)
                if waiting.ask(ready, wake):
                    return True
                try:
                    await changed
                finally:
                    waiting.withdraw(wake)
    except TimeoutError:
        return ready()


async def to_the_end(awaitable: Awaitable[_Result]) -> _Result:
    """The result, for the few steps that must not be left half done.

    A task that is cancelled meanwhile gets its CancelledError afterwards.
    """
    future = asyncio.ensure_future(awaitable)
    cancelled = False
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError:
            cancelled = True
    if cancelled:
        raise asyncio.CancelledError
    return future.result()


def resolve(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[_Result]", result: _Result) -> None:
    """From any thread: give a future its result. Nobody waits any more if its loop is closed."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_set_result, future, result)


def _set_result(future: "asyncio.Future[_Result]", result: _Result) -> None:
    if not future.done():
        future.set_result(result)
