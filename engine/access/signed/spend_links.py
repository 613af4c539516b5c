"""A signed link: who holds it reads the spend of one customer, until it expires.

A signed text (engine.access.signed.signed_texts), mls_..., of [form, tenant, customer, expiry, key id].
Of form 2 it also sets this customer's own budgets. It is a form of its own, so that an engine that knows nothing of budgets refuses it.

Rules:
1. It ends by itself: at most AGE_MAX_S after it was made. It ends earlier with the API key that made it, with the key of all hashes,
   and with its customer, who is archived, deleted or erased.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from engine.access.api_keys import KeyHasher
from engine.access.caller import Caller, Scope
from engine.access.signed.signed_texts import SignedTexts
from engine.errors import UnauthenticatedError

PREFIX: Final = "mls_"
# A month of any length.
AGE_MAX_S: Final = 31 * 24 * 60 * 60
_LINK_SCOPES: Final = frozenset({Scope.READ, Scope.BILL})
# (tenant, customer): whether the catalog has the customer, who is neither archived nor erased.
HasCustomer = Callable[[str, str], bool]

_PURPOSE: Final = "meterline spend link 1"
_FORM: Final = 1
_BUDGET_FORM: Final = 2
# Ids of 128 bytes, in JSON at worst six bytes for one, and a third more in base64.
_PAYLOAD_CHARACTERS_MAX: Final = 2_000
_SHOWN_CHARACTERS: Final = 12
_US: Final = 1_000_000

_INVALID: Final = "the link is not valid: ask for a new one"
_EXPIRED: Final = "the link has expired: ask for a new one"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendLink:
    """What a link says. key_id: of the API key that made it; empty for one that somebody made who has none.

    may_set_budget: whether its holder sets the customer's own budgets.
    """

    tenant: str
    customer_id: str
    expires_at_s: int
    key_id: str
    may_set_budget: bool = False

    @property
    def scopes(self) -> frozenset[Scope]:
        return link_scopes(may_set_budget=self.may_set_budget)


@dataclass(frozen=True, slots=True)
class ReadLink:
    """A link whose signature is right. `credential` names it in logs."""

    link: SpendLink
    credential: str

    @property
    def caller(self) -> Caller:
        return Caller(self.link.tenant, self.credential, self.link.scopes, self.link.customer_id)

    def check_time(self, now_us: int) -> None:
        """Raises UnauthenticatedError for one that has expired."""
        if self.link.expires_at_s * _US <= now_us:
            raise UnauthenticatedError(_EXPIRED, "expired")


class SpendLinks:
    """Makes links and reads them."""

    def __init__(self, hasher: KeyHasher) -> None:
        self._texts = SignedTexts(hasher, _PURPOSE, PREFIX, _PAYLOAD_CHARACTERS_MAX, _INVALID)

    def text(self, link: SpendLink) -> str:
        form = _BUDGET_FORM if link.may_set_budget else _FORM
        return self._texts.text([form, link.tenant, link.customer_id, link.expires_at_s, link.key_id])

    def read(self, text: str) -> ReadLink:
        """Whoever signed it; it may have expired.

        Raises:
            UnauthenticatedError: it is no link of this deployment.
        """
        fields, signature = self._texts.read(text)
        return ReadLink(_link_of(fields), f"link:{signature[:_SHOWN_CHARACTERS]}")


def link_scopes(*, may_set_budget: bool) -> frozenset[Scope]:
    """What a link allows, and its maker hands on."""
    return _LINK_SCOPES | {Scope.BUDGET} if may_set_budget else _LINK_SCOPES


def refused_link(reason: str) -> UnauthenticatedError:
    """Of a link that is signed and holds no longer."""
    return UnauthenticatedError(_INVALID, reason)


def _link_of(fields: list[Any]) -> SpendLink:
    if fields[0] not in (_FORM, _BUDGET_FORM):
        raise UnauthenticatedError(_INVALID, "malformed")
    form, tenant, customer_id, expires_at_s, key_id = fields
    return SpendLink(
        tenant=tenant,
        customer_id=customer_id,
        expires_at_s=expires_at_s,
        key_id=key_id,
        may_set_budget=form == _BUDGET_FORM,
    )
