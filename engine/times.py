"""Instants between the wire, which has Timestamps, and the engine, which counts microseconds or has datetimes."""

from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from engine.errors import FieldMistake, InvalidRequestError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The last second of 2199: ClickHouse's DateTime64 ends a century later, and so must every period.
_SECONDS_MAX = 7_258_118_399
INSTANT_US_MAX = _SECONDS_MAX * 1_000_000 + 999_999


def to_timestamp(instant_us: int) -> Timestamp:
    seconds, micros = divmod(instant_us, 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1000)


def datetime_us(instant: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exact."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def us_datetime(instant_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=instant_us)


def rfc3339(instant: datetime) -> str:
    """The one form of an instant in messages and on the command line: UTC is Z."""
    return instant.isoformat().replace("+00:00", "Z")


def rfc3339_us(instant_us: int) -> str:
    return rfc3339(us_datetime(instant_us))


def optional_us(message: Message, field: str) -> int | None:
    """A request's optional instant, what is finer than a microsecond cut off.

    Raises:
        InvalidRequestError: before 1970 or after 2199.
    """
    if not message.HasField(field):
        return None
    timestamp = getattr(message, field)
    if not 0 <= timestamp.seconds <= _SECONDS_MAX or not 0 <= timestamp.nanos <= 999_999_999:
        raise InvalidRequestError(FieldMistake(field, "must lie between the years 1970 and 2199"))
    return int(timestamp.seconds) * 1_000_000 + int(timestamp.nanos) // 1000
