"""The threads on which an asynchronous client blocks, so that its loop does not."""

from concurrent.futures import ThreadPoolExecutor

from meterline.aio.spooling import Spooling
from meterline.session import Session

_CALLS_MAX = 8  # blocking calls at a time; further ones wait for a thread


class Threads:
    """The threads of one session; none is started before it is needed."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.executor = ThreadPoolExecutor(_CALLS_MAX, "meterline-call")
        self._writer = ThreadPoolExecutor(1, "meterline-spool")
        self._spooling: Spooling | None = None

    @property
    def spooling(self) -> Spooling:
        """Writes to the session's spool."""
        if self._spooling is None:
            if self.session.spool is None:
                raise TypeError("the session has no spool")
            self._spooling = Spooling(self.session.spool, self._writer)
        return self._spooling

    def shutdown(self) -> None:
        """Let the threads end."""
        self.executor.shutdown(wait=False)
        self._writer.shutdown(wait=False)
