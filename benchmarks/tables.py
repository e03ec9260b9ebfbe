"""Tables: Fathom beside what a user would otherwise pick, on the same random splits.

    python benchmarks/tables.py --data DIR [--tables a,b] [--splits 3] [--time-limit 5,20]
        [--peers XGBoost,MLP | none] [--command] [--output results.jsonl]
    python benchmarks/tables.py --report [--output results.jsonl]

DIR holds CSV files and ``suite.json``, which names for each the file, the target and the task. Rows
are split 80/20 at random, by class where there are classes; the number of the split is the seed of
everything. All systems are fitted on the same rows of the same table (a pandas frame: text that is
all numbers is numbers, text that is all dates is dates), each in a fresh process on two cores.
A result is one line of the output from the moment it is there; what is there is not run again, so
that a run goes on where it stopped. A crash, or no end in time, is a result too.

``--command`` measures ``fathom train`` and ``fathom predict`` as commands, on a CSV file of the
training rows. A promise is kept when the wall clock of the fit, or of the whole command, is at most
1.05 times the limit, or the limit and 2 s. Peers have their documented defaults and no limit,
except AutoGluon (best quality, 60 s).
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from fathom.data.schema import Column
from fathom.estimators.evaluation import evaluate_classes, evaluate_numbers
from fathom.estimators.peers import OPTIONAL, PEER_NAMES, make_peers

ROOT = Path(__file__).resolve().parents[1]
CORES = 2
HEAVY = ("RealMLP", "AutoGluon")  # run where they are asked for by name
DEFAULT_PEERS = "XGBoost,LightGBM,CatBoost,MLP,gradient boosting"
AUTOGLUON_SECONDS = 60
SMALL = 3000  # rows of a table below which calibration is hard
PACKAGES = ("fathom-dnn", "jax", "numpy", "pandas", "scikit-learn", "xgboost", "lightgbm",
            "catboost", "pytabkit", "autogluon.tabular")  # fmt: skip
METRICS = {"error": "classification error", "log_loss": "log loss", "rmse": "RMSE"}


# --- the tables ---------------------------------------------------------------------------------


def read_frame(path: Path) -> pd.DataFrame:
    """Read a table; text that is all numbers is numbers, text that is all dates is dates."""
    frame = pd.read_csv(path)
    for name in frame:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column):
            continue
        words = column.astype("string").str.strip().replace("", pd.NA)
        numbers = pd.to_numeric(words, errors="coerce")
        dates = pd.to_datetime(words, errors="coerce", format="ISO8601")
        for read in (numbers, dates):
            if words.notna().any() and read.notna().equals(words.notna()):
                frame[name] = read.to_numpy("float64") if read is numbers else read
                break
    return frame


def describe(frame: pd.DataFrame) -> tuple[Column, ...]:
    """Say what the columns hold, as their types have it."""
    kinds = {"b": "category", "i": "number", "u": "number", "f": "number", "M": "date"}
    return tuple(
        Column(
            name=name,
            kind=kinds.get(frame[name].dtype.kind, "category"),
            style="%Y-%m-%d" if frame[name].dtype.kind == "M" else "plain",
        )
        for name in frame
    )


def split(table: dict, folder: Path, seed: int) -> tuple:
    """Return the training and test rows, their targets, and the classes there are."""
    frame = read_frame(folder / table["file"])
    frame = frame[frame[table["target"]].notna()]
    y = frame.pop(table["target"])
    if table["task"] == "regression":
        train, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=seed)
        classes, y = None, y.to_numpy("float64")
    else:
        y = y.astype(str).to_numpy(object)
        classes, counts = np.unique(y, return_counts=True)
        alone = np.isin(y, classes[counts < 2])  # a class of one row cannot be on both sides
        rows = np.flatnonzero(~alone)
        train, test = train_test_split(rows, test_size=0.2, random_state=seed, stratify=y[rows])
        train = np.concatenate([train, np.flatnonzero(alone)])
    return frame.iloc[train], y[train], frame.iloc[test], y[test], classes


# --- one fit, in a process of its own -----------------------------------------------------------


def make_system(
    name: str, task: str, columns: tuple[Column, ...], seed: int, limit: float | None
) -> object:
    is_numbers = task == "regression"
    if name == "Fathom":
        import fathom

        kind = fathom.FathomRegressor if is_numbers else fathom.FathomClassifier
        return kind(time_limit=limit, random_state=seed)
    if name == "RealMLP":
        import pytabkit

        kind = pytabkit.RealMLP_TD_Regressor if is_numbers else pytabkit.RealMLP_TD_Classifier
        return kind(random_state=seed, n_threads=CORES, device="cpu")
    if name == "AutoGluon":
        return AutoGluon(is_numbers, seed)
    if name in OPTIONAL:
        importlib.import_module(OPTIONAL[name])  # loading a library is no part of a fit
    return make_peers("numbers" if is_numbers else "classes", columns, [name], seed, CORES)[name]


class AutoGluon:
    """AutoGluon as the other systems are: fit, predict, predict_proba."""

    def __init__(self, is_numbers: bool, seed: int) -> None:
        self.is_numbers, self.seed = is_numbers, seed

    def fit(self, frame: pd.DataFrame, y: np.ndarray) -> "AutoGluon":
        """Fit within the time limit."""
        from autogluon.tabular import TabularPredictor

        task = "regression" if self.is_numbers else None
        metric = "root_mean_squared_error" if self.is_numbers else "log_loss"
        predictor = TabularPredictor(
            "the target", problem_type=task, eval_metric=metric, path=tempfile.mkdtemp(),
            verbosity=1,
        )  # fmt: skip
        self.predictor = predictor.fit(
            frame.assign(**{"the target": y}), presets="best_quality",
            time_limit=AUTOGLUON_SECONDS, num_cpus=CORES, num_gpus=0,
        )  # fmt: skip
        self.classes_ = None if self.is_numbers else np.asarray(predictor.class_labels, object)
        return self

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the numbers."""
        return self.predictor.predict(frame).to_numpy()

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        """Return the probabilities of the classes."""
        return self.predictor.predict_proba(frame)[list(self.classes_)].to_numpy()


