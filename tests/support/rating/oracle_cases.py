"""Loads conformance cases: the folder named by CONFORMANCE_CASES, or the project's copy."""

import json
import os
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[2] / "conformance"


def cases(kind: str) -> list[dict[str, Any]]:
    """All cases of one kind (price, progressive) in the folder's files, one JSON object a line."""
    folder = Path(os.environ.get("CONFORMANCE_CASES", HERE))
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    return [case for case in map(json.loads, filter(str.strip, lines)) if case["kind"] == kind]


def imported(price: dict[str, Any]) -> dict[str, Any]:
    """The price with its schedule made one that can be read in one way only.

    Meterline refuses a schedule whose last tier is not open, or that goes on behind an open tier. Other engines
    publish both kinds, so whoever imports one has to say what it means, and says it here: a tier behind an
    open one is never reached, so it goes; a last tier that has an end is taken to have none, which changes no
    quantity that the schedule covers.
    """
    tiers = price.get("tiers")
    if not tiers:
        return price
    reachable = []
    for tier in tiers:
        reachable.append(tier)
        if tier["up_to"] is None:
            break
    reachable[-1] = {**reachable[-1], "up_to": None}
    return {**price, "tiers": reachable}
