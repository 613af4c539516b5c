"""One file to its end: read, map, send, and keep account of every row.

Rules:
1. Requests are answered for in the order of their rows, so that the state never has a gap.
2. A reject is on disk before the state says that its row is done.
3. Two requests are under way at a time: one is stored while the next is read.
"""

import itertools
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path

from engine.cli.imports.courier import Courier
from engine.cli.imports.import_input import ImportInput
from engine.cli.imports.import_options import ImportOptions
from engine.cli.imports.import_requests import ImportRequest, requests_of
from engine.cli.imports.import_state import ImportState, Progress
from engine.cli.imports.rejects_file import Reject, RejectsFile
from engine.cli.imports.rows import Row, RowSource
from engine.cli.terminal.connection import CommandError
from engine.json_cells import Flaw
from meterline.v1.usage_pb2 import ProblemReason, RecordUsageColumnsResponse, Verdict

_REQUESTS_IN_FLIGHT = 2
# Each is at most 1 MiB, and held until one is good; a file that begins so is of another format.
_BAD_ROWS_MAX = 100
Report = Callable[[int, int, Progress], None]
"""Called after each request: how much is read, of how much, and the account so far."""


class FileImport:
    """One file, and what is kept beside it."""

    def __init__(
        self, path: Path, options: ImportOptions, state_path: Path | None, rejects_path: Path
    ) -> None:
        self._path, self._options = path, options
        self._state_path, self._rejects_path = state_path, rejects_path
        self._state: ImportState | None = None
        # Rows that had their verdict from an earlier run.
        self.rows_before = 0
        # Whether a second run can go on where this one ends.
        self.is_kept = state_path is not None

    @property
    def progress(self) -> Progress:
        """What is known to be done: nothing before `run` has read the state."""
        return self._state.progress if self._state is not None else Progress()

    def run(self, courier: Courier, report: Report) -> Progress:
        """Sends every row that has no verdict yet.

        Raises:
            CommandError: it can't go on; what was acknowledged is kept.
        """
        with ImportInput.open(self._path) as given:
            source = self._options.source(given)
            state = ImportState(
                self._state_path,
                given.content.sha256,
                self._options.digest(given.name),
                self._options.ids_digest(given.name),
                courier.target,
                courier.key_id,
                is_editable=source.takes_back,
            )
            state.load(str(given.name))
            self._state = state
            rejects = RejectsFile(self._rejects_path, state.progress.rejects_bytes)
            try:
                self._send_all(given, source, courier, rejects, report)
            finally:
                rejects.close()
            if not state.is_finished:
                state.finish()
        return state.progress

    def _send_all(
        self,
        given: ImportInput,
        source: RowSource,
        courier: Courier,
        rejects: RejectsFile,
        report: Report,
    ) -> None:
        rows = source.rows()
        # Without the columns of a header, those of the first row that can be read: were a bad line before it to say
        # that the file has no ids, every row would count again under a made one.
        begun: list[Row] = []
        first_columns: set[str] = set()
        for row in rows:
            begun.append(row)
            if not isinstance(row.cells, Flaw):
                first_columns = set(row.cells)
            elif len(begun) >= _BAD_ROWS_MAX:
                raise CommandError(f"its first {_BAD_ROWS_MAX} rows can't be read: {row.cells.message}")
            if first_columns or source.columns is not None:
                break
        mapping = self._options.mapping(
            given.name,
            source.columns,
            first_columns | set(source.columns or ()),
            takes_back=source.takes_back,
        )
        rejects.begin()
        done = self.rows_before = self.progress.rows
        every = itertools.chain(begun, rows)
        left = (row for row in every if row.number > done)
        waiting: deque[tuple[ImportRequest, Future[RecordUsageColumnsResponse] | None]] = deque()

        def settle() -> None:
            request, answer = waiting.popleft()
            self._settle(request, answer.result() if answer is not None else None, rejects, made_id)
            report(*source.progress(), self.progress)

        made_id = partial(mapping.made_id, derived_id=given.content.event_id)
        pool = ThreadPoolExecutor(_REQUESTS_IN_FLIGHT, thread_name_prefix="meterline-import")
        try:
            for request in requests_of(left, mapping, given.content.event_id):
                if not given.is_still():
                    raise CommandError("it has been changed meanwhile")
                waiting.append(
                    (request, pool.submit(courier.deliver, request.payload) if request.payload else None)
                )
                if len(waiting) > _REQUESTS_IN_FLIGHT:
                    settle()
            while waiting:
                settle()
        finally:
            courier.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)

    def _settle(
        self,
        request: ImportRequest,
        answer: RecordUsageColumnsResponse | None,
        rejects: RejectsFile,
        made_id: Callable[[Row], str | None],
    ) -> None:
        if self._state is None:
            raise RuntimeError("an answer came before the state was read")
        progress = self._state.progress
        bad = [
            Reject(
                row.number,
                "rejected",
                problem.field,
                problem.reason,
                problem.message,
                made_id(row),
                row.original,
            )
            for row, problem in request.problems
        ]
        progress.rejected += len(bad)
        if answer is not None:
            _count(progress, request, answer)
            bad += _refused(request, answer, made_id)
        progress.rejects_bytes = rejects.add(sorted(bad, key=lambda reject: reject.row))
        progress.rows = request.last_row
        self._state.save()


def _count(progress: Progress, request: ImportRequest, answer: RecordUsageColumnsResponse) -> None:
    if len(answer.verdicts) != len(request.events):
        raise CommandError(
            f"the engine gave {len(answer.verdicts)} verdicts for {len(request.events)} events: update the two"
        )
    counts = Counter(answer.verdicts)
    for verdict, count in counts.items():
        name = _verdict_name(verdict)
        setattr(progress, name, getattr(progress, name) + count)


def _refused(
    request: ImportRequest, answer: RecordUsageColumnsResponse, made_id: Callable[[Row], str | None]
) -> list[Reject]:
    """One for each row: of several problems the first one's field and reason, and every message."""
    found = []
    for index, problems in groupby(answer.problems, key=lambda problem: problem.index):
        first, *others = problems
        row = request.events[index]
        more = (f"{problem.field}: {problem.message}" for problem in others if problem.message)
        found.append(
            Reject(
                row.number,
                _verdict_name(answer.verdicts[index]),
                first.field,
                ProblemReason.Name(first.reason).removeprefix("PROBLEM_REASON_").lower(),
                "; ".join([first.message, *more]),
                made_id(row),
                row.original,
            )
        )
    return found


def _verdict_name(verdict: "Verdict") -> str:
    return Verdict.Name(verdict).removeprefix("VERDICT_").lower()
