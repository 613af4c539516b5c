"""The compose file, and the bill of materials: judged without Docker."""

import json
import re
import subprocess
import sys
from pathlib import Path

import compose_spec
import pytest
import yaml

from engine.configuration.effective import Given, effective
from engine.configuration.settings import settings
from tests.support.deploy.dockerfile import read_dockerfile

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
IMAGE = read_dockerfile(ROOT / "Dockerfile")
ROWS = {row.variable: row for row in settings()}
OURS = {name: each for name, each in COMPOSE["services"].items() if each["image"].startswith("meterline:")}


def test_the_compose_file_keeps_to_the_specification():
    """Read by its types, with no field that it does not have."""
    assert set(compose_spec.PyCompose.from_yaml(TEXT).service_names()) == set(COMPOSE["services"])
    with pytest.raises(ValueError, match="read_onlyy"):
        compose_spec.PyCompose.from_yaml(TEXT.replace("read_only:", "read_onlyy:"))


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_service_are_valid_together(name):
    """With those of the image below them: as `meterline config check` says it, without a variable that nothing reads."""
    variables = IMAGE.environment | (OURS[name].get("environment") or {})
    given = {
        (ROWS[variable].name,): Given(value, variable, from_environment=True)
        for variable, value in variables.items()
        if variable.startswith("METERLINE_")
    }
    assert effective(None, given).configuration.plaintext


@pytest.mark.parametrize("name", OURS)
def test_a_service_can_write_where_the_image_says_and_nowhere_else(name):
    """A root that can't be written, no capabilities; time to store what waits at the end."""
    service = OURS[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [each.partition(":")[0] for each in service["tmpfs"]] == ["/tmp"]
    assert service["stop_grace_period"] == "60s"


@pytest.mark.parametrize("name", OURS)
def test_ports_in_plain_text_are_this_machines_alone(name):
    """Whoever wants others to reach them brings certificates."""
    assert all(port.startswith("127.0.0.1:") for port in OURS[name].get("ports", ()))


def test_the_bill_of_materials_lists_what_the_lock_holds(tmp_path):
    """As `make sbom` makes it: each library with its version and hashes."""
    (recipe,) = re.findall(
        r"^\t@mkdir -p dist && \$\(BIN\)/cyclonedx-py (.*) && ls", _makefile(), re.MULTILINE
    )
    words = recipe.replace("dist/meterline.cdx.json", str(tmp_path / "bom.json")).split()
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *words], cwd=ROOT, check=True, capture_output=True)
    bom = json.loads((tmp_path / "bom.json").read_text(encoding="utf-8"))
    lock = (ROOT / "requirements" / "server.lock").read_text(encoding="utf-8")
    assert {f"{each['name']}=={each['version']}" for each in bom["components"]} == set(
        re.findall(r"^([\w.-]+==[\w.]+)", lock, re.MULTILINE)
    )
    assert bom["metadata"]["component"]["name"] == "meterline"
    assert all(each["externalReferences"][0]["hashes"] for each in bom["components"])


def _makefile():
    return (ROOT / "Makefile").read_text(encoding="utf-8")
