"""EventService: why events were not stored."""

from collections.abc import Callable

from engine.api.messages import fitting
from engine.api.mistakes import raise_all, text_mistakes
from engine.api.operation import Call
from engine.api.page_tokens import checked_size, opened, question_digest, sealed
from engine.errors import FieldMistake, InvalidRequestError
from engine.times import optional_us, to_timestamp
from engine.usage.query.problem_list import (
    KEPT_US,
    ListedProblem,
    ProblemChoice,
    ProblemPlace,
    ReasonCount,
    count_problems,
    list_problems,
)
from engine.usage.store.usage_store import UsageStore
from meterline.v1.events_pb2 import (
    ListProblemsRequest,
    ListProblemsResponse,
    LoggedProblem,
    ProblemCount,
)
from meterline.v1.usage_pb2 import ProblemReason, Verdict

_PAGE_SIZE_DEFAULT = 100
_PAGE_SIZE_MAX = 1_000
_NAME_BYTES_MAX = 128


class ProblemService:
    """Lists problems."""

    def __init__(self, usage: UsageStore, now_us: Callable[[], int]) -> None:
        self._usage = usage
        self._now_us = now_us

    def list_problems(self, request: ListProblemsRequest, call: Call) -> ListProblemsResponse:
        page_size = checked_size(request.page_size, _PAGE_SIZE_DEFAULT, _PAGE_SIZE_MAX)
        choice, place = self._asked(request, call.tenant)
        # One more than the page tells whether there is another.
        found = list_problems(self._usage, choice, place, page_size + 1)
        page = fitting(map(_message, found[:page_size]))
        token = ""
        if len(page) < len(found):
            last = found[len(page) - 1].place
            token = sealed(
                question_digest(request), choice.start_us, choice.end_us, last.received_us, last.problem_id
            )
        return ListProblemsResponse(
            problems=page,
            counts=map(_count, count_problems(self._usage, choice)),
            next_page_token=token,
        )

    def _asked(self, request: ListProblemsRequest, tenant: str) -> tuple[ProblemChoice, ProblemPlace | None]:
        """What is asked for, and the place behind which the page begins: all pages are of one span of time."""
        now_us = self._now_us()
        start_us, end_us = optional_us(request, "start"), optional_us(request, "end")
        raise_all(
            [
                *(
                    text_mistakes("customer_id", request.customer_id, _NAME_BYTES_MAX)
                    if request.customer_id
                    else ()
                ),
                *(
                    FieldMistake(f"reasons[{place}]", f"is {reason}, which is not a ProblemReason")
                    for place, reason in enumerate(request.reasons)
                    if reason not in ProblemReason.values() or not reason
                ),
            ]
        )
        if start_us is not None and end_us is not None and end_us <= start_us:
            raise InvalidRequestError(FieldMistake("end", "must be later than start"))
        # What is older goes in the background, some time later.
        start_us = max(start_us or 0, now_us - KEPT_US)
        end_us = now_us + 1 if end_us is None else end_us
        place = None
        if request.page_token:
            parts = opened(request.page_token, question_digest(request), int, int, int, int)
            start_us, end_us, received_us, problem_id = map(int, parts)
            place = ProblemPlace(received_us, problem_id)
        choice = ProblemChoice(
            tenant=tenant,
            start_us=start_us,
            end_us=end_us,
            reasons=sorted(set(request.reasons)),
            customer_id=request.customer_id,
        )
        return choice, place


def _message(problem: ListedProblem) -> LoggedProblem:
    return LoggedProblem(
        received_at=to_timestamp(problem.place.received_us),
        verdict=Verdict.Name(problem.verdict),
        reason=ProblemReason.Name(problem.reason),
        field=problem.field,
        event_id=problem.event_id,
        event_type=problem.event_type,
        customer_id=problem.customer_id,
        event_time=None if problem.event_time_us is None else to_timestamp(problem.event_time_us),
        credential=problem.credential,
    )


def _count(count: ReasonCount) -> ProblemCount:
    return ProblemCount(
        reason=ProblemReason.Name(count.reason), problem_count=count.problems, logged_count=count.logged
    )
