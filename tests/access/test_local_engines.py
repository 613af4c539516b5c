"""How a command finds the key of an engine on this machine: of that engine's very address, and while it lives."""

import subprocess
import sys

import pytest

from engine.access.local_engines import announced, local_engine

KEY = "mlk_0123456789ab_" + "0" * 48


@pytest.fixture
def key_file(tmp_path):
    file = tmp_path / "admin.key"
    file.write_text(f"{KEY}\n")
    return file


@pytest.mark.parametrize(
    ("listens", "reached"),
    [
        ("127.0.0.1", "127.0.0.1:7"),
        ("0.0.0.0", "127.0.0.1:7"),
        ("[::]", "[::1]:7"),
        ("localhost", "127.0.0.1:7"),
    ],
)
def test_a_name_stands_for_the_address_at_which_the_engine_listens(tmp_path, key_file, listens, reached):
    """Whoever has the port at another address of this machine gets nothing."""
    with announced(tmp_path / "engines", listens, 7, key_file):
        for target in ("localhost:7", reached):
            found = local_engine(tmp_path / "engines", target)
            assert (found.address, found.key) == (reached, KEY)
        others = {"127.0.0.1:7", "[::1]:7", "10.0.0.5:7"} - {reached}
        for target in (*others, "localhost:8", "localhost", "nonsense"):
            assert local_engine(tmp_path / "engines", target) is None
    assert local_engine(tmp_path / "engines", "localhost:7") is None


def test_the_key_of_a_process_that_ended_is_not_given_away(tmp_path, key_file):
    """Somebody else may have its port by now."""
    text = (
        "import sys, os; from pathlib import Path; from engine.access.local_engines import announced\n"
        "with announced(Path(sys.argv[1]), '127.0.0.1', 7, Path(sys.argv[2])): os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", text, tmp_path / "engines", key_file], check=True)
    assert (tmp_path / "engines" / "7").exists()
    assert local_engine(tmp_path / "engines", "localhost:7") is None


def test_a_key_that_can_not_be_read_is_no_key(tmp_path, key_file):
    """Only who may read its file has it; a directory that can't be written does not stop an engine."""
    with announced(tmp_path / "engines", "127.0.0.1", 7, tmp_path / "nowhere"):
        assert local_engine(tmp_path / "engines", "localhost:7") is None
    (tmp_path / "file").write_text("")
    with announced(tmp_path / "file" / "engines", "127.0.0.1", 7, key_file):
        assert local_engine(tmp_path / "file" / "engines", "localhost:7") is None
