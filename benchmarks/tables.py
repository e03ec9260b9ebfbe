"""Tables: Fathom beside what a user would otherwise pick, on the same random splits.

    python benchmarks/tables.py --data DIR [--tables a,b] [--splits 3] [--time-limit 5 20 60 180]
        [--peers XGBoost,MLP | none] [--command] [--output results.jsonl]
    python benchmarks/tables.py --report [--output results.jsonl]

DIR holds CSV files and ``suite.json``, which names for each the file, the target and the task. Rows
are split 80/20 at random, by class where there are classes; the number of the split is the seed of
everything. All systems are fitted on the same rows of the same table (a pandas frame: text that is
all numbers is numbers, text that is all dates is dates), each in a fresh process on two cores.
A result is one line of the output from the moment it is there; what is there is not run again, so
that a run goes on where it stopped. A crash, or no end in time, is a result too.

``--command`` measures ``fathom train`` and ``fathom predict`` as commands: CSV files in,
predictions out, and a cache of compiled programs that is empty, as on a machine's first day. A
promise is kept when the wall clock of the fit, or of the whole process of ``fathom train``, is at
most 1.05 times the limit, or the limit and 2 s. Peers have their documented defaults and no limit,
except AutoGluon (best quality, 60 s); RealMLP and AutoGluon run where they are installed and asked
for by name.
"""

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from fathom.data.schema import Column
from fathom.estimators.evaluation import evaluate_classes, evaluate_numbers
from fathom.estimators.peers import OPTIONAL, PEER_NAMES, make_peers
from tables_ranks import METRICS, key_of, report, seconds_of

ROOT = Path(__file__).resolve().parents[1]
CORES = 2
COMMAND = "Fathom (command)"
HEAVY = {"RealMLP": "pytabkit", "AutoGluon": "autogluon.tabular"}
DEFAULT_PEERS = "XGBoost,LightGBM,CatBoost,MLP,gradient boosting"
AUTOGLUON_SECONDS = 60
PACKAGES = ("fathom-dnn", "jax", "numpy", "pandas", "scikit-learn", "xgboost", "xgboost-cpu",
            "lightgbm", "catboost", "torch", "pytabkit", "autogluon.tabular")  # fmt: skip


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
    """Return what has fit, and predict or predict_proba."""
    is_numbers = task == "regression"
    if name == "Fathom":
        import fathom

        kind = fathom.FathomRegressor if is_numbers else fathom.FathomClassifier
        return kind(time_limit=limit, random_state=seed)
    if name == "RealMLP":
        import pytabkit

        kind = pytabkit.RealMLP_TD_Regressor if is_numbers else pytabkit.RealMLP_TD_Classifier
        model = kind(random_state=seed, n_threads=CORES, device="cpu")
        return make_pipeline(FunctionTransformer(dates_to_days), model)
    if name == "AutoGluon":
        return AutoGluon(is_numbers, seed)
    if name in OPTIONAL:
        importlib.import_module(OPTIONAL[name])  # loading a library is no part of a fit
    return make_peers("numbers" if is_numbers else "classes", columns, [name], seed, CORES)[name]


