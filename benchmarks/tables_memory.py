"""How much memory a large table takes: 1,000,000 rows of 50 columns by the command itself.

    python benchmarks/tables_memory.py [--rows 1000000] [--columns 50] [--time-limit 120]

A CSV file is made in a temporary folder (thirty in fifty columns numbers, the others categories of
5 to 5,000 values), ``fathom train`` runs on it in a process of its own, and the largest memory of
that process is printed beside its wall clock.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl


def make_table(rows: int, columns: int, path: Path) -> None:
    rng = np.random.default_rng(0)
    found: dict[str, pl.Series] = {}
    score = np.zeros(rows)
    for number in range(columns):
        if number % 5 < 3:
            values = rng.normal(size=rows).round(4)
            score += np.sin(values * (1 + number % 3)) if number < 15 else 0
            found[f"number_{number}"] = pl.Series(values)
        else:
            n = int(5 * 10 ** (3 * rng.random()))
            codes = rng.integers(0, n, rows)
            score += (codes % 3 == 0) if number < 15 else 0
            names = pl.Series([f"value {code}" for code in range(n)])
            found[f"category_{number}"] = names.gather(pl.Series(codes))
    found["bought"] = pl.Series(np.where(score > np.median(score), "yes", "no"))
    pl.DataFrame(found).write_csv(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--time-limit", type=float, default=120.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table, model = Path(folder) / "large.csv", Path(folder) / "model.fathom"
        make_table(given.rows, given.columns, table)
        command = [
            sys.executable, "-m", "fathom", "train", str(table), "--target", "bought",
            "--time-limit", str(given.time_limit), "--output", str(model),
        ]  # fmt: skip
        began = time.monotonic()
        code = subprocess.run(command, check=False).returncode
        seconds = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        print(
            f"{given.rows:,} × {given.columns}, {table.stat().st_size / 2**20:,.0f} MiB: "
            f"exit code {code}, {seconds:.1f} s of {given.time_limit:g}, {peak:.2f} GiB at most"
        )


if __name__ == "__main__":
    main()
