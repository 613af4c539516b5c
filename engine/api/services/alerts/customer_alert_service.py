"""AlertService, what a customer sees of it: its alerts, and the budget that it sets for itself."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from engine.api.mistakes import raise_all, text_mistakes
from engine.api.operation import Call
from engine.api.services.resources.catalog_messages import write_of
from engine.catalog.kinds.alert import Alert
from engine.catalog.limits import ALERT_THRESHOLDS_MAX, ID_BYTES_MAX
from engine.catalog.single.customer_budget import (
    CustomerBudget,
    budget_currencies,
    checked_currency,
    own_budget,
    set_budget,
)
from engine.catalog.single.etags import etag_of
from engine.catalog.snapshots.snapshot import Catalog
from engine.catalog.snapshots.versions import Versioned
from engine.catalog.store import CatalogStore
from engine.errors import FieldMistake, InvalidRequestError
from engine.spend.alerts.store import CrossingStore
from engine.times import to_timestamp, us_datetime
from fields import DecimalNumber, decimal_text
from meterline.v1 import alerts_pb2 as pb
from rating import minor_unit_digits

# More than a person reads.
_ALERTS_MAX: Final = 100
_PERCENT: Final = DecimalNumber(positive=True, at_most=1_000, fraction_digits=2)
_Standing = Mapping[tuple[str, str], int | None]


class CustomerAlertService:
    """Lists a customer's alerts, and sets its budget."""

    def __init__(
        self,
        catalog: CatalogStore,
        crossings: CrossingStore,
        now_us: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        """`new_id`: makes the id of a budget, another one each time."""
        self._catalog = catalog
        self._crossings = crossings
        self._now_us = now_us
        self._new_id = new_id

    def list_customer_alerts(
        self, request: pb.ListCustomerAlertsRequest, call: Call
    ) -> pb.ListCustomerAlertsResponse:
        customer_id = request.customer_id
        raise_all(text_mistakes("customer_id", customer_id, ID_BYTES_MAX))
        catalog, now_us = self._catalog.snapshot(call.tenant), self._now_us()
        currencies = budget_currencies(catalog, customer_id, us_datetime(now_us))
        standing = self._crossings.standing(call.tenant, customer_id, now_us)
        seen = [each for each in _alerts_of(catalog, customer_id) if each.resource.is_seen_by_customer]
        # Stable: both parts stay in the order of their creation.
        seen.sort(key=lambda each: not each.resource.set_by_customer)
        return pb.ListCustomerAlertsResponse(
            alerts=(customer_alert_message(each, standing) for each in seen[:_ALERTS_MAX]),
            budget_currencies=currencies,
        )

    def set_customer_budget(
        self, request: pb.SetCustomerBudgetRequest, call: Call
    ) -> pb.SetCustomerBudgetResponse:
        customer_id = request.customer_id
        raise_all(text_mistakes("customer_id", customer_id, ID_BYTES_MAX))
        write = write_of(call, self._now_us(), request, None)
        catalog = self._catalog.snapshot(call.tenant)
        currency = checked_currency(catalog, customer_id, request.currency, write.at)
        budget = CustomerBudget(customer_id, currency, *_read(request, currency))
        new_id = self._new_id()
        applied = self._catalog.write(
            call.tenant,
            lambda catalog: set_budget(budget, request.etag, write.at, catalog, lambda: new_id),
            write,
        )
        response = pb.SetCustomerBudgetResponse(revision=applied.revision)
        if budget.amount is not None:
            found = own_budget(self._catalog.snapshot(call.tenant, applied.revision), customer_id, currency)
            if found is None:
                raise TypeError(f"revision {applied.revision} lacks the budget that it wrote")
            standing = self._crossings.standing(call.tenant, customer_id, self._now_us())
            response.budget.CopyFrom(customer_alert_message(found, standing))
        return response


def customer_alert_message(alert: Versioned[Alert], standing: _Standing) -> pb.CustomerAlert:
    """`standing`: the customer's thresholds that are reached, as CrossingStore.standing gives them."""
    resource = alert.resource
    message = pb.CustomerAlert(
        alert_id=resource.id,
        name=resource.name,
        measure=resource.measure.value,
        currency=resource.currency or "",
        meter_id=resource.meter or "",
        budget="" if resource.budget is None else decimal_text(resource.budget),
        set_by_customer=resource.set_by_customer,
        etag=etag_of(Alert.kind, resource.id, alert.version) if resource.set_by_customer else "",
    )
    for threshold in map(decimal_text, resource.thresholds):
        key = resource.id, threshold
        reached_at_us = standing.get(key)
        message.thresholds.add(
            threshold=threshold,
            reached=key in standing,
            reached_at=None if reached_at_us is None else to_timestamp(reached_at_us),
        )
    return message


def _alerts_of(catalog: Catalog, customer_id: str) -> Iterator[Versioned[Alert]]:
    yield from catalog.alerts_of.get(customer_id, ())
    yield from catalog.alerts_of.get(None, ())


def _read(request: pb.SetCustomerBudgetRequest, currency: str) -> tuple[Decimal | None, list[Decimal]]:
    """The amount and the percentages. Raises InvalidRequestError with every mistake."""
    mistakes: list[FieldMistake] = []
    amount = None
    if request.amount:
        number = DecimalNumber(positive=True, integer_digits=18, fraction_digits=minor_unit_digits(currency))
        try:
            amount = number.read(request.amount)
        except ValueError as error:
            mistakes.append(FieldMistake("amount", str(error)))
    if request.amount and not 1 <= len(request.thresholds) <= ALERT_THRESHOLDS_MAX:
        mistakes.append(
            FieldMistake(
                "thresholds",
                f"has {len(request.thresholds)}: give 1 to {ALERT_THRESHOLDS_MAX} percentages of the budget",
            )
        )
    elif request.thresholds and not request.amount:
        mistakes.append(
            FieldMistake("thresholds", "is given without an amount: an empty amount removes the budget")
        )
    else:
        thresholds = list(_percentages(request, mistakes))
        if len(set(thresholds)) < len(thresholds):
            mistakes.append(FieldMistake("thresholds", "names a percentage twice"))
    if mistakes:
        raise InvalidRequestError(*mistakes)
    return amount, thresholds


def _percentages(request: pb.SetCustomerBudgetRequest, mistakes: list[FieldMistake]) -> Iterator[Decimal]:
    for place, text in enumerate(request.thresholds):
        try:
            yield _PERCENT.read(text)
        except ValueError as error:
            mistakes.append(FieldMistake(f"thresholds[{place}]", str(error)))
