"""The demo's catalog with a slice of its trace, asked through every face."""

from examples.llm_trace import read_trace
from examples.recompute import read_catalog
from tests.golden.events import deliver
from tests.golden.faces import ROOT, metric_names, run_command

_EVENTS = 600
_AT = "2023-11-16T00:00:00Z"


def record_demo(calls, engine, _directory):
    """The demo's catalog with a slice of its trace, as its README tells it."""
    files = {"demo/catalog.txt": calls.rpc("ApplyCatalog", document="colour: [") + _applied_by_hand(calls)}
    deliver(calls, _trace_events())
    files["demo/spend.txt"] = calls.command("spend", "--at", _AT) + calls.rpc("ListSpend", at=_AT, limit=1000)
    files["demo/lines.txt"] = "\n".join(
        [
            calls.command("lines", "--customer", "acme", "--at", _AT),
            calls.command("lines", "--customer", "zephyr", "--at", _AT, "--json"),
            calls.rpc("ListLineItems", at=_AT, page_size=400),
        ]
    )
    files["demo/usage.txt"] = "\n".join(_usage(calls))
    files["demo/metrics.txt"] = metric_names(engine.metrics_port)
    files["demo/quote.txt"] = "\n".join(_quotes())
    return files


def _applied_by_hand(calls):
    path = "examples/llm.yaml"
    commands = (
        ("apply", "-f", path, "--dry-run"),
        ("apply", "-f", path),
        ("apply", "-f", path),
        ("catalog",),
    )
    return "\n".join(calls.command(*each) for each in commands)


def _trace_events():
    catalog = read_catalog(ROOT / "examples" / "llm.yaml")
    trace = read_trace([customer["id"] for customer in catalog["customers"]])
    for request, _ in zip(trace, range(_EVENTS), strict=False):
        yield {
            "event_id": request.event_id,
            "event_type": "llm.completion",
            "customer_id": request.customer_id,
            "event_time": request.event_time.isoformat().replace("+00:00", "Z"),
            "properties": {
                "model": {"string_value": request.model},
                "input_tokens": {"int_value": str(request.input_tokens)},
                "output_tokens": {"int_value": str(request.output_tokens)},
            },
        }


def _usage(calls):
    november = ("--from", "2023-11-16", "--to", "2023-11-17")
    for options in (
        ("--meter", "requests", "--customer", "acme"),
        ("--meter", "input_tokens", "--window", "hour", "--total"),
        ("--meter", "input_tokens", "--group-by", "model", "--format", "csv"),
        ("--meter", "input_tokens", "--window", "minute", "--customer", "acme", "--json"),
        ("--meter", "output_tokens_small", "--where", "model=large", "--total", "--raw"),
        ("--meter", "nothing"),
    ):
        yield calls.command("usage", *options, *november)


def _quotes():
    file = ("quote", "-f", "examples/llm.yaml")
    for options in (
        ("--plan", "developer", "--quantity", "input=1482229", "--quantity", "requests=1272"),
        ("--plan", "scale", "--quantity", "input=148222900.5", "--json"),
        ("--plan", "scale", "--quantity", "input=148222900.5", "--format", "csv"),
        ("--plan", "scale", "--quantity", "input=148222900.5", "--format", "tiers"),
        ("--plan", "nothing"),
    ):
        yield run_command(*file, *options)
