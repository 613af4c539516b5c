"""SpendService.WatchSpend: the spend of a customer, told again after each commit that touched it."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.api.operation import Call
from engine.api.services.spend_service import SpendService
from engine.catalog.store import CatalogStore
from engine.errors import FieldMistake, InvalidRequestError
from engine.spend.watchers import ReadSpend, SpendWatchers, Watch, WatchKey
from engine.times import optional_us, to_timestamp
from meterline.v1.spend_pb2 import GetSpendRequest, GetSpendResponse, WatchSpendRequest, WatchSpendResponse


class SpendReader:
    """Reads a watched spend as GetSpend does."""

    def __init__(self, spend: SpendService, catalog: CatalogStore) -> None:
        self._spend = spend
        self._catalog = catalog

    def read(self, key: WatchKey) -> ReadSpend[GetSpendResponse]:
        """Raises as GetSpend."""
        request = GetSpendRequest(customer_id=key.customer_id)
        if key.at_us is not None:
            request.at.CopyFrom(to_timestamp(key.at_us))
        answer = self._spend.spend_of(request, key.tenant, shows_shares=key.shows_shares)
        names = self._catalog.snapshot(key.tenant).customers.aliases_of([key.customer_id])
        content = GetSpendResponse()
        content.CopyFrom(answer)
        content.ClearField("as_of")
        content.ClearField("catalog_revision")
        return ReadSpend(
            answer,
            content.SerializeToString(deterministic=True),
            frozenset({key.customer_id, *names.get(key.customer_id, ())}),
        )


@dataclass(frozen=True, slots=True)
class _SpendAnswers:
    """One watch, as an operation answers with it."""

    watchers: SpendWatchers[GetSpendResponse]
    watch: Watch[GetSpendResponse]

    def take(self) -> WatchSpendResponse | None:
        spend = self.watch.take()
        return None if spend is None else WatchSpendResponse(spend=spend)

    def close(self) -> None:
        self.watchers.leave(self.watch)


class WatchService:
    """Lets callers watch."""

    def __init__(self, watchers: SpendWatchers[GetSpendResponse]) -> None:
        self._watchers = watchers

    def watch_spend(self, request: WatchSpendRequest, call: Call, wake: Callable[[], None]) -> _SpendAnswers:
        if not request.customer_id:
            raise InvalidRequestError(FieldMistake("customer_id", "is empty: name a customer"))
        key = WatchKey(
            call.tenant,
            request.customer_id,
            optional_us(request, "at"),
            shows_shares=call.caller.customer_id is None,
        )
        return _SpendAnswers(self._watchers, self._watchers.watch(key, wake))
