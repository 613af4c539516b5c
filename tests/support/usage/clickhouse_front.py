"""A ClickHouse server for tests: chDB behind the part of ClickHouse's HTTP interface that the driver uses, in a
process of its own, with faults on demand.

    python clickhouse_front.py DIRECTORY PORT CONTROL_PORT    (0: free ones; prints them as JSON when it serves)

It is a double: SQL, storage and their durability are ClickHouse's own; HTTP, users, the list of running queries,
KILL QUERY and `input()` (read from a file instead) are made here.

The control port takes POST with JSON: /fault {kind, only, times, seconds}, /clear, /outage, /resume. Kinds:
slow             waits before it executes
reset_before     the connection is reset, nothing is executed
reset_after      executed, then the connection is reset
truncate         half of the answer, then the end
unavailable      503
disk_full        ClickHouse's code 243
freeze           the request waits unseen, as in a socket's buffer, and is executed when the fault is cleared
hang             listed as running, then waits likewise; KILL QUERY ends it
"""

import base64
import contextlib
import email.parser
import email.policy
import json
import queue
import re
import socket
import struct
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame

from engine.errors import StoreUnavailableError
from engine.usage.store.backends.write_watch import WriteWatch
from engine.usage.store.tables.settings import EMBEDDED_OPTIONS

USER, PASSWORD = "meterline", "s3cret/pass word"
CONNECTIONS = 6
# What is passed on of a request's settings; the others are about HTTP or would end queries by the clock.
SETTINGS = ("do_not_merge_across_partitions_select_final", "optimize_on_insert", "insert_deduplicate")
FORMAT_ARROW = re.compile(rb"FORMAT Arrow\n")
# Of an insert whose rows come from a file: its text is in the URL.
INSERT_NATIVE = re.compile(rb"\s*INSERT INTO .* FORMAT Native\s*", re.DOTALL)
# What a server takes by default: http_max_uri_size, http_max_field_value_size, max_query_size.
URI_BYTES_MAX, FIELD_BYTES_MAX, QUERY_BYTES_MAX = 1024 * 1024, 128 * 1024, 256 * 1024


class ServerError(Exception):
    def __init__(self, code: int, text: str, status: int = 500) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}")
        self.code, self.status = code, status


@dataclass
class Fault:
    kind: str
    only: str = "any"
    times: int = 1 << 30
    seconds: float = 0
    cleared: threading.Event = field(default_factory=threading.Event)


