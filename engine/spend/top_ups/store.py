"""Top-ups, where they are kept: a grant of the catalog, a row, a record of the audit log and a fact of the outbox, in one transaction.

Rules:
1. A rule's top-ups are numbered from 1, and so are their grants: RULE:1, RULE:2. A top-up that has been made, or is made by another
   gateway meanwhile, is not made again: the number was read before the balance was judged, and is still the next one when the
   transaction writes. Writers of the catalog's database take turns.
2. The balance was measured with a rule and with grants of the customer. If they are others when the transaction writes, nothing is
   granted: the next pass measures anew.
3. What a rule has granted in a calendar month in UTC is the sum of its rows, also of grants that were deleted since. It is read with
   the number, and so it holds exactly.
4. A grant is valid from the instant on at which it is made, never from an earlier one. What a balance that was measured before that
   instant says is not believed.
5. What would expire before the customer's running billing period ends would pay for nothing in it, and would never be enough: it is
   not granted.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Connection, func, insert, select

from engine.access.audit_log import AUTOMATIC, record_own_act
from engine.billing.terms.grants import months_later
from engine.catalog.documents.changes import Changes
from engine.catalog.kinds import json_text
from engine.catalog.kinds.credit_grant import CustomerCredit, TopUpRule
from engine.catalog.limits import TOP_UPS_PER_MONTH_MAX
from engine.catalog.single.single_changes import create
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.store import CatalogStore, Write
from engine.errors import RetryLaterError
from engine.outbox.fact_types import FactType
from engine.outbox.facts import Fact, record_facts
from engine.sql.database import Database
from engine.sql.top_up_table import TOP_UPS
from engine.times import datetime_us, rfc3339_us, us_datetime
from fields import Json, decimal_text
from rating import GrantCategory

_log = structlog.get_logger(__name__)
_OPERATION: Final = "TopUp"


@dataclass(frozen=True, slots=True)
class LowBalance:
    """A rule whose customer is below: `balance` is what was measured with `catalog`, at the instant and as of the watermark.
    period_end_us: when the first of its running billing periods ends.
    """

    catalog: Catalog
    rule: TopUpRule
    balance: Decimal
    at_us: int
    as_of_us: int
    period_end_us: int


@dataclass(frozen=True, slots=True)
class _Made:
    """What a rule has made: its last number, when that was, and how much and how often in a month."""

    number: int
    last_at_us: int
    amount: Decimal
    count: int


class TopUpStore:
    """Thread-safe. Every method raises StoreUnavailableError when the database does not answer."""

    def __init__(self, database: Database, catalog: CatalogStore, now_us: Callable[[], int]) -> None:
        self._database = database
        self._catalog = catalog
        self._now_us = now_us

    def top_up(self, low: LowBalance) -> bool:
        """Whether the rule has granted its amount: not once its most for the month is reached (rules 3 and 5).

        Raises:
            RetryLaterError: something has changed since the balance was measured: measure it again.
            MeterlineError: the catalog does not take the grant.
        """
        rule, tenant, now_us = low.rule, low.catalog.tenant, self._now_us()
        with self._database.reading() as connection:
            made = _made(connection, tenant, rule, _month(us_datetime(now_us)))
        if low.at_us < made.last_at_us:
            raise _retry(rule)
        if made.count >= TOP_UPS_PER_MONTH_MAX:
            return False
        if rule.most_per_month is not None and made.amount + rule.amount > rule.most_per_month:
            return False
        at = us_datetime(now_us)
        grant = _grant(rule, made.number + 1, at)
        if grant.expires_at is not None and datetime_us(grant.expires_at) < low.period_end_us:
            _log.warning("a top-up would expire in the running period", tenant=tenant, top_up_rule=rule.id)
            return False
        digest = hashlib.sha256(json_text(grant.to_fields()).encode()).hexdigest()
        beside = partial(_write_beside, low=low, number=made.number + 1, grant=grant)
        self._catalog.write(
            tenant, partial(_changes, low, grant, at), Write(at, AUTOMATIC, digest, beside=beside)
        )
        return True


def _made(connection: Connection, tenant: str, rule: TopUpRule, month: str) -> _Made:
    """What the rule has made; of the month what it did in its currency, which it may have changed."""
    columns = TOP_UPS.c
    own = (columns.tenant == tenant, columns.rule_id == rule.id)
    last = select(func.max(columns.number), func.max(columns.topped_up_at_us)).where(*own)
    number, last_at_us = connection.execute(last).one()
    amounts = connection.scalars(
        select(columns.amount).where(*own, columns.month == month, columns.currency == rule.currency)
    ).all()
    # Texts of decimals, which no database adds up exactly.
    return _Made(number or 0, last_at_us or 0, sum(map(Decimal, amounts), Decimal(0)), len(amounts))


def _grant(rule: TopUpRule, number: int, at: datetime) -> CustomerCredit:
    return CustomerCredit(
        id=f"{rule.id}:{number}",
        customer=rule.customer,
        name=rule.name,
        currency=rule.currency,
        amount=rule.amount,
        category=GrantCategory.PAID,
        cost_basis=rule.cost_basis,
        priority=rule.priority,
        effective_at=at,
        expires_at=None if rule.lasts_months is None else months_later(at, rule.lasts_months),
    )


def _changes(low: LowBalance, grant: CustomerCredit, at: datetime, catalog: Catalog) -> Changes:
    """Rule 2."""
    rule, customer = low.rule, low.rule.customer
    known = catalog.of_kind(TopUpRule.kind).get(rule.id)
    is_same = known is not None and known.resource == rule
    if not is_same or catalog.credit_grants_of.get(customer) != low.catalog.credit_grants_of.get(customer):
        raise _retry(rule)
    return create(CustomerCredit.kind, grant.to_fields(), at, catalog)


def _write_beside(connection: Connection, *, low: LowBalance, number: int, grant: CustomerCredit) -> None:
    """Rule 1, and what belongs to the grant."""
    rule, tenant, at_us = low.rule, low.catalog.tenant, datetime_us(grant.effective_at)
    month = _month(grant.effective_at)
    if _made(connection, tenant, rule, month).number != number - 1:
        raise _retry(rule)
    row = {
        "tenant": tenant,
        "rule_id": rule.id,
        "number": number,
        "customer_id": rule.customer,
        "credit_grant_id": grant.id,
        "currency": rule.currency,
        "amount": decimal_text(rule.amount),
        "balance": decimal_text(low.balance),
        "month": month,
        "as_of_us": low.as_of_us,
        "topped_up_at_us": at_us,
    }
    connection.execute(insert(TOP_UPS).values(**row))
    record_own_act(connection, tenant, _OPERATION, grant.id, at_us)
    record_facts(connection, tenant, [_fact(low, grant)], at_us)


def _fact(low: LowBalance, grant: CustomerCredit) -> Fact:
    rule = low.rule
    payload: dict[str, Json] = {
        "credit_grant_id": grant.id,
        "top_up_rule_id": rule.id,
        "customer_id": rule.customer,
        "currency": rule.currency,
        "amount": decimal_text(rule.amount),
        "below": decimal_text(rule.below),
        "balance": decimal_text(low.balance),
        "effective_at": rfc3339_us(datetime_us(grant.effective_at)),
        "as_of": rfc3339_us(low.as_of_us),
    }
    if grant.cost_basis is not None:
        payload["cost_basis"] = decimal_text(grant.cost_basis)
    if grant.expires_at is not None:
        payload["expires_at"] = rfc3339_us(datetime_us(grant.expires_at))
    return Fact(FactType.CREDIT_GRANT_TOPPED_UP, CustomerCredit.kind, grant.id, payload)


def _month(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m}"


def _retry(rule: TopUpRule) -> RetryLaterError:
    return RetryLaterError(
        f"what the top-up rule {rule.id!r} looks at has changed meanwhile", retry_after_ms=1_000
    )
