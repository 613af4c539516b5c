"""One configuration: from options, environment, file and defaults, by one table of settings."""

import json
import re
import secrets
from pathlib import Path

import click
import jsonschema
import pytest
import trustme
from click.testing import CliRunner

from engine.access.api_keys import new_key_text
from engine.cli import cli
from engine.cli.configuration.environment import CLIENT_VARIABLES, unread_variables
from engine.configuration.configuration import Configuration
from engine.configuration.effective import Given, effective
from engine.configuration.settings import configuration_schema, limit_rows, settings
from engine.errors import ConfigurationError
from examples.engine_process import EngineProcess
from fields import declaration

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
NAMES = [row.name for row in settings()]
# Of the tests themselves: a variable that is not set is None.
CLEAN = {"METERLINE_ADMIN_KEY_FILE": None}


def _config(*words, **environment):
    return CliRunner().invoke(cli, ["config", *map(str, words)], env=CLEAN | environment)


def _shown(*words, **environment):
    """Each setting's value and source."""
    done = _config("show", "--json", *words, **environment)
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {row["name"]: (row["value"], row["source"]) for row in rows}


def _file(tmp_path, text):
    path = tmp_path / "meterline.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_option_comes_before_the_environment_before_the_file_before_the_default(tmp_path):
    """Each setting says where its value came from, the file's with its line."""
    file = _file(tmp_path, "# mine\ndata: /f\nlisten: h:1\nmetrics_listen: h:2\nlog_level: null\n")
    shown = _shown("--config", file, "--data", "/o", METERLINE_DATA="/e", METERLINE_LISTEN="h:9")
    assert shown["data"] == ("/o", "--data")
    assert shown["listen"] == ("h:9", "METERLINE_LISTEN")
    assert shown["metrics_listen"] == ("h:2", f"{file}:4")
    assert shown["durability"] == ("process", "default")
    assert shown["log_level"] == ("info", "default")


def test_the_environment_may_name_the_file(tmp_path):
    """METERLINE_CONFIG."""
    file = _file(tmp_path, "reflection: true\n")
    assert _shown(METERLINE_CONFIG=str(file))["reflection"] == (True, f"{file}:1")


def test_a_flag_of_the_file_can_be_turned_off(tmp_path):
    """In the environment."""
    file = _file(tmp_path, "plaintext: true\n")
    shown = _shown("--config", file, METERLINE_PLAINTEXT="false")
    assert shown["plaintext"] == (False, "METERLINE_PLAINTEXT")


def test_a_flag_that_is_neither_true_nor_false_is_refused_by_its_variable():
    """In one line; an empty one counts as not given."""
    done = _config("check", METERLINE_PLAINTEXT="maybe")
    assert (done.exit_code, done.stderr) == (
        2,
        "meterline: METERLINE_PLAINTEXT must be true or false, is 'maybe'\n",
    )
    assert _shown(METERLINE_PLAINTEXT="", METERLINE_DATA="")["plaintext"] == (False, "default")


def test_limits_are_merged_by_their_names(tmp_path):
    """One that an option sets leaves the others as environment and file have them."""
    file = _file(tmp_path, "limits:\n  columns_max: 1\n  id_bytes_max: 2\n  properties_max: 3\n")
    shown = _shown(
        "--config", file, "--limit", "columns_max=10", METERLINE_LIMIT="columns_max=20 id_bytes_max=21"
    )
    assert shown["limits.columns_max"] == (10, "--limit")
    assert shown["limits.id_bytes_max"] == (21, "METERLINE_LIMIT")
    assert shown["limits.properties_max"] == (3, f"{file}:4")
    assert shown["limits.request_events_max"] == (10_000, "default")


def test_the_age_of_events_is_shown_as_its_limit_with_where_it_came_from():
    """Unless the limit itself is given."""
    assert _shown("--event-age-max-days", "2")["limits.event_age_max_s"] == (172_800, "--event-age-max-days")
    both = _shown("--event-age-max-days", "2", "--limit", "event_age_max_s=7")
    assert both["limits.event_age_max_s"] == (7, "--limit")


