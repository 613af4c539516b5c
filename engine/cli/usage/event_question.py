"""The options of `meterline events`, and the request that they make."""

from dataclasses import dataclass
from datetime import datetime

import grpc

from engine.cli.billing.named_line import named_line
from engine.cli.terminal.connection import TIMEOUT_S, CommandError
from engine.cli.terminal.options import check_period, timestamp
from meterline.v1.events_pb2 import ListEventsRequest, MeterEvents
from meterline.v1.explanations_pb2_grpc import ExplanationServiceStub


@dataclass(frozen=True, slots=True, kw_only=True)
class EventOptions:
    """What was asked for, as the command line has it."""

    customers: tuple[str, ...]
    event_type: str | None
    event_ids: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    meter: str | None
    line: str | None
    at: datetime | None
    correction: str | None
    voided: bool
    as_of: datetime | None
    catalog_revision: int | None

    def request(self, channel: grpc.Channel) -> ListEventsRequest:
        """The request. For the events of a line the line is looked up.

        Raises:
            CommandError: the options contradict each other, or there is no such line.
        """
        if self.start is not None and self.end is not None:
            check_period(self.start, self.end)
        if self.line is not None:
            return self._of_line(channel, self.line)
        if self.at is not None:
            raise CommandError("--at is for --line: it names the line's billing period")
        request = self._of_options()
        if self.meter is not None:
            if self.start is None or self.end is None:
                raise CommandError("--meter counts in a period: name it with --from and --to")
            if self.event_type is not None:
                raise CommandError(
                    "--event-type and --meter exclude each other: the meter has a type of its own"
                )
            meter = MeterEvents(meter_id=self.meter, catalog_revision=self.catalog_revision or 0)
            request.meter.CopyFrom(meter)
        elif self.catalog_revision is not None:
            raise CommandError(
                "--catalog-revision is for --meter and --line: no other events follow from a catalog"
            )
        return request

    def _of_options(self) -> ListEventsRequest:
        return ListEventsRequest(
            customer_ids=self.customers,
            event_type=self.event_type or "",
            event_ids=self.event_ids,
            start=timestamp(self.start),
            end=timestamp(self.end),
            correction_id=self.correction or "",
            include_voided=self.voided,
            as_of=timestamp(self.as_of),
        )

    def _of_line(self, channel: grpc.Channel, line: str) -> ListEventsRequest:
        others = {
            "--event-type": self.event_type,
            "--from": self.start,
            "--to": self.end,
            "--meter": self.meter,
            "--correction": self.correction,
        }
        given = [name for name, value in others.items() if value is not None]
        if given:
            raise CommandError(
                f"{given[0]} and --line exclude each other: the line says which events are its own"
            )
        if len(self.customers) > 1:
            raise CommandError("--line is of one customer: name that one with --customer, or none")
        asked = named_line(
            line, self.customers[0] if self.customers else None, self.at, self.as_of, self.catalog_revision
        )
        found = ExplanationServiceStub(channel).ExplainLineItem(asked, timeout=TIMEOUT_S)
        if not found.HasField("events"):
            why = found.unexplained_reason or f"is of price {found.line_item.price_id}, which meters nothing"
            raise CommandError(f"line {line} {why}")
        request: ListEventsRequest = found.events
        request.event_ids.extend(self.event_ids)
        request.include_voided = self.voided
        return request