def fit_alone(job: dict, folder: Path) -> dict:
    """Fit and test one system on one split; what the process is there for."""
    x_train, y_train, x_test, y_test, classes = split(job["table"], folder, job["split"])
    columns = describe(pd.concat([x_train, x_test]))
    if job["system"] == "Fathom (command)":
        model, found = train_by_command(job, x_train, y_train, x_test)
    else:
        model = make_system(
            job["system"], job["table"]["task"], columns, job["split"], job["limit"]
        )
        began = time.perf_counter()
        model.fit(x_train, y_train)
        found = {"fit_seconds": time.perf_counter() - began}
    began = time.perf_counter()
    ask = model.predict if classes is None else model.predict_proba
    predicted = np.asarray(ask(x_test), np.float64)
    found.setdefault("predict_seconds", time.perf_counter() - began)
    found["notes"] = list(getattr(model, "notes_", ()))
    if classes is None:
        scores = evaluate_numbers(y_test, predicted.reshape(-1), n_resamples=0)
        return found | {"rmse": scores["RMSE"].value, "r2": scores["R²"].value}
    known = [str(label) for label in model.classes_]
    if not set(known) <= set(classes):
        raise RuntimeError(f"classes of the model, {known[:5]}, that are none of the table")
    p = np.zeros((len(y_test), len(classes)))
    p[:, np.searchsorted(classes, known)] = predicted
    scores = evaluate_classes(np.searchsorted(classes, y_test), p, classes.tolist(), n_resamples=0)
    return found | {
        "error": 1 - scores["accuracy"].value, "log_loss": scores["log loss"].value,
        "auc": scores["ROC AUC"].value, "ece": scores["ECE"].value, "n_test": len(y_test),
    }  # fmt: skip