def test_every_mistake_is_told_at_once_by_line_option_or_variable(tmp_path):
    """With what to write instead."""
    file = _file(
        tmp_path,
        "durabilty: power\nevent_age_max_days: 0\nlisten: [a]\nlisten: h:1\nlog_level:\ntls_key: k\n"
        "limits:\n  idd: 4\n  columns_max: 1.5\n",
    )
    done = _config("check", "--config", file, "--http-listen", "here", METERLINE_LOG_FORMAT="xml")
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    assert lines == [
        f"{file}:1: durabilty: is not a field of a configuration; did you mean 'durability'?",
        f"{file}:2: event_age_max_days: must be a whole number from 1 to 36525, is '0'",
        f"{file}:3: listen: must be an address: write HOST:PORT, such as 127.0.0.1:7070; is a list",
        f"{file}:4: listen: is given twice, first on line 3",
        f"{file}:5: log_level: has no value: write one, or remove the field",
        f"{file}:6: tls_key: needs tls_cert: --tls-cert and --tls-key belong together: give both",
        f"{file}:8: limits.idd: {lines[6].partition('limits.idd: ')[2]}",
        f"{file}:9: limits.columns_max: must be a whole number from 1 to 9007199254740992, is '1.5'",
        "--http-listen must be an address: write HOST:PORT, such as 127.0.0.1:7070; is the text 'here'",
        "METERLINE_LOG_FORMAT must be one of auto, console, json, is 'xml'",
        "meterline: the configuration has the mistakes above",
    ]
    assert "is not a limit" in lines[6]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data: [\n", ":2: is not YAML"),
        ("- data", ":1: a configuration file is a mapping of settings: write NAME: VALUE"),
        ("data: a\n---\ndata: b\n", ":2: a second document starts here"),
        ("limits: 3\n", ":1: limits: must be a mapping of limits to numbers, is the text '3'"),
        ("data: !!int 3\n", ":1: has the tag"),
    ],
)
def test_a_file_that_is_not_a_mapping_of_settings_is_refused_with_its_line(tmp_path, text, told):
    """One clear line."""
    done = _config("check", "--config", _file(tmp_path, text))
    assert done.exit_code == 2
    assert f"meterline.yaml{told}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_not_there_is_named(tmp_path):
    """Whoever names a file means it."""
    done = _config("check", "--config", tmp_path / "none.yaml")
    assert (done.exit_code, done.stderr) == (
        2,
        f"meterline: {tmp_path / 'none.yaml'}: can't be read: No such file or directory\n",
    )


@pytest.mark.parametrize("text", ["", "# nothing yet\n\n", "{}\n"])
def test_a_file_without_settings_leaves_all_at_their_defaults(tmp_path, text):
    """Also one of comments alone."""
    assert _shown("--config", _file(tmp_path, text)) == _shown()


SECRET = "http://metering:s3cret@clickhouse:8123/usage"


def test_a_password_in_an_option_is_refused_without_being_repeated():
    """The list of processes shows options to everybody."""
    done = _config("check", "--usage-store", SECRET)
    assert done.exit_code == 2
    assert "--usage-store holds a password" in done.stderr
    assert "METERLINE_USAGE_STORE or by --usage-store-file" in done.stderr
    assert "s3cret" not in done.output
    assert _shown("--usage-store", "http://clickhouse")["usage_store"] == (
        "http://clickhouse:8123/meterline",
        "--usage-store",
    )


def test_a_password_in_the_file_is_refused_unless_the_environment_overrides_it(tmp_path):
    """A configuration file is copied, and kept in version control."""
    file = _file(tmp_path, f"usage_store: {SECRET}\n")
    done = _config("check", "--config", file)
    assert done.stderr.startswith(f"meterline: {file}:1: usage_store: holds a password")
    assert "s3cret" not in done.output
    overridden = _shown("--config", file, METERLINE_USAGE_STORE=SECRET)
    assert overridden["usage_store"] == ("http://clickhouse:8123/usage", "METERLINE_USAGE_STORE")


def test_a_url_that_can_not_be_read_is_refused_without_being_repeated(tmp_path):
    """In it may be a password with an @ or a / in it."""
    for text in ("http://u:s3cret/@h:1", "ftp://u:s3cret@h", "s3cret"):
        done = _config("check", METERLINE_USAGE_STORE=text)
        assert (done.exit_code, "s3cret" in done.output) == (2, False)
        assert "METERLINE_USAGE_STORE can't be used" in done.stderr
        written = tmp_path / "url"
        written.write_text(text, encoding="ascii")
        done = _config("check", "--usage-store-file", written)
        assert (done.exit_code, "s3cret" in done.output) == (2, False)
        assert f"usage_store_file {written} can't be used" in done.stderr


