"""Every operation of the contract, with requests that chance filled in and with their bytes changed.

The tenant has a customer with usage, closed invoices, a payment, an alert and a webhook endpoint; what the engine answers
becomes words of later requests. Beside test_fuzz, which does this to events and judges what they come to.
"""

import contextlib
import http.client
import json
import random
import subprocess
import sys
from http import HTTPStatus

import grpc
import pytest
from google.protobuf.json_format import MessageToJson, Parse, SerializeToJsonError
from google.protobuf.message_factory import GetMessageClass

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.invoices_pb2 import ClosePeriodsRequest
from meterline.v1.invoices_pb2_grpc import InvoiceServiceStub
from meterline.v1.spend_pb2 import GetSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from tests.support.engine.api_world import record
from tests.support.engine.ledger import event, watched_memory
from tests.support.engine.operation_table import contract
from tests.support.engine.request_maker import WORDS, RequestMaker

CATALOG = """
meters: [{id: tokens, event_type: call, aggregation: sum, value: tokens}]
plans: [{id: pro, name: Pro, currency: USD, prices: [{id: tokens, meter: tokens, model: per_unit, unit_amount: 1}]}]
customers: [{id: acme, name: Acme}, {id: kept, name: Kept}]
subscriptions: [{customer: acme, plan: pro, start: 2025-05-01}, {customer: kept, plan: pro, start: 2025-06-01}]
alerts: [{id: alert, name: Alert, measure: usage, meter: tokens, thresholds: [5]}]
"""
# What the caller can mend, or what is not there. Never INTERNAL or UNKNOWN.
CLEAR = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,  # another job is at work: wait as RetryInfo says
}
# Their answers hold the id of the key that this test calls with, and what its own tenant may do.
_SECRETS = ("AccessService", "TenantService", "TenantLimitsService")
_FRESH_EVERY = 150
# They take seconds: of twenty requests that would be theirs, one is.
_SELDOM = {"EraseCustomer", "WatchSpend", "CreateBackup"}


# NDJSON is not written here; an expiry or a reconciliation of decades would be waited for; and the id of the key that
# this calls with is found out.
_NOT_BY_HTTP = (
    *("UsageService.StreamUsage", "CatalogService.ApplyCatalogPieces"),
    *("RetentionService.ExpireUsage", "CorrectionService.ReconcileUsage"),
    *("AccessService.RevokeApiKey", "AccessService.RotateApiKey"),
)


class _Fuzz:
    def __init__(self, channel, seed):
        self.channel, self.chance = channel, random.Random(seed)
        self.maker = RequestMaker(self.chance)
        self.methods = [
            (f"/{each.containing_service.full_name}/{each.name}", each) for each in contract().values()
        ]
        self.codes = {}
        self.by_method = {}

    def fill(self, number):
        """What the last requests have erased, ended or deleted is there again, and an invoice more."""
        catalog, usage = CATALOG, [event(f"fuzz-{number}", "7")]
        with contextlib.suppress(grpc.RpcError):
            CatalogServiceStub(self.channel).ApplyCatalog(ApplyCatalogRequest(document=catalog), timeout=60)
        with contextlib.suppress(grpc.RpcError):
            record(self.channel, *usage)
        with contextlib.suppress(grpc.RpcError):
            whole_may = ClosePeriodsRequest()
            whole_may.period_end_after.FromJsonString("2025-05-01T00:00:00Z")
            whole_may.period_end_until.FromJsonString("2025-06-01T00:00:00Z")
            self.maker.learn(InvoiceServiceStub(self.channel).ClosePeriods(whole_may, timeout=60))

    def next_method(self, number):
        """In turn, so that none is left out."""
        path, method = self.methods[number % len(self.methods)]
        if method.name in _SELDOM and number // len(self.methods) % 20:
            return self.chance.choice([each for each in self.methods if each[1].name not in _SELDOM])
        return path, method

    def call(self, path, method):
        """One request, filled in, and now and then with bytes that changed; one answer of a stream is read."""
        requests = [self._bytes(method) for _ in range(2 if method.client_streaming else 1)]
        code, answers, details = self._answers(path, method, requests)
        assert code in CLEAR, f"{path}: {code.name}: {details}: {requests!r}"
        assert "Traceback" not in details
        if method.containing_service.name not in _SECRETS:
            for answer in answers:
                self.maker.learn(GetMessageClass(method.output_type).FromString(answer))
        self.codes[code.name] = self.codes.get(code.name, 0) + 1
        self.by_method.setdefault(path, set()).add(code.name)

    def _answers(self, path, method, requests):
        """The code, answers, and what was said with the code."""
        try:
            return grpc.StatusCode.OK, self._read(path, method, requests), ""
        except grpc.RpcError as error:
            return error.code(), [], error.details()

    def _read(self, path, method, requests):
        match method.client_streaming, method.server_streaming:
            case False, False:
                return [self.channel.unary_unary(path)(requests[0], timeout=60)]
            case True, False:
                return [self.channel.stream_unary(path)(iter(requests), timeout=60)]
            case False, True:
                answers = self.channel.unary_stream(path)(requests[0], timeout=60)
            case _:
                answers = self.channel.stream_stream(path)(iter(requests), timeout=60)
        try:
            return [each for each, _ in zip(answers, range(1), strict=False)]
        finally:
            answers.cancel()

    def _bytes(self, method):
        data = self.maker.request(method.input_type).SerializeToString()
        return self._changed(data) if self.chance.random() < 0.1 else data

    def _changed(self, data):
        data = bytearray(data)
        for _ in range(self.chance.randint(1, 4)):
            at = self.chance.randrange(len(data) + 1)
            data[at : at + self.chance.randrange(3)] = self.chance.randbytes(self.chance.randrange(3))
        return bytes(data)


