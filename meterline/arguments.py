"""What callers give, checked before anything is sent. Only mistakes in the calling code are refused here."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from meterline.errors import InvalidArgumentError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_REVISION_MAX = 2**64 - 1


class Snapshot(Protocol):
    """A request that can ask for an earlier answer again."""

    catalog_revision: int

    @property
    def as_of(self) -> Timestamp:
        """The watermark."""


def epoch_us(time: object, name: str = "event_time") -> int:
    """Microseconds since 1970 in UTC of a datetime with a zone, exact. Raises InvalidArgumentError."""
    if not isinstance(time, datetime):
        raise InvalidArgumentError(f"{name} is a {type(time).__name__}: give a datetime with a time zone")
    if time.utcoffset() is None:
        raise InvalidArgumentError(
            f"{name} {time.isoformat()} has no time zone: "
            "give an aware datetime, for instance datetime.now(timezone.utc)"
        )
    return (time - _EPOCH) // _MICROSECOND


def time_of(time_us: int) -> datetime:
    """The inverse of `epoch_us`."""
    return _EPOCH + time_us * _MICROSECOND


def checked_text(name: str, value: object) -> str:
    """The value, if it is a str. Raises InvalidArgumentError."""
    if not isinstance(value, str):
        raise InvalidArgumentError(f"{name} is a {type(value).__name__} ({value!r:.80}): give a str")
    return value


def asked_text(name: str, value: object) -> str:
    """As `checked_text`, for a text that no event carries: it can be sent. Raises InvalidArgumentError."""
    text = checked_text(name, value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"{name} is not valid Unicode: {error}") from None
    return text


def asked_texts(name: str, values: object) -> list[str]:
    """The values, if they are several str: one str alone is taken for a mistake. Raises InvalidArgumentError."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InvalidArgumentError(
            f"{name} is a {type(values).__name__} ({values!r:.80}): give a list of str"
        )
    return [asked_text(f"an item of {name}", value) for value in values]


def set_snapshot(request: Snapshot, as_of: datetime | None, catalog_revision: int | None) -> None:
    """Which events and which catalog the answer is made from; None is the newest. Raises InvalidArgumentError."""
    if as_of is not None:
        request.as_of.FromMicroseconds(epoch_us(as_of, "as_of"))
    if catalog_revision is not None:
        # bool is an int to isinstance. Revision 0 is that of no catalog, and the wire's word for the newest.
        if isinstance(catalog_revision, bool) or not isinstance(catalog_revision, int):
            kind = type(catalog_revision).__name__
            raise InvalidArgumentError(
                f"catalog_revision is a {kind} ({catalog_revision!r:.80}): give an int"
            )
        if not 1 <= catalog_revision <= _REVISION_MAX:
            raise InvalidArgumentError(f"catalog_revision is {catalog_revision}: revisions count from 1")
        request.catalog_revision = catalog_revision
