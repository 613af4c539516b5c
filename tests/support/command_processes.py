"""`meterline` commands, each in a process of its own that has loaded the command line already: a fork of one that waits.

    done = run_command("spend", "--target", engine.target, cwd=tmp_path)
    done = run_module("tests.support.killed_close", usage, url)
    running = start_command(["serve", "--data", str(data)])

Also modules of the tests that are made of what the engine is made of (`run_module`, `start_module`).

A command that starts from nothing takes most of a second to load what it is made of, `serve` two, and most tests run several.
Where a test is about the start itself (a module that is missing, a signal in the first moment), it starts `python -m engine`.

The process that waits has opened nothing, and no thread of it runs Python but one: a fork of it is a process like a new one.
"""

import array
import contextlib
import gc
import importlib
import json
import os
import runpy
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


_COMMAND = "engine"


class RunningCommand:
    """What of subprocess.Popen its keepers ask for. `stdout`, `stderr`: what it says, if it was started with a pipe."""

    def __init__(self, pid, told, *, stdout=None, stderr=None):
        self.pid = pid
        self.stdout = stdout
        self.stderr = stderr
        self._told = told
        self._code = None
        self._ending = threading.Lock()

    def poll(self):
        """The exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self._code

    def wait(self, timeout=None):
        """The exit code; of a process that a signal ended, minus its number."""
        with self._ending:
            if self._code is None:
                self._told.settimeout(timeout)
                try:
                    code = self._told.recv(32)
                except (TimeoutError, BlockingIOError):
                    raise subprocess.TimeoutExpired("meterline", timeout) from None
                self._code = int(code)
                self._told.close()
        return self._code


def start_command(words):
    """The command in a session of its own, as a terminal's Ctrl-C does not reach it; its stderr is a pipe."""
    with _pipe() as (reads, writes):
        pid, told = _fork(_COMMAND, words, ROOT, os.environ, [None, 1, writes], leads_session=True)
    return RunningCommand(pid, told, stderr=reads)


def start_module(module, *words):
    """`python -m MODULE` in a session of its own; its stdout is a pipe."""
    with _pipe() as (reads, writes):
        pid, told = _fork(module, words, ROOT, os.environ, [None, writes, 2], leads_session=True)
    return RunningCommand(pid, told, stdout=reads)


@contextlib.contextmanager
def _pipe():
    """The end that this process reads as text, and the file of the one that another writes."""
    reads, writes = os.pipe()
    try:
        yield os.fdopen(reads, encoding="utf-8", errors="replace"), writes
    finally:
        os.close(writes)


def run_command(*words, cwd=ROOT, env=None, stdin=None, given="", timeout_s=180):
    """A subprocess.CompletedProcess with texts. `env`: the whole environment, None: that of the tests; `stdin`: an open file, else the
    text `given`.
    """
    return _ran(_COMMAND, words, cwd, env, stdin, given, timeout_s)


def run_module(module, *words, timeout_s=180):
    """`python -m MODULE` with these words, to its end."""
    return _ran(module, words, ROOT, None, None, "", timeout_s)


def _ran(module, words, cwd, env, stdin, given, timeout_s):
    with contextlib.ExitStack() as stack:
        out, err = (stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(2))
        if stdin is None:
            stdin = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            stdin.write(given)
            stdin.seek(0)
        files = [_number(stdin), out.fileno(), err.fileno()]
        running = RunningCommand(*_fork(module, words, cwd, os.environ if env is None else env, files))
        try:
            code = running.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.kill(running.pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, timeout_s) from None
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
        return subprocess.CompletedProcess(words, code, *texts)


def _fork(module, words, cwd, env, files, *, leads_session=False):
    """The command's process id, and the socket that its end comes by. A file of None is empty."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = json.dumps(
        {
            "module": module,
            "words": [*map(str, words)],
            "cwd": str(cwd),
            "env": dict(env),
            "leads_session": leads_session,
        }
    )
    with there, Path(os.devnull).open("rb") as nothing, _lock:
        files = [nothing.fileno() if each is None else each for each in files]
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [there.fileno(), *files]))
        _process().sendmsg([request.encode()], [rights])
    return int(here.recv(32)), here


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
    for file in files:
        os.close(file)
    told.send(str(pid).encode())
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    told.send(str(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status).encode())
    # Until its keeper has heard of it, the process's number is given to no other.
    told.recv(1)
    os.waitpid(pid, 0)
    os._exit(0)


def _run(request, files):
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    if request["leads_session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    code = 1
    try:
        _do(request["module"], request["words"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter ends with it
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _do(module, words):
    sys.argv = [module, *words]
    if module != _COMMAND:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    # What `python -m engine` has, by which messages name the command.
    sys.modules["__main__"] = engine_main
    sys.argv[0] = str(engine_main.__file__)
    engine_main.main()


def _load():
    """All that commands are made of, but chDB, which starts threads of its own where it is loaded."""
    sys.meta_path.insert(0, engine_main._NoPandas())
    commands = importlib.import_module("engine.cli")
    for name in commands.cli.list_commands(None):
        commands.cli.get_command(None, name)
    # What commands load when they run.
    for name in ("engine.app.serving", "uvicorn.lifespan.off", "encodings.idna"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    # Ctrl-C is for the tests.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _serve(socket.socket(fileno=int(sys.argv[1])))
