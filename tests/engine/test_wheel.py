"""The built wheel carries everything: from its files alone, away from the checkout, it serves and rates."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from the checkout with the build backend at hand."""
    dist = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(dist), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (built,) = dist.glob("*.whl")
    return built


def test_the_wheel_holds_the_packages_and_nothing_else(wheel):
    """Four packages, their types and migrations; no tests, no examples."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"meterline", "ingest", "rating", "engine"}
    assert "meterline/py.typed" in names
    assert any(name.startswith("engine/catalog/migrations/versions/") for name in names)


def test_the_wheel_alone_serves_and_rates(wheel, tmp_path):
    """Its files come first on the path, the libraries after them, and the checkout nowhere."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    probe = "import engine, sys; print(engine.__file__)"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{site}:{sysconfig.get_path('purelib')}"}
    # -S keeps the environment's own .pth files out: they would lead back to the checkout.
    found = subprocess.run(
        [sys.executable, "-S", "-c", probe],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.startswith(str(site))
    journey = ROOT / "tests" / "wheel_journey.py"
    catalog = ROOT / "examples" / "llm.yaml"
    done = subprocess.run(
        [sys.executable, str(journey), str(catalog), str(tmp_path)], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
