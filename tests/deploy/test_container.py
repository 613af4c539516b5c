"""The container: what the Dockerfile says, and its command on a root that can't be written."""

import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest

from engine.configuration.effective import effective
from meterline import Client
from tests.support.deploy.container import Container, free_port
from tests.support.deploy.dockerfile import read_dockerfile

ROOT = Path(__file__).parents[2]
IMAGE = read_dockerfile(ROOT / "Dockerfile")
CONFIGURATION = effective(ROOT / "container" / "meterline.yaml", {}).configuration


@pytest.fixture
def data(tmp_path):
    """The volume, which belongs to the container's user as the image's own /data does."""
    made = tmp_path / "data"
    made.mkdir(mode=0o700)
    os.chown(made, *map(int, IMAGE.user.split(":")))
    return made


_COMMAND = IMAGE.command[:1]


def test_the_image_is_configured_by_one_file_that_can_be_replaced():
    """A variable would come before the file that an operator mounts in its place."""
    named = {name: value for name, value in IMAGE.environment.items() if name.startswith("METERLINE_")}
    assert list(named) == ["METERLINE_CONFIG"]
    assert IMAGE.files == {named["METERLINE_CONFIG"]: "container/meterline.yaml"}


def test_the_image_is_nobody_in_particular_and_starts_no_shell():
    """A numeric user, and the command as a list; data in one volume."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", IMAGE.user)
    assert IMAGE.command == ("/opt/meterline/bin/meterline", "serve")
    assert IMAGE.volumes == (str(CONFIGURATION.data),) == (IMAGE.working_directory,)
    assert IMAGE.stop_signal == "SIGTERM"


def test_the_image_holds_what_the_lock_names_and_nothing_else():
    """By hash; no stage installs from the index besides."""
    installs = [
        command
        for name, value in IMAGE.instructions
        if name == "RUN"
        for command in value.split("&&")
        if " install " in f" {command} " and "pip" in command
    ]
    assert len(installs) == 2
    assert "--require-hashes --no-deps -r requirements/container.lock" in installs[0]
    assert "--no-deps --no-build-isolation --no-index ." in installs[1]


def test_the_image_holds_what_an_engine_elsewhere_holds_and_its_extras():
    """In the same versions: what is tested is what runs. Charts are drawn where a person runs the command, not in an engine."""
    locked = {
        name: set(
            re.findall(r"^([\w.-]+==\S+)", (ROOT / "requirements" / f"{name}.lock").read_text(), re.MULTILINE)
        )
        for name in ("server", "container", "dev")
    }
    assert locked["server"] < locked["container"] < locked["dev"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    of_engine = [group for name, group in extras.items() if name != "charts"]
    named = {re.match(r"[\w.-]+", each)[0] for group in of_engine for each in group}
    assert named <= {each.partition("==")[0] for each in locked["container"]}


def test_what_is_copied_is_there_and_not_ignored():
    """.dockerignore lets through what the build copies, and nothing besides."""
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert "*" in ignore
    copied = {
        source
        for name, value in IMAGE.instructions
        if name == "COPY" and "--from" not in value
        for source in value.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)


def test_the_wheel_packages_are_all_copied():
    """A package that is added to the wheel has to reach the image."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (listed,) = re.findall(r"^packages = \[(.*)\]$", project.partition("targets.wheel]")[2], re.MULTILINE)[:1]
    copied = " ".join(value for name, value in IMAGE.instructions if name == "COPY")
    assert all(f"{package} {package}" in copied for package in re.findall(r'"(\w+)"', listed))


def test_the_container_refuses_plain_text_on_its_network_until_somebody_says_so(installed, data):
    """As the image is, without a certificate: one line, and nothing is written."""
    # Its own ports may be taken on this machine, where it is no container's.
    ports = {f"METERLINE_{name}": f"0.0.0.0:{free_port()}" for name in ("LISTEN", "METRICS_LISTEN")}
    container = Container(IMAGE, installed, data, **ports)
    assert container.ended() == 2
    assert "--plaintext" in "".join(container.log)
    assert list(data.iterdir()) == []


def test_the_container_serves_as_its_user_on_a_root_that_can_not_be_written(installed, data):
    """It takes usage, answers the health check of the compose file, and stops by its signal; only /data holds anything."""
    port, metrics_port = free_port(), free_port()
    container = Container(
        IMAGE, installed, data,
        METERLINE_LISTEN=f"0.0.0.0:{port}", METERLINE_METRICS_LISTEN=f"0.0.0.0:{metrics_port}",
        METERLINE_PLAINTEXT="true",
    )  # fmt: skip
    try:
        assert container.serves()["data"] == "/data"
        assert container.user() == tuple(map(int, IMAGE.user.split(":")))
        key = (data / "admin.key").read_text(encoding="ascii").strip()
        _meterline(key, "apply", "-f", ROOT / "examples" / "llm.yaml", "--target", f"127.0.0.1:{port}")
        with Client(f"127.0.0.1:{port}", api_key=key) as client:
            client.record("acme", "llm.completion", {"model": "large", "input_tokens": 3, "output_tokens": 4})
            assert client.flush().accepted == 1
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/readyz", timeout=10) as answer:
            assert answer.status == 200
        form, *check = _health_check()
        assert form == "CMD"
        assert container.run(*(word.replace(":7071", f":{metrics_port}") for word in check)).returncode == 0
        nobody = f":{free_port()}"
        assert container.run(*(word.replace(":7071", nobody) for word in check)).returncode != 0
        made = container.run(*_COMMAND, "tenants", "create", "acme", "--target", f"localhost:{port}")
        assert made.stdout.startswith("mlk_"), made.stderr
        assert container.stop() == 0
    finally:
        container.kill()
    owners = {(each.stat().st_uid, each.stat().st_gid) for each in data.rglob("*")}
    assert owners == {tuple(map(int, IMAGE.user.split(":")))}
    entries = [json.loads(line) for line in container.log]
    assert [each["event"] for each in entries if each["level"] in ("warning", "error")] == []


def _meterline(key, *words):
    """As somebody on the machine beside the container."""
    subprocess.run(
        [sys.executable, "-m", "engine", *map(str, words)],
        cwd=ROOT, env=os.environ | {"METERLINE_API_KEY": key}, capture_output=True, timeout=120, check=True,
    )  # fmt: skip


def _health_check():
    import yaml

    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    return services["meterline"]["healthcheck"]["test"]
