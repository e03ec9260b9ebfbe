"""A search in rounds simulated: fitted to measured searches, held against them, and carried on.

python benchmarks/scale_simulated.py measure runs.jsonl --data DIR [--workers 1 2 4]
python benchmarks/scale_simulated.py check runs.jsonl     # costs, and predicted beside measured
python benchmarks/scale_simulated.py project              # up to 1,000 machines and 10^9 rows
python benchmarks/scale_simulated.py controller           # tasks a second of the controller alone

`project` takes the costs that stand in `scale_model.py`, which `check` printed.
"""

import argparse
import itertools
import json
import math
import os
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from fathom.data.columns import infer_columns
from fathom.data.parsing import parse_table
from fathom.parallel.controller import Controller
from fathom.parallel.cores import n_cores
from fathom.parallel.executor import Executor, Node, Outcome, Placed, Result, Task
from fathom.parallel.journal import Journal
from fathom.search import rounds as in_rounds
from fathom.search.design import Plan
from fathom.search.rounds import ROUND_SIZE
from scale import begin, end
from scale_model import TARGET, Costs, Load, Machines, plan, simulate
from streams import make_rows

COLUMNS = 30
PREPARED = (5_000, 50_000)  # rows whose encoding and trees are timed alone
SLOTS = 16  # workers of an invented machine
MONTH_S = 30 * 86400.0
RESIDENT_BYTES = 80  # of memory that a worker takes for a cell, see decisions/0017
NO_LIMIT_S = 1e15


def measure(asked: argparse.Namespace) -> None:
    """Run searches, and keep what each trial cost."""
    data = asked.data / "tables"
    for rows in PREPARED:
        with asked.runs.open("a") as file:
            file.write(json.dumps(_prepare(rows)) + "\n")
    suite = json.loads((data / "suite.json").read_text())
    table = next(one for one in suite if Path(one["file"]).stem == asked.table)
    for rows in asked.rows:
        for workers in asked.workers:
            told = argparse.Namespace(rounds=1, rows=rows)
            with tempfile.TemporaryDirectory() as folder:
                journal, began, load = Path(folder) / "j", time.time(), os.getloadavg()[0]
                found = end(begin(table, data, told, f"processes:{workers}", journal))
                run = {
                    "table": asked.table, "rows": rows, "columns": table["columns"],
                    "workers": workers, "cores": n_cores(), "load": load,
                    "loss": found["loss"], "wall": time.time() - began,
                    "trials": _trials(journal, began),
                }  # fmt: skip
            with asked.runs.open("a") as file:
                file.write(json.dumps(run) + "\n")
            print(f"{rows:7,} rows, {workers} workers: {run['wall']:.1f} s", flush=True)


def _prepare(rows: int) -> dict[str, Any]:
    """Return the seconds of a processor that a fold, a view of it and its trees take."""
    frame = make_rows(rows, COLUMNS - 1, 0)
    y = (frame["hit"].to_numpy() == "yes").astype(int)
    frame = frame.drop("hit")
    parsed, weight = parse_table(frame, infer_columns(frame)[0]), np.ones(rows, np.float32)
    material = in_rounds._workpiece(parsed, TARGET, y, weight, Plan(0)).material
    ticks = [time.process_time()]
    for do in (lambda: material.encoding(0),
               lambda: material.examples(0, "robust", is_log=False, has_trees=False),
               lambda: material.trees(0)):  # fmt: skip
        do()
        ticks.append(time.process_time())
    seconds = [round(after - before, 3) for before, after in itertools.pairwise(ticks)]
    return {"prepared": rows, "columns": COLUMNS - 1, "seconds": seconds}


def _trials(journal: Path, began: float) -> list[dict[str, Any]]:
    """Return what the journal says of each trial, in the order they were done."""
    lines = map(json.loads, (journal / "journal.jsonl").read_text().splitlines())
    trials = []
    for line in lines:
        if line["what"] != "done":
            continue
        place = journal / "results" / f"{line['task']}.bin"
        head = json.loads(place.read_bytes().partition(b"\n")[0])
        asked = json.loads(line["config"])
        trials.append({
            "number": asked["number"], "fold": asked["fold"], "node": line["node"],
            "planned": asked["genes"]["epochs"], "epochs": len(head["history"]["epochs"]),
            "parameters": head["numbers"], "batch": asked["genes"]["batch_size"],
            "has_trees": asked["genes"]["has_trees"],
            "seconds": line["seconds"], "processor": json.loads(line["notes"])["processor"],
            "at": place.stat().st_mtime - began,
        })  # fmt: skip
    return trials


