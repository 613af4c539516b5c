"""How a command reaches an engine, and how every failure becomes one clear line and exit code 2."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import IO, Any, Protocol, TypeVar, cast

import click
import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from engine.cli.terminal.credentials import address_of, api_key_for, channel_credentials
from meterline import InvalidOptionError, open_channel, read_pushback_ms

# Local commands answer in milliseconds; past this the engine hangs, and a person wants to know.
TIMEOUT_S = 60
# How long a page waits for an engine that says when to come again: others ask as well.
_PATIENCE_S = 120
# The most that the engine gives of most listings.
_PAGE_SIZE_MAX = 1_000
_MESSAGE_BYTES_MAX = 64 * 1024 * 1024
_METADATA_BYTES_MAX = 512 * 1024
# Asks for every mistake of a document instead of what a client takes by default.
ALL_MISTAKES = (("meterline-details-bytes-max", "131072"),)
# How gRPC speaks of a handshake that failed, or of an engine that speaks TLS to who does not.
_TLS_WORDS = ("handshake", "SSL", "CERTIFICATE", "Socket closed", "connection reset", "end of stream")
_NOT_CONNECTED = "failed to connect"
_SAID_CHARACTERS_MAX = 200
# For a person whose engine has no catalog: revision 0.
NO_CATALOG = "no catalog yet: meterline apply FILE"


class _Paged(Protocol):
    next_page_token: str


_Page = TypeVar("_Page", bound=_Paged)


class CommandError(click.ClickException):
    """One line on standard error; exit code 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"meterline: {self.message}", file=file, err=file is None)


class DifferenceError(CommandError):
    """What was compared differs: one line on standard error; exit code 1."""

    exit_code = 1


@contextlib.contextmanager
def connected(target: str) -> Iterator[grpc.Channel]:
    """A channel; an RPC that fails inside the block ends the command with its one line."""
    options = [
        ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
        ("grpc.max_metadata_size", _METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", _METADATA_BYTES_MAX),
    ]
    try:
        api_key = api_key_for(target)
        opened = open_channel(
            address_of(target), api_key=api_key, credentials=channel_credentials(), options=options
        )
    except InvalidOptionError as error:
        raise CommandError(str(error)) from None
    with opened as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            raise CommandError(_line(target, error)) from None


def pages(
    call: Callable[..., _Page],
    request: Any,  # noqa: ANN401 - a message with a page_token
    *,
    timeout_s: float = TIMEOUT_S,
) -> Iterator[_Page]:
    """The pages of one answer, each asked for when the one before it is used up."""
    while True:
        page = _answer(call, request, timeout_s)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def some_of(
    call: Callable[..., Any],
    request: Any,  # noqa: ANN401 - a message with a page_token and a page_size
    field: str,
    limit: int,
) -> list[Any]:
    """At most so many of what the pages of an answer list in `field`; no more pages than that takes."""
    request.page_size = min(limit, _PAGE_SIZE_MAX)
    return list(islice((each for page in pages(call, request) for each in getattr(page, field)), limit))


def ahead(answer: Iterator[_Page]) -> Iterator[_Page]:
    """The pages, each asked for while the one before it is used: the engine and the command work at once."""
    with ThreadPoolExecutor(1) as asking:
        following = asking.submit(next, answer, None)
        while (page := following.result()) is not None:
            following = asking.submit(next, answer, None)
            yield page


def _answer(call: Callable[..., _Page], request: object, timeout_s: float) -> _Page:
    """Comes again when the engine says so, for a while: a long answer must not end because others ask as well."""
    started_s = time.monotonic()
    while True:
        try:
            return call(request, timeout=timeout_s)
        except grpc.RpcError as error:
            metadata = [(key, value) for key, value in call_of(error).trailing_metadata() or ()]
            pushback_ms = read_pushback_ms(metadata)
            patient = time.monotonic() - started_s < _PATIENCE_S
            if pushback_ms is None or pushback_ms < 0 or not patient:
                raise
        time.sleep(pushback_ms / 1_000)


def _line(target: str, error: grpc.RpcError) -> str:
    call = call_of(error)
    if nobody_answers(error):
        said = " ".join((call.details() or "").split())
        if said.startswith(_NOT_CONNECTED) and any(word in said for word in _TLS_WORDS):
            return (
                f"{target} answers, but not with TLS as this command has it: see --tls, --tls-ca and --tls-cert "
                f"({said[-_SAID_CHARACTERS_MAX:]})"
            )
        return f"no engine answers at {target}: start one with `meterline serve`, or name it with --target"
    if call.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"the engine at {target} did not answer in time: see its log"
    return f"{call.details()} ({call.code().name})"


def nobody_answers(error: grpc.RpcError) -> bool:
    """Whether it is gRPC's own: an engine that refuses says when to come again, as details of the status."""
    return (
        call_of(error).code() is grpc.StatusCode.UNAVAILABLE and rpc_status.from_call(call_of(error)) is None
    )


def call_of(error: grpc.RpcError) -> grpc.Call:
    # What a stub raises is both; the types of grpc don't say so.
    return cast("grpc.Call", error)


def field_violations(error: grpc.RpcError) -> list[str]:
    """`field: what is wrong` for each mistake that the engine reports; empty for another error."""
    status = rpc_status.from_call(call_of(error))
    if status is None:
        return []
    lines: list[str] = []
    for detail in status.details:
        request = error_details_pb2.BadRequest()
        if detail.Unpack(request):
            lines += [f"{violation.field}: {violation.description}" for violation in request.field_violations]
    return lines
