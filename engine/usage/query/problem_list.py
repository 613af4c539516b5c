"""Why events were not stored, for a person to look at: the newest first, and how many there were of each reason."""

# ruff: noqa: S608 - only names that are written here become SQL

from collections.abc import Sequence
from dataclasses import dataclass

from engine.usage.store.query import Parameters, Query, number
from engine.usage.store.tables.problem_schema import (
    HOUR_US,
    KEPT_DAYS,
    PROBLEM_COUNTS_TABLE,
    PROBLEMS_TABLE,
)
from engine.usage.store.tables.schema import stamp_sql
from engine.usage.store.usage_store import Row, UsageStore

KEPT_US = KEPT_DAYS * 24 * HOUR_US


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemChoice:
    """Which problems are listed: of events that came in [start_us, end_us).

    reasons: their numbers; empty for all. customer_id: empty for all.
    """

    tenant: str
    start_us: int
    end_us: int
    reasons: Sequence[int] = ()
    customer_id: str = ""


@dataclass(frozen=True, slots=True)
class ProblemPlace:
    """A problem in the order of a listing; a page begins behind it."""

    received_us: int
    problem_id: int


@dataclass(frozen=True, slots=True)
class ListedProblem:
    """One thing that was wrong with one event. The time is None where it was missing, or out of the calendar."""

    place: ProblemPlace
    verdict: int
    reason: int
    field: str
    event_id: str
    event_type: str
    customer_id: str
    event_time_us: int | None
    credential: str


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many problems of a reason there were, and how many of them have a row."""

    reason: int
    problems: int
    logged: int


def list_problems(
    store: UsageStore, choice: ProblemChoice, place: ProblemPlace | None, rows_max: int
) -> list[ListedProblem]:
    """The newest problems behind a place.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    return [_problem(row) for row in store.query(problems_query(choice, place, rows_max))]


def _problem(row: Row) -> ListedProblem:
    received_us, problem_id, verdict, reason, field, event_id, event_type, customer_id, time_us, by = row
    return ListedProblem(
        ProblemPlace(number(received_us), number(problem_id)),
        number(verdict),
        number(reason),
        str(field),
        str(event_id),
        str(event_type),
        str(customer_id),
        None if time_us is None else number(time_us),
        str(by),
    )


def count_problems(store: UsageStore, choice: ProblemChoice) -> list[ReasonCount]:
    """By reason, in the hours that the choice touches, whoever's they are.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    return [ReasonCount(*map(number, row)) for row in store.query(counts_query(choice))]


def problems_query(choice: ProblemChoice, place: ProblemPlace | None, rows_max: int) -> Query:
    """received_at (us), problem_id, verdict, reason, field, event_id, event_type, customer_id, event_time (us or NULL),
    credential; the newest first.
    """
    where = [
        "tenant = {tenant:String}",
        f"received_at >= {stamp_sql('start_us')}",
        f"received_at < {stamp_sql('end_us')}",
    ]
    parameters: Parameters = {
        "tenant": choice.tenant,
        "start_us": choice.start_us,
        "end_us": choice.end_us,
        "rows_max": rows_max,
    }
    if choice.reasons:
        where.append("reason IN {reasons:Array(UInt8)}")
        parameters["reasons"] = list(choice.reasons)
    if choice.customer_id:
        where.append("customer_id = {customer_id:String}")
        parameters["customer_id"] = choice.customer_id
    if place is not None:
        where.append(f"(received_at, problem_id) < ({stamp_sql('place_us')}, {{place_id:UInt64}})")
        parameters |= {"place_us": place.received_us, "place_id": place.problem_id}
    return Query(
        "SELECT toUnixTimestamp64Micro(received_at), problem_id, verdict, reason, field, event_id, event_type, customer_id, "
        "toUnixTimestamp64Micro(event_time), credential "
        f"FROM {PROBLEMS_TABLE} WHERE {' AND '.join(where)} "
        "ORDER BY received_at DESC, problem_id DESC LIMIT {rows_max:UInt64}",
        parameters,
    )


def counts_query(choice: ProblemChoice) -> Query:
    """reason, problems, logged; by reason."""
    where = ["tenant = {tenant:String}", "since BETWEEN {first:Int64} AND {last:Int64}"]
    parameters: Parameters = {
        "tenant": choice.tenant,
        "first": choice.start_us // HOUR_US,
        "last": (choice.end_us - 1) // HOUR_US,
    }
    if choice.reasons:
        where.append("reason IN {reasons:Array(UInt8)}")
        parameters["reasons"] = list(choice.reasons)
    return Query(
        "SELECT reason, sum(problems), sum(logged) FROM "
        f"(SELECT *, intDiv(toUnixTimestamp(hour), 3600) AS since FROM {PROBLEM_COUNTS_TABLE}) "
        f"WHERE {' AND '.join(where)} GROUP BY reason ORDER BY reason",
        parameters,
    )
