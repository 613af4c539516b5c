"""`meterline keys` as an operator uses it: keys that go to files, ids that are whole keys, customers that are misspelt."""

import json
import re
import stat

import pytest
from click.testing import CliRunner

from engine.cli import cli

KEY = re.compile(r"mlk_([0-9a-f]{12})_[0-9a-f]{48}")


@pytest.fixture
def run(engine):
    """Runs a command; click's result."""

    def ran(*words, code=0):
        done = CliRunner().invoke(cli, [*map(str, words), "--target", engine.target])
        assert done.exit_code == code, done.output
        return done

    return ran


def _private_key(file):
    """The key that a file holds, with nothing else in it, for its owner alone."""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text(encoding="ascii")
    assert text.endswith("\n")
    assert KEY.fullmatch(text.strip())
    return text.strip()


@pytest.mark.parametrize("words", [("create", "--name", "first", "--scope", "admin"), ("rotate",)])
def test_a_key_is_written_into_the_file_that_the_command_reads_its_own_from(run, tmp_path, words):
    """The file has the older key until the new one is made, and then the new one, which works."""
    file = tmp_path / "admin.key"
    run("keys", "create", "--name", "first", "--scope", "admin", "--output", file)
    file.chmod(0o644)
    before = file.read_text().strip()
    subject = [KEY.fullmatch(before)[1]] if words == ("rotate",) else []
    done = run("keys", *words, *subject, "-o", file, "--api-key-file", file)
    after = _private_key(file)
    assert after != before
    assert done.stdout == ""
    assert f"it is in {file}" in done.stderr
    run("keys", "list", "--api-key-file", file)
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_can_not_be_written_makes_no_key(run, tmp_path):
    """It is tried before the engine is asked."""
    before = run("keys", "list").stdout
    done = run("keys", "create", "--name", "lost", "--scope", "read", "-o", tmp_path / "no" / "key", code=2)
    assert "can't be written" in done.output
    assert run("keys", "list").stdout == before


def test_a_refused_rotation_leaves_the_file_as_it_was(run, tmp_path):
    """Whole or not at all."""
    file = tmp_path / "admin.key"
    file.write_text("what was there\n")
    run("keys", "rotate", "0" * 12, "-o", file, code=2)
    assert file.read_text() == "what was there\n"
    assert list(tmp_path.iterdir()) == [file]


def test_json_does_not_repeat_a_key_that_is_in_a_file(run, tmp_path):
    """Neither of a key nor of a tenant's first one."""
    file, first = tmp_path / "chat.key", tmp_path / "tenant.key"
    made = json.loads(run("keys", "create", "--name", "chat", "--scope", "read", "-o", file, "--json").stdout)
    assert made["api_key"]["key_id"] == KEY.fullmatch(_private_key(file))[1]
    assert made["key_text"] == ""
    made = json.loads(run("tenants", "create", "key_file_tenant", "-o", first, "--json").stdout)
    assert made["api_key"]["key_id"] == KEY.fullmatch(_private_key(first))[1]
    assert made["key_text"] == ""


def test_a_key_is_generated_into_a_file(tmp_path):
    """Without an engine."""
    file = tmp_path / "first.key"
    done = CliRunner().invoke(cli, ["keys", "generate", "--output", str(file)])
    assert (done.exit_code, done.stdout) == (0, "")
    _private_key(file)


def test_a_certificates_key_has_no_file(run, tmp_path):
    """It has no text."""
    words = ("--scope", "ingest", "--certificate-subject", "chat.test", "-o", tmp_path / "key")
    assert "leave --output out" in run("keys", "create", "--name", "chat", *words, code=2).output


def test_a_whole_key_is_revoked_by_its_id_and_never_repeated(run):
    """Whoever has only the key at hand revokes it as well."""
    text = run("keys", "create", "--name", "leaked", "--scope", "read").stdout.strip()
    done = run("keys", "revoke", text)
    assert done.stdout.startswith(f"revoked {KEY.fullmatch(text)[1]} at 20")
    again = run("keys", "rotate", text, code=2)
    assert text.rpartition("_")[2] not in done.output + again.output


def test_a_key_for_a_customer_that_is_not_there_is_made_with_a_warning(run, name):
    """The customer may come later; a misspelt one never does."""
    words = ("keys", "create", "--name", "portal", "--scope", "read", "--customer")
    assert "there is no customer" not in run(*words, f"{name}_acme").stderr
    done = run(*words, f"{name}_amce")
    key_id = KEY.fullmatch(done.stdout.strip())[1]
    assert f"there is no customer {name}_amce" in done.stderr
    assert f"revoke {key_id}" in done.stderr


def test_what_is_held_about_a_customer_is_written_for_its_owner_alone(run, name, tmp_path):
    """A person's data."""
    file = tmp_path / "acme.ndjson"
    run("customers", "export", f"{name}_acme", "-o", file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f"{name}_acme" in file.read_text()
