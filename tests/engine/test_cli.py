"""The command line: what it prints for people, and one clear line with exit code 2 when something is wrong."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest

from examples.engine_process import EngineProcess
from meterline import open_channel
from meterline.v1.usage_pb2 import RecordUsageRequest, UsageEvent
from meterline.v1.usage_pb2_grpc import UsageServiceStub
from tests.support.command_processes import run_command

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "llm.yaml"


def _meterline(*arguments, timeout_s=180):
    return run_command(*arguments, timeout_s=timeout_s)


def _serve(data, *options):
    return _meterline("serve", "--data", data, "--listen", "127.0.0.1:0", "--no-metrics", *options)


# Command lines one after the other in one process, which loads the engine once; each as it comes from a shell.
ONE_BY_ONE = """
import contextlib, io, json, sys
from engine.cli import run

for words in json.load(sys.stdin):
    sys.argv = ["meterline", *words]
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = run()
    print(json.dumps([code, said.getvalue()]))
"""


def _serves_in_vain(*commands):
    """What each of these says that must not come to serve."""
    words = [["serve", "--listen", "127.0.0.1:0", "--no-metrics", *map(str, options)] for options in commands]
    ran = subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE],
        cwd=ROOT, input=json.dumps(words), capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    for command, line in zip(words, ran.stdout.splitlines(), strict=True):
        code, said = json.loads(line)
        yield subprocess.CompletedProcess(command, code, "", said)


def _assert_one_clear_line(done, *parts):
    assert done.returncode == 2, done
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("meterline: ")
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in lines[0]


@pytest.fixture
def running(tmp_path):
    with EngineProcess(tmp_path / "data", "--event-age-max-days", "36525") as engine:
        yield engine


def test_a_taken_port_is_named(tmp_path):
    """And the way out; no data directory is left behind."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = _meterline("serve", "--data", tmp_path / "d", "--listen", address, "--no-metrics")
    _assert_one_clear_line(done, address, "the port is taken", "--listen")
    assert not (tmp_path / "d").exists()


def test_a_second_engine_on_the_port_of_the_first_is_refused(engine, tmp_path):
    """Two engines must not share a port and halve the events."""
    done = _meterline("serve", "--data", tmp_path / "other", "--listen", engine.target, "--no-metrics")
    _assert_one_clear_line(done, engine.target)


def test_a_taken_metrics_port_is_named(tmp_path):
    """With both ways out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = _meterline(
            "serve", "--data", tmp_path / "d", "--listen", "127.0.0.1:0", "--metrics-listen", address
        )
    _assert_one_clear_line(done, address, "--metrics-listen", "--no-metrics")


def test_two_engines_on_one_directory_are_refused(running, tmp_path):
    """The line names the directory and the process that has it."""
    done = _serve(tmp_path / "data")
    _assert_one_clear_line(done, str(tmp_path / "data"), f"process {running.pid}")


def test_a_file_as_data_directory_is_refused(tmp_path):
    """It is not overwritten."""
    path = tmp_path / "file"
    path.write_text("mine")
    _assert_one_clear_line(_serve(path), f"{path}: is a file: name a directory with --data")
    assert path.read_text() == "mine"


def test_a_foreign_directory_is_left_alone(tmp_path):
    """An engine never writes between somebody's files."""
    (tmp_path / "thesis.txt").write_text("mine")
    _assert_one_clear_line(_serve(tmp_path), "not a Meterline data directory")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_future_or_broken_data_directory_is_refused(tmp_path):
    """Nothing in it is touched."""
    cases = [('{"format": 99}', "format 99"), ("{", "can't be read"), ('{"format": "x"}', "newer")]
    directories = [tmp_path / str(number) for number in range(len(cases))]
    for data, (written, _) in zip(directories, cases, strict=True):
        data.mkdir()
        (data / "format.json").write_text(written)
    told = _serves_in_vain(*(("--data", data) for data in directories))
    for data, (written, part), done in zip(directories, cases, told, strict=True):
        _assert_one_clear_line(done, str(data), part)
        assert (data / "format.json").read_text() == written
        assert not (data / "usage").exists()


def test_a_place_that_cannot_be_written_is_named():
    """/proc takes no directory, not even from root."""
    _assert_one_clear_line(_serve("/proc/meterline-data"), "/proc/meterline-data", "can't be used")


