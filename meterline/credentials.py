"""API keys: where a client finds its own, and how calls carry it.

The one module of the package that reads the environment.
"""

# ruff: noqa: ANN401 - what grpc gives an interceptor has no types of its own

import os
import re
from collections.abc import Sequence
from typing import Any

import grpc

from meterline.errors import InvalidOptionError

API_KEY_VARIABLE = "METERLINE_API_KEY"
# An API key, the token of a link to a spend page, or one that an OIDC provider signed for a person.
_FORM = re.compile(
    r"mlk_[0-9a-f]{12}_[0-9a-f]{48}|mls_[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}|[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
)


def api_key_metadata(api_key: str | None) -> tuple[tuple[str, str], ...]:
    """What a call carries for this key; None takes the one of METERLINE_API_KEY, and there may be none.

    Raises InvalidOptionError for a text that is not an API key, without repeating it.
    """
    text = os.environ.get(API_KEY_VARIABLE) if api_key is None else api_key
    if not text and api_key is None:
        return ()
    if not isinstance(text, str) or not _FORM.fullmatch(text.strip()):
        where = API_KEY_VARIABLE if api_key is None else "api_key"
        raise InvalidOptionError(f"{where} is not an API key: give the whole text, mlk_<id>_<secret>")
    return (("authorization", f"Bearer {text.strip()}"),)


def open_channel(
    target: str,
    *,
    api_key: str | None = None,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[tuple[str, Any]] = (),
) -> grpc.Channel:
    """A gRPC channel whose calls carry the key: for the generated stubs in `meterline.v1`.

    `credentials` turn TLS on, `options` are gRPC's own. Raises InvalidOptionError.
    """
    metadata = api_key_metadata(api_key)
    channel = (
        grpc.insecure_channel(target, options=list(options))
        if credentials is None
        else grpc.secure_channel(target, credentials, options=list(options))
    )
    return grpc.intercept_channel(channel, _Carrier(metadata)) if metadata else channel


# The types of grpc's stubs have arguments that its classes don't take when they run.
class _Carrier(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[type-arg]
    grpc.UnaryStreamClientInterceptor,  # type: ignore[type-arg]
    grpc.StreamUnaryClientInterceptor,  # type: ignore[type-arg]
    grpc.StreamStreamClientInterceptor,  # type: ignore[type-arg]
):
    """Adds metadata to each call."""

    def __init__(self, metadata: tuple[tuple[str, str], ...]) -> None:
        self._metadata = metadata

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_metadata(client_call_details), request)

    def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(self._with_metadata(client_call_details), request)

    def intercept_stream_unary(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return continuation(self._with_metadata(client_call_details), request_iterator)

    def intercept_stream_stream(
        self, continuation: Any, client_call_details: Any, request_iterator: Any
    ) -> Any:
        return continuation(self._with_metadata(client_call_details), request_iterator)

    def _with_metadata(self, details: Any) -> Any:
        return details._replace(metadata=(*(details.metadata or ()), *self._metadata))
