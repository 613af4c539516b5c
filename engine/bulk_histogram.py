"""A histogram that takes in columns: the one of prometheus_client would cost a call for each value."""

import threading
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

_S_US = 1_000_000


class BulkHistogram(Collector):
    """Of durations, without labels. Thread-safe."""

    def __init__(self, name: str, text: str, bounds_s: Sequence[float], registry: CollectorRegistry) -> None:
        """`bounds_s` rise."""
        self._name = name
        self._text = text
        self._bounds_s = bounds_s
        self._bounds_us = [int(bound * _S_US) for bound in bounds_s]
        # Of values up to each bound, and of all of them.
        self._counts = [0] * (len(bounds_s) + 1)
        self._sum_us = 0
        self._lock = threading.Lock()
        registry.register(self)

    def observe_us(self, values_us: NDArray[np.int64]) -> None:
        """Takes in int64[n], each 0 or more. A comparison for each bound costs 0.2 ns a value, less than to sort them."""
        counts = [int(np.count_nonzero(values_us <= bound)) for bound in self._bounds_us]
        counts.append(len(values_us))
        # In Python's integers: what is summed up over years must not wrap.
        sum_us = int(values_us.sum(dtype=np.float64)) if len(values_us) else 0
        with self._lock:
            self._counts = [sum(pair) for pair in zip(self._counts, counts, strict=True)]
            self._sum_us += sum_us

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            counts, sum_us = self._counts, self._sum_us
        bounds = [*map(floatToGoString, self._bounds_s), "+Inf"]
        buckets = list(zip(bounds, counts, strict=True))
        yield HistogramMetricFamily(self._name, self._text, buckets=buckets, sum_value=sum_us / _S_US)
