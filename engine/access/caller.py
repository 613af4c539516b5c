"""Who calls, and what that allows.

Rules:
1. A credential holds scopes, and none implies another. A call needs the scope of its operation.
2. A credential that is bound to a customer reads that customer alone: it may call the operations that say of a request
   which customer it asks for, and only for its own. Whether another customer exists it does not learn.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.errors import PermissionDeniedError

# The tenant of an engine that has no other.
DEFAULT_TENANT: Final = "default"


class Scope(StrEnum):
    """What a credential allows, in the order in which they are listed."""

    INGEST = "ingest"
    READ = "read"
    BILL = "bill"
    CATALOG = "catalog"
    CORRECT = "correct"
    # The budgets that customers set for themselves.
    BUDGET = "budget"
    ADMIN = "admin"
    # Tenants themselves: for whoever runs the engine.
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose call it is. `credential` names it in logs and in the audit log: "key:" and the key's id, or "link:" and
    the beginning of a link's signature.
    """

    tenant: str
    credential: str
    scopes: frozenset[Scope]
    customer_id: str | None = None

    def check_scope(self, scope: Scope) -> None:
        """Raises PermissionDeniedError."""
        if scope not in self.scopes:
            raise PermissionDeniedError(
                f"the credential lacks the scope {scope.value!r}: use one that has it (meterline keys create)"
            )

    def check_customer(self, customer_id: str | None) -> None:
        """Whether a request for this customer may be answered; None stands for a request for more than one.

        Raises:
            PermissionDeniedError: the credential is bound to another customer.
        """
        if self.customer_id is not None and customer_id != self.customer_id:
            raise PermissionDeniedError("the credential is bound to one customer: ask for that one alone")

    @property
    def key_id(self) -> str:
        """Of the API key whose call it is; empty for everybody else's."""
        kind, _, name = self.credential.partition(":")
        return name if kind == "key" else ""

    def check_may_grant(self, scopes: Iterable[Scope]) -> None:
        """Nobody gives away more than they have. Who changes the catalog may write every alert, and so hands on `budget`, too.

        Raises:
            PermissionDeniedError: one of the scopes is not the caller's.
        """
        for scope in scopes:
            if scope is not Scope.BUDGET or Scope.CATALOG not in self.scopes:
                self.check_scope(scope)


# For what needs no credential, such as the health check.
NOBODY: Final = Caller("", "nobody", frozenset())