class _HttpFuzz(_Fuzz):
    """The same as JSON, of the operations with one request and one answer, by which nobody waits for long or ends the key."""

    def __init__(self, channel, seed, engine):
        super().__init__(channel, seed)
        self._engine = engine
        self._connection = None
        self.methods = [
            (path, method)
            for path, method in self.methods
            if not (method.client_streaming or method.server_streaming)
            and f"{method.containing_service.name}.{method.name}" not in _NOT_BY_HTTP
        ]

    def call(self, path, method):
        data = self._json(method)
        status, body = self._posted(path, data)
        assert status < 500 or status == HTTPStatus.SERVICE_UNAVAILABLE, f"{path}: {status}: {body}: {data!r}"
        assert b"Traceback" not in body
        if status == HTTPStatus.OK and method.containing_service.name not in _SECRETS:
            self.maker.learn(Parse(body, GetMessageClass(method.output_type)()))
        name = HTTPStatus(status).name
        self.codes[name] = self.codes.get(name, 0) + 1
        self.by_method.setdefault(path, set()).add(name)

    def _json(self, method):
        """With words in the place of what JSON can't say, such as an instant of the year 300,000; now and then with bytes changed."""
        try:
            text = MessageToJson(self.maker.request(method.input_type), indent=None)
        except SerializeToJsonError:
            text = json.dumps({field.name: self.chance.choice(WORDS) for field in method.input_type.fields})
        data = text.encode(errors="replace")
        return self._changed(data) if self.chance.random() < 0.1 else data

    def _posted(self, path, data):
        """On one connection, which the engine may end behind an answer."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._engine.api_key}"}
        for _ in range(2):
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPConnection(
                        "127.0.0.1", self._engine.http_port, timeout=60
                    )
                self._connection.request("POST", path, data, headers)
                response = self._connection.getresponse()
                return response.status, response.read()
            except TimeoutError:
                raise AssertionError(f"{path}: no answer within a minute: {data!r}") from None
            except (http.client.HTTPException, ConnectionError):
                self._connection = None
        raise AssertionError(f"{path}: no answer, twice: {data!r}")


_AFTER = """
plans: [{id: after, name: After, currency: USD, prices: [{id: fee, model: flat, flat_amount: 5}]}]
customers: [{id: after, name: After}]
subscriptions: [{customer: after, plan: after, start: 2025-06-01}]
"""


def _spend_of(channel, customer_id):
    asked = GetSpendRequest(customer_id=customer_id)
    asked.at.FromJsonString("2025-06-10T00:00:00Z")
    return SpendServiceStub(channel).GetSpend(asked, timeout=60).spends


@contextlib.contextmanager
def _serving(tmp_path):
    (tmp_path / "backups").mkdir()
    options = ("--event-age-max-days", "36525", "--backup-directory", str(tmp_path / "backups"))
    with (
        EngineProcess(tmp_path / "data", *options, "--http-listen", "127.0.0.1:0") as engine,
        open_channel(engine.target) as channel,
    ):
        yield engine, channel


@pytest.mark.parametrize(
    "requests", [400, pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(7_200)])]
)
@pytest.mark.parametrize("face", ["grpc", "http"])
def test_no_operation_fails_inside_whatever_it_is_asked(tmp_path, requests, face, seed):
    """Each ends with a status that the caller can act on, and the engine serves on."""
    print(f"METERLINE_SEED={seed}")
    with _serving(tmp_path) as (engine, channel):
        fuzz = _Fuzz(channel, seed) if face == "grpc" else _HttpFuzz(channel, seed, engine)
        with watched_memory(engine, f"{requests} requests", 400):
            for number in range(requests):
                if number % _FRESH_EVERY == 0:
                    fuzz.fill(number)
                fuzz.call(*fuzz.next_method(number))
        print(dict(sorted(fuzz.codes.items())))
        print("never well:", sorted(path for path, codes in fuzz.by_method.items() if "OK" not in codes))
        assert not [line for line in engine.log if "call failed" in line]
        fuzz.fill(requests)
        assert [each.currency for each in _spend_of(channel, "kept")] == ["USD"]


@pytest.mark.parametrize(
    "requests", [700, pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(7_200)])]
)
def test_no_request_by_the_openapi_document_ends_in_a_500(tmp_path, requests, seed):
    """Schemathesis makes requests of every operation from the document, sound ones and broken ones."""
    with _serving(tmp_path) as (engine, channel):
        _Fuzz(channel, seed).fill(0)
        examples = -(-requests // (len(contract()) - len(_NOT_BY_HTTP)))
        options = ["--max-examples", str(examples), "--checks", "not_a_server_error", "--workers", "2"]
        options += ["--mode", "all", "--phases", "examples,fuzzing", "--request-timeout", "60", "--no-color"]
        options += ["--seed", str(seed), "-H", f"Authorization: Bearer {engine.api_key}"]
        options += [word for name in _NOT_BY_HTTP for word in ("--exclude-operation-id", name)]
        url = f"http://127.0.0.1:{engine.http_port}/openapi.json"
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", url, *options],
            cwd=tmp_path, capture_output=True, text=True, timeout=230 + requests // 15, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
        print(done.stdout[-1_500:])
        assert not [line for line in engine.log if "call failed" in line]
        # Schemathesis repeats ids that it has read: any customer may be erased by now.
        CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=_AFTER), timeout=60)
        assert [(each.currency, each.amount) for each in _spend_of(channel, "after")] == [("USD", "5.00")]