def fit(
    runs: Sequence[dict[str, Any]], prepared: Sequence[dict[str, Any]] = ()
) -> tuple[Costs, float]:
    """Return the costs that runs of one worker show, and how far single trials are off them.

    Trials are fitted by seconds of the processor, which other work on the machine hardly changes.
    Where only the clock was read, its seconds count by the share of a core that trials had. A
    worker's first trial, which waits for the program, is not fitted to.
    """
    alone = [run for run in runs if run["workers"] == 1]
    rates, spread = _fit_training(alone)
    costs = Costs(*rates, **_fit_preparing(alone, prepared))
    own: dict[str, list[float]] = {name: [] for name in ("start", "first", "last", "result")}
    for run in alone:
        trials, share = run["trials"], share_of(run)
        ends = [one["at"] for one in trials]
        load = _load(run, trials[0])
        own["start"].append(share * trials[0]["seconds"] - load.training(costs)
                            - load.preparing(costs, set()))  # fmt: skip
        own["first"].append(share * (ends[0] - trials[0]["seconds"]))
        own["last"].append(share * (run["wall"] - ends[-1]))
        pairs = zip(ends, ends[1:], trials[1:], strict=False)
        own["result"] += [share * (after - before - one["seconds"]) for before, after, one in pairs]
    shares = [one["epochs"] / one["planned"] for run in alone for one in run["trials"]]
    measured = {name: max(float(np.median(times)), 0.0) for name, times in own.items()}
    return replace(costs, submit=0.0, trained=float(np.mean(shares)), **measured), spread


def share_of(run: dict[str, Any]) -> float:
    """Return the share of a core that trials had, the first of each worker left out."""
    later = [one for one in run["trials"] if one["node"] in _seen(run, one)]
    return sum(sum(one["processor"]) for one in later) / sum(one["seconds"] for one in later)


def _seen(run: dict[str, Any], one: dict[str, Any]) -> set[str]:
    """Return the workers that were done with a trial before this one."""
    return {other["node"] for other in run["trials"][: run["trials"].index(one)]}


def _fit_training(runs: Sequence[dict[str, Any]]) -> tuple[tuple[float, ...], float]:
    lines, seconds = [], []
    for run in runs:
        for one in run["trials"][1:]:
            rows = run["rows"] * one["epochs"]
            steps = math.ceil(run["rows"] / one["batch"]) * one["epochs"]
            lines.append((rows * one["parameters"], steps * one["parameters"], rows, one["epochs"]))
            seconds.append(max(one["processor"][1], 1e-3))
    matrix, aim = np.array(lines, float), np.array(seconds)
    scale = matrix.max(axis=0)
    rates = nnls(matrix / scale / aim[:, None], np.ones(len(aim)))[0] / scale
    spread = float(np.std(np.log(aim / np.maximum(matrix @ rates, 1e-9))))
    return tuple(map(float, rates)), spread


def _fit_preparing(
    runs: Sequence[dict[str, Any]], prepared: Sequence[dict[str, Any]]
) -> dict[str, float]:
    """Fit what a worker does besides training, by what it had done before."""
    lines, seconds = [], []
    for one in prepared:  # a fold, a view of it, its trees; each on its own
        cells = one["prepared"] * one["columns"]
        lines += [(1, cells, 0, 0), (0, 0, 0, cells), (0, 0, one["prepared"], 0)]
        seconds += one["seconds"]
    for run in runs:
        known: set[tuple[Any, ...]] = set()
        cells = run["rows"] * run["columns"]
        for one in run["trials"]:
            node, fold, has_trees = one["node"], one["fold"], one["has_trees"]
            is_new = (node, fold) not in known
            grows = has_trees and (node, fold, "trees") not in known
            lines.append((is_new, cells * is_new, run["rows"] * grows, cells))
            known |= {(node, fold)} | ({(node, fold, "trees")} if has_trees else set())
            seconds.append(one["processor"][0])
    matrix, aim = np.array(lines, float), np.array(seconds)
    scale, near = np.maximum(matrix.max(axis=0), 1.0), np.maximum(aim, 0.02)
    found = nnls(matrix / scale / near[:, None], aim / near)[0] / scale
    return dict(zip(("fold", "encode", "tree", "again"), map(float, found), strict=True))


