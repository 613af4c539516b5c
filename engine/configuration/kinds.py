"""What a setting may be, besides what any document's field may be."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from engine.access.oidc.token_rules import is_safe_url
from engine.sql.catalog_address import CatalogAddress, read_catalog_address
from engine.usage.store.backends.server_address import ServerAddress, read_server_address
from fields import Count, FieldKind, FieldsError, Json, Problem, Schema, did_you_mean, problems_at, shape
from ingest import Limits

# As long as Linux lets a path be.
_PATH_BYTES_MAX: Final = 4_096
_PORT_MAX: Final = 65_535
LIMIT_NAMES: Final = tuple(each.name for each in dataclass_fields(Limits))
# Far above each of them, and a number of events or bytes that fits in 64 bits.
LIMIT: Final = Count(2**53, at_least=1)


class FilePath(FieldKind):
    """The path of a file or directory. A relative one counts from the working directory of the engine."""

    python = Path

    def read(self, given: object) -> Path:
        if isinstance(given, Path):
            return given
        if not isinstance(given, str):
            raise ValueError(f"must be a path, is {shape(given)}")  # noqa: TRY004 - of a document, not of a program
        if not given.strip():
            raise ValueError("is empty: name a file or directory")
        if "\0" in given or len(given.encode("utf-8", "replace")) > _PATH_BYTES_MAX:
            raise ValueError(f"is not a path: at most {_PATH_BYTES_MAX} bytes, none of them zero")
        return Path(given)

    def written(self, value: Path) -> str:
        return str(value)

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"type": "string", "minLength": 1}


class Address(FieldKind):
    """HOST:PORT; port 0 takes a free one. Whether it can be listened on is seen when somebody does."""

    python = str

    def read(self, given: object) -> str:
        if isinstance(given, str):
            host, _, port = given.rpartition(":")
            if host and port.isascii() and port.isdecimal() and int(port) <= _PORT_MAX:
                return given
        raise ValueError(f"must be an address: write HOST:PORT, such as 127.0.0.1:7070; is {shape(given)}")

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"type": "string", "pattern": r"^.+:\d{1,5}$"}


class IssuerUrl(FieldKind):
    """The URL of an OIDC provider."""

    python = str

    def read(self, given: object) -> str:
        if isinstance(given, str) and is_safe_url(given) and "?" not in given:
            return given
        raise ValueError(
            "must be the URL of an OIDC provider: write https://HOST/PATH, as its tokens name it"
        )

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"type": "string", "pattern": "^https?://[^@?#]+$"}


class PageUrl(FieldKind):
    """Where a page is reached: scheme, host and path."""

    python = str
    pattern = r"^https?://[^\s/@?#]+(/[^\s@?#]*)?/spend$"

    def read(self, given: object) -> str:
        if isinstance(given, str) and re.fullmatch(self.pattern, given):
            return given
        raise ValueError("must be the URL of the page, which ends in /spend: write https://HOST/spend")

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"type": "string", "pattern": self.pattern}


class FrameOrigins(FieldKind):
    """Origins of sites, one or several with a blank between them."""

    python = str
    pattern = r"^https?://[A-Za-z0-9.-]+(:\d{1,5})?( https?://[A-Za-z0-9.-]+(:\d{1,5})?)*$"

    def read(self, given: object) -> str:
        if isinstance(given, str) and re.fullmatch(self.pattern, given):
            return given
        raise ValueError("must be origins with a blank between them: https://app.example.com")

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"type": "string", "pattern": self.pattern}


class _StoreUrl(FieldKind):
    """The URL of a store. It may hold a password, so no message and no text repeats it."""

    parse: Callable[[str], ServerAddress | CatalogAddress]
    pattern: str

    def read(self, given: object) -> object:
        if isinstance(given, self.python):
            return given
        try:
            return self.parse(given if isinstance(given, str) else "")
        except ValueError as error:
            raise ValueError(f"can't be used: {error}") from None

    def written(self, value: ServerAddress | CatalogAddress) -> str:
        """Without user and password."""
        return value.shown

    def schema(self, definitions: Schema) -> Schema:  # noqa: ARG002 - holds no record
        return {"type": "string", "pattern": self.pattern}


class UsageStoreUrl(_StoreUrl):
    """Of a ClickHouse server."""

    python = ServerAddress
    parse = staticmethod(read_server_address)
    pattern = "^https?://[^@]+$"


class CatalogStoreUrl(_StoreUrl):
    """Of a PostgreSQL database."""

    python = CatalogAddress
    parse = staticmethod(read_catalog_address)
    pattern = "^postgres(ql)?://[^@]+$"


@dataclass(frozen=True)
class IngestLimits(FieldKind):
    """Bounds of ingestion by their names; only those that are given."""

    python = dict

    def read(self, given: object) -> dict[str, int]:
        if not isinstance(given, Mapping):
            raise ValueError(f"must be a mapping of limits to numbers, is {shape(given)}")  # noqa: TRY004 - as in FilePath
        found: dict[str, int] = {}
        problems: list[Problem] = []
        for name, value in given.items():
            if name not in LIMIT_NAMES:
                problems.append(Problem((str(name),), unknown_limit(str(name))))
            elif value is not None:
                try:
                    found[name] = LIMIT.read(value)
                except ValueError as error:
                    problems += problems_at(name, error)
        if problems:
            raise FieldsError(problems, found)
        return found

    def written(self, value: Any) -> Json:  # noqa: ANN401 - of type `python`
        return dict(value)

    def schema(self, definitions: Schema) -> Schema:
        each = {"anyOf": [LIMIT.schema(definitions), {"type": "null"}]}
        return {
            "type": "object",
            "properties": dict.fromkeys(LIMIT_NAMES, each),
            "additionalProperties": False,
        }


def unknown_limit(name: str) -> str:
    """What is wrong with a name that isn't one of the limits."""
    return "is not a limit" + (did_you_mean(name, LIMIT_NAMES) or f": there are {', '.join(LIMIT_NAMES)}")


def holds_password(url: object) -> bool:
    """Whether a store's URL has a password in it, by the way URLs and PostgreSQL's own have them."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        # What can't be read may hold one.
        return "@" in url
    return bool(parts.password) or any(name.casefold() == "password" for name, _ in parse_qsl(parts.query))
