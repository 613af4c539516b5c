"""docs/operations.md, as far as a new operator's commands run without Docker and Kubernetes."""

import contextlib
import os
import re
import shlex
import ssl
import subprocess
import sys
from pathlib import Path

import helm_python
import pytest
import yaml

from engine.api.certificates import TlsFiles
from engine.configuration.effective import effective
from tests.support.deploy.chart import configuration_text, manifests, pod_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DEPLOY = PAGE.partition("## Deploy")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", DEPLOY, re.DOTALL)
INSTALLS = re.findall(r"^helm install (.*)$", DEPLOY, re.MULTILINE)


def _block(*, having):
    (found,) = [text for _, text in BLOCKS if having in text]
    return found


def test_the_commands_that_make_the_secrets_of_the_compose_file_make_them(tmp_path):
    """The URLs hold the passwords, and are URLs that the engine takes; the directory is its owner's alone."""
    lines = _block(having="mkdir -m 700 secrets").splitlines()
    commands = lines[: next(at for at, line in enumerate(lines) if line.startswith("docker "))]
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "meterline").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m engine "$@"\n', encoding="utf-8"
    )
    (programs / "meterline").chmod(0o755)
    subprocess.run(
        ["bash", "-euc", "\n".join(commands)], cwd=tmp_path, check=True, timeout=120,
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    secrets = {
        path.name: path.read_text(encoding="ascii").strip() for path in (tmp_path / "secrets").iterdir()
    }
    compose = yaml.safe_load((ROOT / "compose.cluster.yaml").read_text(encoding="utf-8"))
    assert set(secrets) == set(compose["secrets"])
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    file = tmp_path / "meterline.yaml"
    file.write_text(
        f"usage_store_file: {tmp_path}/secrets/usage-store.url\n"
        f"catalog_store_file: {tmp_path}/secrets/catalog-store.url\n",
        encoding="utf-8",
    )
    configuration = effective(file, {}).configuration
    assert configuration.usage_server().password == secrets["clickhouse-password"]
    assert secrets["postgres-password"] in configuration.catalog_database().url
    services = set(compose["services"])
    assert {
        configuration.usage_server().host,
        configuration.catalog_database().shown.split("/")[2].split(":")[0],
    } <= services
    assert secrets["admin.key"].startswith("mlk_")


@pytest.mark.parametrize("words", INSTALLS)
def test_the_commands_that_install_the_chart_pass_its_schema_and_checks(words):
    """With the values that they set, or those of the file that the page shows."""
    name, chart, *options = shlex.split(words)
    assert (name, chart) == ("usage", "helm/meterline")
    values = {}
    for option, value in zip(options[::2], options[1::2], strict=True):
        if option == "--values":
            (text,) = [text for kind, text in BLOCKS if kind == "yaml" and text.startswith(f"# {value}\n")]
            values |= yaml.safe_load(text)
        else:
            assert option == "--set"
            for key, inner in helm_python.parse_set_string(value).items():
                values[key] = values.get(key, {}) | inner
    documents = manifests(values)
    assert pod_of(documents)["spec"]["containers"][0]["image"].startswith("registry.example/meterline:")
    assert "tls_cert: /etc/meterline/tls/tls.crt" in configuration_text(documents)
    headless = re.search(r"dns:///([\w-]+):", DEPLOY)[1]
    assert headless in [each["metadata"]["name"] for each in documents if each["kind"] == "Service"]


def test_the_unit_names_the_command_and_file_that_the_page_checks():
    """And lets the engine write where its settings say, and nowhere else."""
    unit = dict(line.split("=", 1) for line in _block(having="[Service]").splitlines() if "=" in line)
    program, *words = unit["ExecStart"].split()
    checked = _block(having="meterline config check").splitlines()[-1].split()
    assert (program, words[-2:]) == (checked[0], checked[-2:])
    assert unit["ProtectSystem"] == "strict"
    assert f"data: /var/lib/{unit['StateDirectory']}" in DEPLOY


def test_the_certificate_for_a_trial_is_taken_by_a_client_that_checks_its_name(tmp_path):
    """As its own authority; a shake of hands in memory."""
    (command,) = re.findall(r"^(openssl req .*?)\n```", PAGE, re.DOTALL | re.MULTILINE)
    subprocess.run(["bash", "-euc", command], cwd=tmp_path, check=True, timeout=60, capture_output=True)
    serving = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key").context()
    trusting = ssl.create_default_context(cafile=tmp_path / "tls.crt")
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(back, there, server_hostname="meterline.example")
    server = serving.wrap_bio(there, back, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert ("DNS", "meterline.example") in client.getpeercert()["subjectAltName"]


@pytest.mark.parametrize("words", re.findall(r"^helm (?:lint|template usage) (.*)$", DEPLOY, re.MULTILINE))
def test_the_commands_that_judge_the_chart_are_given_what_it_needs(words):
    """The same values as the command that installs it."""
    (install,) = [each for each in INSTALLS if "--set" in each]
    assert words == install.removeprefix("usage ")
