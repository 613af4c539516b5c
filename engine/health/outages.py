"""When something that fails again and again is worth a line of the log, so that an outage is a line and not hundreds.

Rules:
1. The first failure after it worked is told, and so is the first of another kind.
2. Then the hundredth is, the thousandth, and so on: whoever sees only the end of a log still finds the reason.
3. What works again ends the outage.
"""

from typing import Final

_TOLD_AGAIN: Final = 100


class Outage:
    """Of one thing. Threads that fail at once may tell it once too often, and never too seldom."""

    def __init__(self) -> None:
        self._failures = 0
        self._kinds: frozenset[str] = frozenset()

    def failed(self, kind: str = "") -> bool:
        """Whether this failure is to be told. `kind`: of a few that there are, such as the type of an error."""
        self._failures += 1
        is_new = kind not in self._kinds
        self._kinds |= {kind}
        return is_new or _is_round(self._failures)

    def worked(self) -> int:
        """How many failures the outage had that ends with this; 0 if there was none."""
        failures, self._failures, self._kinds = self._failures, 0, frozenset()
        return failures


def _is_round(count: int) -> bool:
    """A hundred, a thousand, ten thousand, ..."""
    return count >= _TOLD_AGAIN and str(count).strip("0") == "1"
