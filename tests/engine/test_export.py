"""`meterline export` and `meterline diff`: what is applied as files, and what files would change."""

import json

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft7Validator

from engine.catalog.kinds import KINDS
from engine.cli import cli
from examples.engine_process import EngineProcess
from tests.support.sources import ROOT

EXAMPLE = ROOT / "examples" / "llm.yaml"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """An engine whose catalog no other test changes, with an example in it."""
    with EngineProcess(tmp_path_factory.mktemp("export") / "data") as running:
        done = CliRunner().invoke(cli, ["apply", str(EXAMPLE), "--target", running.target])
        assert done.exit_code == 0, done.output
        yield running


@pytest.fixture
def run(own):
    def ran(*words, code=0):
        done = CliRunner().invoke(cli, [*map(str, words), "--target", own.target])
        assert done.exit_code == code, done.output
        return done.stdout

    return ran


def test_an_export_changes_nothing_and_is_the_same_again(run, tmp_path):
    """As one file, and as standard output."""
    run("export", "-o", tmp_path / "all.yaml")
    text = (tmp_path / "all.yaml").read_text()
    assert run("export") == text
    assert "0 would change" in run("diff", tmp_path / "all.yaml")
    assert run("apply", tmp_path / "all.yaml").startswith("0 changed")
    assert run("export", "--only", "plans").startswith("plans:\n  - id: ")


def test_a_directory_has_a_file_for_each_section_and_the_schema(run, tmp_path):
    """Editors find the schema by the first line; the files are what it allows, and are applied in order."""
    run("export", "-o", f"{tmp_path / 'catalog'}/")
    files = sorted(each.name for each in (tmp_path / "catalog").iterdir())
    sections = [kind.section for kind in KINDS.values()]
    assert files == sorted(["catalog.schema.json", *(f"{each}.yaml" for each in sections)])
    schema = Draft7Validator(json.loads((tmp_path / "catalog" / "catalog.schema.json").read_text()))
    for each in sections:
        text = (tmp_path / "catalog" / f"{each}.yaml").read_text()
        assert text.startswith("# yaml-language-server: $schema=catalog.schema.json\n")
        schema.validate(yaml.safe_load(text))
    assert "0 would change" in run("diff", tmp_path / "catalog")
    with EngineProcess(tmp_path / "other") as other:
        done = CliRunner().invoke(cli, ["apply", str(tmp_path / "catalog"), "--target", other.target])
        assert done.exit_code == 0, done.output
        moved = CliRunner().invoke(cli, ["export", "--target", other.target]).stdout
    assert moved == run("export")


def test_a_difference_is_shown_and_told_by_the_exit_code(run, tmp_path):
    """Nothing is applied; a mistake is another code."""
    exported = run("export", "--only", "customers")
    changed = yaml.safe_load(exported)
    changed["customers"][0]["name"] = "Another name"
    changed["customers"].append({"id": "new", "name": "New"})
    (tmp_path / "customers.yaml").write_text(yaml.safe_dump(changed))
    shown = run("diff", tmp_path / "customers.yaml", code=1)
    assert f"~ customer {changed['customers'][0]['id']} (version 2)" in shown
    assert '-> "Another name"' in shown
    assert "+ customer new (version 1)" in shown
    assert run("export", "--only", "customers") == exported
    (tmp_path / "wrong.yaml").write_text("customers: [{id: x}]")
    run("diff", tmp_path / "wrong.yaml", code=2)
    (tmp_path / "empty").mkdir()
    run("diff", tmp_path / "empty", code=2)
