"""Payments and refunds as they are reported, and as they are kept. Pure.

Rules:
1. The reporter gives each report its id. The same report again is the same, and changes nothing; another one under the id is refused.
2. What a report says is known by its digest. After an erasure there is none, so that every report under the id is another one.
3. A payment that failed moves no money; nor does it become one that succeeded: each attempt has an id of its own.
4. amount = what is refunded + what pays invoices + what is left in the balance, or nothing of it is shown.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from engine.billing.accounts.account_store import AccountKey
from engine.errors import IdempotencyKeyUsedError, MeterlineError

ID_BYTES_MAX: Final = 256
TEXT_BYTES_MAX: Final = 1_024
INVOICES_MAX: Final = 100
"""That a payment names: more are paid in the order of their due dates."""


class PaymentState(StrEnum):
    """What became of it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PaymentReport:
    """Money that came in, or did not. `amount_minor`: above 0. `invoices`: numbers or ids of those that it pays first, in this order.
    `received_at_us`: None for when it is recorded. `failure_reason`: only where it failed.
    """

    account: AccountKey
    payment_id: str
    amount_minor: int
    invoices: Sequence[str] = ()
    method: str = ""
    reference: str = ""
    received_at_us: int | None = None
    state: PaymentState = PaymentState.SUCCEEDED
    failure_reason: str = ""

    def digest(self, invoice_ids: Sequence[str]) -> str:
        """`invoice_ids`: those of `invoices`, so that a number and its id are the same."""
        said = (*self.account, self.payment_id, self.amount_minor, list(invoice_ids), self.method)
        return _digest(*said, self.reference, self.received_at_us, self.state, self.failure_reason)


@dataclass(frozen=True, slots=True)
class RefundReport:
    """Money that went back. `amount_minor`: above 0."""

    tenant: str
    refund_id: str
    payment_id: str
    amount_minor: int
    reason: str

    def digest(self) -> str:
        return _digest(self.tenant, self.refund_id, self.payment_id, self.amount_minor, self.reason)


@dataclass(frozen=True, slots=True)
class Payment:
    """As it is kept, and what became of its money. Instants in microseconds since 1970.

    applied: (number of an invoice, minor units), what it pays now; the newest invoice last.
    balance_minor: what no invoice has used.
    """

    account: AccountKey
    payment_id: str
    state: PaymentState
    amount_minor: int
    invoice_numbers: Sequence[int]
    method: str
    reference: str
    failure_reason: str
    received_at_us: int
    recorded_at_us: int
    applied: Sequence[tuple[int, int]] = ()
    balance_minor: int = 0
    refunded_minor: int = 0

    def check(self) -> None:
        """Rule 4. Raises MeterlineError."""
        used = sum(minor for _, minor in self.applied) + self.balance_minor + self.refunded_minor
        if used != (self.amount_minor if self.state is PaymentState.SUCCEEDED else 0):
            raise MeterlineError(
                f"payment {self.payment_id!r} does not add up to what became of it: it is not shown; report it"
            )


@dataclass(frozen=True, slots=True)
class Refund:
    """As it is kept."""

    account: AccountKey
    refund_id: str
    payment_id: str
    amount_minor: int
    reason: str
    recorded_at_us: int


def check_repeated(kept: str, digest: str, what: str) -> None:
    """Rule 1. `kept`: the digest of what stands; `what` was done. Raises IdempotencyKeyUsedError."""
    if kept != digest:
        raise IdempotencyKeyUsedError(f"{what} with other content, which stands: nothing was changed")


def _digest(*said: object) -> str:
    return sha256(json.dumps(said).encode()).hexdigest()