def test_an_address_that_is_none_of_ours_is_named(tmp_path):
    """No port, no number, a port too high, no host, and an address of another machine."""
    addresses = ["nonsense", "localhost:port", "localhost:99999", ":80", "192.0.2.1:7070"]
    told = _serves_in_vain(*(("--data", tmp_path / "d", "--listen", each) for each in addresses))
    for address, done in zip(addresses, told, strict=True):
        _assert_one_clear_line(done, address, "address")


@pytest.mark.parametrize("lost", ["catalog.sqlite", "usage"])
def test_a_directory_that_lost_a_store_is_refused(tmp_path, lost):
    """An empty store in its place would bill nobody."""
    EngineProcess(tmp_path / "data").start().stop()
    path = tmp_path / "data" / lost
    path.rename(tmp_path / lost)
    _assert_one_clear_line(_serve(tmp_path / "data"), str(path), "is missing", "backup")
    assert not path.exists()


def test_a_first_start_that_was_cut_short_starts_again(tmp_path):
    """Without format.json the directory was never complete."""
    engine = EngineProcess(tmp_path / "data").start()
    engine.kill()
    (tmp_path / "data" / "format.json").unlink()
    assert EngineProcess(tmp_path / "data").start().stop() == 0


def test_a_damaged_catalog_is_refused(tmp_path):
    """A file that is not a database stays as it is."""
    data = tmp_path / "data"
    (data / "usage").mkdir(parents=True)
    (data / "format.json").write_text('{"format": 1}')
    (data / "catalog.sqlite").write_text("this is not a database, but long enough to be read as one" * 50)
    _assert_one_clear_line(_serve(data), "catalog.sqlite")


@pytest.mark.parametrize("command", [["spend"], ["lines"], ["catalog"], ["apply", "-f", EXAMPLE]])
def test_without_an_engine_each_command_says_so(command):
    """And how to start one."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{unused.getsockname()[1]}"
        done = _meterline(*command, "--target", target)
    _assert_one_clear_line(done, f"no engine answers at {target}", "meterline serve")


def test_apply_names_a_file_that_is_not_there(tmp_path):
    """No engine is needed to see that."""
    _assert_one_clear_line(_meterline("apply", "-f", tmp_path / "none.yaml"), "none.yaml", "No such file")


def test_apply_names_a_file_that_is_no_text(tmp_path):
    """UTF-8 or nothing."""
    (tmp_path / "x.yaml").write_bytes(b"a: \xff")
    _assert_one_clear_line(_meterline("apply", "-f", tmp_path / "x.yaml"), "x.yaml", "UTF-8")


def test_apply_prints_every_mistake_with_file_and_line(running, tmp_path):
    """All mistakes at once, then the verdict; nothing was applied."""
    path = tmp_path / "bad.yaml"
    path.write_text(
        "meters:\n  - {id: m1, event_type: x, agregation: sum}\n"
        "plans:\n  - id: p\n    name: P\n    currency: USX\n    prices: []\n"
    )
    done = _meterline("apply", "-f", path, "--target", running.target)
    assert done.returncode == 2
    *mistakes, verdict = done.stderr.splitlines()
    assert all(mistake.startswith(f"{path}:") for mistake in mistakes)
    assert {mistake.split(":")[1] for mistake in mistakes} == {"2", "6"}
    assert verdict == f"meterline: nothing was applied: {path} has the mistakes above"
    assert "catalog revision 0" in _meterline("spend", "--target", running.target).stdout


def test_the_example_from_empty_to_lines(running):
    """Dry run, apply, apply again, spend, lines as a table and as JSON."""
    target = ("--target", running.target)
    dry = _meterline("apply", "-f", EXAMPLE, "--dry-run", *target)
    assert "+ 64 customers" in dry.stdout
    assert "nothing was applied" in dry.stdout
    for command in ("spend", "lines"):
        first, footer = _meterline(command, *target).stdout.splitlines()
        assert first == "no catalog yet: meterline apply FILE"
        assert footer.endswith("catalog revision 0")
    nothing = _meterline("catalog", *target)
    assert (nothing.stdout, nothing.stderr) == ("", "no catalog yet: meterline apply FILE\n")
    assert "catalog revision 1" in _meterline("apply", "-f", EXAMPLE, *target).stdout
    again = _meterline("apply", "-f", EXAMPLE, *target).stdout
    assert again.startswith("0 changed")
    assert "catalog revision 1" in again
    assert "all customers" in _meterline("spend", "--at", "2023-11-16", *target).stdout
    spends = _meterline("spend", "--at", "2023-11-16", "--top", "3", "--json", *target).stdout.splitlines()
    *customers, total = map(json.loads, spends)
    assert len(customers) == 3
    assert all(each["customer_id"] for each in customers)
    assert (total["customer_id"], total["currency"], total["catalog_revision"]) == ("", "USD", 1)
    assert list(total) == [
        *(
            "as_of",
            "catalog_revision",
            "customer_id",
            "currency",
            "amount",
            "line_item_count",
            "event_count",
            "incomplete",
            "settled",
        )
    ]
    lines = _meterline("lines", "--at", "2023-11-16T12:00:00Z", "--json", *target).stdout.splitlines()
    ids = [json.loads(line)["line_item_id"] for line in lines]
    assert len(ids) == len(set(ids)) > 100
    customer_id = json.loads(lines[0])["customer_id"]
    table = _meterline("lines", "--at", "2023-11-16", "--customer", customer_id, *target)
    assert f"{customer_id}, plan" in table.stdout
    assert "2023-11-01 to 2023-12-01" in table.stdout
    assert {"as_of", "catalog_revision"} <= json.loads(lines[0]).keys()
    nothing = _meterline("lines", "--at", "2020-01-01", *target)
    assert "no subscription covers this instant" in nothing.stdout


@pytest.mark.parametrize(
    ("instant", "wrong"),
    [
        ("yesterday", "is not a valid instant: write 2023-11-16 or"),
        ("2023-11-16T18:15:00", "has no zone: write"),
    ],
)
def test_an_instant_that_is_none_is_a_usage_error(instant, wrong):
    """Words, and a time whose zone was forgotten; click's own exit code for a wrong option is 2 as well."""
    done = _meterline("spend", "--at", instant)
    assert done.returncode == 2
    assert f"{instant!r} {wrong}" in done.stderr


