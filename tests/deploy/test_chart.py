"""The chart: every mode, linted, rendered and judged offline."""

import json
import re
import shutil
import tarfile
from pathlib import Path

import helm_python
import kubernetes_validate
import pytest
import yaml

from docs.chart_settings import FIXED, FOLLOWS, own_rows
from engine.configuration.effective import effective
from engine.configuration.settings import settings
from fields import Choice, Count
from tests.support.deploy.chart import (
    CASES,
    CHART,
    DEFAULTS,
    configuration_text,
    manifests,
    only,
    overridden,
    pod_of,
    rendered,
)
from tests.support.deploy.dockerfile import read_dockerfile

ROOT = Path(__file__).parents[2]
IMAGE = read_dockerfile(ROOT / "Dockerfile")
# The oldest that the chart takes, one between, and the newest whose schemas are at hand.
KUBERNETES_VERSIONS = ("1.30", "1.33", "1.37")
# Kinds of the Prometheus operator: their schemas are not Kubernetes's own.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}
SETTINGS = {row.name: row for row in settings()}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    return CASES[request.param]


def test_the_chart_passes_helms_lint(case):
    """In its strict form; an icon is all that it misses."""
    report = helm_python.lint(CHART, case, strict=True)
    assert [each["error"] for each in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_every_manifest_is_valid_for_each_kubernetes(case, version):
    """Strictly: no field that the API does not have."""
    judged = {each["kind"] for each in manifests(case) if each["kind"] not in FOREIGN}
    for each in manifests(case):
        if each["kind"] not in FOREIGN:
            kubernetes_validate.validate(each, version, strict=True)
    assert {"ConfigMap", "Service", "ServiceAccount", "NetworkPolicy", "Pod"} < judged


def test_a_manifest_with_a_field_that_is_not_there_would_be_seen():
    """The judge is awake."""
    wrong = only(manifests(CASES["embedded"]), "StatefulSet")
    wrong["spec"]["replica"] = 1
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(wrong, KUBERNETES_VERSIONS[-1], strict=True)


def test_the_chart_is_of_the_version_that_it_installs():
    """And refuses a Kubernetes that is older than what was tried."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert chart["appVersion"] == re.search(r'^version = "(.*)"$', project, re.MULTILINE)[1]
    assert chart["kubeVersion"].startswith(f">={KUBERNETES_VERSIONS[0]}.0")


# ---- What an engine is told -------------------------------------------------------------------------------------


def test_the_configuration_of_the_pod_is_valid(case, tmp_path):
    """As `meterline serve` reads it, with every setting of `config` that has a default."""
    file = tmp_path / "meterline.yaml"
    text = configuration_text(manifests(case))
    file.write_text(text, encoding="utf-8")
    found = effective(file, {}).configuration
    assert str(found.data) == "/data/meterline"
    assert {row.name for row in own_rows() if row.default is not None} <= set(yaml.safe_load(text))


def test_the_packaged_chart_makes_what_the_checkout_makes(tmp_path):
    """Rules and dashboard are links in the checkout, and files in the package; the cases are left out."""
    package = helm_python.package(CHART, destination=tmp_path)
    values = CASES["embedded-full"]
    with helm_python.Chart.load(package) as chart, helm_python.Chart.load(CHART) as checkout:
        assert chart.render(values, name="a") == checkout.render(values, name="a")
    with tarfile.open(package) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    assert {"files/meterline.rules.yaml", "files/grafana-dashboard.json"} <= names
    assert not [name for name in names if name.startswith("ci/")]


def test_every_setting_of_the_engine_has_a_value():
    """In `config`, or from another value that says the same, or it has no meaning there."""
    assert set(SETTINGS) == {row.name for row in own_rows()} | (set(FOLLOWS) & set(SETTINGS)) | set(FIXED)
    assert list(DEFAULTS["config"]) == [row.name for row in own_rows()]
    for value in FOLLOWS.values():
        found = DEFAULTS
        for name in value.split("."):
            found = found[name]
    told = {
        name for values in CASES.values() for name in yaml.safe_load(configuration_text(manifests(values)))
    }
    # A URL with a password comes from a file.
    assert set(FOLLOWS) & set(SETTINGS) <= told | {"usage_store", "catalog_store"}


def _leaves(values, path=()):
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name)


def _at(values, path):
    for name in path:
        values = values[name]
    return values


# Another value, where its type does not say one.
OTHERS = {
    "replicas": 3,
    "image.tag": "9.9.9",
    "image.digest": f"sha256:{'9' * 64}",
    "image.pullPolicy": "Never",
    "imagePullSecrets": [{"name": "other"}],
    "config.limits": {"properties_max": 65},
    "extraEnv": [{"name": "METERLINE_REFLECTION", "value": "true"}],
    "config.oidc_issuer": "https://login.example.com",
    "service.type": "NodePort",
    "networkPolicy.from": [{"podSelector": {"matchLabels": {"other": "yes"}}}],
    "networkPolicy.metricsFrom": [{"podSelector": {"matchLabels": {"other": "yes"}}}],
    "networkPolicy.egress": [{}],
    "persistence.size": "7Gi",
    "persistence.whenDeleted": "Delete",
    "tmp.sizeLimit": "7Gi",
    "podDisruptionBudget.maxUnavailable": 7,
    "autoscaling.minReplicas": 7,
    "topologySpread.whenUnsatisfiable": "DoNotSchedule",
    "topologySpread.topologyKeys": ["other"],
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "metrics.serviceMonitor.interval": "7s",
    "metrics.serviceMonitor.tlsConfig": {"serverName": "other"},
    "resources.requests.cpu": "7", "resources.requests.memory": "7Gi", "resources.limits.memory": "7Gi",
    "migrations.resources.requests.cpu": "7", "migrations.resources.requests.memory": "7Gi",
    "migrations.resources.limits.memory": "7Gi",
    "config.spend_page_url": "https://other.example/spend",
    "config.spend_page_frames": "https://other.example",
}  # fmt: skip


def _other(path):
    name, default = ".".join(path), _at(DEFAULTS, path)
    if name in OTHERS:
        return OTHERS[name]
    if path[0] == "config":
        kind = SETTINGS[path[1]].kind
        if isinstance(kind, Choice):
            return next(each for each in kind.choices if each != default)
        if isinstance(kind, Count) and default is None:
            return kind.at_least + 1
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 1
    return {"other": "yes"} if isinstance(default, dict) else "other"


# The mode alone is told by the cases: either needs what the other refuses.
@pytest.mark.parametrize("path", [each for each in _leaves(DEFAULTS) if each != ("mode",)], ids=".".join)
def test_every_value_reaches_a_manifest(path):
    """Changed, something that is made of it changes, in one mode at least; a value that nothing reads would be a lie."""
    reached, refusals = False, []
    for values in CASES.values():
        changed = overridden(values, path, _other(path))
        try:
            reached = reached or rendered(changed) != rendered(values)
        except helm_python.HelmError as error:
            refusals.append(str(error))
    assert reached, refusals


# ---- What is refused ---------------------------------------------------------------------------------------------

CLUSTER = CASES["cluster"]
EMBEDDED = CASES["embedded"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({**EMBEDDED, "replicsa": 2}, "replicsa"),
        ({**EMBEDDED, "mode": "clustre"}, "mode"),
        ({**EMBEDDED, "replicas": 2}, "replicas"),
        ({**EMBEDDED, "replicas": 0}, "replicas"),
        ({**EMBEDDED, "autoscaling": {"enabled": True}}, "autoscaling/enabled"),
        ({**EMBEDDED, "config": {"plaintext": True, "durabilty": "power"}}, "durabilty"),
        ({**EMBEDDED, "config": {"plaintext": True, "durability": "powr"}}, "config/durability"),
        ({**EMBEDDED, "config": {"plaintext": True, "data": "/elsewhere"}}, "data"),
        ({**EMBEDDED, "config": {"plaintext": True, "event_age_max_days": 0}}, "config/event_age_max_days"),
        ({**EMBEDDED, "config": {"plaintext": True, "limits": {"column_max": 1}}}, "column_max"),
        ({**EMBEDDED, "service": {"grpcPort": 70_000}}, "service/grpcPort"),
        ({**EMBEDDED, "image": {"digest": "latest"}}, "image/digest"),
        ({**EMBEDDED, "persistence": {"size": "many"}}, "persistence/size"),
        ({**EMBEDDED, "tls": {"secret": "x"}}, "secret"),
        ({**EMBEDDED, "probes": {"liveness": {"periodSeconds": 0}}}, "probes/liveness/periodSeconds"),
        ({**EMBEDDED, "podLabels": {"a": 1}}, "podLabels/a"),
    ],
)
def test_a_value_outside_the_schema_is_refused_by_its_name(values, told):
    """Before anything is rendered."""
    with helm_python.Chart.load(CHART) as chart, pytest.raises(helm_python.HelmError) as refused:
        chart.validate_schema(values)
    assert told in str(refused.value).replace(".", "/")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({**EMBEDDED, "config": {}}, "tls.existingSecret is missing"),
        ({**EMBEDDED, "tls": {"clientCaKey": "ca.crt"}}, "tls.clientCaKey needs tls.existingSecret"),
        ({**EMBEDDED, "stores": CLUSTER["stores"]}, "stores.usage.existingSecret needs mode: cluster"),
        (
            {**CLUSTER, "stores": {"usage": {"existingSecret": "u"}}},
            "stores.catalog.existingSecret is missing",
        ),
        ({**CLUSTER, "adminKey": {}}, "adminKey.existingSecret is missing"),
        (
            {**CLUSTER, "persistence": {"existingClaim": "c"}},
            "persistence.existingClaim needs mode: embedded",
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_what_to_write(values, told):
    """The first line names the value."""
    with pytest.raises(helm_python.HelmError) as refused:
        rendered(values)
    assert told in str(refused.value)


@pytest.mark.parametrize("values", [{"replicas": 2}, {"autoscaling": {"enabled": True}}])
def test_a_template_refuses_a_second_embedded_engine_where_nobody_asks_the_schema(values, tmp_path):
    """`helm template --skip-schema-validation` would get past that alone."""
    chart_alone = shutil.copytree(CHART, tmp_path / "meterline")
    (chart_alone / "values.schema.json").unlink()
    with helm_python.Chart.load(chart_alone) as chart, pytest.raises(helm_python.HelmError) as refused:
        chart.render({**EMBEDDED, **values}, name="usage", namespace="billing")
    assert "an embedded engine can't be more than one" in str(refused.value)


# ---- What the pods are -------------------------------------------------------------------------------------------


def _pods(values):
    for each in manifests(values):
        if each["kind"] == "Pod":
            yield each["spec"]
        elif "template" in each.get("spec", {}):
            yield each["spec"]["template"]["spec"]


def test_every_pod_is_nobody_in_particular_and_can_write_nowhere_but_its_volumes(case):
    """The engine's, the migration's and the test's alike."""
    found = list(_pods(case))
    assert len(found) == (3 if case.get("mode") == "cluster" else 2)
    for spec in found:
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert f"{pod['runAsUser']}:{pod['runAsGroup']}" == IMAGE.user
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"]
            assert container["resources"]["limits"]["memory"]
            writable = [
                each["mountPath"] for each in container.get("volumeMounts", ()) if not each.get("readOnly")
            ]
            assert set(writable) <= {"/data", "/tmp"}


def test_the_pod_mounts_what_its_configuration_names(case):
    """Each file below a mount, each mount a volume, each volume mounted."""
    documents = manifests(case)
    spec = pod_of(documents)["spec"]
    (container,) = spec["containers"]
    mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    names = {each["name"] for each in spec["volumes"]} | _claims(documents)
    assert set(mounts.values()) == names
    assert IMAGE.environment["METERLINE_CONFIG"] in mounts
    for name, value in yaml.safe_load(configuration_text(documents)).items():
        if (
            isinstance(value, str)
            and value.startswith("/")
            and not (name == "data" and "/data" not in mounts)
        ):
            assert any(value == mount or value.startswith(f"{mount}/") for mount in mounts), value


def _claims(documents):
    found = [each for each in documents if each["kind"] == "StatefulSet"]
    return {
        claim["metadata"]["name"] for each in found for claim in each["spec"].get("volumeClaimTemplates", ())
    }


def test_services_policies_and_budgets_choose_the_engines_pods(case):
    """And not those of the migration or of the test."""
    documents = manifests(case)
    labels = pod_of(documents)["metadata"]["labels"]
    others = [
        each["metadata"]["labels"]
        if each["kind"] == "Pod"
        else each["spec"]["template"]["metadata"]["labels"]
        for each in documents
        if each["kind"] in ("Pod", "Job")
    ]
    chosen = [
        each["spec"].get("selector") or each["spec"].get("podSelector")
        for each in documents
        if each["kind"] in ("Service", "PodDisruptionBudget", "NetworkPolicy", "StatefulSet", "Deployment")
    ]
    assert len(chosen) >= 4
    for selector in chosen:
        wanted = selector.get("matchLabels", selector)
        assert wanted.items() <= labels.items()
        assert not any(wanted.items() <= other.items() for other in others)


def test_the_charts_test_may_ask_the_engine_whoever_else_may(case):
    """Its pod is among those whom the policy lets reach the port that it asks at."""
    documents = manifests(case)
    labels = only(documents, "Pod")["metadata"]["labels"]
    (metrics,) = [
        rule["from"]
        for rule in only(documents, "NetworkPolicy")["spec"]["ingress"]
        if {"port": "metrics", "protocol": "TCP"} in rule["ports"]
    ]
    chosen = [peer["podSelector"]["matchLabels"] for peer in metrics if "podSelector" in peer]
    assert any(wanted.items() <= labels.items() for wanted in chosen)


def test_a_service_monitor_reads_each_pod_once():
    """Of the two services it takes one, by the port that the service has."""
    documents = manifests(CASES["embedded-full"])
    monitor = only(documents, "ServiceMonitor")["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    (service,) = [
        each
        for each in documents
        if each["kind"] == "Service" and wanted <= each["metadata"]["labels"].items()
    ]
    assert monitor["endpoints"][0]["port"] in [port["name"] for port in service["spec"]["ports"]]


def test_rules_and_dashboard_are_those_of_the_project_to_the_byte():
    """One copy: what the tests of observability/ judge is what is installed."""
    documents = manifests(CASES["embedded-full"])
    rules = (ROOT / "observability" / "meterline.rules.yaml").read_text(encoding="utf-8")
    assert only(documents, "PrometheusRule")["spec"] == yaml.safe_load(rules)
    (dashboard,) = [
        each["data"]["meterline.json"] for each in documents if "meterline.json" in each.get("data", {})
    ]
    assert (
        dashboard.rstrip()
        == (ROOT / "observability" / "grafana-dashboard.json").read_text(encoding="utf-8").rstrip()
    )


def test_the_migration_runs_before_the_gateways_with_their_database():
    """As a hook, with the same secret at the same place as the gateways have it."""
    documents = manifests(CASES["cluster"])
    job = only(documents, "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["migrate"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    named = {SETTINGS[name].variable: value for name, value in _file_settings(documents).items()}
    assert variables == {"METERLINE_CATALOG_STORE_FILE": named["METERLINE_CATALOG_STORE_FILE"]}
    stores = [each for each in job["spec"]["template"]["spec"]["volumes"] if each["name"] == "stores"]
    assert stores == [each for each in pod_of(documents)["spec"]["volumes"] if each["name"] == "stores"]


def _file_settings(documents):
    told = yaml.safe_load(configuration_text(documents))
    return {name: value for name, value in told.items() if name.endswith("_store_file")}


def test_no_secret_stands_in_a_manifest(case):
    """Secrets are named, not held: there is none among the manifests, and no URL with a password."""
    documents = manifests(case)
    assert "Secret" not in {each["kind"] for each in documents}
    assert not re.search(r"://[^/\s]*:[^/\s]*@", json.dumps(documents))
