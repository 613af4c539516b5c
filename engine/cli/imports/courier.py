"""One request to its answer: the client's rules of what is sent again and when, with one line at the end of patience."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import click
import grpc

from engine.cli.terminal.connection import TIMEOUT_S, CommandError, call_of, nobody_answers
from meterline import CallFailure, RetryPolicy, read_pushback_ms
from meterline.v1.usage_pb2 import RecordUsageColumnsResponse

_METHOD = "/meterline.v1.UsageService/RecordUsageColumns"


@dataclass(frozen=True, slots=True)
class Courier:
    """Sends the requests of one file to one engine, from any thread. `stopped` ends the waits, for good."""

    channel: grpc.Channel
    target: str
    policy: RetryPolicy
    # Of the API key that the channel carries.
    key_id: str | None = None
    random: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    stopped: threading.Event = field(default_factory=threading.Event)
    # Held by the request that has said that nobody answers, until it has its answer: two wait, and one speaks.
    _told: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, payload: bytes) -> RecordUsageColumnsResponse:
        """Raises CommandError when the engine refuses it for good, or patience is over."""
        send = self.channel.unary_unary(
            _METHOD, request_serializer=None, response_deserializer=RecordUsageColumnsResponse.FromString
        )
        started_s = self.clock()
        attempt = 0
        speaks = False
        while True:
            try:
                answer: RecordUsageColumnsResponse = send(payload, timeout=TIMEOUT_S)
            except grpc.RpcError as error:
                failure, is_away = _failure(error), nobody_answers(error)
            else:
                if speaks:
                    self._told.release()
                return answer
            wait_s = self.policy.wait_s(failure, attempt, self.clock() - started_s, self.random())
            if wait_s is None:
                raise CommandError(self._line(failure))
            if is_away and not speaks:
                speaks = self._say_away()
            if self.stopped.wait(wait_s):
                raise CommandError(self._line(failure))
            attempt += 1

    def _say_away(self) -> bool:
        """Whether this request is the one that speaks: a person must not wait in silence."""
        if not self._told.acquire(blocking=False):
            return False
        click.echo(
            f"no engine answers at {self.target}: trying for up to {self.policy.timeout_s:g} s", err=True
        )
        return True

    def _line(self, failure: CallFailure) -> str:
        if not failure.retryable:
            return f"{failure.message} ({failure.code.name})"
        return (
            f"no answer from the engine at {self.target} for {self.policy.timeout_s:g} s: "
            f"{failure.message[:200]} ({failure.code.name}). Is it up, and --target right?"
        )


def _failure(error: grpc.RpcError) -> CallFailure:
    call = call_of(error)
    metadata = [(key, value) for key, value in call.trailing_metadata() or ()]
    return CallFailure(call.code(), call.details() or "", read_pushback_ms(metadata))