class Faults:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self.seen: dict[str, int] = {}

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            for fault in self._faults:
                fault.cleared.set()
            self._faults = []

    def take(self, kind: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and fault.only in {kind, "any"}:
                    fault.times -= 1
                    self.seen[fault.kind] = self.seen.get(fault.kind, 0) + 1
                    return fault
        return None


class Engine:
    """chDB through a few connections, and the list of running queries."""

    def __init__(self, path: Path) -> None:
        self._free: queue.SimpleQueue[object] = queue.SimpleQueue()
        options = "&".join(f"{name}={value}" for name, value in EMBEDDED_OPTIONS.items())
        for _ in range(CONNECTIONS):
            self._free.put(chdb.connect(f"{path}?{options}"))
        # A server raises when its disk refuses a write; chDB does not, and is made to.
        watching = chdb.connect(f"{path}?{options}")
        self._watch = WriteWatch(
            Path(path),
            watching.query,
            lambda sql: [
                line.split("\t") for line in watching.query(sql, "TabSeparated").data().splitlines()
            ],
        )
        self.changed = threading.Condition()
        self.running: dict[str, bool] = {}  # query id: whether it was killed

    @contextlib.contextmanager
    def listed(self, query_id: str):
        with self.changed:
            if query_id in self.running:
                raise ServerError(216, f"Query with id = {query_id} is already running.")
            self.running[query_id] = False
        try:
            yield
        finally:
            with self.changed:
                del self.running[query_id]
                self.changed.notify_all()

    def run(
        self, sql: str, parameters: dict[str, str], settings: dict[str, str], database: str | None
    ) -> bytes:
        if sql.startswith("KILL QUERY WHERE "):
            self._kill(sql.removeprefix("KILL QUERY WHERE ").removesuffix(" SYNC"))
            return b""
        with self.changed:
            listed = ", ".join(f"'{each}'" for each in self.running)
        sql = sql.replace("system.processes", f"(SELECT arrayJoin([{listed}]::Array(String)) AS query_id)")
        while True:
            try:
                seen, failure, result = self._watch.look(), None, b""
                try:
                    result = self._execute(sql, parameters, settings, database)
                except ServerError as error:
                    failure = error
                if self._watch.look() == seen:
                    break
            except StoreUnavailableError as error:
                raise ServerError(243, str(error)) from error
            if not sql.startswith(("SELECT", "WITH", "SHOW")):
                raise ServerError(243, "No space left on device")
            # A server's merges break nothing that a read could meet: read again what is mended.
        if failure:
            raise failure
        return result

    def _execute(
        self, sql: str, parameters: dict[str, str], settings: dict[str, str], database: str | None
    ) -> bytes:
        connection = self._free.get()
        try:
            for name in SETTINGS:
                if name in settings:
                    connection.query(f"SET {name} = {int(settings[name])}")
            connection.query(f"USE {database or 'default'}")
            return connection.query(sql, "TabSeparated", params=parameters).bytes()
        except Exception as error:
            code = re.search(r"Code: (\d+)\. DB::Exception: (.*)", str(error))
            if code is None:
                raise
            raise ServerError(int(code[1]), code[2]) from error
        finally:
            self._free.put(connection)

    def read(
        self,
        sql: str,
        options: dict[str, str],
        files: dict[str, bytes],
        parameters: dict[str, str],
    ) -> bytes:
        """A statement with tables of its own, which a server calls external: from files here."""
        with contextlib.ExitStack() as stack:
            for name, data in files.items():
                file = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".arrow"))
                file.write(data)
                file.flush()
                table = (
                    f"file('{file.name}', '{options[f'{name}_format']}', '{options[f'{name}_structure']}')"
                )
                sql = re.sub(rf"\b{name}\b", table, sql)
            return self.run(sql, parameters, options, options.get("database"))

    def insert(self, statement: str, data: bytes, settings: dict[str, str], database: str | None) -> bytes:
        with tempfile.NamedTemporaryFile(suffix=".arrow") as file:
            file.write(data)
            file.flush()
            target, _, rows_format = statement.strip().rpartition(" FORMAT ")
            if "input(" in target:
                sql = target.replace("input('", f"file('{file.name}', 'Arrow', '")
            else:
                sql = f"{target} FROM INFILE '{file.name}' FORMAT {rows_format}"
            return self.run(sql, {}, settings, database)

    def _kill(self, condition: str) -> None:
        with self.changed:
            ids = list(self.running)
        if not ids:
            return
        listed = ", ".join(f"'{each}'" for each in ids)
        found = self.run(
            f"SELECT query_id FROM (SELECT arrayJoin([{listed}]) AS query_id) WHERE {condition}", {}, {}, None
        )
        killed = set(found.decode().split())
        with self.changed:
            for each in killed & set(self.running):
                self.running[each] = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: not killed & set(self.running), timeout=120)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    engine: Engine
    faults: Faults

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        try:
            self._serve()
        except ServerError as error:
            headers = {"X-ClickHouse-Exception-Code": str(error.code)} if error.code else {}
            self._answer(str(error).encode(), error.status, headers)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _serve(self) -> None:
        options, files, body = self._request()
        text = options.get("query", "").encode()
        arrow = None if text else FORMAT_ARROW.search(body[:16_384])
        inserts = bool(arrow) or INSERT_NATIVE.fullmatch(text) is not None
        if arrow:
            text, body = body[: arrow.end() - 1], body[arrow.end() :]
        elif not text:
            text, body = body, b""
        fault = self.faults.take("insert" if inserts else "control" if _is_control(text) else "read")
        kind = fault.kind if fault else ""
        if kind == "reset_before":
            self._reset()
            return
        self._refuse_or_wait(fault)
        query_id = options.get("query_id") or f"own-{threading.get_ident()}-{time.monotonic_ns()}"
        with self.engine.listed(query_id):
            if kind == "hang":
                self._hang(query_id, fault)
            database = options.get("database")
            if inserts:
                result = self.engine.insert(text.decode(), body, options, database)
            else:
                bound = {name[6:]: value for name, value in options.items() if name.startswith("param_")}
                result = self.engine.read(text.decode(), options, files, bound)
        if kind == "reset_after":
            self._reset()
            return
        headers = {
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Timezone": "UTC",
            "X-ClickHouse-Summary": "{}",
        }
        compressed = options.get("enable_http_compression") == "1" and "lz4" in self.headers.get(
            "Accept-Encoding", ""
        )
        if compressed and result:
            result = lz4.frame.compress(result)
            headers["Content-Encoding"] = "lz4"
        self._answer(result, 200, headers, cut=kind == "truncate")

    def _body(self):
        """With a length, or in chunks, as a client sends what it reads from a file."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _request(self) -> tuple[dict[str, str], dict[str, bytes], bytes]:
        """Settings and parameters, files, and what is left of the body; within a server's bounds."""
        body = self._body()
        if len(self.path) > URI_BYTES_MAX:
            raise ServerError(0, "URI Too Long", 414)
        options = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        files: dict[str, bytes] = {}
        if (self.headers.get("Content-Type") or "").startswith("multipart/form-data"):
            fields, files = _form(self.headers["Content-Type"], body)
            options |= fields
            body = b""
        self._check_user()
        for name, value in options.items():
            if len(value.encode()) > FIELD_BYTES_MAX:
                raise ServerError(1000, f"HTML Form Exception: Field value too long: {name[:40]}")
        is_data = FORMAT_ARROW.search(body[:16_384]) or INSERT_NATIVE.fullmatch(
            options.get("query", "").encode()
        )
        if not is_data and len(body) > QUERY_BYTES_MAX:
            raise ServerError(62, "Syntax error: Max query size exceeded. (SYNTAX_ERROR)")
        return options, files, body

    def _refuse_or_wait(self, fault: Fault | None) -> None:
        match fault.kind if fault else "":
            case "unavailable":
                raise ServerError(0, "Service Unavailable", 503)
            case "disk_full":
                raise ServerError(243, "Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)")
            case "slow":
                time.sleep(fault.seconds)
            case "freeze":
                fault.cleared.wait()

    def _hang(self, query_id: str, fault: Fault) -> None:
        with self.engine.changed:
            while not fault.cleared.is_set() and not self.engine.running[query_id]:
                self.engine.changed.wait(0.02)
            if self.engine.running[query_id]:
                raise ServerError(394, "Query was cancelled. (QUERY_WAS_CANCELLED)")

    def _check_user(self) -> None:
        given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        if given != f"{USER}:{PASSWORD}":
            raise ServerError(
                516, f"{given.partition(':')[0]}: Authentication failed. (AUTHENTICATION_FAILED)", 403
            )

    def _answer(self, body: bytes, status: int, headers: dict[str, str], *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def _reset(self) -> None:
        # Linger 0: the kernel answers with RST instead of an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.wfile.close()
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class Front(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Handler)

    def process_request(self, request: socket.socket, client_address: object) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self._open.discard(request)
        with contextlib.suppress(OSError):
            super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        pass

    def vanish(self) -> None:
        """Takes no connection and drops those that are open."""
        self.shutdown()
        self.server_close()
        for request in list(self._open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)


class Control:
    """The faults, and the listener that can be taken away."""

    def __init__(self, port: int) -> None:
        self.front: Front | None = None
        self.port = port
        self.resume()

    def resume(self) -> None:
        if self.front is None:
            self.front = Front(self.port)
            self.port = self.front.server_address[1]
            threading.Thread(target=self.front.serve_forever, args=(0.02,), daemon=True).start()

    def outage(self) -> None:
        if self.front is not None:
            self.front.vanish()
            self.front = None

    def do(self, command: str, body: dict[str, object]) -> dict[str, object]:
        if command == "/fault":
            Handler.faults.add(Fault(**body))
        elif command == "/clear":
            Handler.faults.clear()
        elif command == "/outage":
            self.outage()
        elif command == "/resume":
            self.resume()
        return {"seen": Handler.faults.seen}


def _is_control(text: bytes) -> bool:
    return b"fences" in text or b"KILL QUERY" in text or b"system.processes" in text


def _form(content_type: str, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """The fields of a form, and its files."""
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body
    )
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if part.get_filename() is None:
            fields[name] = content.decode()
        else:
            files[name] = content
    return fields, files


def main() -> None:
    Handler.engine = Engine(Path(sys.argv[1]))
    Handler.faults = Faults()
    control = Control(int(sys.argv[2]))

    class ControlHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            answer = json.dumps(control.do(self.path, body)).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    ears = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[3])), ControlHandler)
    print(json.dumps({"port": control.port, "control_port": ears.server_address[1]}), flush=True)
    ears.serve_forever()


if __name__ == "__main__":
    main()
