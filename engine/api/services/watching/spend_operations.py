"""The rows of SpendService in the table of operations."""

from typing import Any

from engine.access.caller import Scope
from engine.access.tenant_limits import CALL, STREAM
from engine.api.operation import WATCHES, OfWatch, Operation
from engine.api.services.spend_service import SpendService
from engine.api.services.watching.watch_service import WatchService
from meterline.v1.spend_pb2 import GetSpendRequest, ListSpendRequest, WatchSpendRequest, WatchSpendResponse


def spend_operations(spend: SpendService, watches: WatchService) -> tuple[Operation[Any], ...]:
    return (
        Operation(
            "SpendService.GetSpend",
            GetSpendRequest,
            spend.get_spend,
            Scope.READ,
            CALL,
            customer_of=lambda request: request.customer_id or None,
        ),
        Operation(
            "SpendService.WatchSpend",
            WatchSpendRequest,
            OfWatch(watches.watch_spend, WatchSpendResponse()),
            Scope.READ,
            STREAM,
            limits=WATCHES,
            customer_of=lambda request: request.customer_id or None,
        ),
        Operation("SpendService.ListSpend", ListSpendRequest, spend.list_spend, Scope.READ, CALL),
    )
