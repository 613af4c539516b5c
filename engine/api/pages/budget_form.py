"""The form in which a customer sets its own budget: what it shows, and what it sends.

Rules:
1. The form is one of HTML alone: it works without a script. What is wrong with it stands above it, and what was typed stays.
2. Another site can't send it: it carries a text that is made from the link's own token, which no other site can read, and browsers send
   the cookie with no form of another site, but for pages in frames (engine.api.pages.visitor).
3. It carries the version that was shown: a budget that was changed elsewhere since is not written over.
4. A number field has numbers as programs write them, whatever the reader's language shows.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from engine.api.gate import Shown as Credential
from engine.api.pages.asking import Refusal
from engine.api.pages.page_words import PageWords
from engine.errors import FieldMistake, InvalidRequestError, PermissionDeniedError
from meterline.v1.alerts_pb2 import CustomerAlert, ListCustomerAlertsResponse, SetCustomerBudgetRequest
from rating import minor_unit_digits

Shown = dict[str, Any]
STALE: Final = 409
BODY_BYTES_MAX: Final = 8 * 1024
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_FIELDS_MAX: Final = 40
_PURPOSE: Final = b"meterline budget form 1"
# Places for percentages: at least so many, and one that is free.
_PLACES_MIN: Final = 3
_PLACES_MAX: Final = 20
_DEFAULT_THRESHOLDS: Final = ("80", "100")


@dataclass(frozen=True, slots=True)
class SentBudget:
    """What a form sends. is_removed: the budget is to be removed, whatever its fields say."""

    form_token: str
    currency: str
    amount: str
    thresholds: tuple[str, ...]
    etag: str
    is_removed: bool

    def request(self, customer_id: str) -> SetCustomerBudgetRequest:
        if self.is_removed:
            return SetCustomerBudgetRequest(customer_id=customer_id, currency=self.currency, etag=self.etag)
        return SetCustomerBudgetRequest(
            customer_id=customer_id,
            currency=self.currency,
            # A form without an amount is refused: an empty one would remove the budget.
            amount=self.amount or "0",
            thresholds=self.thresholds,
            etag=self.etag,
        )


def form_token(credential: Credential) -> str:
    """What proves that a form comes from a page of this link (rule 2)."""
    return hmac.new((credential.authorization or "").encode(), _PURPOSE, hashlib.sha256).hexdigest()


def check_form_token(sent: SentBudget, credential: Credential) -> None:
    """Raises PermissionDeniedError."""
    if not hmac.compare_digest(sent.form_token.encode(), form_token(credential).encode()):
        raise PermissionDeniedError(
            "the form is not of this page: open the page again, and send it from there"
        )


def read_form(content_type: str, body: bytes) -> SentBudget:
    """Raises InvalidRequestError."""
    if content_type.partition(";")[0].strip().lower() != _FORM_TYPE:
        raise InvalidRequestError(FieldMistake("content_type", f"is not {_FORM_TYPE}"))
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MAX, errors="strict")
    except ValueError:
        raise InvalidRequestError(FieldMistake("body", "is not a form of this page")) from None
    fields = dict(pairs)
    thresholds = (text.strip() for name, text in pairs if name == "threshold")
    return SentBudget(
        form_token=fields.get("form_token", ""),
        currency=fields.get("currency", ""),
        amount=fields.get("amount", "").strip(),
        thresholds=tuple(each for each in thresholds if each),
        etag=fields.get("etag", ""),
        is_removed="remove" in fields,
    )


def shown_forms(
    answer: ListCustomerAlertsResponse, credential: Credential, words: PageWords, typed: SentBudget | None
) -> list[Shown]:
    """A form for each currency. `typed`: what was sent and refused, which stays."""
    own = {each.currency: each for each in answer.alerts if each.set_by_customer}
    token = form_token(credential)
    return [
        _form(each, own.get(each), token, words, typed if typed and typed.currency == each else None)
        for each in answer.budget_currencies
    ]


def _form(
    currency: str, budget: CustomerAlert | None, token: str, words: PageWords, typed: SentBudget | None
) -> Shown:
    digits = minor_unit_digits(currency)
    step = "1" if digits == 0 else f"0.{'0' * (digits - 1)}1"
    known: Iterable[str] = () if budget is None else (each.threshold for each in budget.thresholds)
    thresholds = list(typed.thresholds if typed else known) or list(_DEFAULT_THRESHOLDS)
    places = min(_PLACES_MAX, max(_PLACES_MIN, len(thresholds) + 1))
    thresholds = (thresholds + [""] * places)[:places]
    return {
        "currency": currency,
        "token": token,
        "etag": "" if budget is None else budget.etag,
        "is_set": budget is not None,
        "amount": typed.amount if typed else "" if budget is None else budget.budget,
        "step": step,
        "amount_label": words.text("budget_amount", currency=currency),
        "thresholds": [
            {"value": each, "label": words.text("budget_threshold", number=str(number))}
            for number, each in enumerate(thresholds, start=1)
        ],
    }


def problem_of(refused: Refusal | None, words: PageWords) -> Shown:
    """What the page says of a form that was not taken. What the engine says of a mistake is in English."""
    if refused is None:
        return {"problem": "", "mistake": ""}
    if refused.status.http_code == STALE:
        return {"problem": words.text("budget_changed"), "mistake": ""}
    return {"problem": words.text("budget_refused"), "mistake": refused.status.message.message}


def told_of(query: Mapping[str, str], words: PageWords) -> str:
    """What the page says of a form that was just sent; empty for none."""
    said = {"saved": "budget_saved", "removed": "budget_removed"}.get(query.get("budget", ""))
    return "" if said is None else words.text(said)
