"""What a customer owes, told again whenever it changes: SpendService's WatchSpend as an iteration."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import TracebackType
from typing import Final, Protocol, Self

from grpc import StatusCode

from meterline.arguments import asked_text, epoch_us
from meterline.reads.reading import request_failed
from meterline.reads.spend import Spend, read_spend
from meterline.retry import CallFailure
from meterline.transport import CallFailedError
from meterline.v1 import spend_pb2

_PAUSE_S: Final = 0.5
_BROKEN: Final = frozenset({StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED})


class _Answers(Protocol):
    def next(self) -> spend_pb2.WatchSpendResponse | None: ...
    def cancel(self) -> None: ...


class SpendWatch:
    """Iterates over Spend values, each the whole spend. `close`, or the end of its `with`, ends it, from any thread."""

    def __init__(
        self, customer_id: str, payload: bytes, opened: Callable[[bytes], _Answers], retry_timeout_s: float
    ) -> None:
        self._customer_id = customer_id
        self._payload = payload
        self._opened = opened
        self._retry_timeout_s = retry_timeout_s
        self._answers: _Answers | None = None
        self._heard_s = time.monotonic()
        self._closed = threading.Event()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Spend:
        spend = self.next()
        if spend is None:
            raise StopIteration
        return spend

    def next(self) -> Spend | None:
        """The next one, however long it takes; None once the watch is closed. Raises RequestFailedError."""
        while not self._closed.is_set():
            try:
                answer = self._next_answer()
            except CallFailedError as error:
                self._answers = None
                if self._closed.is_set():
                    break
                self._check_patience(error.failure)
                self._closed.wait(_PAUSE_S)
                continue
            self._heard_s = time.monotonic()
            if answer is None:
                self._answers = None
            elif answer.HasField("spend"):
                return read_spend(self._customer_id, answer.spend)
        return None

    def close(self) -> None:
        """Watch no more; whoever waits in `next` is let go. Closing again changes nothing."""
        self._closed.set()
        if (answers := self._answers) is not None:
            answers.cancel()

    def _next_answer(self) -> spend_pb2.WatchSpendResponse | None:
        answers = self._answers
        if answers is None:
            answers = self._answers = self._opened(self._payload)
            if self._closed.is_set():
                answers.cancel()
        return answers.next()

    def _check_patience(self, failure: CallFailure) -> None:
        waited_s = time.monotonic() - self._heard_s
        if failure.code not in _BROKEN or waited_s >= self._retry_timeout_s:
            raise request_failed(failure) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncSpendWatch:
    """The same for `async for` and `async with`; its waits leave the loop free."""

    def __init__(self, watch: SpendWatch) -> None:
        self._watch = watch
        self._thread = ThreadPoolExecutor(1, "meterline-watch")

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Spend:
        try:
            spend = await asyncio.get_running_loop().run_in_executor(self._thread, self._watch.next)
        except asyncio.CancelledError:
            self.close()
            raise
        if spend is None:
            raise StopAsyncIteration
        return spend

    def close(self) -> None:
        """As `SpendWatch.close`."""
        self._watch.close()
        self._thread.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def watch_request(customer_id: str, at: datetime | None) -> bytes:
    """A serialized WatchSpendRequest. Raises InvalidArgumentError."""
    request = spend_pb2.WatchSpendRequest(customer_id=asked_text("customer_id", customer_id))
    if at is not None:
        request.at.FromMicroseconds(epoch_us(at, "at"))
    return request.SerializeToString()
