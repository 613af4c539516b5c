"""SpendLinkService: who bills customers hands them links to their spend."""

from collections.abc import Callable, Iterator
from typing import Final

from engine.access.signed.spend_links import AGE_MAX_S, HasCustomer, SpendLink, SpendLinks, link_scopes
from engine.api.mistakes import raise_all, text_mistakes
from engine.api.operation import Call
from engine.catalog.limits import ID_BYTES_MAX
from engine.errors import FieldMistake, NotFoundError
from engine.times import to_timestamp
from meterline.v1.spend_links_pb2 import CreateSpendLinkRequest, CreateSpendLinkResponse

_VALID_FOR_DEFAULT_S: Final = 7 * 24 * 60 * 60
# Long enough to be opened at all.
_VALID_FOR_MIN_S: Final = 60
_US: Final = 1_000_000


class SpendLinkService:
    """Makes links for customers of the caller's tenant."""

    def __init__(
        self,
        links: SpendLinks,
        has_customer: HasCustomer,
        page_url: Callable[[], str],
        now_us: Callable[[], int],
    ) -> None:
        """`page_url`: where customers reach the spend page; empty where they can't."""
        self._links = links
        self._has_customer = has_customer
        self._page_url = page_url
        self._now_us = now_us

    def create_spend_link(self, request: CreateSpendLinkRequest, call: Call) -> CreateSpendLinkResponse:
        valid_for_s = request.valid_for_s or _VALID_FOR_DEFAULT_S
        raise_all(
            [*text_mistakes("customer_id", request.customer_id, ID_BYTES_MAX), *_time_mistakes(valid_for_s)]
        )
        call.caller.check_may_grant(link_scopes(may_set_budget=request.may_set_budget))
        if not self._has_customer(call.tenant, request.customer_id):
            raise NotFoundError(f"customer {request.customer_id!r} is not in the catalog: apply it first")
        expires_at_s = self._now_us() // _US + valid_for_s
        token = self._links.text(
            SpendLink(
                tenant=call.tenant,
                customer_id=request.customer_id,
                expires_at_s=expires_at_s,
                key_id=call.caller.key_id,
                may_set_budget=request.may_set_budget,
            )
        )
        page_url = self._page_url()
        return CreateSpendLinkResponse(
            token=token,
            url=f"{page_url}?token={token}" if page_url else "",
            expires_at=to_timestamp(expires_at_s * _US),
        )


def _time_mistakes(valid_for_s: int) -> Iterator[FieldMistake]:
    if not _VALID_FOR_MIN_S <= valid_for_s <= AGE_MAX_S:
        yield FieldMistake(
            "valid_for_s", f"is {valid_for_s}: it is {_VALID_FOR_MIN_S} to {AGE_MAX_S} (31 days)"
        )