def train_by_command(
    job: dict, x_train: pd.DataFrame, y_train: np.ndarray, x_test: pd.DataFrame
) -> tuple:
    """Train and predict by the commands, timed from start to end; return the model read back."""
    import fathom

    target, limit = job["table"]["target"], job["limit"]
    with tempfile.TemporaryDirectory() as place:
        rows, new, saved = (Path(place) / name for name in ("train.csv", "new.csv", "m.fathom"))
        x_train.assign(**{target: y_train}).to_csv(rows, index=False)
        x_test.to_csv(new, index=False)
        train = ["train", str(rows), "--target", target, "--time-limit", f"{limit:g}"]
        seconds = {}
        for name, words in {
            "fit_seconds": [*train, "--seed", str(job["split"]), "--output", str(saved), "--json"],
            "predict_seconds": ["predict", str(saved), str(new)],
        }.items():
            began = time.perf_counter()
            run = subprocess.run(
                [sys.executable, "-m", "fathom", *words], capture_output=True, text=True, cwd=place
            )
            seconds[name] = time.perf_counter() - began
            if run.returncode:
                said = (run.stderr or run.stdout).strip()[-500:]
                raise RuntimeError(f"fathom {words[0]} ended with {run.returncode}: {said}")
        return fathom.load(saved), seconds


# --- all of them --------------------------------------------------------------------------------


def key_of(line: dict) -> tuple:
    return line["table"], line["split"], line["system"], line["time_limit"]


def read_lines(path: Path) -> list[dict]:
    """Return the results there are; a line cut off by a crash is none."""
    lines = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def remaining(jobs: Iterable[dict], lines: list[dict], again: bool = False) -> list[dict]:
    """Return the jobs without a result; with `again`, those that failed too."""
    done = {key_of(line) for line in lines if not (again and line.get("failure"))}
    return [
        job
        for job in jobs
        if (job["table"]["name"], job["split"], job["system"], job["limit"]) not in done
    ]


def plan(tables: list[dict], given: argparse.Namespace) -> list[dict]:
    """Return what is to be run, the smallest tables first."""
    peers = [] if given.peers == "none" else given.peers.split(",")
    for name in peers:
        if name not in (*PEER_NAMES, *HEAVY):
            raise SystemExit(f"expected --peers of {', '.join((*PEER_NAMES, *HEAVY))}, got {name}")
    ours = "Fathom (command)" if given.command else "Fathom"
    systems = [(ours, limit) for limit in given.time_limit] + [(name, None) for name in peers]
    return [
        {"table": table, "split": number, "system": system, "limit": limit}
        for number in range(given.splits)
        for table in sorted(tables, key=lambda table: table["rows"] * table["columns"])
        for system, limit in systems
    ]


