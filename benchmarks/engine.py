"""The engine: Fathom's training beside what people would use instead, in one run.

    python benchmarks/engine.py [--quick] [--json] [--cases a,b] [--parts training,use,first,growth]
                                [--seconds 0.6] [--rounds 3] [--device cpu|gpu]

**training** times a step of one network, of populations and of a mixed population, Fathom through
`train_population` (as its search does: shuffling, calls, and a rating of every network after every
epoch, which no peer does); torch eager, by torch.func and vmap, batched by hand (bmm), the first
and last also with its fused Adam; scikit-learn; in one process with all cores, or one a core. All
learn with Adam, the same batch and rate, from the same rows, shuffled anew in every epoch. The
systems take turns, and a figure is the shortest of the rounds, since what else runs on a machine
only adds to it; GFLOP/s counts the matrix products alone (Fathom's with those of its rating), and
its share is of the largest product's of float32, measured in the same run: it may be above 100 %
where Fathom multiplies by a processor's matrix unit (docs/decisions/0036-halves.md).

**use** times predictions of one row and of 10,000 by the same network through the estimator, torch
and ONNX Runtime, and by scikit-learn's of the same shape; **first** the time from the command to
the end of the first epoch; **growth** how the time of a step grows.

``--device gpu`` times training on an accelerator: Fathom with products in bfloat16 and networks
alike taking their steps together, torch with what is its usual there.

A ratio is another's time over Fathom's: above 1 Fathom is faster. ``--quick`` measures the main
ones. What is not installed is left out.
"""

import argparse
import json
import os
import sys
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from engine_cases import CASES, MIDDLE, SMALL, TITLES, Case
from engine_systems import (
    CORES,
    METHODS,
    ask,
    is_installed,
    is_on_accelerator,
    open_system,
    suits,
    wait_for,
)
from engine_use import Predictors, measure_first_epoch

PARTS = ("training", "use", "first", "growth")
QUICK_CASES = ("population_small_b32", "population_small_b256", "population_middle", "one_large")
QUICK_SYSTEMS = ("Fathom", "torch", "torch bmm", "scikit-learn")
PACKAGES = {"torch": "torch", "sklearn": "sklearn"}


class Report:
    """Collects what is measured, and shows it as it comes, or as one object at the end."""

    def __init__(self, is_json: bool) -> None:
        self._is_json = is_json
        self.found: dict[str, Any] = {"cores": CORES, "ratios": {}, "training": {}}

    def say(self, line: str = "") -> None:
        """Print a line of the report, unless only the object is asked for."""
        if not self._is_json:
            print(line, flush=True)

    def rate(self, name: str, ratio: float) -> None:
        """Keep a ratio."""
        self.found["ratios"][name] = round(ratio, 3)

    def close(self) -> None:
        """Print the ratios, or the object."""
        if self._is_json:
            print(json.dumps(self.found))
            return
        self.say("\n| ratio | × |\n|---|---|")
        for name, ratio in self.found["ratios"].items():
            self.say(f"| {name} | {ratio:.2f} |")


