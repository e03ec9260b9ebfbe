"""Metrics: what the server counts, as Prometheus reads it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from fathom.data.cells import quoted
from fathom.data.combinations import combinations_of
from fathom.data.schema import Label
from fathom.deployment.server.rows import MISSING, OUTSIDE, UNSEEN, Rows
from fathom.deployment.server.served import Served

MOST_CLASSES = 100  # or labels or numbers, up to which predictions are counted by name
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 16384)
_DRIFT = {
    MISSING: "Values missing.",
    UNSEEN: "Categories that training did not have.",
    OUTSIDE: "Numbers outside the range of training.",
}


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._children: dict[tuple[str, ...], Any] = {}
        ProcessCollector(registry=registry)

        def of(kind: Any, name: str, text: str, *labels: str, **more: Any) -> Any:
            return kind(f"fathom_{name}", text, labels, registry=registry, **more)

        self._requests = of(
            Counter, "requests", "Requests answered.", "model", "endpoint", "status"
        )
        self._seconds = of(
            Histogram, "request_seconds", "From the head of a request to its answer.", "endpoint",
            buckets=_SECONDS,
        )  # fmt: skip
        self._batch_rows = of(
            Histogram, "batch_rows", "Rows predicted at once.", "model", buckets=_ROWS
        )
        self._batch_seconds = of(Counter, "batch_seconds", "Spent predicting.", "model")
        self._rows = of(Counter, "rows", "Rows predicted.", "model")
        self._unusual = of(Counter, "rows_unusual", "Rows unlike those of training.", "model")
        self._drift = {
            what: of(Counter, f"column_{what}", text, "model", "column")
            for what, text in _DRIFT.items()
        }
        self._predicted = of(Counter, "predicted", "Rows by class predicted.", "model", "value")
        self._sums = of(Counter, "predicted_share", "Sums of labels' shares.", "model", "value")
        self._mean = of(Gauge, "predicted_mean", "Of the last numbers.", "model", "value")
        self._info = of(Gauge, "model_info", "1 for the file served.", "model", "sha256")
        self._loaded = of(
            Gauge, "model_loaded_timestamp_seconds", "When the model was loaded.", "model"
        )
        self._reloads = of(
            Counter, "model_reloads", "Files that came in a model's place.", "model", "outcome"
        )
        self.waiting = of(Gauge, "rows_waiting", "Rows that wait for their turn.", "model")
        self.connections = of(Gauge, "connections", "Connections that are open.")

    def _child(self, metric: Any, *labels: str) -> Any:
        """Return the metric of some labels; looking it up is most of what counting costs."""
        key = (metric._name, *labels)
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = metric.labels(*labels)
        return found

    def on_request(self, model: str, endpoint: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._child(self._requests, model, endpoint, str(status)).inc()
        self._child(self._seconds, endpoint).observe(seconds)

    def on_batch(self, model: str, n_rows: int, seconds: float) -> None:
        """Count a batch."""
        self._child(self._batch_rows, model).observe(n_rows)
        self._child(self._batch_seconds, model).inc(seconds)

    def on_rows(self, served: Served, rows: Rows, answers: np.ndarray) -> None:
        """Count rows, what is unusual about them, and what is predicted of them."""
        name = served.name
        self._child(self._rows, name).inc(rows.n)
        if rows.is_unusual is not None and (n := int(rows.is_unusual.sum())):
            self._child(self._unusual, name).inc(n)
        for (column, what), n in rows.drift.items():
            if n:
                self._child(self._drift[what], name, served.shown_column(column)).inc(n)
        if rows.n:
            self._count_answers(served, answers)

    def _count_answers(self, served: Served, answers: np.ndarray) -> None:
        target = served.schema.target
        if target.task == "classes":
            classes: Sequence[Label] = target.classes
            if target.factors:  # what is counted is combinations, the last of the answers
                classes = combinations_of(target).names
                answers = answers[:, -len(classes) :]
            if len(classes) > MOST_CLASSES:
                return
            chosen = answers.argmax(axis=1)
            if len(chosen) == 1:
                word = quoted(classes[chosen[0]])
                self._child(self._predicted, served.name, word).inc()
                return
            for place, n in enumerate(np.bincount(chosen).tolist()):
                if n:
                    word = quoted(classes[place])
                    self._child(self._predicted, served.name, word).inc(n)
        elif len(served.columns.chosen) <= MOST_CLASSES:
            for label, column in zip(served.columns.chosen, answers.T, strict=True):
                if target.task == "labels":
                    self._child(self._sums, served.name, quoted(label)).inc(float(column.sum()))
                else:
                    mean = float(column.mean())
                    self._child(self._mean, served.name, quoted(label)).set(mean)

    def on_load(self, served: Served, outcome: str = "") -> None:
        """Note that a model was loaded, and when it replaced another, how that went."""
        for labels in [key for key in self._children if key[:2] == (self._info._name, served.name)]:
            del self._children[labels]
            self._info.remove(*labels[1:])
        self._child(self._info, served.name, served.digest).set(1)
        self._child(self._loaded, served.name).set_to_current_time()
        if outcome:
            self.on_reload(served.name, outcome)

    def on_reload(self, model: str, outcome: str) -> None:
        """Count a file that was read, or refused, in place of another."""
        self._child(self._reloads, model, outcome).inc()

    def write(self) -> bytes:
        """Return everything in the text format of Prometheus."""
        return generate_latest(self.registry)