def test_a_target_that_is_none_is_named():
    """In our words, not gRPC's."""
    _assert_one_clear_line(
        _meterline("spend", "--target", "nonsense.invalid:7070"), "no engine answers at nonsense"
    )


def test_an_empty_customer_is_not_everybody():
    """A shell variable that is not set must not list all customers."""
    done = _meterline("lines", "--customer", "")
    assert done.returncode == 2
    assert "is empty" in done.stderr


@pytest.mark.parametrize("words", [("-",), ("-f", "-")])
def test_apply_reads_standard_input(engine, words):
    """A catalog may come out of another program; the file needs no option before it."""
    document = "customers: [{id: piped, name: Piped}]"
    done = _from_shell("apply", *words, "--dry-run", target=engine.target, given=document)
    assert done.returncode == 0
    assert "customer piped" in done.stdout


def test_apply_takes_one_file(tmp_path):
    """None, or one in each way, is a mistake."""
    for words in ((), ("a.yaml", "-f", "b.yaml")):
        _assert_one_clear_line(_meterline("apply", *words), "name one catalog to apply: meterline apply FILE")


def test_the_environment_names_the_engine(engine):
    """For every command that asks one; the option is stronger."""
    assert _from_shell("catalog", target=engine.target).returncode == 0
    _assert_one_clear_line(_from_shell("spend", target="nonsense.invalid:1"), "no engine answers at nonsense")
    done = _from_shell("spend", "--target", engine.target, target="nonsense.invalid:1")
    assert done.returncode == 0
    for command in ("apply", "lines", "usage", "import", "void", "undo", "expire", "reconcile", "conflicts"):
        assert "[env var: METERLINE_TARGET" in " ".join(_meterline(command, "--help").stdout.split())


