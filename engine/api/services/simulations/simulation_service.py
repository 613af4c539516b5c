"""SimulationService: another catalog over past usage, some customers a call."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from engine.api.messages import ANSWER_BYTES_MAX, fitting, unrateable_messages
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.api.services.resources.catalog_messages import change_message
from engine.api.services.resources.sent_documents import document_changes
from engine.api.services.simulations.simulation_messages import (
    arrow_stream,
    customer_messages,
    total_messages,
)
from engine.api.services.turns import Turns
from engine.billing.rater import Rater, Snapshot
from engine.billing.simulation.candidate import taken_by_all
from engine.billing.simulation.simulator import SUBSCRIPTIONS_AT_ONCE, Simulation, Simulator
from engine.catalog.documents.changes import ResourceChange
from engine.catalog.snapshots.snapshot import Catalog
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, to_timestamp, us_datetime
from meterline.v1.billing_pb2 import LineItemForm
from meterline.v1.simulations_pb2 import SimulateCatalogRequest, SimulateCatalogResponse

_UNRATEABLE_MAX: Final = 1_000
# Beside the customers of the first page.
_CHANGES_BYTES_MAX: Final = 512 * 1024
_FORMS: Final = (LineItemForm.LINE_ITEM_FORM_UNSPECIFIED, LineItemForm.LINE_ITEM_FORM_ARROW)


@dataclass(frozen=True, slots=True)
class _Place:
    """What all pages share, and with which customer the next one begins. `at_us`: when the candidate would be applied."""

    at_us: int
    as_of_us: int
    revision: int
    customer: str


class SimulationService:
    """Compares catalogs; writes nothing."""

    def __init__(self, rater: Rater, now_us: Callable[[], int], turns: Turns) -> None:
        self._rater = rater
        self._simulator = Simulator(rater)
        self._now_us = now_us
        self._turns = turns

    def simulate_catalog(self, request: SimulateCatalogRequest, call: Call) -> SimulateCatalogResponse:
        size = checked_size(request.page_size, SUBSCRIPTIONS_AT_ONCE, SUBSCRIPTIONS_AT_ONCE)
        if request.form not in _FORMS:
            raise InvalidRequestError(
                FieldMistake("form", f"is {request.form}, which is not a form of an answer")
            )
        from_us, until_us = _span(request)
        listing = question_digest(request)
        with self._turns.turn(call.tenant):
            place = _place(request, listing)
            at_us = self._now_us() if place is None else place.at_us
            snapshot = self._snapshot(request, call, place)
            after, changes = _candidate(request, snapshot.catalog, at_us)
            simulation = Simulation(snapshot, after, from_us, until_us)
            first = "" if place is None else place.customer
            response, following = self._page(simulation, request.form, first, size)
        if place is None:
            response.changes.extend(fitting(map(change_message, changes), _CHANGES_BYTES_MAX))
        if following:
            response.next_page_token = sealed(
                listing, at_us, snapshot.as_of_us, snapshot.catalog.revision, following
            )
        return response

    def _snapshot(self, request: SimulateCatalogRequest, call: Call, place: _Place | None) -> Snapshot:
        if place is not None:
            return self._rater.snapshot(call.tenant, place.at_us, place.as_of_us, place.revision)
        as_of_us, revision = optional_us(request, "as_of"), request.catalog_revision or None
        return self._rater.snapshot(call.tenant, None, as_of_us, revision)

    def _page(self, of: Simulation, form: int, first: str, size: int) -> tuple[SimulateCatalogResponse, str]:
        """With fewer customers where it would be too large; and who is next."""
        found = self._simulator.step(of, first, size)
        response = SimulateCatalogResponse(
            totals=total_messages(found.rows),
            unrateable_customers=unrateable_messages(list(found.unrateable_after.values())[:_UNRATEABLE_MAX]),
            unrateable_before_customers=unrateable_messages(
                list(found.unrateable_before.values())[:_UNRATEABLE_MAX]
            ),
            unrateable_customer_count=len({*found.unrateable_before, *found.unrateable_after}),
            as_of=to_timestamp(of.snapshot.as_of_us),
            catalog_revision=of.snapshot.catalog.revision,
            simulated_subscription_count=found.subscription_count,
            subscription_count=len(of.snapshot.catalog.subscription_columns),
        )
        if form == LineItemForm.LINE_ITEM_FORM_ARROW:
            response.arrow = arrow_stream(found.rows)
        else:
            response.customers.extend(customer_messages(found.rows))
        if response.ByteSize() > ANSWER_BYTES_MAX and size > 1:
            return self._page(of, form, first, size // 2)
        return response, found.next_customer


def _span(request: SimulateCatalogRequest) -> tuple[int, int]:
    """Raises InvalidRequestError."""
    after_us, until_us = (optional_us(request, name) for name in ("period_end_after", "period_end_until"))
    if after_us is None or until_us is None or until_us <= after_us:
        raise InvalidRequestError(
            FieldMistake(
                "period_end_until",
                "must be after period_end_after: the two say together when billing periods end",
            )
        )
    return after_us, until_us


def _place(request: SimulateCatalogRequest, listing: str) -> _Place | None:
    if not request.page_token:
        return None
    at_us, as_of_us, revision, customer = opened(request.page_token, listing, int, int, int, str)
    return _Place(int(at_us), int(as_of_us), int(revision), str(customer))


def _candidate(
    request: SimulateCatalogRequest, catalog: Catalog, at_us: int
) -> tuple[Catalog, list[ResourceChange]]:
    """The catalog with all pieces laid over it, as all who have a plan would have it; and what that changes.

    Raises:
        CatalogDocumentError: a piece has mistakes: all of them.
    """
    after, changes = catalog, list[ResourceChange]()
    if not request.pieces:
        return after, changes
    for piece in request.pieces:
        found = document_changes(piece, us_datetime(at_us))(replace(after, revision=catalog.revision))
        after = found.applied_to(after)
        changes += found.changes
    return taken_by_all(catalog, after), changes
