"""TenantService, as far as it is about limits: what a tenant may ask, and what it takes of that."""

from typing import Final

from engine.access.access_store import AccessStore
from engine.access.allowances import Allowances, Use
from engine.access.tenant_limit_store import no_such_tenant
from engine.access.tenant_limits import LargestRequest, Limit, mistake_of
from engine.api.mistakes import raise_all
from engine.api.operation import Call
from engine.errors import FieldMistake
from meterline.v1.access_pb2 import (
    GetTenantLimitsRequest,
    GetTenantLimitsResponse,
    SetTenantLimitsRequest,
    SetTenantLimitsResponse,
    TenantLimit,
    TenantLimitChange,
)

_BY_NAME: Final = {each.value: each for each in Limit}


class TenantLimitsService:
    """The limits of the engine's tenants."""

    def __init__(self, allowances: Allowances, store: AccessStore, largest: LargestRequest) -> None:
        self._allowances = allowances
        self._store = store
        self._largest = largest

    def get_tenant_limits(self, request: GetTenantLimitsRequest, call: Call) -> GetTenantLimitsResponse:
        del call  # any tenant, whoever may ask
        return GetTenantLimitsResponse(limits=self._described(request.tenant))

    def set_tenant_limits(self, request: SetTenantLimitsRequest, call: Call) -> SetTenantLimitsResponse:
        del call
        changes: dict[Limit, int | None] = {}
        dropped: set[Limit] = set()
        mistakes: list[FieldMistake] = []
        for index, change in enumerate(request.changes):
            limit = _BY_NAME.get(change.name)
            text = self._mistake(limit, change)
            if text is None and limit in {*changes, *dropped}:
                text = f"names {change.name} a second time"
            if text is not None or limit is None:
                mistakes.append(FieldMistake(f"changes[{index}]", text or ""))
            elif change.HasField("inherited"):
                dropped.add(limit)
            else:
                changes[limit] = change.number if change.HasField("number") else None
        if not request.changes:
            mistakes.append(FieldMistake("changes", "is empty: name at least one limit"))
        raise_all(mistakes)
        self._allowances.change(request.tenant, changes, frozenset(dropped))
        return SetTenantLimitsResponse(limits=self._described(request.tenant))

    def _mistake(self, limit: Limit | None, change: TenantLimitChange) -> str | None:
        if limit is None:
            return f"{change.name[:64]!r} is not a limit; there are {', '.join(_BY_NAME)}"
        if change.WhichOneof("to") is None:
            return f"says nothing of {change.name}: give a number, unlimited or inherited"
        if not change.HasField("number"):
            return None
        text = mistake_of(limit, change.number, self._largest)
        return None if text is None else f"{change.name} {text}"

    def _described(self, tenant: str) -> list[TenantLimit]:
        if not self._store.has_tenant(tenant):
            raise no_such_tenant(tenant)
        return [_message(each) for each in self._allowances.uses(tenant)]


def _message(use: Use) -> TenantLimit:
    return TenantLimit(
        name=use.limit.value,
        number=use.number,
        is_own=use.is_own,
        used=use.used,
        refused_count=use.refused,
    )
