"""Searches by several workers: the same to the bit, whoever dies, and how much sooner.

python benchmarks/scale.py --data DIR [--table NAME] [--rows N] [--workers 1 2 4] [--kills 2]

The same search by 1, 2 and 4 processes; then once more by two, its own process killed (SIGKILL) and
begun again several times, and a worker killed now and then. Trials are compared byte by byte.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DRIVER = """
import hashlib, json, sys
from pathlib import Path
import polars as pl
from fathom.estimators import FathomClassifier, FathomRegressor
from fathom.search.rounds import Rounds
asked = json.loads(sys.argv[1])
frame = pl.read_csv(asked["file"], infer_schema_length=None).head(asked["most"])
kind = FathomRegressor if asked["task"] == "regression" else FathomClassifier
rounds = Rounds(address=asked["address"], n_rounds=asked["rounds"], journal=asked["journal"])
model = kind(time_limit=None, random_state=0)
model.fit(frame.drop(asked["target"]), frame[asked["target"]].to_numpy(), executor=rounds)
report = model.report_
told = getattr(model, "predict_proba", model.predict)(frame.drop(asked["target"]))
print(json.dumps({"loss": report.validation_loss, "seconds": report.seconds,
                  "says": hashlib.sha256(told.tobytes()).hexdigest(),
                  "tried": len(report.candidates), "kept": len(report.kept),
                  "notes": report.notes[-2:]}))
"""


def begin(table: dict[str, str], data: Path, asked: argparse.Namespace, address: str,
          journal: Path, within: tuple[str, ...] = ()) -> subprocess.Popen[str]:  # fmt: skip
    """Begin a search in a process of its own."""
    told: dict[str, object] = {
        "file": str(data / table["file"]), "target": table["target"], "task": table["task"],
        "address": address, "rounds": asked.rounds, "journal": str(journal),
        "most": asked.rows,
    }  # fmt: skip
    return subprocess.Popen(
        [*within, sys.executable, "-c", DRIVER, json.dumps(told)],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def end(driver: subprocess.Popen[str]) -> dict[str, object]:
    """Wait for a search, and return what it says."""
    out, _ = driver.communicate()
    if driver.returncode:
        raise SystemExit(f"the search ended with exit code {driver.returncode}")
    found: dict[str, object] = json.loads(out.splitlines()[-1])
    return found


def digests(journal: Path) -> dict[str, str]:
    """Return the digest of every trial's bytes."""
    places = (journal / "results").glob("*.bin")
    return {place.stem: hashlib.sha256(place.read_bytes()).hexdigest() for place in places}


def count_done(journal: Path) -> int:
    place = journal / "journal.jsonl"
    return place.read_text().count('"what": "done"') if place.exists() else 0


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def run_killed(
    table: dict[str, str], data: Path, asked: argparse.Namespace, journal: Path, n_trials: int
) -> tuple[dict[str, object], float]:
    """Run a search whose process is killed several times, and a worker before each."""
    rng, began = random.Random(0), time.monotonic()
    for turn in range(asked.kills):
        driver = begin(table, data, asked, "processes:2", journal)
        wanted = (turn + 1) * n_trials // (asked.kills + 1)
        while driver.poll() is None and count_done(journal) < wanted - 1:
            time.sleep(0.05)
        workers = children(driver.pid)
        if workers:
            os.kill(rng.choice(workers), signal.SIGKILL)
        while driver.poll() is None and count_done(journal) < wanted:
            time.sleep(0.05)
        driver.kill()
        driver.communicate()
        print(f"  killed with {count_done(journal)} of {n_trials} trials done", flush=True)
    found = end(begin(table, data, asked, "processes:2", journal))
    return found, time.monotonic() - began


def compare_workers(table: dict[str, str], asked: argparse.Namespace, folder: Path) -> None:
    """Run the search by different numbers of workers, then one that is killed."""
    print(f"{table['name']}, {asked.rounds} round(s); load {os.getloadavg()[0]:.1f}")
    print("workers  seconds  trials  loss        same bytes")
    first: dict[str, str] = {}
    for count in asked.workers:
        journal = folder / f"j{count}"
        found = end(begin(table, asked.data, asked, f"processes:{count}", journal))
        trials = digests(journal)
        first = first or trials
        same = "yes" if trials == first else "NO"
        print(f"{count:7}  {found['seconds']:7.1f}  {len(trials):6}  {found['loss']:.8f}  {same}",
              flush=True)  # fmt: skip
    if asked.kills:
        found, seconds = run_killed(table, asked.data, asked, folder / "killed", len(first))
        same = "yes" if digests(folder / "killed") == first else "NO"
        print(f" killed  {seconds:7.1f}  {len(first):6}  {found['loss']:.8f}  {same}")
        print("  " + "; ".join(map(str, found["notes"])))  # type: ignore[call-overload]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with tables/suite.json")
    parser.add_argument("--table", default="phoneme")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rows", type=int, default=10**6, help="of the table, the first")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--kills", type=int, default=2)
    asked = parser.parse_args()
    asked.data = asked.data / "tables"
    suite = json.loads((asked.data / "suite.json").read_text())
    known = {Path(one["file"]).stem: {**one, "name": Path(one["file"]).stem} for one in suite}
    if asked.table not in known:
        raise SystemExit(f"expected one of {', '.join(sorted(known))} — got {asked.table}")
    with tempfile.TemporaryDirectory() as folder:
        compare_workers(known[asked.table], asked, Path(folder))


if __name__ == "__main__":
    main()