def steps_of(run: dict[str, Any]) -> list[list[Load]]:
    """Return the trials of a measured search in the steps they were asked for."""
    steps: dict[tuple[int, bool], list[Load]] = {}
    for one in sorted(run["trials"], key=lambda one: (one["number"], one["fold"])):
        steps.setdefault((one["number"] // ROUND_SIZE, one["fold"] > 0), []).append(_load(run, one))
    return [steps[key] for key in sorted(steps)]


def _load(run: dict[str, Any], one: dict[str, Any]) -> Load:
    return Load(one["fold"], run["rows"], run["columns"], one["epochs"], one["parameters"],
                one["has_trees"], one["batch"])  # fmt: skip


def check(asked: argparse.Namespace) -> None:
    """Fit costs to the searches of one worker, and predict all."""
    lines = [json.loads(line) for line in asked.runs.read_text().splitlines()]
    runs = [line for line in lines if "trials" in line]
    prepared = [line for line in lines if "prepared" in line]
    costs, spread = fit(runs, prepared)
    print("costs:", {name: float(f"{value:.3g}") for name, value in asdict(costs).items()})
    print(f"spread of a trial's time around them: {spread:.2f}")
    print("seconds of all trials on a processor; how far costs fitted to all sizes, and to others,")
    print("are off; the share of a core they had, and seconds of the search by the clock")
    print(
        "rows    workers  trials  seconds    all     others   load     share   measured  predicted"
    )
    for run in runs:
        others = [one for one in runs if one["rows"] != run["rows"]]
        real = sum(sum(one["processor"]) for one in run["trials"])
        share = share_of(run)
        fitted = [costs, *([fit(others, prepared)[0]] if others else [])]
        off = [_work(run, made) / real - 1 for made in fitted]
        seconds = _predict(run, costs, share)
        print(
            f"{run['rows']:6,}  {run['workers']:7}  {len(run['trials']):6}  {real:8.1f}  "
            f"{'  '.join(f'{one:+6.0%}' for one in off)}  {run['load']:5.1f}  {share:8.0%}  "
            f"{run['wall']:9.1f}  {seconds:9.1f} ({seconds / run['wall'] - 1:+.0%})"
        )  # fmt: skip


def _work(run: dict[str, Any], costs: Costs) -> float:
    """Return the seconds of a processor that the trials of a search should take."""
    known: dict[str, set[tuple[int, bool]]] = {}
    work = 0.0
    for one in run["trials"]:
        load = _load(run, one)
        node = known.setdefault(one["node"], set())
        work += load.training(costs) + load.preparing(costs, node)
        node |= {(load.fold, False), (load.fold, load.has_trees)}
    return work


def _predict(run: dict[str, Any], costs: Costs, share: float) -> float:
    """Return the seconds a search should take whose workers get that share of a core."""
    slower = {name: value / share for name, value in asdict(costs).items()
              if name not in ("trained", "cell_bytes")}  # fmt: skip
    machines = Machines(1, run["workers"], run["workers"], bandwidth=math.inf)
    return simulate(steps_of(run), machines, replace(costs, **slower)).seconds


def project(asked: argparse.Namespace) -> None:
    """Say what the costs mean for more machines and more rows."""
    costs = Costs()
    _project_rows(costs, asked.seeds)
    _project_sizes(costs)
    _project_losses(costs, asked.seeds)
    _project_memory(costs)
    _project_changes(costs)


def _machines(nodes: int, **more: float) -> Machines:
    return Machines(nodes=nodes, slots=SLOTS, **more)  # type: ignore[arg-type]


def _project_rows(costs: Costs, seeds: int) -> None:
    print(f"\nthree rounds of 12, {COLUMNS} columns, {SLOTS} workers a machine, spread 0.2")
    print("rows            trials  candidates by plan  one worker      1 machine     10 machines"
          "    100 machines  1000 machines")  # fmt: skip
    for power in range(3, 10):
        rows = 10**power
        planned = len(plan(rows, COLUMNS, costs, rounds=1)[0])
        steps = plan(rows, COLUMNS, costs, nominal_s=600.0 if planned > 1 else NO_LIMIT_S)
        n_trials = sum(map(len, steps))
        cells = []
        for machines in (Machines(), *(_machines(nodes) for nodes in (1, 10, 100, 1000))):
            machines = replace(machines, spread=0.2)
            found = [simulate(steps, machines, costs, seed) for seed in range(seeds)]
            seconds = float(np.mean([one.seconds for one in found]))
            busy = float(np.mean([one.busy for one in found]))
            cells.append(f"{_time(seconds):>8} {busy:4.0%}")
        print(f"{rows:13,}  {n_trials:7}  {planned:18}  " + "  ".join(cells), flush=True)


def _project_sizes(costs: Costs) -> None:
    workers = [4**power for power in range(8)]
    print("\nhow many times as fast as one worker (three rounds, 16 workers a machine, spread 0.2)")
    print("rows       round  trials" + "".join(f"{count:9,}" for count in workers))
    for rows in (10_000, 1_000_000):
        for size in (12, 120, 1200) if rows == 10_000 else (12, 120):
            steps = plan(rows, COLUMNS, costs, size=size)
            seconds = []
            for count in workers:
                slots = min(count, SLOTS)
                machines = Machines(count // slots, slots, spread=0.2)
                seconds.append(simulate(steps, machines, costs).seconds)
            cells = "".join(f"{seconds[0] / one:9.1f}" for one in seconds)
            print(f"{rows:9,}  {size:5}  {sum(map(len, steps)):6}{cells}", flush=True)


def _project_losses(costs: Costs, seeds: int) -> None:
    print("\nmachines lost once a month each, back after 10 minutes; 1 trial in 1,000 loses its "
          "worker (1,000 machines, rounds of 1,200)")  # fmt: skip
    print("rows             longest trial  longer by  machines lost  trials begun again  given up"
          "  most often counted")  # fmt: skip
    for rows in (10_000, 1_000_000, 10_000_000, 100_000_000):
        steps = plan(rows, COLUMNS, costs, rounds=1, size=1200, nominal_s=NO_LIMIT_S)
        longest = max(load.training(costs) for step in steps for load in step)
        sound = replace(_machines(1000), spread=0.2)
        lossy = replace(sound, failure_s=MONTH_S, dying=0.001)
        plain = [simulate(steps, sound, costs, seed) for seed in range(seeds)]
        lost = [simulate(steps, lossy, costs, seed) for seed in range(seeds)]
        longer = np.mean([b.seconds for b in lost]) / np.mean([a.seconds for a in plain]) - 1
        again = np.mean([one.tally.n_lost + one.tally.n_overdue for one in lost])
        print(
            f"{rows:12,}  {_time(longest):>15}  {longer:9.1%}  "
            f"{np.mean([one.n_machines_lost for one in lost]):13.1f}  {again:18.1f}  "
            f"{np.mean([one.tally.n_abandoned for one in lost]):8.1f}  "
            f"{max(one.n_counted for one in lost):18}", flush=True,
        )  # fmt: skip


def _project_memory(costs: Costs) -> None:
    print(f"\nmemory of a machine of {SLOTS} workers, time to bring the table to 1,000 machines "
          "at 10 Gbit/s")  # fmt: skip
    print("rows              memory     one machine   1,000 machines   1,000 from one sender")
    for power in range(5, 10):
        cells = 10**power * COLUMNS
        once = cells * costs.cell_bytes / Machines().bandwidth
        print(f"{10**power:13,}  {cells * RESIDENT_BYTES * SLOTS / 1e9:9,.1f} GB  {_time(once):>10}"
              f"  {_time(once * 10):>14}  {_time(once * 1000):>22}")  # fmt: skip


def _project_changes(costs: Costs) -> None:
    """Say what could be changed for a billion rows on 1,000 machines."""
    rows, nodes = 10**9, 1000
    print(f"\n{rows:,} rows on {nodes:,} machines, three rounds")
    as_it_is = plan(rows, COLUMNS, costs, nominal_s=NO_LIMIT_S)
    fewer = plan(rows // 1000, COLUMNS, costs)
    best = [max(as_it_is[0], key=lambda load: load.training(costs))]

    def say(what: str, steps: list[list[Load]], machines: Machines) -> float:
        found = simulate(steps, machines, costs)
        print(f"  {what:66} {_time(found.seconds):>9}, busy {found.busy:.2%}", flush=True)
        return found.seconds

    say("as it is, were there memory for it", as_it_is, _machines(nodes))
    say("searched by a sample of 1,000,000 rows", fewer, _machines(nodes))
    say("  the best one then trained on all rows by one worker", [best], _machines(1))
    for cores, where in ((SLOTS, 10e9), (SLOTS * 100, 1.25e9)):
        for batch in (1024, 65_536):
            shared = [[_together(load, cores, batch, where) for load in best]]
            say(f"  by {cores:,} cores that exchange gradients, batches of {batch:,}", shared,
                Machines(1, 1))  # fmt: skip


def _together(load: Load, cores: int, batch: int, bandwidth: float) -> Load:
    """Return a trial that several cores train: a ring passes the gradient twice, in every step."""
    each = 2 * 4 * load.parameters / bandwidth + 1e-4 * math.log2(cores)
    return replace(load, cores=cores, batch=batch, exchange_s=each * load.rows / batch)


def _time(seconds: float) -> str:
    for unit, size in (("years", 365.25 * 86400), ("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"


class _Quick(Executor):
    """Has every task done before anybody waits, and tells of so many at once."""

    def __init__(self, slots: int, together: int) -> None:
        self._held: deque[int] = deque()
        self._slots, self._together, self._count = slots, together, 0

    def submit(self, task: Task, placed: Placed) -> int:
        """Do nothing."""
        self._count += 1
        self._held.append(self._count)
        return self._count

    def wait(self, timeout_s: float) -> list[Outcome]:
        """Tell of the oldest."""
        n = min(self._together, len(self._held))
        return [Outcome(self._held.popleft(), Result(b"x"), "", "n", 1.0) for _ in range(n)]

    def cancel(self, ticket: int) -> None:
        """Do nothing."""

    def nodes(self) -> tuple[Node, ...]:
        """Return machines of `SLOTS` workers."""
        return tuple(Node(str(n), SLOTS) for n in range(self._slots // SLOTS))

    def close(self) -> None:
        """Do nothing."""


def time_controller(asked: argparse.Namespace) -> None:
    """Measure what a task costs the process that decides, whoever does it."""
    print("workers  told at once  journal  tasks a second")
    for slots, together, is_kept in (
        (16, 1, False), (1600, 1, False), (16_000, 1, False), (16_000, 100, False), (16, 1, True),
    ):  # fmt: skip
        placed = Placed("k", None)
        tasks = [Task("none:none", "k", str(n), 0) for n in range(max(2 * slots, 2000))]
        with tempfile.TemporaryDirectory() as folder:
            journal = Journal(Path(folder) / "j" if is_kept else None, "k")
            began = time.perf_counter()
            Controller(_Quick(slots, together), placed, journal).run(tasks)
            seconds = time.perf_counter() - began
            journal.close()
        kept = "synced" if is_kept else "none"
        print(f"{slots:7,}  {together:12}  {kept:>7}  {len(tasks) / seconds:14,.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    for name, do in (("measure", measure), ("check", check), ("project", project),
                     ("controller", time_controller)):  # fmt: skip
        verb = verbs.add_parser(name)
        verb.set_defaults(do=do)
        if name in ("measure", "check"):
            verb.add_argument("runs", type=Path, help="file of measured searches")
        if name == "measure":
            verb.add_argument("--data", type=Path, required=True, help="folder with tables/")
            verb.add_argument("--table", default="phoneme")
            verb.add_argument("--rows", type=int, nargs="+", default=[400, 1600])
            verb.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
        if name == "project":
            verb.add_argument("--seeds", type=int, default=3, help="simulations averaged")
    asked = parser.parse_args()
    asked.do(asked)


if __name__ == "__main__":
    main()
