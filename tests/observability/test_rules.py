"""Alert rules: promtool takes them, each fires on a history that is bad and not on one that is not, and is documented."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from engine.metrics import REGISTRY
from tests.support.observability.alert_cases import CASES
from tests.support.observability.tools import outside_tool

ROOT = Path(__file__).parents[2]
RULES = ROOT / "observability" / "meterline.rules.yaml"
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
ALERTS = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
    if "alert" in rule
}


@pytest.fixture
def promtool(request):
    return outside_tool(request, "promtool", "prometheus")


def test_promtool_takes_the_rules(promtool):
    """Expressions parse, names are sound, nothing is there twice."""
    done = subprocess.run(
        [promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration_of_the_page(promtool, tmp_path):
    """But for the files that it names, which are not there."""
    (text,) = re.findall(r"```yaml\n(# prometheus.yml\n.*?)```", PAGE, re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [promtool, "check", "config", "--syntax-only", str(tmp_path / "prometheus.yml")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert yaml.safe_load(text)["scrape_configs"][0]["scheme"] == "https"


def test_each_alert_fires_on_its_history_and_only_there(promtool, tmp_path):
    """With the labels by which it is routed."""
    tests = [
        {
            "name": f"{case.alert} {'fires' if case.labels is not None else 'is quiet'}",
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
            "alert_rule_test": [
                {"eval_time": f"{case.minute}m", "alertname": case.alert, "exp_alerts": _expected(case)}
            ],
        }
        for case in CASES
    ]
    file = tmp_path / "alerts.test.yaml"
    file.write_text(
        json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}),
        encoding="utf-8",
    )
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _expected(case):
    if case.labels is None:
        return []
    rule = ALERTS[case.alert]
    return [{"exp_labels": case.labels | rule["labels"], "exp_annotations": rule["annotations"]}]


def test_each_alert_is_tried_both_ways():
    """A rule without a history that it fires on is a guess."""
    for fires in (True, False):
        assert {case.alert for case in CASES if (case.labels is not None) is fires} == ALERTS.keys()


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_each_alert_says_what_to_do_and_where_more_is_said(name):
    """In its annotations, and under its name in docs/operations.md."""
    rule = ALERTS[name]
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
    text = re.search(rf"^### {name}\n\n(.+?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert text is not None, f"docs/operations.md has nothing of {name}"
    assert len(text[1].strip()) > 60


def test_the_page_has_no_alert_that_is_not_there():
    """A heading without an alert leads nobody to it."""
    assert set(re.findall(r"^### (Meterline\w+)$", PAGE, re.MULTILINE)) == ALERTS.keys()


def test_the_page_says_of_every_family_what_to_look_for():
    """And of none that is not there."""
    monitor = PAGE[PAGE.index("## Monitor") : PAGE.index("### MeterlineAbsent")]
    families = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("meterline_")}
    named = {name.removesuffix("_total") for name in re.findall(r"`(meterline_\w+)`", monitor)}
    assert named == families
