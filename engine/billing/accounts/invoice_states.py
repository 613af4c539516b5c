"""The states of an invoice and what leads from one to another, in one table.

    issued <---------> partly paid <---------> paid         pay, credit, and what takes either back
       |                    |                   ^
       '---- due date ------'-----> overdue ----'           the same, once it is due
       |                    |          |
       '--- write off ------'----------'-----> uncollectible -----> paid, partly paid, issued
    every one of them ----------- void ------> void

Rules:
1. Which of issued, partly paid, paid and uncollectible an invoice is in follows from what is outstanding, paid and written off
   (`state_of`). It is kept beside these sums, and changes in the transaction that changes them.
2. Overdue is never kept: an invoice that is open is overdue from its due date on, whoever looks (`state_at`). So nobody reads a
   state that time has passed by. That it has become overdue is told by upkeep (engine.billing.receivables.overdue).
3. An issued invoice is never changed: its number stays, also when it is void. The billing period of a void one is open again.
4. What an action leads to must be in the table, or nothing is done.

States before the issue, such as a draft's, have their place here once there are drafts: none of what is below leads to them.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from engine.errors import InvoiceStateError, MeterlineError


class InvoiceState(StrEnum):
    """What becomes of an invoice."""

    ISSUED = "issued"
    """It is owed, and nothing of it is paid."""
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    """Nothing is outstanding: it is paid, or credited, or gives something back itself."""
    OVERDUE = "overdue"
    """Something is outstanding, and it is due."""
    UNCOLLECTIBLE = "uncollectible"
    """What was outstanding is written off."""
    VOID = "void"
    """It was never owed; what it billed is billed again."""


class InvoiceAction(StrEnum):
    """What is done to an invoice."""

    PAY = "pay"
    TAKE_BACK = "take back"
    """What was paid is refunded, or pays something else."""
    CREDIT = "credit"
    UNCREDIT = "uncredit"
    """A credit note is void."""
    WRITE_OFF = "write off"
    VOID = "void"


_ISSUED, _PARTLY, _PAID = InvoiceState.ISSUED, InvoiceState.PARTLY_PAID, InvoiceState.PAID
_OVERDUE, _UNCOLLECTIBLE, _VOID = InvoiceState.OVERDUE, InvoiceState.UNCOLLECTIBLE, InvoiceState.VOID

TRANSITIONS: Final[Mapping[InvoiceState, Mapping[InvoiceAction, AbstractSet[InvoiceState]]]] = (
    MappingProxyType(
        {
            # One of which a part is written off, and that owes again since money went back, is uncollectible once the rest is paid.
            _ISSUED: {
                InvoiceAction.PAY: {_PARTLY, _OVERDUE, _PAID, _UNCOLLECTIBLE},
                InvoiceAction.CREDIT: {_ISSUED, _OVERDUE, _PAID, _UNCOLLECTIBLE},
                InvoiceAction.UNCREDIT: {_ISSUED, _OVERDUE},
                InvoiceAction.WRITE_OFF: {_UNCOLLECTIBLE},
                InvoiceAction.VOID: {_VOID},
            },
            _PARTLY: {
                InvoiceAction.PAY: {_PARTLY, _OVERDUE, _PAID, _UNCOLLECTIBLE},
                InvoiceAction.TAKE_BACK: {_ISSUED, _PARTLY, _OVERDUE},
                InvoiceAction.CREDIT: {_PARTLY, _OVERDUE, _PAID, _UNCOLLECTIBLE},
                InvoiceAction.UNCREDIT: {_PARTLY, _OVERDUE},
                InvoiceAction.WRITE_OFF: {_UNCOLLECTIBLE},
                InvoiceAction.VOID: {_VOID},
            },
            _OVERDUE: {
                InvoiceAction.PAY: {_PARTLY, _OVERDUE, _PAID, _UNCOLLECTIBLE},
                InvoiceAction.TAKE_BACK: {_ISSUED, _PARTLY, _OVERDUE},
                InvoiceAction.CREDIT: {_ISSUED, _PARTLY, _OVERDUE, _PAID, _UNCOLLECTIBLE},
                InvoiceAction.UNCREDIT: {_ISSUED, _PARTLY, _OVERDUE},
                InvoiceAction.WRITE_OFF: {_UNCOLLECTIBLE},
                InvoiceAction.VOID: {_VOID},
            },
            _PAID: {
                InvoiceAction.TAKE_BACK: {_ISSUED, _PARTLY, _OVERDUE},
                # What is credited of a paid one becomes balance first.
                InvoiceAction.CREDIT: {_PAID},
                InvoiceAction.UNCREDIT: {_ISSUED, _PARTLY, _OVERDUE},
                InvoiceAction.VOID: {_VOID},
            },
            _UNCOLLECTIBLE: {
                # The way back: it is paid after all, in whole or in part.
                InvoiceAction.PAY: {_UNCOLLECTIBLE, _PAID},
                InvoiceAction.TAKE_BACK: {_ISSUED, _PARTLY, _OVERDUE},
                InvoiceAction.CREDIT: {_UNCOLLECTIBLE, _PAID},
                InvoiceAction.UNCREDIT: {_ISSUED, _PARTLY, _OVERDUE},
                InvoiceAction.VOID: {_VOID},
            },
            _VOID: {},
        }
    )
)


def state_of(outstanding: Decimal | int, paid: int, written_off: int) -> InvoiceState:
    """Of an invoice that isn't void, before its due date. All in one unit; none is negative."""
    if outstanding:
        return InvoiceState.PARTLY_PAID if paid else InvoiceState.ISSUED
    return InvoiceState.UNCOLLECTIBLE if written_off else InvoiceState.PAID


def state_at(state: InvoiceState, due_at_us: int, now_us: int) -> InvoiceState:
    """What an invoice that is kept in a state is in at an instant (rule 2)."""
    is_open = state in (InvoiceState.ISSUED, InvoiceState.PARTLY_PAID)
    return InvoiceState.OVERDUE if is_open and due_at_us <= now_us else state


def check_allowed(state: InvoiceState, action: InvoiceAction, name: str) -> None:
    """`name`: the invoice, for who reads the error.

    Raises:
        InvoiceStateError: the action leads nowhere from this state.
    """
    if action not in TRANSITIONS[state]:
        said = str(state).replace("_", " ")
        raise InvoiceStateError(f"{name} is {said}: {_IMPOSSIBLE[action]}")


_IMPOSSIBLE: Final[Mapping[InvoiceAction, str]] = MappingProxyType(
    {
        InvoiceAction.PAY: "it takes no payment",
        InvoiceAction.TAKE_BACK: "nothing of it can be taken back",
        InvoiceAction.CREDIT: "it can't be credited",
        InvoiceAction.UNCREDIT: "its credit note can't be made void",
        InvoiceAction.WRITE_OFF: "there is nothing to write off",
        InvoiceAction.VOID: "it can't be made void",
    }
)


def check_led(before: InvoiceState, action: InvoiceAction, after: InvoiceState, name: str) -> None:
    """Rule 4. Raises MeterlineError for a state that the action doesn't lead to: a fault of the engine, which changes nothing."""
    if after not in TRANSITIONS[before].get(action, ()):
        raise MeterlineError(
            f"{name} would be {after} after {action} from {before}: nothing was changed; report it"
        )
