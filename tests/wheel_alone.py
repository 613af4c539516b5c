"""The built wheel, installed alone into an empty environment, serves and rates. Run by `make test-wheel`.

Installs from the package index, so it is not part of `make test`, which needs no network; the same journey
through the wheel's files with the libraries at hand is tests/engine/test_wheel.py.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

JOURNEY = Path(__file__).parent / "wheel_journey.py"
CATALOG = Path(__file__).parents[1] / "examples" / "llm.yaml"


def main(dist: Path) -> int:
    (wheel,) = dist.glob("*.whl")
    with tempfile.TemporaryDirectory(prefix="meterline-wheel-") as directory:
        environment = Path(directory) / "venv"
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        install = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]

        subprocess.run([*install, wheel.absolute()], check=True)
        alone = subprocess.run(
            [environment / "bin" / "meterline", "--help"], capture_output=True, text=True, check=False
        )
        if alone.returncode != 2 or "pip install '.[server]'" not in alone.stderr:
            sys.stderr.write(f"the client alone should say what is missing, said: {alone.stderr}\n")
            return 1

        subprocess.run([*install, f"{wheel.absolute()}[server]"], check=True)
        subprocess.run([python, JOURNEY, CATALOG, directory], cwd=directory, check=True)
    sys.stdout.write(f"{wheel.name}: serves and rates from an empty environment\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
