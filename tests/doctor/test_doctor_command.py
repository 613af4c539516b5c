"""`meterline doctor` on deployments that engines have made: embedded, and on ClickHouse and PostgreSQL."""

import contextlib
import json
import os
from pathlib import Path

import pytest
from sqlalchemy import update

from engine.sql.database import open_database
from engine.sql.schema import DEPLOYMENT
from examples.engine_process import EngineProcess
from tests.conftest import API_KEY
from tests.support.command_processes import run_command
from tests.support.usage.clickhouse_process import ClickHouseProcess

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    file = tmp_path_factory.mktemp("key") / "first.key"
    file.write_text(API_KEY)
    file.chmod(0o600)
    return str(file)


@pytest.fixture(scope="module")
def doctor(key):
    """Runs the command; its exit code, and what it said of each part as level and text."""

    def run(*options):
        env = {name: value for name, value in os.environ.items() if not name.startswith("METERLINE_")}
        done = run_command("doctor", "--json", "--admin-key-file", key, *options, env=env)
        assert done.stderr == ""
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    return run


def _bad(findings):
    return [each for each in findings if each["level"] != "ok"]


def _about(findings, about):
    return " | ".join(each["what"] for each in findings if each["about"] == about)


def test_an_embedded_store_is_left_to_the_engine_that_has_it_open_and_opened_after_it(doctor, key, tmp_path):
    """All is well in both; nothing that the doctor opens keeps the engine from the next start."""
    data = tmp_path / "data"
    with EngineProcess(data, "--admin-key-file", key) as running:
        code, found = doctor("--data", str(data))
        assert (code, [each for each in _bad(found) if each["about"] != "disk"]) == (0, [])
        assert f"process {running.pid} has it open" in _about(found, "usage store")
        assert "quick_check" in _about(found, "catalog store")
    code, found = doctor("--data", str(data))
    assert (code, [each for each in _bad(found) if each["about"] != "disk"]) == (0, [])
    assert "has 0 rows of events" in _about(found, "usage store")
    (data / "api_keys.key").chmod(0o644)
    code, found = doctor("--data", str(data))
    assert code == 1
    assert [each["what_to_do"] for each in found if each["level"] == "wrong"] == [
        f"chmod 600 {data / 'api_keys.key'}"
    ]
    with EngineProcess(data, "--admin-key-file", key):
        pass


def test_what_is_wrong_is_said_to_people_line_by_line(key, tmp_path):
    """With what to do, and a sum at the end."""
    done = run_command(
        "doctor", "--data", tmp_path / "none", "--listen", "0.0.0.0:7070", "--admin-key-file", key,
        "--backup-directory", tmp_path / "backups",
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    assert any(line.startswith("wrong    configuration") and "--plaintext" in line for line in lines)
    assert any(line.startswith("wrong    data directory") and "is not there" in line for line in lines)
    assert any(line.startswith("wrong    backups") and "is not there" in line for line in lines)
    assert lines[-1] == "3 wrong, 0 warnings, 3 ok"


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory):
    with ClickHouseProcess(tmp_path_factory.mktemp("clickhouse")) as process:
        yield process


@pytest.fixture(scope="module")
def gateways(key, clickhouse, postgres_server, tmp_path_factory):
    """Options of a deployment on both servers, which a gateway has begun; and the URL of its catalog."""
    url = postgres_server.new_url()
    options = (*clickhouse.option(), *_catalog(tmp_path_factory.mktemp("catalog"), url))
    for file in (options[1], options[3]):
        Path(file).chmod(0o600)
    with EngineProcess(None, *options, "--admin-key-file", key):
        pass
    return options, url


def _catalog(directory, url):
    file = directory / "postgres.url"
    file.write_text(url)
    file.chmod(0o600)
    return "--catalog-store-file", str(file)


def test_a_deployment_on_servers_is_well_but_for_the_fsync_of_a_test_server(doctor, gateways):
    """Versions, clocks, schema, tables and owner are told."""
    options, _ = gateways
    code, found = doctor(*options)
    assert [(each["about"], each["what"].split(":")[0]) for each in _bad(found)] == [
        ("PostgreSQL", "fsync is off")
    ]
    assert code == 1
    assert "same deployment" in _about(found, "deployment")
    for server in ("PostgreSQL", "ClickHouse"):
        assert "is version" in _about(found, server)
        assert "agrees with this machine's" in _about(found, server)
    assert "has this version's schema" in _about(found, "catalog store")


def test_stores_that_do_not_belong_together_are_told(
    doctor, gateways, clickhouse, postgres_server, key, tmp_path
):
    """Another database of the same ClickHouse server has no owner; one without tables is not ours yet."""
    options, _ = gateways
    _, found = doctor(*clickhouse.option("elsewhere"), *options[2:])
    assert "usage store has no owner" in _about(found, "deployment")
    code, found = doctor(*options[:2], *_catalog(tmp_path, postgres_server.new_url()))
    assert code == 1
    assert "has no tables" in _about(found, "catalog store")
    other = (*clickhouse.option("other"), *_catalog(tmp_path, postgres_server.new_url()))
    with EngineProcess(None, *other, "--admin-key-file", key):
        pass
    _, found = doctor(*other[:2], *options[2:])
    assert "usage store belongs to another deployment" in _about(found, "deployment")


def test_a_half_restored_database_is_told(doctor, gateways):
    """Every engine would refuse it."""
    options, url = gateways
    with contextlib.closing(open_database(url)) as database:
        with database.writing() as connection:
            before = connection.execute(DEPLOYMENT.select()).one().format
            connection.execute(update(DEPLOYMENT).values(format=0))
        try:
            code, found = doctor(*options)
        finally:
            with database.writing() as connection:
                connection.execute(update(DEPLOYMENT).values(format=before))
    assert code == 1
    assert "restore broke off" in _about(found, "deployment")


def test_stores_that_do_not_answer_are_told_without_their_passwords(doctor, tmp_path):
    """Each by itself: one that is gone keeps nobody from hearing of the other."""
    usage, catalog = tmp_path / "usage.url", tmp_path / "catalog.url"
    usage.write_text("http://meter:hunter2@127.0.0.1:9/metering")
    catalog.write_text("postgresql://meter:hunter3@127.0.0.1:9/metering")
    for file in (usage, catalog):
        file.chmod(0o600)
    code, found = doctor("--usage-store-file", str(usage), "--catalog-store-file", str(catalog))
    assert code == 1
    assert {each["about"] for each in found if each["level"] == "wrong"} == {"usage store", "catalog store"}
    assert "hunter" not in json.dumps(found)