def dates_to_days(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose dates are days since 1970, for a system that knows none."""
    dates = frame.select_dtypes("datetime")
    days = {name: (dates[name] - pd.Timestamp(0)) / pd.Timedelta(days=1) for name in dates}
    return frame.assign(**days)


class AutoGluon:
    """AutoGluon as the other systems are: fit, predict, predict_proba."""

    def __init__(self, is_numbers: bool, seed: int) -> None:
        self.is_numbers, self.seed = is_numbers, seed
        self.place = tempfile.TemporaryDirectory()  # its models are large

    def fit(self, frame: pd.DataFrame, y: np.ndarray) -> "AutoGluon":
        """Fit within the time limit."""
        from autogluon.tabular import TabularPredictor

        task = "regression" if self.is_numbers else None
        metric = "root_mean_squared_error" if self.is_numbers else "log_loss"
        predictor = TabularPredictor(
            "the target", problem_type=task, eval_metric=metric, path=self.place.name,
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
    is_numbers = classes is None
    if job["system"] == COMMAND:
        model, predicted, found = run_commands(job, x_train, y_train, x_test)
    else:
        columns = describe(pd.concat([x_train, x_test]))
        model = make_system(
            job["system"], job["table"]["task"], columns, job["split"], job["limit"]
        )
        began = time.perf_counter()
        model.fit(x_train, y_train)
        fitted = time.perf_counter()
        ask = model.predict if is_numbers else model.predict_proba
        predicted = np.asarray(ask(x_test), np.float64)
        found = {"fit_seconds": fitted - began, "predict_seconds": time.perf_counter() - fitted}
    found["notes"] = list(getattr(model, "notes_", ()))
    if is_numbers:
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


def run_commands(
    job: dict, x_train: pd.DataFrame, y_train: np.ndarray, x_test: pd.DataFrame
) -> tuple[object, np.ndarray, dict]:
    """Train and predict by the commands, each timed from its start to its end.

    Returns the model read back, the numbers or probabilities that were written, and the seconds.
    """
    import fathom

    target = job["table"]["target"]
    with tempfile.TemporaryDirectory() as place:
        rows, new, saved, answers = (
            Path(place) / name for name in ("train.csv", "new.csv", "model.fathom", "answers.csv")
        )
        x_train.assign(**{target: y_train}).to_csv(rows, index=False)
        x_test.to_csv(new, index=False)
        limits = ["--time-limit", f"{job['limit']:g}", "--seed", str(job["split"])]
        train = ["train", str(rows), "--target", target, *limits, "--output", str(saved)]
        seconds = {
            "fit_seconds": seconds_of_command(train, place),
            "predict_seconds": seconds_of_command(
                ["predict", str(saved), str(new), "--output", str(answers)], place
            ),
        }
        model, written = fathom.load(saved), pd.read_csv(answers)
    if job["table"]["task"] == "regression":
        return model, written.iloc[:, 0].to_numpy("float64"), seconds
    return model, written.iloc[:, 1 : 1 + len(model.classes_)].to_numpy("float64"), seconds


def seconds_of_command(words: list[str], place: str) -> float:
    """Run a command of Fathom to its end; return its wall clock."""
    cache = {"FATHOM_CACHE": str(Path(place) / "cache")}
    began = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "fathom", *words], capture_output=True, text=True, cwd=place,
        env={**os.environ, **cache},
    )  # fmt: skip
    spent = time.perf_counter() - began
    if run.returncode:
        said = (run.stderr or run.stdout).strip()[-500:]
        raise RuntimeError(f"fathom {words[0]} ended with {run.returncode}: {said}")
    return spent


# --- all of them --------------------------------------------------------------------------------


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
        package = {**OPTIONAL, **HEAVY}.get(name)
        if package and importlib.util.find_spec(package.partition(".")[0]) is None:
            print(f"{name} is left out, not being installed: pip install {package}")
            peers = [peer for peer in peers if peer != name]
    ours = COMMAND if given.command else "Fathom"
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
            failure = f"no end after {timeout:g} s"
        finally:
            if process.poll() is None:  # or it would run on beside the next one
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
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
        wanted, there = given.tables.split(","), [table["name"] for table in tables]
        if unknown := [name for name in wanted if name not in there]:
            raise SystemExit(f"expected --tables of {', '.join(there)}, got {', '.join(unknown)}")
        tables = [table for table in tables if table["name"] in wanted]
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
        seconds = seconds_of(line)
        print(f"{number}/{len(jobs)} {key_of(line)} {score} ({seconds:.1f} s)", flush=True)


def limits_of(words: list[str]) -> list[float]:
    """Return the time limits given, in seconds; commas may part them too.

    >>> limits_of(["5", "20,60"]), limits_of(["none"])
    ([5.0, 20.0, 60.0], [])
    """
    words = [word for given in words for word in given.split(",") if word]
    if words == ["none"]:
        return []
    try:
        limits = [float(word) for word in words]
    except ValueError:
        limits = [0.0]
    if not all(0 < limit < float("inf") for limit in limits):
        raise SystemExit(f"expected --time-limit above 0, in seconds, or none, got {words}")
    return list(dict.fromkeys(limits))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of suite.json and the CSV files")
    parser.add_argument("--tables", help="names, with commas; left out: all")
    parser.add_argument("--splits", type=int, default=1, help="how many, the first is 0")
    parser.add_argument("--time-limit", nargs="+", default=["20"], metavar="SECONDS",
                        help="for Fathom, one or several; none leaves Fathom out")  # fmt: skip
    parser.add_argument("--peers", default=DEFAULT_PEERS, help="names, with commas, or none")
    parser.add_argument("--command", action="store_true", help="measure the commands of Fathom")
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for one fit, at most")
    parser.add_argument("--again", action="store_true", help="run again what failed")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("results.jsonl"),
        help="file of results, a line each; what is in it is not run again",
    )
    parser.add_argument("--report", action="store_true", help="print what there is as Markdown")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        stay_on_cores()
        given.output.write_text(json.dumps(fit_alone(json.loads(given.alone), given.data)))
        return
    if not given.data and not given.report:
        parser.error("expected --data, to run what is not there yet, or --report, to print it")
    given.time_limit = limits_of(given.time_limit)
    if given.data:
        run_all(given)
    if given.report:
        lines = {key_of(line): line for line in read_lines(given.output)}
        print(report(list(lines.values())))


if __name__ == "__main__":
    main()
