"""What the results of `benchmarks/tables.py` say: who is best, by how much, in what time.

A result is a line: table, split, system, time limit, and either the metrics and seconds or a
failure. For each of classification error, log loss and RMSE the systems are ranked on every split
of every table that all of them were run on; a failure ranks last.
"""

import math
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

METRICS = {"error": "classification error", "log_loss": "log loss", "rmse": "RMSE"}
SMALL = 3000  # rows of a table below which calibration is hard
LEGEND = """\
Mean over the splits of each table, the best in bold. Mean rank: 1 is best. Above the best: the
error, log loss or RMSE over that of the best system, less 1, mean over the splits without a
failure. Win rate: share of the other systems that a system beats, a tie as half."""

Cells = dict[tuple, dict[str, dict]]  # (table, split) -> system -> line


def key_of(line: dict) -> tuple:
    """Return what a result is the result of."""
    return line["table"], line["split"], line["system"], line["time_limit"]


def seconds_of(line: dict) -> float:
    """Return how long a fit or a whole command took; of one that failed, until it had."""
    return line.get("fit_seconds", line["wall_seconds"])


def label_of(line: dict) -> str:
    limit = line["time_limit"]
    return line["system"] if limit is None else f"{line['system']} {limit:g} s"


def labels_of(lines: Iterable[dict]) -> list[str]:
    """Return what the systems are called, in order of name and time limit."""
    order = {label_of(line): (line["system"], line["time_limit"] or 0) for line in lines}
    return sorted(order, key=order.__getitem__)


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
        return f"{100 - 100 * value:.2f}"
    if metric == "log_loss":
        return f"{value:.4f}"
    return f"{value:,.1f}" if value > 999 else f"{value:#.4g}"


def per_table(cells: Cells, metric: str) -> str:
    """Return the mean over the splits of every system on every table, the best in bold."""
    systems = labels_of(line for cell in cells.values() for line in cell.values())
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
    systems = labels_of(lines)
    rows = []
    for table in dict.fromkeys(line["table"] for line in lines):
        words = []
        for system in systems:
            mine = [line for line in lines if (line["table"], label_of(line)) == (table, system)]
            spent = [seconds_of(line) for line in mine]
            words.append(f"{np.mean(spent):.1f}" if spent else "")
        rows.append([table, *words])
    return markdown(["table", *systems], rows)


def standings(lines: list[dict], metric: str) -> str:
    """Return one table of ranks for each time limit of Fathom, its peers beside it."""
    cells = cells_of(lines, metric)
    names = labels_of(line for cell in cells.values() for line in cell.values())
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


def allowed(limit: float) -> float:
    """Return how many seconds a promise of a time limit allows."""
    return max(1.05 * limit, limit + 2)


def is_kept(line: dict) -> bool:
    """Tell whether there was a model within the time that was promised."""
    return not line.get("failure") and seconds_of(line) <= allowed(line["time_limit"])


def promises(lines: list[dict]) -> str:
    """Return how often each system kept its time limit, and each run that did not."""
    rows, broken = [], []
    promised = [line for line in lines if line["time_limit"] is not None]
    for name in dict.fromkeys(label_of(line) for line in promised):
        mine = [line for line in promised if label_of(line) == name]
        n_kept = sum(is_kept(line) for line in mine)
        longest = max(seconds_of(line) - line["time_limit"] for line in mine)
        share = f"{math.floor(1000 * n_kept / len(mine)) / 10:g} %"
        rows.append([name, str(len(mine)), str(n_kept), share, f"{longest:+.1f} s"])
    for line in promised:
        if not is_kept(line):
            seconds, most = seconds_of(line), allowed(line["time_limit"])
            what = "failed" if line.get("failure") else f"{seconds - most:+.1f} s"
            words = [f"{seconds:.1f} s", f"{most:.1f} s", what]
            broken.append([line["table"], str(line["split"]), label_of(line), *words])
    heads = ["system", "runs", "kept", "share kept", "longest over the limit"]
    parts = [markdown(heads, rows)]
    if broken:
        heads = ["table", "split", "system", "took", "allowed", "beyond it"]
        parts.append("Promises broken:\n\n" + markdown(heads, broken))
    return "\n\n".join(parts)


def calibration(lines: list[dict]) -> str:
    """Return the calibration error on small tables, where all systems gave probabilities."""
    cells = cells_of([line for line in lines if line["rows"] < SMALL], "ece")
    systems = labels_of(line for cell in cells.values() for line in cell.values())
    rows = []
    for name in systems:
        found = [cell[name] for cell in cells.values() if name in cell]
        found = [line for line in found if value_of(line, "ece") < float("inf")]
        if found:
            means = [np.mean([line[metric] for line in found]) for metric in ("ece", "log_loss")]
            rows.append([name, *(f"{mean:.4f}" for mean in means), str(len(found))])
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
    heads = ["metric", "system", "above the best", "mean rank", "splits"]
    return markdown(heads, rows) if rows else ""


def report(lines: list[dict]) -> str:
    """Return everything there is to say on the results, as Markdown."""
    parts = [LEGEND]
    for metric, name in METRICS.items():
        cells = cells_of(lines, metric)
        if cells:
            head = "Accuracy, %" if metric == "error" else f"{name[:1].upper()}{name[1:]}"
            parts += [f"## {head}", per_table(cells, metric)]
            if found := standings(lines, metric):
                parts += [f"### Over the tables: {name}", found]
    parts += ["## Seconds of a fit, or of the whole command", seconds_table(lines)]
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
