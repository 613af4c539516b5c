"""`meterline keys`: API keys made, listed, rotated, revoked."""

import secrets
from datetime import UTC, datetime
from pathlib import Path

import click
import grpc

from engine.access.api_keys import new_key_text, shown_key_id
from engine.access.caller import Scope
from engine.api.message_json import message_line
from engine.cli.access.key_files import key_file_option, key_kept, where_it_is
from engine.cli.terminal.connection import TIMEOUT_S, CommandError, call_of, connected, pages
from engine.cli.terminal.options import (
    INSTANT_HELP,
    InstantType,
    TextType,
    json_option,
    target_option,
    timestamp,
)
from engine.cli.terminal.tables import TextTable
from engine.cli.terminal.text import instant
from meterline.v1 import access_pb2
from meterline.v1.access_pb2 import (
    ApiKey,
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    ListApiKeysRequest,
    RevokeApiKeyRequest,
    RotateApiKeyRequest,
    RotateApiKeyResponse,
)
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.customers_pb2 import GetCustomerRequest
from meterline.v1.customers_pb2_grpc import CustomerServiceStub

_HOUR_S = 3_600
_OVERLAP_MAX_HOURS = 8_760
_PAGE_SIZE = 1_000

_expires_option = click.option(
    "--expires-at",
    type=InstantType(),
    metavar="INSTANT",
    help="When the key ends by itself. Default: never.",
)


class _KeyIdType(TextType):
    """The id of a key; of a whole key its id, so that no answer repeats the secret."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = super().convert(value, param, ctx)
        return shown_key_id(text) or text


_key_id_argument = click.argument("key_id", type=_KeyIdType("a key"), metavar="KEY_ID")


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke the API keys of your tenant.

    Commands and services show a key with every call, from METERLINE_API_KEY or a file (--api-key-file). Write a new key
    with --output FILE, never with the shell's > onto the file of the key that the command itself uses: it is emptied first.
    """


@keys.command(epilog=INSTANT_HELP)
@click.option(
    "--name", required=True, type=TextType("what the key is for"), metavar="TEXT", help="What it is for."
)
@click.option(
    "--scope",
    "scopes",
    required=True,
    multiple=True,
    type=click.Choice([each.value for each in Scope]),
    help="What it allows; again for each. None implies another.",
)
@click.option(
    "--customer",
    type=TextType("a customer"),
    metavar="ID",
    help="Bind it to this customer, whose spend, usage and lines it reads, and nobody else's.",
)
@click.option(
    "--certificate-subject",
    type=TextType("a name in client certificates"),
    metavar="NAME",
    help="Client certificates of this name show the key, which has no text: spiffe://prod/chat, a DNS name, or a CN.",
)
@_expires_option
@key_file_option
@json_option
@target_option
def create(  # noqa: PLR0913 - the options of the command
    *,
    name: str,
    scopes: tuple[str, ...],
    customer: str | None,
    certificate_subject: str | None,
    expires_at: datetime | None,
    output: Path | None,
    as_json: bool,
    target: str,
) -> None:
    """Make a key and print it: this once, and nothing else on standard output; or write it to a file.

    \b
    meterline keys create --name chat --scope ingest --output chat.key
    """  # noqa: D301 - click itself reads the mark
    if certificate_subject is not None and output is not None:
        raise CommandError(
            "certificates show a key of --certificate-subject, which has no text: leave --output out"
        )
    request = CreateApiKeyRequest(
        name=name,
        scopes=[f"SCOPE_{each.upper()}" for each in scopes],
        customer_id=customer or "",
        expires_at=timestamp(expires_at),
        certificate_subject=certificate_subject or "",
    )
    with key_kept(output) as keep, connected(target) as channel:
        response = AccessServiceStub(channel).CreateApiKey(request, timeout=TIMEOUT_S)
        unknown = customer is not None and _is_unknown(channel, customer)
        if output is not None or not (as_json or certificate_subject):
            keep(response.key_text)
    key_id = response.api_key.key_id
    if as_json:
        _show_json(response, output)
    elif certificate_subject is not None:
        click.echo(f"made key {key_id}, which certificates of {certificate_subject} show", err=True)
    else:
        click.echo(f"made key {key_id}: {where_it_is(output)}", err=True)
    if unknown:
        click.echo(
            f"there is no customer {customer}: the key reads nothing until there is; if it is misspelt, revoke {key_id}",
            err=True,
        )


