"""The documentation tells the truth: the tutorial's commands print what it says, and pages and links are there."""

import re
import shlex
from pathlib import Path

from docs import chart_settings
from docs.make_reference import PAGE as PAGE_OF_REFERENCE
from docs.make_reference import SCHEMA, page, schema
from examples.engine_process import EngineProcess
from tests.support.command_processes import run_command

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
FILES = re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
_INSTANT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def _comparable(text):
    """Watermarks differ from run to run."""
    return [_INSTANT.sub("INSTANT", line).rstrip() for line in text.splitlines()]


def test_the_commands_of_the_tutorial_print_what_it_says(tmp_path):
    """On the files that it shows."""
    for name, text in FILES:
        (tmp_path / name).write_text(text, encoding="utf-8")
    commands = [
        found
        for block in BLOCKS
        for found in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    assert (len(FILES), len(commands)) == (3, 12)
    with EngineProcess(tmp_path / "data", "--event-age-max-days", "36525") as running:
        for command, expected in commands:
            program, *words = shlex.split(command)
            assert program == "meterline"
            key = {"METERLINE_API_KEY": running.api_key}
            done = run_command(*words, "--target", running.target, cwd=tmp_path, env=key)
            shown = (done.stdout + done.stderr).replace(f" --target {running.target}", "")
            assert _comparable(shown) == _comparable(expected), command


def test_the_phases_of_the_page_about_subscriptions_can_be_applied(tmp_path):
    """Its plans and its subscription, as one file: the seats from 10 December on are 8 x 10, Enterprise's 8 x 8."""
    page = (ROOT / "docs" / "subscriptions.md").read_text(encoding="utf-8")
    phases = page.split("## Phases\n")[1].split("## New prices\n")[0]
    file = tmp_path / "catalog.yaml"
    file.write_text("".join(re.findall(r"```yaml\n(.*?)```", phases, re.DOTALL)), encoding="utf-8")
    with EngineProcess(tmp_path / "data") as running:
        for words, expected in {
            ("apply", "-f", str(file)): "5 changed, 0 unchanged",
            ("lines", "--customer", "acme", "--at", "2027-01-10"): "total of 2 line items: 110.00 EUR",
            ("lines", "--customer", "acme", "--at", "2027-03-10"): "total of 2 line items: 154.00 EUR",
        }.items():
            key = {"METERLINE_API_KEY": running.api_key}
            done = run_command(*words, "--target", running.target, cwd=tmp_path, env=key)
            assert expected in done.stdout, done.stderr


def test_the_reference_is_made_from_the_code_as_it_is():
    """`make reference` writes it anew."""
    assert PAGE_OF_REFERENCE.read_text(encoding="utf-8") == page()


def test_the_schema_of_the_configuration_file_is_made_from_the_code_as_it_is():
    """`make reference` writes it anew."""
    assert SCHEMA.read_text(encoding="utf-8") == schema()


def test_the_settings_of_the_chart_are_made_from_the_code_as_they_are():
    """`make reference` writes them into values.yaml and its schema."""
    assert chart_settings.VALUES.read_text(encoding="utf-8") == chart_settings.values()
    assert chart_settings.SCHEMA.read_text(encoding="utf-8") == chart_settings.schema()


def test_the_index_lists_every_page():
    """And none that is not there."""
    listed = set(re.findall(r"\(([\w-]+\.md)\)", (ROOT / "docs" / "README.md").read_text(encoding="utf-8")))
    there = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert listed == there


def test_links_between_pages_lead_somewhere():
    """Files that are there, and headings that are in them."""
    for written in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        text = written.read_text(encoding="utf-8")
        for link in [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'<img src="([^"]+)"', text)]:
            if re.match(r"https?:", link):
                continue
            name, _, anchor = link.partition("#")
            linked = (written.parent / name).resolve() if name else written
            assert linked.exists(), f"{written.name}: {link}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {_anchor(each) for each in headings}, f"{written.name}: {link}"


def _anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