def _from_shell(*words, target, given=None):
    """A command as it comes from a shell with METERLINE_TARGET."""
    return subprocess.run(
        [sys.executable, "-m", "engine", *words], env={**os.environ, "METERLINE_TARGET": target},
        cwd=ROOT, input=given, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


# The command line, which says a word when its own first line has run: before it Python itself ends, by its own rules.
BEGUN = """
import os, sys
from engine.__main__ import main

class Tell:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "engine.cli":
            os.write(1, b"begun")

sys.meta_path.insert(0, Tell)
main()
"""


@pytest.mark.parametrize("delay_s", [0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_ctrl_c_ends_a_command_without_a_traceback(delay_s):
    """Whenever it comes, while the command loads its parts or waits for an engine that says nothing: exit code 130."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-c", BEGUN, "spend", "--target", target],
            cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert os.read(process.stdout.fileno(), 5) == b"begun"
        time.sleep(delay_s)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=180)
    assert (process.returncode, stderr.strip()) == (130, b"meterline: interrupted")


def test_the_overview_has_its_commands_in_two_columns():
    """What each is for begins in one column."""
    text = _meterline("--help").stdout
    listed = [line for line in text.splitlines() if line.startswith("  meterline ")]
    assert len(listed) > 20
    assert {re.search(" {2,}", line[2:]).end() for line in listed} == {
        len("meterline reconcile --from D --to D  ")
    }


def test_the_help_of_serve_shows_its_commands_one_a_line():
    """No mark-up of the help itself is shown."""
    text = _meterline("serve", "--help").stdout
    assert "\\b" not in text
    command = "meterline serve --tls-cert tls.crt --tls-key tls.key --listen 0.0.0.0:7070"
    assert f"\n  {command} --admin-key-file admin.key\n" in text


@pytest.mark.parametrize("target", ["localhost", "http://localhost:7070"])
def test_a_target_that_is_no_address_is_refused_at_once(target):
    """A port of gRPC's own choice would be looked for."""
    done = _meterline("spend", "--target", target)
    assert done.returncode == 2
    assert f"target is {target!r}" in done.stderr


def test_a_limit_that_can_not_be_is_refused_before_anything_is_made(tmp_path):
    """The name, the form and what contradicts each other, in one line; no data directory is left behind."""
    cases = [
        ("id_byte_max=9", ("--limit id_byte_max is not a limit", "did you mean 'id_bytes_max'?")),
        ("id_bytes_max=many", ("--limit id_bytes_max must be a whole number from 1 to ", "is 'many'")),
        ("id_bytes_max=0", ("--limit id_bytes_max must be a whole number from 1 to ", "is '0'")),
        ("queue_bytes_max=1000", ("request_bytes_max must not be greater than queue_bytes_max",)),
    ]
    told = _serves_in_vain(*(("--data", tmp_path / "data", "--limit", given) for given, _ in cases))
    for (_, parts), done in zip(cases, told, strict=True):
        assert done.returncode == 2
        assert all(part in done.stderr for part in parts), done.stderr
    assert not (tmp_path / "data").exists()


def test_a_limit_of_the_command_line_holds_and_is_named(tmp_path):
    """Both for a request and for an event."""
    with (
        EngineProcess(
            tmp_path / "data", "--limit", "request_bytes_max=200", "--limit", "id_bytes_max=5"
        ) as engine,
        open_channel(engine.target) as channel,
    ):
        stub = UsageServiceStub(channel)
        with pytest.raises(grpc.RpcError, match=r"at most 200 in one \(request_bytes_max\)"):
            stub.RecordUsage(RecordUsageRequest(events=[UsageEvent(event_id="x" * 200)]))
        answer = stub.RecordUsage(RecordUsageRequest(events=[UsageEvent(event_id="123456")]))
    assert answer.problems[0].message == "has 6 bytes; id_bytes_max is 5"


def test_metrics_are_served_and_count_by_convention(running):
    """Prometheus text with the events by verdict and the time of RPCs."""
    _meterline("spend", "--target", running.target)
    text = _http(running, "/metrics")
    assert "# TYPE meterline_events_total counter" in text
    assert 'meterline_rpc_duration_seconds_count{code="OK",method="ListSpend"} 1.0' in text


def test_health_is_asked_over_http(running):
    """At /healthz, beside the metrics; any other path is told which there are."""
    assert _http(running, "/healthz") == "serving\n"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _http(running, "/")


def _http(engine, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.metrics_port}{path}", timeout=120) as response:
        return response.read().decode()


def test_logs_are_json_when_nobody_watches(tmp_path):
    """One object a line: serving, stopping, stopped; and SIGTERM ends with exit code 0."""
    engine = EngineProcess(tmp_path / "data").start()
    assert engine.stop() == 0
    entries = [json.loads(line) for line in engine.log]
    assert [entry["event"] for entry in entries] == ["serving", "stopping", "stopped"]
    assert all(entry.keys() >= {"timestamp", "level", "logger"} for entry in entries)