def test_the_store_is_named_once(tmp_path):
    """A URL and a file that holds one contradict each other."""
    done = _config("check", "--usage-store", "http://h", METERLINE_USAGE_STORE_FILE=str(tmp_path / "url"))
    assert done.exit_code == 2
    assert "METERLINE_USAGE_STORE_FILE stands in the place of usage_store: give one of them" in done.stderr


def test_check_tells_files_that_are_not_there_with_every_other_mistake(tmp_path):
    """In one pass: whoever mends the syntax first would be told of the next file, and the next."""
    file = _file(
        tmp_path,
        "backup_directory: /nowhere/backups\ntls_cert: /nowhere/crt\ntls_key: /nowhere/key\nlog_level: loud\n",
    )
    done = _config("check", "--config", file, METERLINE_ADMIN_KEY_FILE="/nowhere/admin.key")
    assert (done.exit_code, done.stderr.splitlines()) == (
        2,
        [
            f"{file}:1: backup_directory: /nowhere/backups is not there",
            f"{file}:2: tls_cert: /nowhere/crt is not there",
            f"{file}:3: tls_key: /nowhere/key is not there",
            f"{file}:4: log_level: must be one of debug, info, warning, error, is 'loud'",
            "METERLINE_ADMIN_KEY_FILE /nowhere/admin.key is not there",
            "meterline: the configuration has the mistakes above",
        ],
    )


def test_check_tells_everything_that_a_start_would_refuse(tmp_path):
    """Not only the first of them."""
    nothing = tmp_path / "nothing"
    nothing.write_text("nothing", encoding="ascii")
    words = ("--backup-directory", nothing, "--admin-key-file", nothing, "--listen", "0.0.0.0:7070")
    lines = _config("check", *words).stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["0.0.0.0", str(nothing), str(nothing), "meterline"]
    assert "make the directory of backups, or mount it" in lines[1]
    assert "does not hold an API key" in lines[2]
    assert _config("check", "--backup-directory", tmp_path).exit_code == 0


def test_check_judges_what_only_a_start_would(tmp_path):
    """Plain text beyond loopback, and files that aren't there or don't hold what they should."""
    nothing = tmp_path / "nothing"
    nothing.write_text("nothing", encoding="ascii")
    assert "does not hold an API key" in _config("check", "--admin-key-file", nothing).stderr
    assert "can't be used for TLS" in _config("check", "--tls-cert", nothing, "--tls-key", nothing).stderr
    authority = trustme.CA()
    pair = authority.issue_cert("localhost").private_key_and_cert_chain_pem
    pair.write_to_path(tmp_path / "pair.pem")
    nothing.write_text(new_key_text(secrets.token_hex), encoding="ascii")
    sound = _config(
        "check",
        "--admin-key-file",
        nothing,
        "--tls-cert",
        tmp_path / "pair.pem",
        "--tls-key",
        tmp_path / "pair.pem",
    )
    assert sound.exit_code == 0, sound.stderr
    assert "--plaintext" in _config("check", "--listen", "0.0.0.0:7070").stderr
    assert "/nowhere/url is not there" in _config("check", "--usage-store-file", "/nowhere/url").stderr
    fine = _config("check", "--listen", "0.0.0.0:7070", "--plaintext")
    assert (fine.exit_code, fine.stdout) == (
        0,
        "the configuration is valid: 2 settings given, the others at their defaults\n",
    )


