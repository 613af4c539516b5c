"""The chart's own pod, as far as it runs without Kubernetes: its configuration, on a volume as a cluster makes it."""

import dataclasses
import json
import os
import re
import secrets
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from engine.access.api_keys import new_key_text
from tests.support.deploy.chart import CASES, configuration_text, manifests, only, overridden, pod_of
from tests.support.deploy.container import Container, free_port
from tests.support.deploy.dockerfile import read_dockerfile
from tests.support.usage.clickhouse_process import ClickHouseProcess

ROOT = Path(__file__).parents[2]
IMAGE = read_dockerfile(ROOT / "Dockerfile")


@pytest.fixture
def volume(tmp_path):
    """Of root, and of the pod's group by fsGroup; what mkfs left behind is in it."""
    made = tmp_path / "data"
    made.mkdir()
    os.chown(made, 0, int(IMAGE.user.partition(":")[2]))
    made.chmod(0o2775)
    (made / "lost+found").mkdir(mode=0o700)
    return made


@pytest.fixture(scope="module")
def stores(tmp_path_factory, postgres_server):
    """A ClickHouse and a PostgreSQL, as files that hold their URLs."""
    directory = tmp_path_factory.mktemp("stores")
    with ClickHouseProcess(directory / "clickhouse") as clickhouse:
        url = postgres_server.new_url().replace("+psycopg", "")
        # Its socket lies there; the container's user has to pass.
        _socket_directory(url).chmod(0o711)
        (directory / "usage").write_text(clickhouse.url(), encoding="ascii")
        (directory / "catalog").write_text(url, encoding="ascii")
        (directory / "admin.key").write_text(new_key_text(secrets.token_hex), encoding="ascii")
        yield directory


def _asks(probe, ports):
    """What the kubelet asks: whose certificate it is, it does not care."""
    asked = probe["httpGet"]
    url = f"{asked['scheme'].lower()}://127.0.0.1:{ports[asked['port']]}{asked['path']}"
    with urllib.request.urlopen(url, timeout=10, context=ssl._create_unverified_context()) as answer:
        return answer.status


def test_the_embedded_pod_starts_answers_its_probes_and_passes_the_charts_test(installed, volume, tmp_path):
    """With the ports that the values say; nothing but the volume is written."""
    ports = {"grpc": free_port(), "metrics": free_port()}
    values = overridden(CASES["embedded"], ("service", "grpcPort"), ports["grpc"])
    documents = manifests(overridden(values, ("service", "metricsPort"), ports["metrics"]))
    spec = pod_of(documents)["spec"]["containers"][0]
    assert {each["name"]: each["containerPort"] for each in spec["ports"]} == ports
    assert tuple(spec["args"]) == IMAGE.command[1:]
    file = tmp_path / "meterline.yaml"
    file.write_text(configuration_text(documents), encoding="utf-8")
    (place,) = [each["mountPath"] for each in spec["volumeMounts"] if each["name"] == "config"]
    container = Container(IMAGE, installed, volume, {place: file})
    try:
        assert container.serves()["admin_key_file"] == "/data/meterline/admin.key"
        for name in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert _asks(spec[name], ports) == 200, name
        (test,) = only(documents, "Pod")["spec"]["containers"]
        (host,) = re.findall(r"://([\w-]+):", test["command"][2])
        assert host in [each["metadata"]["name"] for each in documents if each["kind"] == "Service"]
        command = test["command"][2].replace(f"://{host}:", "://127.0.0.1:")
        asked = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
        assert asked.stdout.strip().endswith('readyz 200 {"ok": true, "reasons": []}')
        # As the notes say it.
        notes = container.run(
            "/opt/meterline/bin/python", "-c", 'print(open("/data/meterline/admin.key").read().strip())'
        )
        assert notes.stdout.startswith("mlk_")
        assert container.stop() == 0
    finally:
        container.kill()
    assert [
        json.loads(line) for line in container.log if json.loads(line)["level"] in ("warning", "error")
    ] == []


def test_the_migration_and_two_gateways_of_the_cluster_run_on_nothing_of_their_own(
    installed, stores, tmp_path
):
    """The job's command first, then two pods with one configuration; what one takes the other has."""
    documents = manifests(CASES["cluster"])
    spec = pod_of(documents)["spec"]["containers"][0]
    settings = yaml.safe_load(configuration_text(documents))
    secret_files = {
        settings["usage_store_file"]: stores / "usage",
        settings["catalog_store_file"]: stores / "catalog",
        settings["admin_key_file"]: stores / "admin.key",
    }
    (job,) = only(documents, "Job")["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each["value"] for each in job["env"]}
    nothing = tmp_path / "nothing"
    nothing.mkdir(mode=0o555)
    sockets = _socket_directory((stores / "catalog").read_text(encoding="ascii"))
    command = (*IMAGE.command[:1], *job["args"])
    migration = Container(
        dataclasses.replace(IMAGE, command=command), installed, nothing, secret_files, (sockets,), **variables
    )
    assert migration.ended() == 0, migration.log
    pods = []
    try:
        for number in range(2):
            ports = {"grpc": free_port(), "metrics": free_port()}
            values = overridden(CASES["cluster"], ("service", "grpcPort"), ports["grpc"])
            values = overridden(values, ("service", "metricsPort"), ports["metrics"])
            file = tmp_path / f"{number}.yaml"
            file.write_text(configuration_text(manifests(values)), encoding="utf-8")
            (place,) = [each["mountPath"] for each in spec["volumeMounts"] if each["name"] == "config"]
            pods.append(Container(IMAGE, installed, nothing, {place: file, **secret_files}, (sockets,)))
            pods[-1].serves()
            assert [
                _asks(spec[name], ports) for name in ("startupProbe", "livenessProbe", "readinessProbe")
            ] == [200] * 3
            said = pods[-1].run(
                *IMAGE.command[:1], "tenants", "create" if number == 0 else "list", *(["acme"] if number == 0 else []),
                "--target", f"localhost:{ports['grpc']}", "--api-key-file", settings["admin_key_file"],
            )  # fmt: skip
            assert said.returncode == 0, said.stderr
        assert "acme" in said.stdout
        assert [pod.stop() for pod in pods] == [0, 0]
    finally:
        for pod in pods:
            pod.kill()
    assert list(nothing.iterdir()) == []


def _socket_directory(url):
    """Where this PostgreSQL is reached: by a socket, as another machine's would be by its name."""
    return Path(unquote(re.search(r"host=([^&]+)", url)[1]))
