"""A table larger than memory: peak memory, rows a second, and what the further rows are good for.

python benchmarks/streams.py [--gigabytes 8] [--columns 30] [--memory 4GB] [--time-limit 600]

A Parquet file is made in a temporary folder (a fifth of the columns categories, the others numbers;
the target follows products and waves of a few, with noise), sorted by a column, so that no part of
it is like the whole. `fathom train --memory` learns from it; then from a sample that fits, without
the bound and in the same time. Both are judged on 50,000 rows of neither.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

PART_ROWS = 500_000


def make_rows(n: int, columns: int, seed: int, low: float = 0.0, high: float = 1.0) -> pl.DataFrame:
    """Make rows whose column of time is from low to high."""
    rng = np.random.default_rng([7, seed])
    n_codes = columns // 5
    numbers = rng.normal(size=(columns - n_codes - 1, n)).round(3)
    codes = rng.integers(0, 12, (n_codes, n))
    time_of = np.sort(rng.uniform(low, high, n))
    z = 1.5 * numbers[0] * numbers[1] + np.sin(3 * numbers[2]) + 0.3 * (codes[0] - 5.5) * numbers[3]
    z += np.cos(2 * numbers[4] + numbers[5]) * numbers[6] + 2 * (time_of - 0.5)
    is_hit = rng.random(n) < 1 / (1 + np.exp(-z))
    named = {f"number_{k}": row for k, row in enumerate(numbers)}
    named |= {f"code_{k}": np.char.add("c", row.astype(str)) for k, row in enumerate(codes)}
    return pl.DataFrame({"when": time_of, **named, "hit": np.where(is_hit, "yes", "no")})


def make_file(folder: Path, n_bytes: float, columns: int) -> tuple[Path, int]:
    """Write parts until the bytes are reached, and join them without reading them whole."""
    first = make_rows(PART_ROWS, columns, 0, 0.0, 0.01)
    first.write_parquet(folder / "probe.parquet", compression="uncompressed")
    n_parts = max(int(n_bytes / (folder / "probe.parquet").stat().st_size), 1)
    (folder / "probe.parquet").unlink()
    for part in range(n_parts):
        frame = make_rows(PART_ROWS, columns, part, part / n_parts, (part + 1) / n_parts)
        frame.write_parquet(folder / f"part-{part:05}.parquet", compression="uncompressed")
    lazy = pl.scan_parquet(folder / "part-*.parquet")
    lazy.sink_parquet(folder / "rows.parquet", compression="uncompressed", row_group_size=2**17)
    for part in folder.glob("part-*.parquet"):
        part.unlink()
    return folder / "rows.parquet", n_parts * PART_ROWS


def train(
    folder: Path, file: Path, name: str, asked: argparse.Namespace, *more: str
) -> dict[str, object]:
    """Train by the command; return its event on the rows from the disk, and its peak of memory."""
    command = [
        sys.executable, "-m", "fathom", "train", str(file), "--target", "hit", "--json",
        "--time-limit", str(asked.time_limit), "--output", str(folder / name), *more,
    ]  # fmt: skip
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    events = [json.loads(line) for line in child.stdout]
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"fathom train ended with status {status}: {events[-1:]}")
    onward = next((one for one in events if one["event"] == "onward"), {})
    read = next((one for one in events if one["event"] == "survey"), {})
    read = {f"read_{name}": read[name] for name in ("rows", "seconds", "rank_error") if read}
    return {**read, **onward, "wall": time.monotonic() - began, "peak": used.ru_maxrss * 1024}


def judge(folder: Path, test: Path, name: str) -> str:
    command = [sys.executable, "-m", "fathom", "evaluate", str(folder / name), str(test), "--json"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    done = json.loads(said[-1])
    return f"{done['metric']} {done['score']:.5f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=8.0)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--time-limit", type=float, default=600.0)
    parser.add_argument("--sample", type=int, default=200_000, help="rows of the sample that fits")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fathom-streams-") as place:
        folder = Path(place)
        began = time.monotonic()
        file, n_rows = make_file(folder, asked.gigabytes * 1e9, asked.columns)
        print(
            f"{n_rows:,} × {asked.columns + 1}, {file.stat().st_size / 1e9:.2f} GB on disk, "
            f"made in {time.monotonic() - began:.0f} s; load {os.getloadavg()[0]:.1f}", flush=True,
        )  # fmt: skip
        make_rows(50_000, asked.columns, 10**6).write_parquet(folder / "test.parquet")
        made = train(folder, file, "large.fathom", asked, "--memory", asked.memory)
        print(
            f"--memory {asked.memory}: peak {made['peak'] / 1e9:.2f} GB, {made['wall']:.0f} s; "
            f"{made['read_rows']:,} rows read once in {made['read_seconds']:.0f} s, quantiles "
            f"within {made['read_rank_error']:.2%}; "
            f"{made['rows']:,} further rows in {made['seconds']:.0f} s; "
            f"{judge(folder, folder / 'test.parquet', 'large.fathom')}", flush=True,
        )  # fmt: skip
        every = pl.scan_parquet(file).gather_every(max(n_rows // asked.sample, 1)).collect()
        every.write_parquet(folder / "sample.parquet")
        small = train(folder, folder / "sample.parquet", "small.fathom", asked)
        print(
            f"a sample of {every.height:,} in memory: peak {small['peak'] / 1e9:.2f} GB, "
            f"{small['wall']:.0f} s; {judge(folder, folder / 'test.parquet', 'small.fathom')}"
        )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"(making the file took {peak:.1f} GiB in this process)")


if __name__ == "__main__":
    main()