@keys.command("list")
@json_option
@target_option
def list_(as_json: bool, target: str) -> None:
    """List every key that there ever was, without its secret."""
    with connected(target) as channel:
        answer = pages(AccessServiceStub(channel).ListApiKeys, ListApiKeysRequest(page_size=_PAGE_SIZE))
        found = [key for page in answer for key in page.api_keys]
    if as_json:
        for key in found:
            click.echo(message_line(key))
        return
    table = TextTable("KEY", "NAME", "SCOPES", "CUSTOMER", "SHOWN BY", "CREATED", "BY", "STATE")
    for key in found:
        table.add(
            key.key_id,
            key.name,
            " ".join(_scope_names(key)),
            key.customer_id or "all",
            key.certificate_subject or "its text",
            instant(key.created_at),
            key.created_by,
            _state(key),
        )
    table.show()


@keys.command(epilog=INSTANT_HELP)
@_key_id_argument
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, _OVERLAP_MAX_HOURS),
    default=24,
    show_default=True,
    help="How long the older key works on.",
)
@click.option(
    "--expires-at",
    type=InstantType(),
    metavar="INSTANT",
    help="When the new key ends by itself. Default: when the older one would have.",
)
@key_file_option
@json_option
@target_option
def rotate(
    key_id: str,
    *,
    overlap_hours: int,
    expires_at: datetime | None,
    output: Path | None,
    as_json: bool,
    target: str,
) -> None:
    """Make a key that takes over from another, and print it: this once, and nothing else on standard output; or write it
    to a file, which may be the one that this command reads its own key from.

    Give the new one to whoever has the older one within the overlap: no call fails.

    \b
    meterline keys rotate 97adb944e8f8 --output /var/lib/meterline/admin.key
    """  # noqa: D301 - click itself reads the mark
    request = RotateApiKeyRequest(
        key_id=key_id, overlap_s=overlap_hours * _HOUR_S, expires_at=timestamp(expires_at)
    )
    with key_kept(output) as keep, connected(target) as channel:
        response = AccessServiceStub(channel).RotateApiKey(request, timeout=TIMEOUT_S)
        if output is not None or not as_json:
            keep(response.key_text)
    if as_json:
        _show_json(response, output)
        return
    click.echo(
        f"made key {response.api_key.key_id}: {where_it_is(output)}; {key_id} works until "
        f"{instant(response.replaced.expires_at)}",
        err=True,
    )


@keys.command()
@_key_id_argument
@json_option
@target_option
def revoke(key_id: str, *, as_json: bool, target: str) -> None:
    """End a key for ever: at once at this gateway, within two seconds at others."""
    with connected(target) as channel:
        response = AccessServiceStub(channel).RevokeApiKey(
            RevokeApiKeyRequest(key_id=key_id), timeout=TIMEOUT_S
        )
    if as_json:
        click.echo(message_line(response))
        return
    click.echo(f"revoked {key_id} at {instant(response.api_key.revoked_at)}")


@keys.command()
@key_file_option
def generate(output: Path | None) -> None:
    """Print a new key that no engine knows yet, or write it to a file: for `meterline serve --admin-key-file`."""
    with key_kept(output) as keep:
        keep(new_key_text(secrets.token_hex))


def _show_json(response: CreateApiKeyResponse | RotateApiKeyResponse, output: Path | None) -> None:
    """Without the key that is in a file."""
    if output is not None:
        response.ClearField("key_text")
    click.echo(message_line(response))


def _is_unknown(channel: grpc.Channel, customer: str) -> bool:
    """Whether the catalog has no such customer, as far as this caller may know."""
    try:
        CustomerServiceStub(channel).GetCustomer(GetCustomerRequest(customer_id=customer), timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        return call_of(error).code() is grpc.StatusCode.NOT_FOUND
    return False


def _scope_names(key: ApiKey) -> list[str]:
    return [access_pb2.Scope.Name(each).removeprefix("SCOPE_").lower() for each in key.scopes]


def _state(key: ApiKey) -> str:
    if key.HasField("revoked_at"):
        return f"revoked {instant(key.revoked_at)}"
    if not key.HasField("expires_at"):
        return "valid"
    ended = key.expires_at.ToDatetime(UTC) <= datetime.now(UTC)
    return f"{'expired' if ended else 'valid until'} {instant(key.expires_at)}"
