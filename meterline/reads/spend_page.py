"""A link to a customer's spend page."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from meterline.arguments import asked_text
from meterline.errors import InvalidArgumentError
from meterline.v1 import spend_links_pb2

_SECOND = timedelta(seconds=1)
_SECONDS_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class SpendPageLink:
    """Whoever has it sees the spend of this customer until it expires.

    `url` is the page with the token, and empty where the engine serves no HTTP. `token` alone may be the key of a
    client, which then reads this customer.
    """

    customer_id: str
    url: str = field(repr=False)
    token: str = field(repr=False)
    expires_at: datetime


def spend_page_request(customer_id: str, valid_for: timedelta, *, may_set_budget: bool) -> bytes:
    """A serialized CreateSpendLinkRequest; a part of a second is cut off. Raises InvalidArgumentError."""
    if not isinstance(valid_for, timedelta):
        raise InvalidArgumentError(f"valid_for is a {type(valid_for).__name__}: give a timedelta")
    seconds = valid_for // _SECOND
    if not 1 <= seconds <= _SECONDS_MAX:
        raise InvalidArgumentError(f"valid_for is {valid_for}: a link holds for a minute to 31 days")
    request = spend_links_pb2.CreateSpendLinkRequest(
        customer_id=asked_text("customer_id", customer_id), valid_for_s=seconds, may_set_budget=may_set_budget
    )
    return request.SerializeToString()


def read_spend_page(customer_id: str, response: spend_links_pb2.CreateSpendLinkResponse) -> SpendPageLink:
    """The answer as a value."""
    return SpendPageLink(customer_id, response.url, response.token, response.expires_at.ToDatetime(UTC))
