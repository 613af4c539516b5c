"""What people read: numbers, instants and producers' texts as a terminal or a pipe can take them."""

from datetime import UTC, tzinfo

from google.protobuf.timestamp_pb2 import Timestamp

from engine.times import rfc3339


def visible(text: str) -> str:
    """A producer's text, as it is but for what a terminal would act upon, which is shown by its escape."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def grouped(number: str) -> str:
    """A decimal string with commas between thousands."""
    sign = "-" if number.startswith("-") else ""
    whole, point, fraction = number.removeprefix("-").partition(".")
    return f"{sign}{int(whole):,}{point}{fraction}" if whole else number


def instant(timestamp: Timestamp) -> str:
    """The instant in UTC, always to the microsecond."""
    return timestamp.ToDatetime().isoformat(timespec="microseconds") + "Z"


def day(timestamp: Timestamp, zone: tzinfo = UTC) -> str:
    """The date in the zone, or the whole instant where it isn't midnight there."""
    moment = timestamp.ToDatetime(zone)
    return moment.date().isoformat() if is_midnight(timestamp, zone) else rfc3339(moment)


def is_midnight(timestamp: Timestamp, zone: tzinfo = UTC) -> bool:
    return timestamp.ToDatetime(zone).time().isoformat() == "00:00:00"


def footer(as_of: Timestamp, catalog_revision: int | None = None) -> str:
    """What the answer was made from."""
    revision = "" if catalog_revision is None else f", catalog revision {catalog_revision}"
    return f"as of {instant(as_of)}{revision}"


def snapshot_fields(as_of: Timestamp, catalog_revision: int) -> dict[str, object]:
    """What an answer was made from: it stands before the fields of each message of it, in JSON."""
    return {"as_of": instant(as_of), "catalog_revision": catalog_revision}
