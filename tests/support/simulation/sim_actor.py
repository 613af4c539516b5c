"""Actors: functions that run a while, pause in the middle of whatever they do, and go on when they are told to.

Only one of them, or the one that resumes them, runs at any moment: the threads beneath are a way to keep a stack,
and nothing is concurrent.
"""

import threading


class Stopped(BaseException):
    """Unwinds an actor that is not wanted any more."""


def pause():
    """The actor that runs gives way to the scheduler."""
    Actor.running.give_way()


class Actor:
    """Runs `work` bit by bit, from one `pause` to the next."""

    running = None

    def __init__(self, work):
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self._stopping = False
        self.ended = False
        self.error = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def resume(self):
        """Returns when the actor pauses or ends; raises what it raised."""
        Actor.running = self
        self._go.release()
        self._paused.acquire()
        Actor.running = None
        if self.error is not None:
            raise self.error

    def stop(self):
        """Unwinds the actor where it stands. What its `finally` clauses do counts for nothing any more."""
        if not self.ended:
            self._stopping = True
            self._go.release()
            self._thread.join()

    def give_way(self):
        self._paused.release()
        self._go.acquire()
        if self._stopping:
            raise Stopped

    def _run(self, work):
        self._go.acquire()
        try:
            if not self._stopping:
                work()
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by who resumes
            self.error = error
        self.ended = True
        self._paused.release()
