"""Reads every answer that the documentation calls the same bytes, in a process of its own, and prints a digest of each.

Of an answer that can't be asked for at a watermark (what a correction would change, what was corrected) its own
watermark is left out.
"""

import hashlib
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner
from google.protobuf.timestamp_pb2 import Timestamp

from engine.cli import cli
from meterline import Client, open_channel
from meterline.v1 import billing_pb2, catalog_pb2, correction_pb2, events_pb2, metering_pb2, spend_pb2

AT = "2025-06-20"
JUNE = (Timestamp(seconds=1_748_736_000), Timestamp(seconds=1_751_328_000))
WATERMARK = re.compile(rb'(as of |"as_of": ")[-0-9T:.]+Z')


def read_all(target, as_of, revision, scratch):
    """Name -> the bytes of each answer; those of pages one behind the other."""
    found = {}
    with open_channel(target) as channel:
        for name, answer in _messages(channel, as_of, revision):
            found[name] = found.get(name, b"") + answer
    for name, words in _commands(as_of, revision, scratch):
        done = CliRunner().invoke(cli, [*words, "--target", target], env={"COLUMNS": "300"})
        assert done.exit_code == 0, (name, done.output, done.exception)
        found[name] = done.stdout_bytes
        if "--as-of" not in words:
            found[name] = WATERMARK.sub(b"", found[name])
    found["usage --format parquet"] = (scratch / "usage.parquet").read_bytes()
    with Client(target) as client:
        at = datetime.fromisoformat(AT).replace(tzinfo=UTC)
        snapshot = {"as_of": as_of.ToDatetime(UTC), "catalog_revision": revision}
        period = [each.ToDatetime(UTC) for each in JUNE]
        found["Client.spend"] = repr(client.spend("acme", at=at, **snapshot)).encode()
        found["Client.lines"] = repr(list(client.lines(at=at, **snapshot))).encode()
        found["Client.usage"] = repr(list(client.usage("tokens", *period, **snapshot))).encode()
    return found


def _messages(channel, as_of, revision):
    at = Timestamp()
    at.FromDatetime(datetime.fromisoformat(AT))
    snapshot = {"as_of": as_of, "catalog_revision": revision}
    period = {"meter_id": "tokens", "period_start": JUNE[0], "period_end": JUNE[1], **snapshot}
    by_property = metering_pb2.UsageGrouping(properties=["tier", "model", "model_version", "note", "region"])
    usage, billing = metering_pb2.QueryUsageRequest, billing_pb2.ListLineItemsRequest
    asked = [
        ("MeteringService/QueryUsage", usage(page_size=7, **period)),
        ("MeteringService/QueryUsage raw", usage(source=metering_pb2.USAGE_SOURCE_RAW, **period)),
        (
            "MeteringService/QueryUsage days",
            usage(window=metering_pb2.USAGE_WINDOW_DAY, group_by=by_property, **period),
        ),
        (
            "EventService/ListEvents",
            events_pb2.ListEventsRequest(page_size=7, include_voided=True, as_of=as_of),
        ),
        ("BillingService/ListLineItems", billing(at=at, page_size=9, **snapshot)),
        ("SpendService/GetSpend", spend_pb2.GetSpendRequest(customer_id="acme", at=at, **snapshot)),
        ("SpendService/ListSpend", spend_pb2.ListSpendRequest(at=at, **snapshot)),
        ("CatalogService/GetCatalog", catalog_pb2.GetCatalogRequest()),
        ("CorrectionService/ListCorrections", correction_pb2.ListCorrectionsRequest()),
        ("CorrectionService/GetCorrection", correction_pb2.GetCorrectionRequest(correction_id="amended")),
        ("CorrectionService/ListConflicts", correction_pb2.ListConflictsRequest()),
        ("CorrectionService/CorrectUsage", _void_of_june()),
    ]
    for name, request in asked:
        for answer in _pages(channel, name.partition(" ")[0], request):
            yield name, answer


def _void_of_june():
    return correction_pb2.CorrectUsageRequest(
        void=correction_pb2.VoidUsage(),
        selection=correction_pb2.UsageSelection(start=JUNE[0], end=JUNE[1]),
        dry_run=True,
    )


def _pages(channel, method, request):
    service, _, name = method.partition("/")
    module = sys.modules[type(request).__module__]
    response_type = module.DESCRIPTOR.services_by_name[service].methods_by_name[name].output_type
    response = getattr(module, response_type.name)
    call = channel.unary_unary(f"/meterline.v1.{method}", request_serializer=type(request).SerializeToString)
    while True:
        data = call(request, timeout=60)
        answer = response.FromString(data)
        watermark = answer.DESCRIPTOR.fields_by_name.get("as_of")
        if watermark is not None and "as_of" not in request.DESCRIPTOR.fields_by_name:
            value = answer.as_of.SerializeToString()
            data = data.replace(bytes([watermark.number << 3 | 2, len(value)]) + value, b"")
        yield data
        token = getattr(answer, "next_page_token", "")
        if not token:
            return
        request.page_token = token


def _commands(as_of, revision, scratch):
    snapshot = ("--as-of", as_of.ToJsonString(), "--catalog-revision", str(revision))
    usage = ("usage", "--meter", "tokens", "--from", "2025-06-01", "--to", "2025-07-01", *snapshot)
    grouped = ("--group-by", "tier", "--group-by", "model", "--group-by", "note", "--group-by", "customer_id")
    yield "usage --format json", (*usage, "--format", "json")
    yield "usage --format csv", (*usage, *grouped, "--window", "day", "--format", "csv")
    yield "usage", (*usage, *grouped)
    yield "usage -o", (*usage, "-o", str(scratch / "usage.parquet"))
    month = ("--from", "2025-06-01", "--to", "2025-07-01")
    yield "amend --dry-run --json", ("amend", *month, "--set", "tokens=7", "--dry-run", "--json")
    for words in ((), ("--json",)):
        yield f"lines {words}", ("lines", "--at", AT, *snapshot, *words)
        yield f"corrections ID {words}", ("corrections", "amended", *words)
    yield "spend --json", ("spend", "--at", AT, *snapshot, "--json")
    yield "corrections --json", ("corrections", "--json")
    yield "conflicts --json", ("conflicts", "--json")
    yield "catalog", ("catalog",)


if __name__ == "__main__":
    target, as_of_us, revision, scratch = sys.argv[1:]
    watermark = Timestamp()
    watermark.FromMicroseconds(int(as_of_us))
    answers = read_all(target, watermark, int(revision), Path(scratch))
    print(json.dumps({name: hashlib.sha256(answer).hexdigest() for name, answer in answers.items()}))
