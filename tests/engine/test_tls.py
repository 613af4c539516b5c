"""TLS on every port: certificates checked, rotated under load, and shown by callers in place of a key."""

import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import grpc
import pytest
import trustme
from cryptography import x509

from examples.engine_process import EngineProcess
from meterline import Client, open_channel
from meterline.v1.access_pb2 import CreateApiKeyRequest, ListAuditRecordsRequest, RevokeApiKeyRequest
from meterline.v1.access_pb2_grpc import AccessServiceStub
from meterline.v1.spend_pb2 import ListSpendRequest
from meterline.v1.spend_pb2_grpc import SpendServiceStub
from tests.support.command_processes import run_command
from tests.support.engine.api_world import refusal

ROOT = Path(__file__).parents[2]


class Authority:
    """An authority of the test's own, and the files that it fills."""

    def __init__(self, directory):
        self._directory = directory
        self._authority = trustme.CA()
        self.certificate = directory / "tls.crt"
        self.private_key = directory / "tls.key"
        self.authorities = directory / "ca.crt"
        self._authority.cert_pem.write_to_path(self.authorities)
        self.issue()

    def issue(self):
        """A new certificate of the engine, put in place as a person or a tool would: one file, then the other."""
        made = self._authority.issue_cert("localhost", "127.0.0.1")
        fresh = self._directory / "fresh"
        for place, pem in (
            (self.private_key, made.private_key_pem.bytes()),
            (self.certificate, b"".join(each.bytes() for each in made.cert_chain_pems)),
        ):
            fresh.write_bytes(pem)
            fresh.replace(place)
        return ssl.PEM_cert_to_DER_cert(made.cert_chain_pems[0].bytes().decode())

    def client(self, *names, **fields):
        """What a caller of this name shows, and by what it checks the engine."""
        made = self._authority.issue_cert(*names, **fields)
        return grpc.ssl_channel_credentials(
            self.authorities.read_bytes(),
            made.private_key_pem.bytes(),
            b"".join(each.bytes() for each in made.cert_chain_pems),
        )

    @property
    def trust(self):
        return grpc.ssl_channel_credentials(self.authorities.read_bytes())

    @property
    def options(self):
        return ("--tls-cert", str(self.certificate), "--tls-key", str(self.private_key))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def engine(authority, tmp_path_factory):
    options = (*authority.options, "--http-listen", "127.0.0.1:0")
    with EngineProcess(tmp_path_factory.mktemp("engine") / "data", *options) as running:
        yield running


@pytest.fixture(scope="module")
def strict(authority, tmp_path_factory):
    """An engine that asks its callers for certificates."""
    options = (*authority.options, "--tls-client-ca", str(authority.authorities))
    options += ("--http-listen", "127.0.0.1:0")
    with EngineProcess(tmp_path_factory.mktemp("strict") / "data", *options) as running:
        yield running


def _shown(target):
    """The certificate that a new connection is shown, in DER."""
    host, _, port = target.rpartition(":")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, int(port)), timeout=120) as plain,
        context.wrap_socket(plain) as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True)


def _listed(channel):
    return SpendServiceStub(channel).ListSpend(ListSpendRequest(), timeout=120)


