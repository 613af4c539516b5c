"""The engine's faces as text: RPCs by the wire contract, commands as a person runs them, metrics and schemas."""

import json
import os
import re
import sqlite3
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import grpc
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from meterline import open_channel
from meterline.v1 import (
    billing_pb2,
    catalog_pb2,
    correction_pb2,
    events_pb2,
    metering_pb2,
    retention_pb2,
    spend_pb2,
    usage_pb2,
)
from tests.support import command_processes

ROOT = Path(__file__).parents[2]
_CONTRACT = (
    billing_pb2,
    catalog_pb2,
    correction_pb2,
    events_pb2,
    metering_pb2,
    retention_pb2,
    spend_pb2,
    usage_pb2,
)
_METHODS = {
    method.name: method
    for module in _CONTRACT
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
_TIMEOUT_S = 60
_AGE = re.compile(r"\b[0-9]+ days in the (past|future)\b")
_INSTANT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|\+00:00)")


class Calls:
    """RPCs and commands against one engine; `log` is what they said, for a golden file."""

    def __init__(self, target, api_key):
        self._target = target
        self._channel = open_channel(target, api_key=api_key)

    def close(self):
        self._channel.close()

    def answer(self, name, **fields):
        """The message that an RPC answers, which must succeed."""
        method = _METHODS[name]
        call = self._channel.unary_unary(
            f"/{method.containing_service.full_name}/{name}",
            request_serializer=GetMessageClass(method.input_type).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        request = json_format.ParseDict(fields, GetMessageClass(method.input_type)())
        return call(request, timeout=_TIMEOUT_S)

    def rpc(self, name, **fields):
        """The request and its answer, or its refusal, as text: a line for each repeated message."""
        head = f"{name} {_json(fields)}"
        try:
            answer = self.answer(name, **fields)
        except grpc.RpcError as error:
            return f"{head}\n{_refusal(error)}\n"
        fields = json_format.MessageToDict(
            answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        lines = [head]
        rest = {}
        for field, value in sorted(fields.items()):
            if isinstance(value, list) and value and isinstance(value[0], dict):
                lines += [f"{field}: {_json(each)}" for each in value]
            else:
                rest[field] = value
        return "\n".join([*lines, _json(rest), ""])

    def command(self, *arguments, stdin=""):
        """A command line with what it printed on standard output and standard error, and its exit code."""
        return (
            run_command(*arguments, "--target", self._target, stdin=stdin)
            .replace(f" --target {self._target}", "")
            .replace(self._target, "<target>")
        )


def run_command(*arguments, stdin=""):
    """A command that needs no engine, as text."""
    words = [str(each) for each in arguments]
    done = command_processes.run_command(
        *words, given=stdin, timeout_s=_TIMEOUT_S, env={**os.environ, "COLUMNS": "100", "LC_ALL": "C.UTF-8"}
    )
    errors = "".join(f"stderr: {line}" for line in done.stderr.splitlines(keepends=True))
    code = f"exit code {done.returncode}\n" if done.returncode else ""
    return f"$ meterline {' '.join(words)}\n{done.stdout}{errors}{code}".replace(
        "python -m engine", "meterline"
    )


def help_of_every_command():
    """Command -> its --help."""
    names = _names("")
    names += [
        f"{group} {name}"
        for group in ("credit-notes", "customers", "invoices", "keys", "payments", "tenants")
        for name in _names(group)
    ]
    with ThreadPoolExecutor(2) as pool:
        texts = pool.map(lambda name: run_command(*name.split(), "--help"), ["", *names])
    return dict(zip(["meterline", *(name.replace(" ", "_") for name in names)], texts, strict=True))


def _names(group):
    """The commands that a group's --help lists."""
    commands = run_command(*group.split(), "--help").partition("Commands:\n")[2]
    return re.findall(r"^  ([a-z-]+)  ", commands, re.MULTILINE)


def metric_names(port):
    """What /metrics has: help, type, and the labels of every series, without their values."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT_S) as response:
        text = response.read().decode()
    series = set()
    for line in text.splitlines():
        if line.startswith("#"):
            series.add(line)
        else:
            name, _, labels = line.rpartition(" ")[0].partition("{")
            series.add(" ".join([name, *re.findall(r"(\w+)=", labels)]))
    return "\n".join([*sorted(series), ""])


def schemas(data):
    """The tables of both stores of a stopped engine's data directory, as they stand on disk."""
    texts = []
    for path in sorted(data.rglob("*.sqlite*")) + sorted(data.rglob("*.db")):
        if path.suffix in {".sqlite", ".sqlite3", ".db"}:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                texts += [
                    row[0]
                    for row in database.execute("SELECT sql FROM sqlite_master WHERE sql > '' ORDER BY name")
                ]
    for path in sorted(data.rglob("*.sql")):
        texts.append(f"-- {path.name}\n{path.read_text(encoding='utf-8')}")
    text = "\n\n".join(text.strip() for text in texts) + "\n"
    return re.sub(r"UUID '[0-9a-f-]+'", "UUID '<uuid>'", text)


def without_what_no_run_repeats(text, since):
    """The text of one golden file: instants from `since` on, page tokens, sizes on disk and ages as placeholders."""
    seen = {}

    def placeholder(found):
        instant = datetime.fromisoformat(found[0])
        return found[0] if instant < since else seen.setdefault(instant, f"<instant {len(seen) + 1}>")

    text = _INSTANT.sub(placeholder, text)
    text = _AGE.sub(r"<days> days in the \1", text)
    return re.sub(r'page_token": "[^"<]+"', 'page_token": "<page token>"', text)


def now():
    return datetime.now(UTC)


def _refusal(error):
    status = rpc_status.from_call(error)
    lines = [f"{error.code().name}: {error.details()}"]
    for packed in status.details if status is not None else ():
        kind = packed.TypeName().rpartition(".")[2]
        detail = getattr(error_details_pb2, kind)()
        packed.Unpack(detail)
        lines.append(f"{kind}: {_json(json_format.MessageToDict(detail))}")
    return "\n".join(lines)


def _json(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
