"""The header of an invoice: whose and which period, what it was rated from, what its lines come to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import MAX_PREC, Context, Decimal, localcontext
from hashlib import blake2b
from typing import Final, NamedTuple

from engine.billing.accounts.account_store import AccountKey
from engine.billing.accounts.document_numbers import invoice_number
from engine.billing.accounts.figures import NO_FIGURES, Figures
from engine.billing.accounts.invoice_states import InvoiceState
from engine.billing.holds.held_periods import PeriodStart

_CLOSE_ID_DIGITS: Final = 16
AUTOMATIC: Final = "automatic"
"""Who begins a run that nobody asked for."""
SUMS: Final = ("amount", "discounts", "commitments", "credits", "included_tax", "tax", "due")


class InvoiceKey(NamedTuple):
    """What is billed once: a customer's lines in one currency of one billing period. An invoice of adjustments alone has the instant
    at which its run's span ends for both.
    """

    customer_id: str
    currency: str
    start_us: int
    end_us: int

    @property
    def begin(self) -> PeriodStart:
        return PeriodStart(self.customer_id, self.start_us)

    def ends_in(self, close: "Close") -> bool:
        """Whether the period is of the run's span."""
        return self.start_us < self.end_us and close.from_us < self.end_us <= close.before_us


@dataclass(frozen=True, slots=True)
class PeriodSelection:
    """Which billing periods a run bills, of all that end in its span.

    customers: of whom; empty for all. start_us: those that began then; None for all. after_us, until_us: those that end after the
    one, up to the other; None for no bound.
    """

    customers: frozenset[str] = frozenset()
    start_us: int | None = None
    after_us: int | None = None
    until_us: int | None = None

    def takes(self, key: InvoiceKey) -> bool:
        return (
            (not self.customers or key.customer_id in self.customers)
            and self.start_us in (None, key.start_us)
            and (self.after_us is None or key.end_us > self.after_us)
            and (self.until_us is None or key.end_us <= self.until_us)
        )


ALL_DUE: Final = PeriodSelection()


@dataclass(frozen=True, slots=True)
class Close:
    """A run that closes the billing periods that end in (from_us, before_us], and `grace_us` or more before its watermark. All of it
    is rated from one watermark and one revision of the catalog. of_drafts: it issues drafts that somebody approved, and no others.
    """

    tenant: str
    close_id: str
    from_us: int
    before_us: int
    grace_us: int
    as_of_us: int
    catalog_revision: int
    begun_at_us: int
    begun_by: str
    of_drafts: bool = False

    @property
    def bills_void_anew(self) -> bool:
        """Whether what a person made void is billed again: if a person closes the span."""
        return self.begun_by != AUTOMATIC and not self.of_drafts

    def invoice_id(self, key: InvoiceKey, version: int) -> str:
        """The same whenever this run makes it from the same version of the tenant's invoices: 128 bits, hex. Of another version its
        lines may be others, which must not mix with those that a step wrote before it was broken off.
        """
        text = repr((self.tenant, version, *key))
        return self.close_id + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def close_id_of(invoice_id: str) -> str:
    """The run of an invoice, be it issued or not."""
    return invoice_id[:_CLOSE_ID_DIGITS]


@dataclass(frozen=True, slots=True)
class Invoice:
    """An issued invoice. Instants are in microseconds since 1970.

    sums: SUMS, in units of the currency with its digits: due = amount - discounts + commitments - credits - included_tax + tax.
    state: before its due date; `invoice_states.state_at` says which it is in at an instant.
    due_at_us, billing_details: frozen at its issue (engine.billing.closing.invoice_terms).
    figures: what is paid and outstanding of it when it was read.
    voided_at_us: 0 unless it is void.
    part: 0 of one that bills its period, or its rest; from 1 on, of usage that was billed while the period ran
        (engine.billing.running_periods).
    is_erased: its lines don't say any more what they are of, since the customer's personal data was erased: it is not adjusted.
    """

    tenant: str
    invoice_id: str
    number: int
    state: InvoiceState
    key: InvoiceKey
    close_id: str
    as_of_us: int
    catalog_revision: int
    issued_at_us: int
    line_count: int
    sums: Mapping[str, Decimal]
    payment_terms_days: int
    due_at_us: int
    billing_details: str
    figures: Figures = NO_FIGURES
    voided_at_us: int = 0
    void_reason: str = ""
    is_erased: bool = False
    part: int = 0

    @property
    def account(self) -> AccountKey:
        """Whose it is."""
        return AccountKey(self.tenant, self.key.customer_id, self.key.currency)

    @property
    def name(self) -> str:
        """As people know it."""
        return invoice_number(self.number)


@dataclass(slots=True)
class InvoiceTotal:
    """What some invoices in one currency come to together. `sums`: as those of an invoice."""

    count: int
    sums: dict[str, Decimal]


def invoice_totals(invoices: Iterable[Invoice]) -> Mapping[str, InvoiceTotal]:
    """By currency, exact."""
    found: dict[str, InvoiceTotal] = {}
    with localcontext(Context(prec=MAX_PREC)):
        for each in invoices:
            # Of each currency the first gives the digits, too.
            total = found.setdefault(
                each.key.currency,
                InvoiceTotal(0, {name: each.sums[name] - each.sums[name] for name in SUMS}),
            )
            total.count += 1
            for name in SUMS:
                total.sums[name] += each.sums[name]
    return dict(sorted(found.items()))
