"""The page token of QueryUsage: where the next page starts, and the snapshot that all pages share."""

import base64
import binascii
import json
from dataclasses import astuple, dataclass

from engine.errors import FieldMistake, InvalidRequestError
from engine.times import INSTANT_US_MAX
from engine.usage.query.usage_pages import RowPlace


@dataclass(frozen=True, slots=True)
class UsagePageToken:
    """`digest` is that of the question (engine.api.usage_question): a token leads on with no other."""

    as_of_us: int
    revision: int
    place: RowPlace
    digest: str

    def encode(self) -> str:
        fields = (self.as_of_us, self.revision, *astuple(self.place), self.digest)
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()

    @classmethod
    def decode(cls, text: str, digest: str) -> "UsagePageToken":
        """Raises InvalidRequestError for a token of another make, or of another question."""
        try:
            fields = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
            as_of_us, revision, customer_id, states, rows, token_digest = fields
            # A lone surrogate is no text that a store could be asked with.
            customer_id.encode()
        except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
            raise bad_token() from error
        numbers = (as_of_us, revision, states, rows)
        if (
            not all(type(each) is int and 0 <= each <= INSTANT_US_MAX for each in numbers)
            or not isinstance(customer_id, str)
            or token_digest != digest
        ):
            raise bad_token()
        return cls(as_of_us, revision, RowPlace(customer_id, states, rows), digest)


def bad_token() -> InvalidRequestError:
    return InvalidRequestError(
        FieldMistake(
            "page_token",
            "is not one that this engine gave out for this query: start anew without it, or ask as before",
        )
    )
