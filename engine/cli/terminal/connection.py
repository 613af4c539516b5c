"""How a command reaches an engine, and how every failure becomes one clear line and exit code 2."""

import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import IO, Any, cast

import click
import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from meterline import InvalidOptionError, check_target
from meterline.v1.billing_pb2 import UnrateableCustomer

DEFAULT_TARGET = "localhost:7070"
# Local commands answer in milliseconds; past this the engine hangs, and a person wants to know.
TIMEOUT_S = 60
_MESSAGE_BYTES_MAX = 64 * 1024 * 1024
_METADATA_BYTES_MAX = 512 * 1024
# Asks for every mistake of a document instead of what a client takes by default.
ALL_MISTAKES = (("meterline-details-bytes-max", "131072"),)


def _checked_target(_context: click.Context, _option: click.Parameter, target: str) -> str:
    try:
        check_target(target)
    except InvalidOptionError as error:
        raise click.BadParameter(str(error)) from None
    return target


target_option = click.option(
    "--target",
    default=DEFAULT_TARGET,
    show_default=True,
    metavar="HOST:PORT",
    callback=_checked_target,
    help="The engine's address.",
)


class CommandError(click.ClickException):
    """One line on standard error; exit code 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"meterline: {self.message}", file=file, err=file is None)


@contextlib.contextmanager
def connected(target: str) -> Iterator[grpc.Channel]:
    """A channel; an RPC that fails inside the block ends the command with its one line."""
    options = [
        ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
        ("grpc.max_metadata_size", _METADATA_BYTES_MAX),
        ("grpc.absolute_max_metadata_size", _METADATA_BYTES_MAX),
    ]
    with grpc.insecure_channel(target, options=options) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            raise CommandError(_line(target, error)) from None


def _line(target: str, error: grpc.RpcError) -> str:
    call = call_of(error)
    if nobody_answers(error):
        return no_engine(target)
    if call.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"the engine at {target} did not answer in time: see its log"
    return f"{call.details()} ({call.code().name})"


def nobody_answers(error: grpc.RpcError) -> bool:
    """Whether it is gRPC's own: an engine that refuses says when to come again, as details of the status."""
    return (
        call_of(error).code() is grpc.StatusCode.UNAVAILABLE and rpc_status.from_call(call_of(error)) is None
    )


def no_engine(target: str) -> str:
    return f"no engine answers at {target}: start one with `meterline serve`, or name it with --target"


# For a person whose engine has no catalog: revision 0.
NO_CATALOG = "no catalog yet: meterline apply -f FILE"


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


class InstantType(click.ParamType["datetime"]):
    """An option's instant: a date (midnight UTC) or RFC 3339 with a zone."""

    name = "instant"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            instant = None
        if instant is not None and instant.tzinfo is not None:
            return instant.astimezone(UTC)
        # A date has no zone to forget: it is midnight in UTC, as in the catalog.
        if instant is None or len(value) > len("2023-11-16"):
            self.fail(f"{value!r} is no instant: write 2023-11-16 or 2023-11-16T18:15:00Z", param, ctx)
        return instant.replace(tzinfo=UTC)


def check_period(start: datetime, end: datetime) -> None:
    """In the words of the options; the engine would speak of fields.

    Raises:
        CommandError: the period is empty.
    """
    if end <= start:
        raise CommandError("--to must be later than --from")


def timestamp(instant: datetime | None) -> Timestamp | None:
    if instant is None:
        return None
    message = Timestamp()
    message.FromDatetime(instant)
    return message


# For the end of the help of each command that has such an option.
INSTANT_HELP = "INSTANT is a date or RFC 3339, such as 2023-11-16T18:15:00Z; a date is midnight UTC."
at_option = click.option(
    "--at",
    type=InstantType(),
    metavar="INSTANT",
    help="Which billing period: the one that contains it. Default: now.",
)
revision_option = click.option(
    "--catalog-revision",
    type=click.IntRange(min=1),
    default=None,
    help="Rate with the catalog as it was at this revision. Default: the newest.",
)
as_of_option = click.option(
    "--as-of",
    type=InstantType(),
    metavar="INSTANT",
    help="Only what was ingested by then. Default: all that is stored.",
)


def report_unrateable(unrateable: Iterable[UnrateableCustomer]) -> None:
    """Names the customers whose lines are missing, on standard error; then the command fails.

    Raises:
        CommandError: there is one.
    """
    customers = list(unrateable)
    for customer in customers:
        click.echo(f"{customer.customer_id}: {customer.message}", err=True)
    if customers:
        raise CommandError(f"{len(customers)} of the customers can't be rated and are left out: see above")
