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

ROOT = Path(__file__).parents[2]
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("compose.yaml", "compose.cluster.yaml")}
FILES = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
ROWS = {row.variable: row for row in settings()}
OURS = {
    (file, name): service
    for file, content in FILES.items()
    for name, service in content["services"].items()
    if service["image"].startswith("meterline:")
}


def _read_strictly(text):
    options = compose_spec.PyOptions()
    options.apply_merge = True
    return options.from_yaml(text)


@pytest.mark.parametrize("file", FILES)
def test_a_compose_file_keeps_to_the_specification(file):
    """Read by its types, with no field that it does not have."""
    assert set(_read_strictly(TEXTS[file]).service_names()) == set(FILES[file]["services"])
    with pytest.raises(ValueError, match="read_onlyy"):
        _read_strictly(TEXTS[file].replace("read_only:", "read_onlyy:"))


@pytest.mark.parametrize("place", OURS, ids=" ".join)
def test_the_settings_of_a_service_are_valid_together(place):
    """With those of the image below them: as `meterline config check` says it, without a variable that nothing reads."""
    variables = OURS[place].get("environment") or {}
    given = {
        (ROWS[variable].name,): Given(value, variable, from_environment=True)
        for variable, value in variables.items()
    }
    found = effective(ROOT / "container" / "meterline.yaml", given).configuration
    assert found.plaintext == ("ports" in OURS[place])


@pytest.mark.parametrize("place", OURS, ids=" ".join)
def test_a_service_can_write_where_the_image_says_and_nowhere_else(place):
    """A root that can't be written, no capabilities; time to store what waits at the end."""
    service = OURS[place]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert [each.partition(":")[0] for each in service["tmpfs"]] == ["/tmp"]
    assert service["stop_grace_period"] == "60s"


@pytest.mark.parametrize("place", OURS, ids=" ".join)
def test_ports_in_plain_text_are_this_machines_alone(place):
    """Whoever wants others to reach them brings certificates."""
    for port in OURS[place].get("ports", ()):
        host = port["host_ip"] if isinstance(port, dict) else port.partition(":")[0]
        assert host == "127.0.0.1"


def test_each_secret_of_the_cluster_is_a_file_that_somebody_reads():
    """No password stands in the file, and none in a list of processes."""
    cluster = FILES["compose.cluster.yaml"]
    read = {name for service in cluster["services"].values() for name in service.get("secrets", ())}
    assert set(cluster["secrets"]) == read
    for service in cluster["services"].values():
        named = {
            value.removeprefix("/run/secrets/")
            for value in service.get("environment", {}).values()
            if value.startswith("/run/secrets/")
        }
        assert named == set(service.get("secrets", ()))
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert all(f"secrets/{name}" in page for name in read)


def test_the_bill_of_materials_lists_what_the_lock_holds(tmp_path):
    """As `make sbom` makes it: each library with its version and hashes."""
    (recipe,) = re.findall(
        r"^\t@mkdir -p dist && \$\(BIN\)/cyclonedx-py (.*) && ls", _makefile(), re.MULTILINE
    )
    words = recipe.replace("dist/meterline.cdx.json", str(tmp_path / "bom.json")).split()
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *words], cwd=ROOT, check=True, capture_output=True)
    bom = json.loads((tmp_path / "bom.json").read_text(encoding="utf-8"))
    lock = (ROOT / "requirements" / "container.lock").read_text(encoding="utf-8")
    assert {f"{each['name']}=={each['version']}" for each in bom["components"]} == set(
        re.findall(r"^([\w.-]+==[\w.]+)", lock, re.MULTILINE)
    )
    assert bom["metadata"]["component"]["name"] == "meterline"
    assert all(each["externalReferences"][0]["hashes"] for each in bom["components"])


def _makefile():
    return (ROOT / "Makefile").read_text(encoding="utf-8")
