"""One request of somebody who has a link, and what the page's own links carry on of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request

from engine.access.caller import Caller, Scope
from engine.api.gate import Shown
from engine.api.pages.figures import period_of
from engine.api.pages.page_words import PageWords
from engine.billing.documents.catalog_names import CatalogNames
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import to_timestamp
from meterline.v1.spend_pb2 import GetSpendResponse


@dataclass(frozen=True, slots=True)
class Visit:
    """What is asked for, by whom."""

    request: Request
    shown: Shown
    caller: Caller
    words: PageWords

    @property
    def customer_id(self) -> str:
        return self.caller.customer_id or ""

    @property
    def may_set_budget(self) -> bool:
        return Scope.BUDGET in self.caller.scopes

    @property
    def at(self) -> Timestamp | None:
        """Another billing period than the current one. Raises InvalidRequestError."""
        text = self.request.query_params.get("at", "")
        if not text:
            return None
        try:
            found = datetime.fromisoformat(text)
            return to_timestamp(
                int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()) * 1_000_000
            )
        except (ValueError, OverflowError):
            raise InvalidRequestError(FieldMistake("at", "is no date such as 2026-11-30")) from None

    def query(self, **more: str) -> str:
        """What the page's own links carry on; an empty text is left out."""
        given = self.request.query_params
        kept = {name: given[name] for name in ("at", "lang") if name in given} | more
        query = urlencode({name: text for name, text in kept.items() if text})
        return f"?{query}" if query else ""

    def earlier(self, spend: GetSpendResponse, names: CatalogNames) -> str:
        """The query of the billing period before; empty where there is none."""
        span, first_us = period_of(spend), names.first_start_us
        if span is None or first_us is None or first_us >= span.start_us:
            return ""
        return self.query(at=_instant(span.start_us - 1))


def _instant(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
