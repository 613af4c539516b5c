"""The watermark of a read: what was asked for, or all that is stored."""

from engine.errors import FieldMistake, InvalidRequestError
from engine.times import rfc3339_us
from ingest import IngestOrder


def read_watermark_us(clock: IngestOrder, now_us: int, as_of_us: int | None) -> int:
    """The watermark for a read that asks for `as_of_us`; None asks for the newest.

    Raises:
        InvalidRequestError: it is later than what is stored for sure: the answer could change.
    """
    watermark_us = clock.watermark(now_us)
    if as_of_us is None:
        return watermark_us
    if as_of_us > watermark_us:
        newest = rfc3339_us(watermark_us)
        raise InvalidRequestError(
            FieldMistake("as_of", f"is in the future; the newest watermark is {newest}")
        )
    return as_of_us