def test_clients_and_commands_check_the_certificate(engine, authority):
    """By the authorities that they are given; without them a command says that it is TLS that does not fit."""
    with open_channel(engine.target, credentials=authority.trust) as channel:
        assert _listed(channel).HasField("as_of")
    with Client(engine.target, credentials=authority.trust) as client:
        assert list(client.lines()) == []
    spend = [sys.executable, "-m", "engine", "spend", "--target", engine.target]
    done = subprocess.run(
        [*spend, "--tls-ca", str(authority.authorities)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "as of" in done.stdout) == (0, True), done.stderr
    for options in ([], ["--tls"]):
        refused = subprocess.run([*spend, *options], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (refused.returncode, "not with TLS as this command has it" in refused.stderr) == (2, True), (
            refused.stderr
        )


def test_the_other_ports_are_encrypted_too(engine, authority):
    """And ask for no certificate: whoever scrapes and probes has none, and over HTTP a key says who calls."""
    context = ssl.create_default_context(cafile=authority.authorities)
    for port, page, text in (
        (engine.metrics_port, "healthz", "serving"),
        (engine.metrics_port, "metrics", "meterline_events_total"),
        (engine.http_port, "openapi.json", "meterline.v1.UsageService"),
    ):
        url = f"https://127.0.0.1:{port}/{page}"
        with urllib.request.urlopen(url, timeout=120, context=context) as response:
            assert text in response.read().decode()


def test_when_the_certificate_expires_is_a_metric(engine, authority):
    """The instant that is in the certificate that is shown."""
    context = ssl.create_default_context(cafile=authority.authorities)
    url = f"https://127.0.0.1:{engine.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=120, context=context) as response:
        found = re.search(
            r"^meterline_certificate_expires_timestamp_seconds (\S+)$", response.read().decode(), re.MULTILINE
        )
    shown = x509.load_der_x509_certificate(_shown(engine.target))
    assert float(found[1]) == shown.not_valid_after_utc.timestamp()


def test_a_peer_that_never_shakes_hands_holds_no_port_up(engine, authority):
    """Some that connect to either port and say nothing."""
    host, _, port = engine.target.rpartition(":")
    silent = [
        socket.create_connection((host, each), timeout=120)
        for each in (int(port), engine.metrics_port, engine.http_port)
        for _ in range(20)
    ]
    try:
        context = ssl.create_default_context(cafile=authority.authorities)
        url = f"https://127.0.0.1:{engine.metrics_port}/healthz"
        with urllib.request.urlopen(url, timeout=120, context=context) as response:
            assert response.status == 200
        with open_channel(engine.target, credentials=authority.trust) as channel:
            assert _listed(channel)
    finally:
        for each in silent:
            each.close()


def test_a_certificate_is_rotated_under_load_without_a_failed_call(engine, authority):
    """New connections get the new one, on every port; calls on old and new connections go on."""
    failures, calls, stop = [], [0], threading.Event()

    def load():
        while not stop.is_set():
            try:
                options = [("grpc.use_local_subchannel_pool", 1)]
                with open_channel(engine.target, credentials=authority.trust, options=options) as channel:
                    for _ in range(5):
                        _listed(channel)
                        calls[0] += 1
            except grpc.RpcError as error:
                failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for each in threads:
        each.start()
    try:
        for _ in range(5):
            issued = authority.issue()
            assert _shown(engine.target) == issued
            assert _shown(f"127.0.0.1:{engine.metrics_port}") == issued
            assert _shown(f"127.0.0.1:{engine.http_port}") == issued
            before = calls[0]
            while calls[0] < before + 10 and not failures:
                stop.wait(0.01)
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert failures == []


def test_files_that_do_not_fit_together_change_nothing(engine, authority):
    """The certificate of before is served; the log says why."""
    before = _shown(engine.target)
    kept = authority.private_key.read_bytes()
    authority.private_key.write_bytes(trustme.CA().issue_cert("localhost").private_key_pem.bytes())
    assert _shown(engine.target) == _shown(f"127.0.0.1:{engine.metrics_port}") == before
    assert any("new certificate files can't be used" in line for line in engine.log)
    authority.private_key.write_bytes(kept)
    issued = authority.issue()
    assert _shown(engine.target) == issued
    with open_channel(engine.target, credentials=authority.trust) as channel:
        assert _listed(channel)


def test_a_certificate_stands_for_a_key(strict, authority):
    """Its tenant and scopes are the key's; the audit log names the key; revoked, it opens nothing."""
    with open_channel(strict.target, credentials=authority.client("admin.test")) as channel:
        admin = AccessServiceStub(channel)
        names = {"chat.test": "chat.test", "spiffe": "spiffe://prod/chat"}
        keys = {
            each: admin.CreateApiKey(
                CreateApiKeyRequest(
                    name=each, scopes=["SCOPE_INGEST", "SCOPE_READ"], certificate_subject=subject
                ),
                timeout=120,
            )
            for each, subject in names.items()
        }
        assert {each.key_text for each in keys.values()} == {""}
        taken = CreateApiKeyRequest(name="again", scopes=["SCOPE_READ"], certificate_subject="chat.test")
        assert refusal(lambda: admin.CreateApiKey(taken, timeout=120))[0] is grpc.StatusCode.ALREADY_EXISTS

        with grpc.secure_channel(strict.target, authority.client("chat.test")) as chat:
            assert _listed(chat)
            code, line, _ = refusal(
                lambda: AccessServiceStub(chat).ListAuditRecords(ListAuditRecordsRequest(), timeout=120)
            )
            assert (code, "'admin'" in line) == (grpc.StatusCode.PERMISSION_DENIED, True)
            newest = admin.ListAuditRecords(ListAuditRecordsRequest(page_size=1), timeout=120).audit_records[
                0
            ]
            assert newest.credential == f"key:{keys['chat.test'].api_key.key_id}"
            admin.RevokeApiKey(RevokeApiKeyRequest(key_id=keys["chat.test"].api_key.key_id), timeout=120)
            assert refusal(lambda: _listed(chat))[0] is grpc.StatusCode.UNAUTHENTICATED
            admin.CreateApiKey(taken, timeout=120)
            assert _listed(chat)


def test_without_a_certificate_of_the_authority_nobody_is_heard(strict, authority, tmp_path):
    """Neither without one nor with another authority's; a certificate that no key belongs to shows nobody."""
    stranger = Authority(_made(tmp_path / "stranger"))
    own = trustme.CA().issue_cert("admin.test")
    foreign = grpc.ssl_channel_credentials(
        authority.authorities.read_bytes(), own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes()
    )
    for credentials in (authority.trust, foreign, stranger.trust):
        with open_channel(strict.target, credentials=credentials) as channel:
            assert refusal_code(channel) is grpc.StatusCode.UNAVAILABLE
    with grpc.secure_channel(strict.target, authority.client("nobody.test")) as channel:
        assert refusal_code(channel) is grpc.StatusCode.UNAUTHENTICATED
    trusting = ssl.create_default_context(cafile=authority.authorities)
    with pytest.raises(OSError, match=r"(?i)certificate required|closed|EOF|reset|alert"):
        urllib.request.urlopen(f"https://127.0.0.1:{strict.http_port}/healthz", timeout=120, context=trusting)
    context = ssl.create_default_context(cafile=authority.authorities)
    url = f"https://127.0.0.1:{strict.metrics_port}/healthz"
    with urllib.request.urlopen(url, timeout=120, context=context) as response:
        assert response.status == 200


def refusal_code(channel):
    with pytest.raises(grpc.RpcError) as refused:
        _listed(channel)
    return refused.value.code()


def _made(directory):
    directory.mkdir()
    return directory


def test_plain_text_beyond_loopback_needs_a_word(tmp_path):
    """API keys would travel readable: the engine does not start, and leaves nothing behind."""
    data = tmp_path / "data"
    done = run_command("serve", "--data", data, "--no-metrics", "--listen", "0.0.0.0:0")
    assert (done.returncode, "--plaintext" in done.stderr, data.exists()) == (2, True, False)
    with EngineProcess(data, "--listen", "0.0.0.0:0", "--plaintext") as engine:
        port = engine.target.rpartition(":")[2]
        with open_channel(f"127.0.0.1:{port}") as channel:
            assert _listed(channel)


@pytest.mark.parametrize("broken", ["missing", "not PEM", "alone"])
def test_certificate_files_that_can_not_be_used_end_the_start(authority, tmp_path, broken):
    """In one line that names them."""
    own = _made(tmp_path / "own")
    for file in (authority.certificate, authority.private_key):
        shutil.copy(file, own)
    options = ["--tls-cert", str(own / "tls.crt"), "--tls-key", str(own / "tls.key")]
    if broken == "missing":
        (own / "tls.key").unlink()
    elif broken == "not PEM":
        (own / "tls.crt").write_text("certificate")
    else:
        options = options[:2]
    done = run_command("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", *options)
    assert done.returncode == 2
    assert ("--tls-key" if broken == "alone" else "tls.crt") in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
