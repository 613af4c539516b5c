"""`meterline` commands, each in a process of its own that has loaded the command line already: a fork of one that waits.

    done = run_command("spend", "--target", engine.target, cwd=tmp_path)

A command that starts from nothing takes most of a second to load what it is made of, and most tests run several. Where a test is
about the start itself (a module that is missing, a signal in the first moment), it starts `python -m engine`.

The process that waits has opened nothing and has one thread: a fork of it is a process like a new one.
"""

import array
import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from engine import __main__ as engine_main

ROOT = Path(__file__).parents[2]
_REQUEST_BYTES_MAX = 1 << 20
_lock = threading.Lock()
_waiting = None


def run_command(*words, cwd=ROOT, env=None, stdin=None, given="", timeout_s=180):
    """A subprocess.CompletedProcess with texts. `env`: the whole environment, None: that of the tests; `stdin`: an open file, else the
    text `given`.
    """
    words = [*map(str, words)]
    with contextlib.ExitStack() as stack:
        out, err = (stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(2))
        if stdin is None:
            stdin = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            stdin.write(given)
            stdin.seek(0)
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        stack.callback(here.close)
        request = json.dumps(
            {"words": words, "cwd": str(cwd), "env": dict(os.environ if env is None else env)}
        )
        with _lock:
            files = [there.fileno(), _number(stdin), out.fileno(), err.fileno()]
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))
            _process().sendmsg([request.encode()], [rights])
        there.close()
        here.settimeout(timeout_s)
        pid = int(here.recv(32))
        try:
            status = int(here.recv(32))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, timeout_s) from None
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
        return subprocess.CompletedProcess(words, os.waitstatus_to_exitcode(status), *texts)


def _number(file):
    return file if isinstance(file, int) else file.fileno()


def _process():
    """The socket of the process that waits; it ends with this one, whose end of the socket is then closed."""
    global _waiting  # noqa: PLW0603 - one for a process of tests
    if _waiting is None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _REQUEST_BYTES_MAX)
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.command_processes", str(there.fileno())],
            cwd=ROOT,
            pass_fds=[there.fileno()],
        )
        there.close()
        _waiting = here
    return _waiting


def _serve(requests):
    """Each request in a fork, beside a process that waits for its end."""
    _load()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        text, ancillary, _, _ = requests.recvmsg(_REQUEST_BYTES_MAX, socket.CMSG_SPACE(16))
        if not text:
            return
        files = array.array("i")
        for _, _, data in ancillary:
            files.frombytes(data)
        if os.fork() == 0:
            requests.close()
            _attend(json.loads(text), *files)
        for file in files:
            os.close(file)


def _attend(request, answers, *files):
    """Runs the command in a child, and says how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    told = socket.socket(fileno=answers)
    pid = os.fork()
    if pid == 0:
        told.close()
        _run(request, files)
    told.send(str(pid).encode())
    _, status = os.waitpid(pid, 0)
    told.send(str(status).encode())
    os._exit(0)


def _run(request, files):
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    # What `python -m engine` has, by which messages name the command.
    sys.modules["__main__"] = engine_main
    sys.argv = [str(engine_main.__file__), *request["words"]]
    code = 1
    try:
        engine_main.main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter ends with it
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _load():
    """All that commands are made of, but what opens a store."""
    sys.meta_path.insert(0, engine_main._NoPandas())
    commands = importlib.import_module("engine.cli")
    for name in commands.cli.list_commands(None):
        if name not in {"serve", "doctor", "backup", "migrate"}:
            commands.cli.get_command(None, name)


if __name__ == "__main__":
    # Ctrl-C is for the tests.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve(socket.socket(fileno=int(sys.argv[1])))