class Systems:
    """The processes that measure, which all load at once; nothing is measured before `wait`."""

    def __init__(self, names: list[str]) -> None:
        keys = {key: None for name in names for key in self._keys(name)}
        self._open = {key: open_system(*key[:2]) for key in keys}

    @staticmethod
    def _keys(name: str) -> list[tuple[str, int, int]]:
        """Return package, threads and number of each process of a system."""
        n = CORES if name.endswith("processes") else 1
        return [(METHODS[name][0], CORES // n, number) for number in range(n)]

    def wait(self) -> None:
        """Wait until all processes have loaded what they measure."""
        for connection in self._open.values():
            wait_for(connection)

    def of(self, name: str) -> list[Connection]:
        """Return the processes of a system."""
        return [self._open[key] for key in self._keys(name)]

    def ask(self, name: str, case: Any, seconds: float) -> Any:
        """Have a system measure a case."""
        return ask(self.of(name), METHODS[name][1], case, seconds)


def main() -> None:
    given = _arguments()
    report = Report(given.json)
    installed = [n for n in METHODS if is_installed(PACKAGES.get(METHODS[n][0], METHODS[n][0]))]
    for package in ("torch", "onnx", "onnxruntime"):
        if not is_installed(package):
            report.say(f"{package} is not installed and left out")
    names = [name for name in installed if not given.quick or name in QUICK_SYSTEMS]
    systems = Systems(names)
    predictors = Predictors() if "use" in given.parts else None
    systems.wait()
    peak = _peak(report, systems)
    if "training" in given.parts:
        compare_training(report, systems, given, names, peak)
    if predictors:
        compare_predictions(report, predictors, given)
    if "first" in given.parts:
        show_first_epoch(report, given.rounds)
    if "growth" in given.parts:
        show_growth(report, systems, [n for n in ("Fathom", "torch") if n in names], given.seconds)
    report.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the main ratios in under 50 s")
    parser.add_argument("--json", action="store_true", help="one object instead of tables")
    parser.add_argument("--cases", help=f"some of {', '.join(CASES)}")
    parser.add_argument("--parts", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, help="of one measurement")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to train")
    parser.add_argument("--rounds", type=int, help="of measurements, of which the shortest counts")
    given = parser.parse_args()
    given.seconds = given.seconds or (0.15 if given.quick else 0.6)
    given.rounds = given.rounds or (2 if given.quick else 3)
    usual = QUICK_CASES if given.quick else tuple(CASES)
    given.cases = given.cases.split(",") if given.cases else usual
    given.parts = given.parts.split(",") if given.parts else PARTS[:2] if given.quick else PARTS
    if given.device == "gpu":
        given.parts = ["training"]
        os.environ["ENGINE_DEVICE"] = "gpu"
    unknown = [n for n in given.cases if n not in CASES] + [
        n for n in given.parts if n not in PARTS
    ]
    if unknown:
        parser.error(f"not known: {', '.join(unknown)}")
    return given


def _peak(report: Report, systems: Systems) -> float:
    """Measure the largest matrix product; return operations a second."""
    try:
        second, figures = ask(systems.of("Fathom"), "peak", None, 1.0)
    except RuntimeError as error:
        raise SystemExit(f"expected a device that JAX is installed for, got: {error}") from None
    report.found["peak_gflops"] = round(1 / second / 1e9, 1)
    told = ", ".join(f"{flop / 1e9:.0f} by {name}" for name, flop in figures.items())
    where = "the accelerator" if is_on_accelerator() else f"{CORES} cores"
    report.say(f"Largest matrix product on {where}, GFLOP/s: {told}")
    return 1 / second


# --- training -----------------------------------------------------------------------------------


def compare_training(
    report: Report, systems: Systems, given: argparse.Namespace, names: list[str], peak: float
) -> None:
    """Time a step of every case in every system, side by side."""
    report.say("\n| networks | system | µs a network-step | GFLOP/s | of the peak | Fathom is |")
    report.say("|---|---|---|---|---|---|")
    for key in given.cases:
        case, times, more = CASES[key], {}, {}
        chosen = [name for name in names if suits(name, case)]
        for _ in range(given.rounds):
            for name in chosen:
                seconds, more[name] = systems.ask(name, key, given.seconds)
                times.setdefault(name, []).append(seconds)
        best = {name: min(found) for name, found in times.items()}
        for name, seconds in best.items():
            ratio = seconds / best["Fathom"]
            flop = case.flop + (case.rating_flop if name == "Fathom" else 0.0)
            shown = "" if name == "Fathom" else f"{ratio:.2f} × as fast"
            report.say(
                f"| {TITLES[key]} | {name} | {1e6 * seconds:.1f} | "
                f"{flop / seconds / 1e9:.0f} | {flop / seconds / peak:.0%} | {shown} |"
            )
            if name == "Fathom":
                report.rate(f"{key}_share_of_peak", flop / seconds / peak)
            else:
                report.rate(f"{key}_vs_{_key(name)}", ratio)
        report.found["training"][key] = {
            _key(name): {"us": 1e6 * seconds, "each_us": [1e6 * s for s in times[name]]}
            | more[name]
            for name, seconds in best.items()
        }


def _key(name: str) -> str:
    """Return a system's name as it stands in the object."""
    return name.lower().replace(", 2 processes", "_processes").replace("-", "_").replace(" ", "_")


# --- use, first epoch, growth -------------------------------------------------------------------


def compare_predictions(report: Report, predictors: Predictors, given: argparse.Namespace) -> None:
    """Time predictions, and rate them by ONNX Runtime's and the others'."""
    found = predictors.measure(given.seconds / 4, given.rounds)
    report.found["predictions"] = found
    report.say("\n| predictions of 30-64-64-2 | one row, µs | 10,000 rows, ms |\n|---|---|---|")
    for name in found["row"]:
        row, many = found["row"][name], found["many"][name]
        report.say(f"| {name} | {1e6 * row:.0f} | {1e3 * many:.2f} |")
        if name != "Fathom":
            report.rate(f"predict_row_vs_{_key(name)}", row / found["row"]["Fathom"])
            report.rate(f"predict_10000_vs_{_key(name)}", many / found["many"]["Fathom"])


def show_first_epoch(report: Report, rounds: int) -> None:
    """Show how long a user waits for the first epoch."""
    found = measure_first_epoch(rounds)
    report.found["first_epoch_s"] = found
    report.say("\n| `fathom train`, 1000 rows, to the end of the first epoch | s |\n|---|---|")
    report.say(f"| nothing compiled before | {found['cold']:.2f} |")
    report.say(f"| programs in the cache | {found['warm']:.2f} |")


def show_growth(report: Report, systems: Systems, names: list[str], seconds: float) -> None:
    """Show how the time of a network-step grows with one size while the others stay."""
    small = Case((SMALL,) * 4, 128, 8192)
    axes: dict[str, list[tuple[int, Case]]] = {
        "rows": [(n, replace(small, rows=n)) for n in (256, 1024, 4096, 16_384, 65_536)],
        "members": [(n, replace(small, members=(SMALL,) * n)) for n in (1, 2, 8, 32)],
        "width": [
            (n, replace(small, members=((30, n, n, 2),) * 2, rows=2048))
            for n in (16, 64, 256, 1024)
        ],
        "depth": [
            (n, replace(small, members=((30, *(128,) * n, 2),) * 2, rows=2048))
            for n in (1, 2, 4, 8)
        ],
        "batch": [
            (n, Case((MIDDLE,) * 2, n, 4096)) for n in (32, 128, 512)
        ],
    }  # fmt: skip
    report.found["growth"] = {}
    report.say("\nµs a network-step; 30-64-64-2 where nothing else is said, batch 128")
    for axis, cases in axes.items():
        report.say(f"\n| {axis} | " + " | ".join(str(n) for n, _ in cases) + " |")
        report.say("|---" * (len(cases) + 1) + "|")
        for name in names:
            found = [1e6 * systems.ask(name, case, seconds / 2)[0] for _, case in cases]
            report.found["growth"][f"{axis}_{_key(name)}"] = found
            report.say(f"| {name} | " + " | ".join(f"{us:.0f}" for us in found) + " |")


if __name__ == "__main__":
    main()
    sys.exit(0)
