"""Every expression of the dashboard and of the rules, asked of a real Prometheus that scrapes a real engine."""

import json
import urllib.request
from pathlib import Path

import grpc
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from engine.metrics import METRICS
from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.catalog_pb2 import ApplyCatalogRequest
from meterline.v1.catalog_pb2_grpc import CatalogServiceStub
from meterline.v1.spend_pb2 import ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from observability.make_dashboard import FILE as DASHBOARD
from observability.make_dashboard import dashboard
from tests.support.engine.api_world import CATALOG, api_event, record
from tests.support.observability.prometheus import PrometheusProcess
from tests.support.observability.promql import selected
from tests.support.observability.tools import outside_tool

ROOT = Path(__file__).parents[2]
RULES = ROOT / "observability" / "meterline.rules.yaml"
_RULES = [
    rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
RECORDED = {rule["record"] for rule in _RULES if "record" in rule}
PANELS = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
# As Grafana fills them in.
_FILLED = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*"}
# What Prometheus adds to every series that it scrapes.
_OF_SCRAPES = {"job", "instance"}
# What Prometheus itself says of each of its targets.
_OF_TARGETS = {"up"}


def _filled(expression):
    for name, value in _FILLED.items():
        expression = expression.replace(name, value)
    return expression


QUERIES = {
    **{f"rule {rule.get('alert') or rule.get('record')}": rule["expr"] for rule in _RULES},
    **{
        f"panel {panel['title']}, {target['refId']}": _filled(target["expr"])
        for panel in PANELS
        for target in panel.get("targets", ())
    },
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """One that has had events, reads and a refusal."""
    data = tmp_path_factory.mktemp("engine") / "data"
    with EngineProcess(data, "--event-age-max-days", "36525") as running:
        with open_channel(running.target) as channel:
            document = CATALOG.replace("NAME", "seen")
            CatalogServiceStub(channel).ApplyCatalog(ApplyCatalogRequest(document=document), timeout=120)
            record(channel, api_event("seen", "1"), api_event("unknown", "1"))
            SpendServiceStub(channel).ListSpend(ListSpendRequest(), timeout=120)
        with grpc.insecure_channel(running.target) as stranger, pytest.raises(grpc.RpcError):
            SpendServiceStub(stranger).ListSpend(ListSpendRequest(), timeout=120)
        yield running


@pytest.fixture(scope="module")
def labels(engine):
    """Of each series that the engine tells, by name; of those that nothing has counted yet as they are declared."""
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.metrics_port}/metrics", timeout=120) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    declared = {
        each._name: set(each._labelnames)
        for each in vars(type(METRICS)).values()
        if hasattr(each, "_labelnames")
    }
    found = {}
    for family in families:
        known = declared.get(family.name, set())
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        for ending in endings:
            found[family.name + ending] = known | ({"le"} if ending == "_bucket" else set())
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.fixture(scope="module")
def prometheus(request, engine, tmp_path_factory):
    program = outside_tool(request, "prometheus", "prometheus")
    directory = tmp_path_factory.mktemp("prometheus") / "own"
    target = f"127.0.0.1:{engine.metrics_port}"
    with PrometheusProcess(program, directory, target, RULES) as running:
        # Enough for a rate, and for the rules that were recorded to be recorded.
        running.until("count_over_time(meterline_build_info[1m]) >= 3")
        running.until("meterline:calls:rate5m")
        yield running


def test_the_dashboard_is_made_from_its_panels_as_they_are():
    """`make dashboard` writes it anew."""
    assert DASHBOARD.read_text(encoding="utf-8") == dashboard()


def test_panels_say_what_they_show_and_lie_beside_each_other():
    """Each with a title, a text and a unit; none on top of another."""
    taken = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["title"]
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_an_expression_asks_for_metrics_and_labels_that_the_engine_has(labels, name):
    """A name that is misspelt would show nothing, for ever."""
    asked = selected(QUERIES[name])
    assert asked.labels
    known = set(_OF_SCRAPES)
    for metric, matched in asked.labels.items():
        if metric in RECORDED:
            rule = next(rule for rule in _RULES if rule.get("record") == metric)
            has = selected(rule["expr"]).grouped
        else:
            assert metric in labels or metric in _OF_TARGETS
            has = labels.get(metric, set()) | _OF_SCRAPES
        assert matched <= has, (metric, matched - has)
        known |= has
    assert asked.grouped <= known


def test_prometheus_answers_every_expression(prometheus):
    """None is refused, and those of panels that show what the engine did have something to show."""
    empty = [name for name, expression in QUERIES.items() if not prometheus.query(expression)]
    silent = {each for each in empty if each.startswith("panel")}
    # Nobody was limited, and upkeep may not have had its first turn.
    assert {each for each in silent if "Tenants' limits" not in each} <= {
        "panel Rollups behind, A",
        "panel Since the last good pass, A",
        "panel Time of a pass in the background, A",
    }


def test_prometheus_takes_the_rules_and_none_fires_on_a_sound_engine(prometheus):
    """Each was evaluated without an error."""
    rules = prometheus.rules()
    assert {rule["name"] for rule in rules} == {rule.get("alert") or rule.get("record") for rule in _RULES}
    assert [rule["name"] for rule in rules if rule["health"] == "err"] == []
    firing = [rule["name"] for rule in rules if rule.get("state") == "firing"]
    # The disk is this machine's.
    assert [name for name in firing if not name.startswith("MeterlineDisk")] == []


def test_every_family_of_the_engine_is_shown_or_watched(labels):
    """What nobody looks at need not be counted."""
    asked = {metric for expression in QUERIES.values() for metric in selected(expression).labels}
    families = {name for name in labels if name.startswith("meterline_")}
    shown = {
        name for name in families if name in asked or any(_family(name) == _family(each) for each in asked)
    }
    assert families - shown == set()


def _family(name):
    for ending in ("_bucket", "_sum", "_count"):
        name = name.removesuffix(ending)
    return name
