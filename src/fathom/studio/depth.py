"""The depth page: tall against fat networks, trained while one looks on, one study at a time."""

import atexit
import threading
import time
from collections.abc import Sequence

import numpy as np

from fathom.errors import FathomError, InputError
from fathom.inspection.depth.laboratory import DepthMonitor, Outcome
from fathom.inspection.depth.material import DepthData, from_arrays
from fathom.inspection.depth.run import TUNING_START, study_depth
from fathom.inspection.depth.shapes import choose_widths, count_parameters
from fathom.inspection.depth.study import DepthStudy
from fathom.inspection.planes import draw_points
from fathom.studio.depth_messages import (
    DepthLine,
    DepthMaterial,
    DepthNews,
    DepthStop,
    DepthVerdict,
    DepthWish,
)
from fathom.studio.wording import in_both

N_POINTS = 600  # of a plane, to learn from and to judge by each
STAGES = {"compiling": "speed", "choosing": "rates", "training": "starts"}


def load_material(name: DepthMaterial, seed: int) -> DepthData:
    """Return what networks are compared on."""
    if name == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        return from_arrays(x / 16, y, task="classes", n_outputs=10, name=name, seed=seed)
    points = draw_points(name, N_POINTS, noise=0.04, seed=seed)
    x, y = np.concatenate([points.x, points.x_test]), np.concatenate([points.y, points.y_test])
    return from_arrays(2 * x, y, task="classes", n_outputs=2, name=name, seed=seed)


class DepthRoom:
    """Where one study at a time goes on, whoever looks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._study: _Study | None = None

    def start(self, wish: DepthWish) -> DepthNews:
        """Start a study.

        Raises
        ------
        InputError
            If one goes on.
        """
        if len(set(wish.depths)) < 2:
            raise InputError("two different depths or more to compare", got=f"{wish.depths}")
        if wish.activation == "softmax":
            raise InputError(
                "an activation function for hidden layers", got="softmax",
                hint="choose another one, for example relu",
            )  # fmt: skip
        with self._lock:
            if self._study is not None and self._study.is_running:
                raise InputError(
                    "one study at a time", got="one that goes on", hint="stop it, or wait"
                )
            self._study = _Study(wish, 1 if self._study is None else self._study.number + 1)
        return self.news()

    def stop(self, wish: DepthStop) -> DepthNews:
        """Ask a study to end with what it has; one that has ended already stays as it is.

        Raises
        ------
        InputError
            If there is no such study.
        """
        if self._study is None or self._study.number != wish.number:
            raise InputError(
                "the study that goes on", got=f"number {wish.number}", hint="reload the page"
            )
        self._study.monitor.is_unwanted = True
        return self.news()

    def news(self) -> DepthNews:
        """Say how the study stands."""
        return DepthNews() if self._study is None else self._study.news()

    def close(self) -> None:
        """Stop, and wait for the end."""
        if self._study is not None:
            self._study.monitor.is_unwanted = True
            self._study.thread.join(30)


class _Monitor(DepthMonitor):
    """Notes what is trained."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.is_unwanted = False
        self.stage, self.n_done, self.n_planned = "", 0, 0
        self.errors: dict[tuple[int, ...], list[float]] = {}

    def on_stage(self, stage: str, n_networks: int) -> None:
        with self.lock:
            self.stage = STAGES.get(stage.split(" ")[0].rstrip(","), "")
            self.n_done, self.n_planned = 0, n_networks

    def on_result(self, outcome: Outcome) -> None:
        with self.lock:
            self.n_done += 1
            if self.stage == "starts" and outcome.order.start < TUNING_START:
                self.errors.setdefault(outcome.order.widths, []).append(outcome.error)

    def should_stop(self) -> bool:
        return self.is_unwanted


class _Study:
    """A study in a thread of its own."""

    def __init__(self, wish: DepthWish, number: int) -> None:
        self.wish, self.number, self.monitor = wish, number, _Monitor()
        self.data = load_material(wish.material, wish.seed)
        self.widths = {
            depth: choose_widths(
                wish.shape, depth, wish.width, self.data.n_inputs, self.data.n_outputs
            )
            for depth in sorted(set(wish.depths))
        }
        self.study: DepthStudy | None = None
        self.problem, self.began, self.ended = "", time.monotonic(), 0.0
        self.thread = threading.Thread(target=self._run, name="fathom-depth", daemon=True)
        atexit.register(self._leave)
        self.thread.start()

    @property
    def is_running(self) -> bool:
        return not self.ended

    def _run(self) -> None:
        wish = self.wish
        try:
            self.study = study_depth(
                self.data, depths=sorted(set(wish.depths)), shapes=(wish.shape,),
                width=wish.width, activation=wish.activation, sizes=(), time_limit=wish.seconds,
                seed=wish.seed, monitor=self.monitor,
            )  # fmt: skip
        except FathomError as error:
            self.problem = str(error)
        except Exception as error:  # said in the terminal; a study must not seem to go on for ever
            print(f"fathom: depth: {type(error).__name__}: {error}")
            self.problem = "something went wrong; the terminal says what"
        finally:
            self.ended = time.monotonic()
            atexit.unregister(self._leave)

    def _leave(self) -> None:
        """Give up: the interpreter must not end under a compilation."""
        self.monitor.is_unwanted = True
        self.thread.join()

    def news(self) -> DepthNews:
        state = "running" if self.is_running else "failed" if self.problem else "done"
        if state == "running" and self.monitor.is_unwanted:
            state = "stopping"
        seconds = (self.ended or time.monotonic()) - self.began
        common = {
            "number": self.number, "state": state, "wish": self.wish,
            "problem": in_both(self.problem) if self.problem else None,
            "seconds": round(seconds, 1), "n_test": len(self.data.test),
        }  # fmt: skip
        if self.study is not None:
            return DepthNews(**common, **_conclusion(self.study))
        monitor = self.monitor
        with monitor.lock:
            lines = tuple(
                _line(self.data, depth, widths, monitor.errors.get(widths, ()))
                for depth, widths in self.widths.items()
            )
            return DepthNews(
                **common, stage=monitor.stage, n_done=monitor.n_done,
                n_planned=monitor.n_planned, lines=lines,
            )  # fmt: skip


def _conclusion(study: DepthStudy) -> dict[str, object]:
    found = study.comparisons[0] if study.comparisons else None
    verdict = None if found is None else DepthVerdict(
        shallow=found.shallow, deep=found.deep, finding=found.finding,
        difference=found.difference, low=min(found.low, found.high),
        high=max(found.low, found.high), p_value=found.p_value, is_general=found.is_general,
    )  # fmt: skip
    lines = tuple(
        DepthLine(
            depth=row.depth, widths=row.widths, n_parameters=row.n_parameters,
            n_neurons=row.n_neurons, errors=row.errors, median=row.median,
            low=row.quartiles[0], high=row.quartiles[1],
        )
        for row in study.of_shape(study.shapes[0])
    )  # fmt: skip
    return {
        "lines": lines, "n_starts": study.n_seeds, "verdict": verdict,
        "words": tuple(map(in_both, (*study.words(), *study.notes))),
    }  # fmt: skip


def _line(
    data: DepthData, depth: int, widths: tuple[int, ...], errors: Sequence[float]
) -> DepthLine:
    low, median, high = np.quantile(errors, (0.25, 0.5, 0.75)) if errors else (None, None, None)
    return DepthLine(
        depth=depth, widths=widths, n_neurons=sum(widths), errors=tuple(errors), median=median,
        n_parameters=count_parameters(data.n_inputs, widths, data.n_outputs), low=low, high=high,
    )  # fmt: skip
