"""One tenant who calls any operation, over gRPC or HTTP: what it is told, what it finds in that, and what is the same in two runs."""

import base64
import http.client
import json
import re

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass

from meterline import open_channel
from tests.support.engine.operation_table import TABLE, contract

ROWS = {row.name: row for row in TABLE}
_METHODS = contract()
_STREAMS = {"UsageService.StreamUsage", "CatalogService.ApplyCatalogPieces"}
_WATCH = "SpendService.WatchSpend"
HTTP = sorted(set(ROWS) - _STREAMS - {_WATCH})
# Where the ids that the engine gives stand in answers, by operation or anywhere. The keys are those that were made, not
# those that are listed: nobody revokes the key that it calls with.
_GIVEN = {
    "endpoint_id": "endpoint",
    "line_item_id": "line",
    "invoice_id": "invoice",
    "credit_note_id": "credit note",
    "close_id": "close",
}
_MAKE_KEYS = {"AccessService.CreateApiKey", "AccessService.RotateApiKey"}
# What no two runs share, by the name of its field.
_OF_THE_RUN = {
    *("etag", "secret", "key_text", "token", "url", "took_ms", "event_digest", "usage_digest", "size_bytes"),
    *("next_page_token", "message_id", "pseudonym", "credential", "created_by", "changed_by", "key_id"),
    *("attempt_count", "last_error", "last_status", "next_attempt_at", "failing_since", "content"),
    *("problem_count", "rollup_row_count"),
}
# What a customer's export has by then of what the background makes.
_BACKGROUND_SECTIONS = {"problems", "usage_by_hour"}
_BACKGROUND_RECORDS = ('"fact_type": "alert.', '"record": "alert_crossings"')
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)")
_NUMBER = re.compile(r"(delivery of fact |\"number\\*\": )\d+")
_HEX = re.compile(r"[0-9a-f]{12,}")


class Actor:
    """`pool`: what it can name. Answers are JSON; a refusal is its code and its line."""

    def __init__(self, engine, key, pool):
        self.pool, self.key = pool, key
        self._engine = engine
        self._channel = open_channel(engine.target, api_key=key)
        # What it was told, as it was: for who looks for a leak.
        self.told = ""

    def close(self):
        self._channel.close()

    def call(self, operation, fields, *, over_http=False):
        """The answer; what it gives is in the pool from then on."""
        answer = self._over_http(operation, fields) if over_http else self._over_grpc(operation, fields)
        self.told = json.dumps(_opened(answer))
        self._find(operation, answer)
        return answer

    def _over_grpc(self, operation, fields):
        method = _METHODS[operation]
        path = f"/{method.containing_service.full_name}/{method.name}"
        request = ParseDict(fields, GetMessageClass(method.input_type)())
        coded = (type(request).SerializeToString, GetMessageClass(method.output_type).FromString)
        try:
            if operation in _STREAMS:
                answers = self._channel.stream_stream(path, *coded)(iter([request]), timeout=60)
                (answer,) = answers
            elif operation == _WATCH:
                answers = self._channel.unary_stream(path, *coded)(request, timeout=60)
                answer = next(each for each in answers if each.HasField("spend"))
                answers.cancel()
            else:
                answer = self._channel.unary_unary(path, *coded)(request, timeout=60)
        except grpc.RpcError as error:
            return {"refused": error.code().name, "line": error.details()}
        return MessageToDict(answer, preserving_proto_field_name=True)

    def _over_http(self, operation, fields):
        connection = http.client.HTTPConnection("127.0.0.1", self._engine.http_port, timeout=60)
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        try:
            path = f"/meterline.v1.{operation.replace('.', '/')}"
            connection.request("POST", path, json.dumps(fields), headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            return {"refused": response.status, "line": answer["message"]}
        return answer

    def _find(self, operation, answer):
        if "refused" in answer:
            return
        for name, value in _fields(answer):
            kind = _GIVEN.get(name)
            if name == "key_id" and operation in _MAKE_KEYS:
                kind = "key"
            elif name == "next_page_token":
                kind = f"token {operation}"
            if kind is not None and value not in self.pool.given[kind]:
                self.pool.given[kind].append(value)


def shared(answer, began_at, replaced):
    """The answer without what no two runs share: instants since `began_at`, ids that the engine gives, and `replaced`, texts
    each with what stands for it.
    """
    text = json.dumps(_masked(answer), sort_keys=True)
    for given, stand_in in replaced.items():
        text = text.replace(given, stand_in)
    text = _INSTANT.sub(lambda found: "<now>" if found[0] >= began_at else found[0], text)
    return _NUMBER.sub(r"\1<number>", _HEX.sub("<id>", text))


def _fields(answer):
    """Every field with a text, wherever it is."""
    if isinstance(answer, list):
        for each in answer:
            yield from _fields(each)
    elif isinstance(answer, dict):
        for name, value in answer.items():
            if isinstance(value, str):
                yield name, value
            else:
                yield from _fields(value)


def _masked(value, name=""):
    if isinstance(value, dict):
        return {key: _masked(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_masked(each, name) for each in value if not _is_of_the_background(each)]
    # Of audit records and deliveries, which the engine numbers.
    if name in _OF_THE_RUN or (name == "number" and str(value).isdigit()):
        return "<of the run>"
    return value


def _is_of_the_background(record):
    if not isinstance(record, dict) or "section" not in record:
        return False
    said = record["json"]
    return record["section"] in _BACKGROUND_SECTIONS or any(each in said for each in _BACKGROUND_RECORDS)


def _opened(value, name=""):
    """With documents as text."""
    if isinstance(value, dict):
        return {key: _opened(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_opened(each, name) for each in value]
    return base64.b64decode(value).decode("utf-8", "replace") if name == "content" else value