def run_alone(job: dict, folder: Path, timeout: float) -> dict:
    """Run one job in a process of its own; whatever becomes of it is a result."""
    if job["limit"] is not None:
        timeout = max(timeout, 3 * job["limit"] + 120)
    with tempfile.TemporaryDirectory() as place:
        answer = Path(place) / "answer.json"
        command = [sys.executable, __file__, "--data", str(folder), "--alone", json.dumps(job),
                   "--output", str(answer)]  # fmt: skip
        threads = {f"{name}_NUM_THREADS": str(CORES) for name in ("OMP", "OPENBLAS", "MKL")}
        began = time.perf_counter()
        process = subprocess.Popen(
            command, env={**os.environ, **threads}, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            _, said = process.communicate(timeout=timeout)
            failure = "" if process.returncode == 0 else last_words(said, process.returncode)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            failure = f"no end after {timeout:g} s"
        found = {"wall_seconds": time.perf_counter() - began}
        if not failure:
            found |= json.loads(answer.read_text())
    return found | {"failure": failure}


def last_words(said: str, code: int) -> str:
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return f"{lines[-1][:300] if lines else 'nothing was said'} (exit code {code})"


def stay_on_cores() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def origin() -> dict:
    """Return what a result rests on: the commit and the versions."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT
    )
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"commit": said.stdout.strip(), "versions": versions}


def run_all(given: argparse.Namespace) -> None:
    tables = json.loads((given.data / "suite.json").read_text())
    if given.tables:
        tables = [table for table in tables if table["name"] in given.tables.split(",")]
    if given.output.exists() and not given.output.read_bytes().endswith(b"\n"):
        with given.output.open("a") as file:
            file.write("\n")  # the last line was cut off
    jobs = remaining(plan(tables, given), read_lines(given.output), given.again)
    said = origin()
    for number, job in enumerate(jobs, 1):
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        line = {
            "table": job["table"]["name"], "task": job["table"]["task"],
            "rows": job["table"]["rows"], "split": job["split"], "system": job["system"],
            "time_limit": job["limit"], "load": load,
        } | run_alone(job, given.data, given.timeout) | said  # fmt: skip
        with given.output.open("a") as file:
            file.write(json.dumps(line) + "\n")
        score = line["failure"] or ", ".join(
            f"{name} {line[name]:.4g}" for name in METRICS if name in line
        )
        seconds = line.get("fit_seconds", line["wall_seconds"])
        print(f"{number}/{len(jobs)} {key_of(line)} {score} ({seconds:.1f} s)", flush=True)


# --- the report ---------------------------------------------------------------------------------

Cells = dict[tuple, dict[str, dict]]  # (table, split) -> system -> line


def label_of(line: dict) -> str:
    limit = line["time_limit"]
    return line["system"] if limit is None else f"{line['system']} {limit:g} s"


def cells_of(lines: list[dict], metric: str) -> Cells:
    """Return for each table and split the lines of the systems; the last one counts."""
    wanted = ("regression",) if metric == "rmse" else ("binary", "multiclass")
    cells: Cells = defaultdict(dict)
    for line in lines:
        if line["task"] in wanted:
            cells[line["table"], line["split"]][label_of(line)] = line
    return dict(cells)


def value_of(line: dict | None, metric: str) -> float:
    """Return a metric; infinity for a failure, so that it ranks last."""
    value = None if line is None or line.get("failure") else line.get(metric)
    return float("inf") if value is None or not np.isfinite(value) else float(value)


def ranks(values: list[float]) -> list[float]:
    """Return ranks from 1, ties averaged.

    >>> ranks([0.2, 0.1, 0.2])
    [2.5, 1.0, 2.5]
    """
    return [
        1 + sum(other < value for other in values) + (values.count(value) - 1) / 2
        for value in values
    ]


def standing(cells: Cells, systems: list[str], metric: str) -> list[dict]:
    """Return mean rank, distance to the best and wins of systems that were run on all cells."""
    per_system: dict[str, dict[str, list[float]]] = {
        name: {"rank": [], "above": [], "wins": [], "best": [], "failed": []} for name in systems
    }
    for cell in cells.values():
        values = [value_of(cell.get(name), metric) for name in systems]
        best = min(values)
        for name, value, rank in zip(systems, values, ranks(values), strict=True):
            mine = per_system[name]
            mine["rank"].append(rank)
            mine["wins"].append((len(systems) - rank) / max(1, len(systems) - 1))
            mine["best"].append(float(value == best < float("inf")))
            mine["failed"].append(float(value == float("inf")))
            if value < float("inf"):
                # one row more wrong for both: no mistake at all is no reason to divide by 0
                more = 1 / cell[name].get("n_test", 1) if metric == "error" else 0.0
                mine["above"].append((value + more) / (best + more) - 1)
    rows = [
        {"system": name, "mean rank": float(np.mean(found["rank"])),
         "above the best": float(np.mean(found["above"])) if found["above"] else None,
         "win rate": float(np.mean(found["wins"])), "best on": int(sum(found["best"])),
         "failures": int(sum(found["failed"]))}
        for name, found in per_system.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row["mean rank"])


def markdown(heads: list[str], rows: list[list[str]]) -> str:
    rule = "|".join(["---"] + ["---:"] * (len(heads) - 1))
    lines = [f"| {' | '.join(heads)} |", f"|{rule}|"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def shown(value: float, metric: str) -> str:
    if value == float("inf"):
        return "failed"
    if metric == "error":
        return f"{100 * value:.2f}"
    return (
        f"{value:.4f}"
        if metric == "log_loss"
        else f"{value:,.1f}"
        if value > 999
        else f"{value:#.4g}"
    )


def per_table(cells: Cells, metric: str) -> str:
    """Return the mean over the splits of every system on every table, the best in bold."""
    systems = sorted({name for cell in cells.values() for name in cell})
    rows = []
    for table in dict.fromkeys(table for table, _ in cells):
        mine = [cell for (name, _), cell in cells.items() if name == table]
        means = {}
        for system in systems:
            lines = [cell[system] for cell in mine if system in cell]
            if lines:
                means[system] = float(np.mean([value_of(line, metric) for line in lines]))
        best = min(means.values())
        words = []
        for system in systems:
            value = means.get(system)
            word = "" if value is None else shown(value, metric)
            words.append(f"**{word}**" if value == best < float("inf") else word)
        rows.append([table, *words])
    return markdown(["table", *systems], rows)


def seconds_table(lines: list[dict]) -> str:
    systems = sorted({label_of(line) for line in lines})
    rows = []
    for table in dict.fromkeys(line["table"] for line in lines):
        words = []
        for system in systems:
            mine = [line for line in lines if (line["table"], label_of(line)) == (table, system)]
            spent = [line.get("fit_seconds", line["wall_seconds"]) for line in mine]
            words.append(f"{np.mean(spent):.1f}" if spent else "")
        rows.append([table, *words])
    return markdown(["table", *systems], rows)


def standings(lines: list[dict], metric: str) -> str:
    """Return one table of ranks for each time limit of Fathom, its peers beside it."""
    cells = cells_of(lines, metric)
    names = sorted({name for cell in cells.values() for name in cell})
    limited = {label_of(line) for line in lines if line["time_limit"] is not None}
    peers = [name for name in names if name not in limited]
    parts = []
    for ours in [name for name in names if name in limited] or [None]:
        if ours is None:
            systems, mine = peers, cells
        else:
            systems = [*peers, ours]
            mine = {key: cell for key, cell in cells.items() if ours in cell}
        everywhere = [name for name in systems if all(name in cell for cell in mine.values())]
        for group in dict.fromkeys((tuple(everywhere), tuple(systems))):
            common = {
                key: cell for key, cell in mine.items() if all(name in cell for name in group)
            }
            if len(group) > 1 and common:
                parts.append(standing_table(common, list(group), metric))
    return "\n\n".join(parts)


def standing_table(cells: Cells, systems: list[str], metric: str) -> str:
    n = len({table for table, _ in cells})
    over = f"{len(cells)} split{'s' * (len(cells) > 1)} of {n} table{'s' * (n > 1)}"
    rows = [
        [row["system"], f"{row['mean rank']:.2f}",
         "" if row["above the best"] is None else f"{100 * row['above the best']:.1f} %",
         f"{100 * row['win rate']:.0f} %", str(row["best on"]), str(row["failures"])]
        for row in standing(cells, systems, metric)
    ]  # fmt: skip
    heads = ["system", "mean rank", "above the best", "win rate", "best on", "failures"]
    return f"{over}\n\n{markdown(heads, rows)}"


def is_kept(line: dict) -> bool:
    """Tell whether the time that was promised was kept."""
    limit = line["time_limit"]
    return line.get("fit_seconds", line["wall_seconds"]) <= max(1.05 * limit, limit + 2)


def promises(lines: list[dict]) -> str:
    rows = []
    promised = [line for line in lines if line["time_limit"] is not None]
    for name in dict.fromkeys(label_of(line) for line in promised):
        mine = [line for line in promised if label_of(line) == name]
        over = [line.get("fit_seconds", line["wall_seconds"]) - line["time_limit"] for line in mine]
        broken = sum(not is_kept(line) for line in mine)
        rows.append([name, str(len(mine)), str(broken), f"{max(over):+.1f} s"])
    return markdown(["system", "runs", "promises broken", "longest over the limit"], rows)


def calibration(lines: list[dict]) -> str:
    """Return the calibration error on small tables, where all systems gave probabilities."""
    cells = cells_of([line for line in lines if line["rows"] < SMALL], "ece")
    systems = sorted({name for cell in cells.values() for name in cell})
    rows = []
    for name in systems:
        found = [cell[name] for cell in cells.values() if name in cell]
        found = [line for line in found if value_of(line, "ece") < float("inf")]
        if found:
            means = [
                float(np.mean([line[metric] for line in found])) for metric in ("ece", "log_loss")
            ]
            rows.append([name, f"{means[0]:.4f}", f"{means[1]:.4f}", str(len(found))])
    rows.sort(key=lambda row: float(row[1]))
    return markdown(["system", "mean ECE", "mean log loss", "splits"], rows)


def curve(lines: list[dict]) -> str:
    """Return how much worse each limit is than the best limit, over the splits that all have."""
    rows = []
    for metric in METRICS:
        cells = cells_of([line for line in lines if line["time_limit"] is not None], metric)
        order = {
            label_of(line): line["time_limit"] for cell in cells.values() for line in cell.values()
        }
        names = sorted(order, key=lambda name: order[name])
        common = {key: cell for key, cell in cells.items() if all(name in cell for name in names)}
        if len(names) < 2 or not common:
            continue
        found = {row["system"]: row for row in standing(common, names, metric)}
        rows += [
            [METRICS[metric], name, f"{100 * found[name]['above the best']:.1f} %",
             f"{found[name]['mean rank']:.2f}", str(len(common))]
            for name in names if found[name]["above the best"] is not None
        ]  # fmt: skip
    return (
        markdown(["metric", "system", "above the best", "mean rank", "splits"], rows)
        if rows
        else ""
    )


def report(lines: list[dict]) -> str:
    """Return everything there is to say on the results, as Markdown."""
    parts = []
    for metric, name in METRICS.items():
        cells = cells_of(lines, metric)
        if cells:
            unit = ", %" if metric == "error" else ""
            parts += [f"## {name[:1].upper()}{name[1:]}{unit}", per_table(cells, metric)]
            if found := standings(lines, metric):
                parts += [f"### Over the tables: {name}", found]
    parts += ["## Seconds of a fit", seconds_table(lines)]
    if any(line["time_limit"] is not None for line in lines):
        parts += ["## The promise", promises(lines)]
    if any(line["rows"] < SMALL and "ece" in line for line in lines):
        parts += [f"## Calibration on tables under {SMALL:,} rows", calibration(lines)]
    if found := curve(lines):
        parts += ["## Quality against time", found]
    failed = [[*map(str, key_of(line)), line["failure"]] for line in lines if line.get("failure")]
    if failed:
        heads = ["table", "split", "system", "limit", "what happened"]
        parts += ["## Failures", markdown(heads, failed)]
    return "\n\n".join(part for part in parts if part)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of suite.json and the CSV files")
    parser.add_argument("--tables", help="names, with commas; left out: all")
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--time-limit", default="20", help="seconds for Fathom, one or several; "
                        "none leaves Fathom out")  # fmt: skip
    parser.add_argument("--peers", default=DEFAULT_PEERS, help="names, with commas, or none")
    parser.add_argument("--command", action="store_true", help="measure the commands of Fathom")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for one fit, at most")
    parser.add_argument("--again", action="store_true", help="run again what failed")
    parser.add_argument("--output", type=Path, default=Path("results.jsonl"))
    parser.add_argument("--report", action="store_true", help="print what there is as Markdown")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        stay_on_cores()
        given.output.write_text(json.dumps(fit_alone(json.loads(given.alone), given.data)))
        return
    limits = "" if given.time_limit == "none" else given.time_limit
    given.time_limit = [float(limit) for limit in limits.split(",") if limit]
    if given.data:
        run_all(given)
    if given.report:
        lines = {key_of(line): line for line in read_lines(given.output)}
        print(report(list(lines.values())))


if __name__ == "__main__":
    main()
