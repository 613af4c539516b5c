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
    """Four packages, their types, migrations and pages; no tests, no examples."""
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"meterline", "fields", "ingest", "rating", "engine"}
    assert "meterline/py.typed" in names
    assert any(name.startswith("engine/sql/migrations/versions/") for name in names)
    assert {"engine/api/pages/templates/page.html", "engine/api/pages/static/uplot-1.6.32.min.js"} <= set(
        names
    )


def test_the_client_alone_says_how_to_install_the_engine(wheel, tmp_path):
    """The wheel's files and no library: one line, and exit code 2."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    command = "import sys; sys.argv = ['meterline', '--help']; from engine.__main__ import main; main()"
    said = subprocess.run(
        [sys.executable, "-S", "-c", command], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 2
    assert said.stderr.splitlines() == [
        "meterline: the engine's parts are not installed (no module click): from the checkout, pip install '.[server]'"
    ]


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
