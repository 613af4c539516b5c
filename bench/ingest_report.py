"""What the ingestion bench measured, as numbers, tables and JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median, quantiles
from typing import Any

from bench.ingest_baselines import Raw
from bench.ingest_drive import Load, Taken
from ingest import Limits

_SPANS = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """One way of sending, with so many events a request. `cpu_us_per_event`: of the engine; None if not known."""

    method: str
    size: int
    callers: int
    taken: Sequence[Taken]
    cpu_us_per_event: float | None

    @property
    def events(self) -> int:
        return self.size * sum(len(one.latencies_s) for one in self.taken)

    @property
    def began_s(self) -> float:
        return min(one.began_s for one in self.taken)

    @property
    def ended_s(self) -> float:
        return max(one.ended_s for one in self.taken)

    @property
    def events_per_second(self) -> float:
        return self.events / (self.ended_s - self.began_s)

    @property
    def latencies_ms(self) -> list[float]:
        return [latency_s * 1_000 for one in self.taken for latency_s in one.latencies_s]

    @property
    def client_cpu_us_per_event(self) -> float:
        return sum(one.cpu_s for one in self.taken) / self.events * 1e6

    def as_json(self, raw_rate: float, raw_cpu_us: float) -> dict[str, Any]:
        cpu_us = self.cpu_us_per_event
        return {
            "method": self.method,
            "request_events": self.size,
            "callers": self.callers,
            "events_per_second": self.events_per_second,
            "times_raw": self.events_per_second / raw_rate,
            "cpu_us_per_event": cpu_us,
            # The share of the engine's CPU that a raw insert would have needed as well: the same machine, no clients.
            "times_raw_by_cpu": None if cpu_us is None else raw_cpu_us / cpu_us,
            "client_cpu_us_per_event": self.client_cpu_us_per_event,
            "p50_ms": median(self.latencies_ms),
            "p99_ms": quantiles(self.latencies_ms, n=100)[98],
        }


def measured(method: str, load: Load, taken: Sequence[Taken], spent_s: float | None) -> Measured:
    """`spent_s`: CPU seconds of the engine."""
    found = Measured(method, load.size, len(taken) * load.callers, taken, None)
    if spent_s is None:
        return found
    return Measured(method, load.size, found.callers, taken, spent_s / found.events * 1e6)


def print_table(
    raws: Sequence[Raw], raw_rate: float, rows: Sequence[Measured], bytes_an_event: float
) -> None:
    rates = ", ".join(f"{raw.rows_per_second:,.0f}" for raw in raws)
    raw_cpu_us = mean(raw.cpu_s_per_row for raw in raws) * 1e6
    print(
        f"raw insert_arrow, {Limits().insert_events_max:,} rows a block, merges included: {raw_rate:,.0f} rows/s"
        f" ({rates}), {raw_cpu_us:.2f} us of CPU a row"
    )
    print(
        f"{'':<20}{'events a request':>17}{'callers':>9}{'events/s':>12}{'x raw':>7}{'CPU us':>8}{'x raw':>7}"
        f"{'clients us':>12}{'p50 ms':>9}{'p99 ms':>9}"
    )
    for row in rows:
        entry = row.as_json(raw_rate, raw_cpu_us)
        cpu, by_cpu = entry["cpu_us_per_event"], entry["times_raw_by_cpu"]
        print(
            f"{row.method:<20}{row.size:>17,}{row.callers:>9}{row.events_per_second:>12,.0f}"
            f"{entry['times_raw']:>7.2f}{'' if cpu is None else f'{cpu:.1f}':>8}"
            f"{'' if by_cpu is None else f'{by_cpu:.2f}':>7}{entry['client_cpu_us_per_event']:>12.1f}"
            f"{entry['p50_ms']:>9.1f}{entry['p99_ms']:>9.1f}"
        )
    print(f"on disk, merged: {bytes_an_event:.1f} bytes an event\n")


def print_over_time(row: Measured, memory: Sequence[tuple[float, float]]) -> None:
    """Rate, latency and the engine's memory in equal spans of one measurement."""
    print(f"{row.method}, {row.size:,} events a request, over time")
    print(f"{'second':>7}{'events/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'MiB':>7}")
    span_s = (row.ended_s - row.began_s) / _SPANS
    answers = sorted(
        (at_s, latency_s)
        for one in row.taken
        for at_s, latency_s in zip(one.answered_s, one.latencies_s, strict=True)
    )
    for number in range(_SPANS):
        began_s = row.began_s + number * span_s
        here = [latency_s * 1_000 for at_s, latency_s in answers if began_s <= at_s < began_s + span_s]
        resident = [mib for at_s, mib in memory if began_s <= at_s < began_s + span_s]
        if len(here) > 1:
            print(
                f"{(number + 1) * span_s:>7.1f}{len(here) * row.size / span_s:>12,.0f}{median(here):>9.1f}"
                f"{quantiles(here, n=100)[98]:>9.1f}{max(resident, default=0):>7.0f}"
            )
    print()
