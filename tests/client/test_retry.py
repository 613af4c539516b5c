"""Which failures are sent again, and after which wait: the pure decisions."""

import pytest
from grpc import StatusCode

from meterline import Verdict
from meterline.retry import CallFailure, RetryPolicy, read_pushback_ms
from meterline.sending.delivery import Courier
from meterline.transport import CallFailedError
from meterline.v1 import usage_pb2

AGAIN = {
    StatusCode.UNAVAILABLE,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.ABORTED,
    StatusCode.CANCELLED,
}


@pytest.mark.parametrize("code", [code for code in StatusCode if code is not StatusCode.OK])
def test_only_what_can_pass_is_sent_again(code):
    """A full queue, an absent engine or a broken connection can pass; a refused request can't."""
    assert CallFailure(code, "scripted").retryable is (code in AGAIN)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (StatusCode.UNKNOWN, "Stream removed"),
        (StatusCode.INTERNAL, "Received RST_STREAM with error code 2"),
        (StatusCode.INTERNAL, "recvmsg:Connection reset by peer"),
    ],
)
def test_a_lost_connection_is_sent_again_whatever_its_status(code, message):
    """A broken stream comes as one of several codes."""
    assert CallFailure(code, message).retryable


def test_the_wait_is_full_jitter_under_a_doubling_window():
    """Attempt n waits evenly between 0 and min(5,000, 100 x 2^n) ms."""
    policy = RetryPolicy(timeout_s=1_000)
    lost = CallFailure(StatusCode.UNAVAILABLE, "")
    assert [policy.wait_s(lost, attempt, 0.0, 0.5) for attempt in range(4)] == [0.05, 0.1, 0.2, 0.4]
    assert policy.wait_s(lost, 0, 0.0, 0.0) == 0.0
    assert policy.wait_s(lost, 6, 0.0, 0.5) == 2.5  # 100 x 64 = 6,400: capped at 5,000
    assert policy.wait_s(lost, 100_000, 0.0, 0.5) == 2.5


def test_the_engines_pushback_is_a_lower_bound():
    """The engine asked for 1.5 s: jitter comes on top of it, never below."""
    policy = RetryPolicy(timeout_s=1_000)
    full = CallFailure(StatusCode.RESOURCE_EXHAUSTED, "", pushback_ms=1_500)
    assert policy.wait_s(full, 0, 0.0, 0.0) == 1.5
    assert policy.wait_s(full, 0, 0.0, 0.5) == 1.55


def test_a_negative_pushback_means_no():
    """It is the sign for "do not send again", also on a status that otherwise would be."""
    never = CallFailure(StatusCode.UNAVAILABLE, "", pushback_ms=-1)
    assert not never.retryable
    assert RetryPolicy(timeout_s=1_000).wait_s(never, 0, 0.0, 0.5) is None


def test_a_wait_that_ends_after_the_timeout_is_not_begun():
    """Giving up at once beats waiting for nothing."""
    policy = RetryPolicy(timeout_s=10)
    lost = CallFailure(StatusCode.UNAVAILABLE, "", pushback_ms=2_000)
    assert policy.wait_s(lost, 0, 7.9, 0.0) == 2.0
    assert policy.wait_s(lost, 0, 8.0, 0.0) is None


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ([], None),
        ([("other", "5")], None),
        ([("grpc-retry-pushback-ms", "250")], 250),
        ([("grpc-retry-pushback-ms", b"250")], 250),
        ([("grpc-retry-pushback-ms", "-1")], -1),
        ([("grpc-retry-pushback-ms", "soon")], -1),
    ],
)
def test_the_pushback_is_read_from_the_trailing_metadata(metadata, expected):
    """An unreadable pushback means "do not send again", as gRPC's retry design has it."""
    assert read_pushback_ms(metadata) == expected


class Road:
    """Plays attempts with a clock that only waits and attempts move."""

    def __init__(self, *outcomes, attempt_s=0.0, stop_after_pauses=None):
        self.now_s, self.sent, self.pauses = 100.0, [], []
        self._outcomes, self._attempt_s, self._stop_after = list(outcomes), attempt_s, stop_after_pauses

    def send(self, payload, timeout_s):
        self.sent.append(payload)
        self.now_s += self._attempt_s
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, CallFailure):
            raise CallFailedError(outcome)
        return outcome

    def pause(self, wait_s):
        self.pauses.append(wait_s)
        self.now_s += wait_s
        return self._stop_after is not None and len(self.pauses) >= self._stop_after

    def courier(self, timeout_s):
        return Courier(
            send=self.send,
            policy=RetryPolicy(timeout_s),
            request_timeout_s=30.0,
            pause=self.pause,
            random=lambda: 0.5,
            clock=lambda: self.now_s,
        )


LOST = CallFailure(StatusCode.UNAVAILABLE, "gone")
ACCEPTED = usage_pb2.RecordUsageResponse(verdicts=[usage_pb2.VERDICT_ACCEPTED])


def test_the_same_bytes_travel_until_there_is_an_answer():
    """Two failures, then the verdict: three times one payload, two waits."""
    road = Road(LOST, LOST, ACCEPTED)
    assert [j.verdict for j in road.courier(60).deliver(b"bytes", 1)] == [Verdict.ACCEPTED]
    assert road.sent == [b"bytes"] * 3
    assert road.pauses == [0.05, 0.1]


def test_a_batch_fails_when_its_time_is_over():
    """It never waits past the timeout, and says that the events can be sent again."""
    road = Road(LOST, attempt_s=0.3)
    [judgement] = road.courier(2.0).deliver(b"bytes", 1)
    assert (judgement.verdict, judgement.reason, judgement.retryable) == (Verdict.FAILED, "unavailable", True)
    # Attempts end at 0.3, 0.65, 1.05, 1.55; the wait of 0.4 from there would end within 2.0, that of 0.8 not.
    assert road.pauses == [0.05, 0.1, 0.2, 0.4]
    assert len(road.sent) == 5


def test_a_final_status_fails_the_batch_at_once():
    """Every event of the batch gets the status as its reason."""
    road = Road(CallFailure(StatusCode.PERMISSION_DENIED, "no"))
    judged = road.courier(60).deliver(b"bytes", 2)
    assert [(j.verdict, j.reason, j.message, j.retryable) for j in judged] == [
        (Verdict.FAILED, "permission_denied", "no", False)
    ] * 2
    assert len(road.sent) == 1


def test_a_closing_client_ends_the_wait_and_names_the_last_failure():
    """The report says that the client was closed, and why nothing had gone through before."""
    road = Road(LOST, stop_after_pauses=1)
    [judgement] = road.courier(60).deliver(b"bytes", 1)
    assert judgement.verdict is Verdict.FAILED
    assert judgement.message == "the client was closed before the engine acknowledged the event: gone"
    assert judgement.retryable