def test_options_variables_file_and_reference_name_the_same_settings():
    """Each is made from the table; whoever adds a setting beside it fails here."""
    assert [each.name for each in declaration(Configuration).fields] == NAMES
    command = cli.get_command(click.Context(cli), "serve")
    options = {each.name: (each.opts[0], each.envvar) for each in command.params}
    assert options.pop("config") == ("--config", "METERLINE_CONFIG")
    assert options == {row.name: (row.option, row.variable) for row in settings()}
    variables = [variable for _, variable in options.values()]
    assert len(set(variables)) == len(variables)
    assert list(configuration_schema()["definitions"]["Configuration"]["properties"]) == NAMES
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([\w.]+)` \|.*\|.*\|.*\|.*\|.*\|.*\|$", reference, re.MULTILINE)
    limits = [row.name for row in limit_rows()]
    assert listed == [name for row in NAMES for name in (limits if row == "limits" else [row])]
    assert [each.name for each in effective(None, {}).values()] == listed


def test_a_variable_that_nothing_reads_is_warned_of():
    """Most often a misspelt setting; a client's own, and what Kubernetes tells of services, are not meant."""
    ours = [*CLIENT_VARIABLES, *(row.variable for row in settings()), "METERLINE_CONFIG"]
    services = ["METERLINE_PORT", "METERLINE_SERVICE_HOST", "METERLINE_PORT_7070_TCP"]
    services.append("METERLINE_HEADLESS_SERVICE_PORT_GRPC")
    told = unread_variables([*ours, *services, "METERLINE_DURABILTY", "PATH"])
    assert told == ["METERLINE_DURABILTY is set, and nothing reads it; did you mean 'METERLINE_DURABILITY'?"]
    done = _config("check", METERLINE_DURABILTY="power")
    assert (done.exit_code, done.stderr.splitlines()) == (0, [f"meterline: warning: {told[0]}"])


def test_no_variable_of_the_engine_is_one_of_a_client():
    """An engine on a machine whose user calls another engine takes nothing of that."""
    taken = set()
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        inner = command.commands.values() if isinstance(command, click.Group) else [command]
        for each in inner:
            variables = {param.envvar for param in each.params if param.envvar}
            # Else it is a command that runs with an engine's settings itself.
            taken |= variables if "METERLINE_CONFIG" not in variables else set()
    assert taken | {"METERLINE_API_KEY"} == CLIENT_VARIABLES
    assert taken.isdisjoint(row.variable for row in settings())


@pytest.mark.parametrize(
    ("fields", "is_valid"),
    [
        ({"data": "/d", "plaintext": True, "limits": {"columns_max": 3}}, True),
        ({"event_age_max_days": 36_525, "raw_events_days_min": "9", "log_level": None}, True),
        ({"event_age_max_days": 36_526}, False),
        ({"event_age_max_days": 0}, False),
        ({"log_level": "loud"}, False),
        ({"plaintext": "yes"}, False),
        ({"limits": {"column_max": 3}}, False),
        ({"limits": {"columns_max": 0}}, False),
        ({"data": ""}, False),
        ({"listen": "7070"}, False),
        ({"usage_store": "http://u:p@h"}, False),
        ({"usage_stores": "http://h"}, False),
    ],
)
def test_an_editor_and_the_engine_judge_alike(tmp_path, fields, is_valid):
    """By the JSON Schema, and by reading the file."""
    schema = configuration_schema()
    assert jsonschema.Draft7Validator(schema).is_valid(fields) == is_valid
    file = _file(tmp_path, json.dumps(fields))
    try:
        effective(file, {})
    except ConfigurationError:
        assert not is_valid
    else:
        assert is_valid


def test_the_examples_of_the_page_say_what_it_says(tmp_path, monkeypatch):
    """docs/configuration.md: its file is valid, and both commands print what stands there."""
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    _file(tmp_path, example)
    (tmp_path / "mistaken.yaml").write_text("durabilty: power\nevent_age_max_days: 0\n", encoding="utf-8")
    blocks = re.findall(r"```console\n\$ (\w+)=(\S+) meterline config (.*)\n((?:.*\n)*?)```", PAGE)
    assert len(blocks) == 2
    for name, value, words, expected in blocks:
        done = _config(*words.split(), **{name: value})
        said = [line.rstrip() for line in (done.stdout or done.stderr).splitlines()]
        kept = [re.sub(r" +", " ", line) for line in expected.splitlines() if line != "[...]"]
        assert [re.sub(r" +", " ", line) for line in said][: len(kept)] == kept


def test_an_engine_runs_by_its_file(tmp_path):
    """A limit of the file holds, and one of the options comes before it."""
    file = _file(tmp_path, "event_age_max_days: 36525\nlimits: {id_bytes_max: 5, properties_max: 2}\n")
    with EngineProcess(tmp_path / "data", "--config", str(file), "--limit", "properties_max=3") as engine:
        assert engine.target
    given = {("limits", "properties_max"): Given("3", "--limit")}
    limits = effective(file, given).configuration.ingest_limits()
    assert (limits.id_bytes_max, limits.properties_max, limits.event_age_max_s) == (5, 3, 36_525 * 86_400)
