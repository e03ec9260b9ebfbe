"""Mutants of model files: each is refused by an error of Fathom's own, or loads and predicts.

    python benchmarks/fuzz_models.py --mutants 100000 [--seed 0] [--record FILE] [--keep FOLDER]

Mutants are made knowing what a file consists of: of bytes, of entries in the header, of values in
the card and of numbers in tensors, the last two with the checksum made right again. What loads must
also be a file that the safetensors library reads. A mutant that gives anything else is written to
the folder of --keep.

Mutants come in lots of 1,000, each with a seed of its own. What became of a lot is a line of the
file of --record; lots that are there are counted and not made again, so that a run goes on where it
stopped. Small files are mutated more often than large ones, as often as they are smaller.
"""

import argparse
import copy
import hashlib
import json
import resource
import struct
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl
from safetensors.numpy import load as load_safetensors

from fathom.data.schema import TableInput
from fathom.deployment.archive import restore
from fathom.deployment.container import MAX_HEADER_BYTES
from fathom.errors import FathomError

MODELS = Path(__file__).resolve().parents[1] / "tests" / "deployment" / "models"
ODD = (
    None, True, False, -1, 0, 1, 2, 7, 255, 2**31, 2**53, 2**62, 2**63 - 1, 2**64, -(2**63), 0.5,
    -0.5, 1e-320, 1e-30, 1e30, 1e308, -1e308, "", "x", "x\n\x00y", "🐟", "\u202e", "../../a", [],
    [0], [None], [[]], {}, {"a": 1}, [1] * 300, "z" * 3000,
)  # fmt: skip
NUMBERS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-320, 1e-45, 1e30, -1e30, 1e300, -1e300, 1.7e308, 2.0**31,
    2.0**53, np.nan, np.inf, -np.inf,
)  # fmt: skip
SLOW = 5.0  # seconds, from which a mutant is told
LOT = 1000  # mutants
ROWS = 3


class Mutator:
    """Makes mutants of whole files.

    Parameters
    ----------
    contents : list of bytes
        The files.
    seed : int
        Seed of all mutants.
    lot : int
        Number of the lot.
    """

    def __init__(self, contents: list[bytes], seed: int, lot: int) -> None:
        self._rng = np.random.default_rng([seed, lot])
        shares = 1 / np.array([len(content) for content in contents])
        self._shares = shares / shares.sum()
        self._contents = contents
        self._parts = [_Part.of(content) for content in contents]
        self._kinds: dict[str, Callable[[], bytes]] = {
            "bytes": self._of_bytes, "header": self._of_header, "card": self._of_card,
            "tensors": self._of_tensors,
        }  # fmt: skip

    def make(self) -> tuple[str, bytes]:
        """Return what was changed, and a mutant."""
        kind = self._pick(list(self._kinds))
        return kind, self._kinds[kind]()

    def _pick(self, items: Any) -> Any:
        return items[int(self._rng.integers(len(items)))]

    def _file(self, files: list[Any]) -> Any:
        return files[int(self._rng.choice(len(files), p=self._shares))]

    def _times(self) -> range:
        return range(int(self._rng.geometric(0.6)))

    def _of_bytes(self) -> bytes:
        content = bytearray(self._file(self._contents))
        for _ in self._times():
            n = len(content)
            if n < 2:
                break
            # Half of all changes in the first bytes and the header, where a file is understood.
            end = n if self._rng.random() < 0.5 else min(n, 4096)
            begin = int(self._rng.integers(end))
            length = int(self._rng.geometric(0.05))
            piece = content[begin : begin + length]
            change = self._pick(("flip", "noise", "cut", "twice", "end", "move"))
            if change == "flip":
                content[begin] ^= 1 << int(self._rng.integers(8))
            elif change == "noise":
                content[begin : begin + length] = self._rng.bytes(len(piece))
            elif change == "cut":
                del content[begin : begin + length]
            elif change == "twice":
                content[begin:begin] = piece
            elif change == "end":
                del content[begin:]
            else:
                to = int(self._rng.integers(n))
                content[to : to + len(piece)] = piece
        return bytes(content)

    def _of_header(self) -> bytes:
        part = self._file(self._parts)
        header, places = json.loads(part.header), part.header_places
        for _ in self._times():
            header, places = self._changed(header, places), None
        return _framed(header, part.data)

    def _of_card(self) -> bytes:
        part = self._file(self._parts)
        card, places = json.loads(part.card), part.card_places
        for _ in self._times():
            card, places = self._changed(card, places), None
        return _signed(json.loads(part.header), json.dumps(card), part.data)

    def _of_tensors(self) -> bytes:
        part = self._file(self._parts)
        header, data = json.loads(part.header), bytearray(part.data)
        names = [name for name in header if name != "__metadata__"]
        for _ in self._times():
            entry = header[self._pick(names)]
            begin, end = entry["data_offsets"]
            kind = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I8": "i1"}[entry["dtype"]]
            values = np.frombuffer(bytes(data[begin:end]), kind).astype(float)
            place = int(self._rng.integers(len(values)))
            change = self._pick(("odd", "near", "swap", "order", "shape"))
            with np.errstate(over="ignore", invalid="ignore"):
                if change == "odd":
                    values[place] = self._pick(NUMBERS)
                elif change == "near":
                    values[place] += self._pick((1, -1, 0.5, 1e-9, values[place]))
                elif change == "swap":
                    values = values[::-1]
                elif change == "order":
                    self._rng.shuffle(values)
                else:
                    entry["shape"] = self._pick(([len(values)], [1, len(values)], [len(values), 1]))
                if kind == "i1":  # any eight bits are a whole number
                    values = np.nan_to_num(values) % 256 - 128 * (change == "odd")
                    values = values.astype(np.int64).astype(np.int8)
                data[begin:end] = values.astype(kind).tobytes()
        return _signed(header, header["__metadata__"]["card"], bytes(data))

    def _changed(self, document: Any, places: list[tuple[Any, ...]] | None) -> Any:
        """Return a JSON value with something in it changed."""
        places = places or _places(document)
        path = self._pick(places)
        if not path:
            return copy.deepcopy(self._pick(ODD))
        parent = document
        for step in path[:-1]:
            parent = parent[step]
        last, value = path[-1], parent[path[-1]]
        change = self._pick(("odd", "gone", "near", "copy", "other", "more"))
        if change == "odd":
            parent[last] = copy.deepcopy(self._pick(ODD))
        elif change == "gone":
            del parent[last]
        elif change == "near" and isinstance(value, int | float):
            parent[last] = self._pick(
                (value + 1, value - 1, -value, value * 2, value / 2, value * 10)
            )
        elif change == "near" and isinstance(value, str):
            parent[last] = self._pick((value + "x", value[:-1], value.upper(), value * 2))
        elif change == "more" and isinstance(value, list):
            parent[last] = value * self._pick((2, 3, 100))
        elif change == "more" and isinstance(value, dict):
            value[self._pick(("a", "kind", "layers", "shape"))] = copy.deepcopy(self._pick(ODD))
        else:
            found = document
            for step in self._pick(places):
                found = found[step]
            parent[last] = copy.deepcopy(found)
        return document


class _Part(NamedTuple):
    """What a file consists of, and where in its header and its card something can be changed."""

    header: str
    card: str
    data: bytes
    header_places: list[tuple[Any, ...]]
    card_places: list[tuple[Any, ...]]

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Take a file apart."""
        length = struct.unpack("<Q", content[:8])[0]
        text = content[8 : 8 + length].decode()
        header = json.loads(text)
        card = header["__metadata__"]["card"]
        return cls(text, card, content[8 + length :], _places(header), _places(json.loads(card)))


def _places(document: Any) -> list[tuple[Any, ...]]:
    """Return the way to every value in a JSON value, each before those in it."""
    found, left = [], [((), document)]
    while left:
        path, value = left.pop()
        found.append(path)
        if isinstance(value, dict):
            left += [((*path, key), value[key]) for key in reversed(value)]
        elif isinstance(value, list):
            left += [((*path, key), value[key]) for key in range(len(value) - 1, -1, -1)]
    return found


def _framed(header: Any, data: bytes) -> bytes:
    raw = json.dumps(header, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(raw)) + raw + data


def _signed(header: dict[str, Any], card: str, data: bytes) -> bytes:
    digest = hashlib.sha256(card.encode("utf-8", "surrogatepass") + data).hexdigest()
    header["__metadata__"] |= {"card": card, "sha256": digest}
    return _framed(header, data)


def judge(content: bytes, rows: pl.DataFrame) -> str:
    """Return what becomes of a file: refused, refused to predict, or loaded.

    Raises
    ------
    Exception
        Whatever is no error of Fathom's own.
    """
    try:
        model = restore(content)
    except FathomError:
        return "refused"
    assert load_safetensors(content).keys()
    assert len(content) < MAX_HEADER_BYTES * 2
    described = model.schema_.input
    given: Any = rows
    if not isinstance(described, TableInput):
        given = np.linspace(-1, 1, ROWS * described.n_features).reshape(ROWS, -1)
        if getattr(described, "names", ()):
            given = pl.DataFrame(dict(zip(described.names, given.T, strict=True)))
    try:
        assert len(model.predict(given)) == ROWS
    except FathomError:
        return "refused to predict"
    return "loaded"


def rows_of(contents: list[bytes]) -> pl.DataFrame:
    """Return rows with the columns of all tables among the files."""
    columns: dict[str, list[Any]] = {}
    for content in contents:
        described = restore(content).schema_.input
        if isinstance(described, TableInput):
            for column in described.columns:
                words = [*column.categories[:1], None, "9", "x"]
                written = {"number": [0.5, None, 1e300], "date": ["2024-02-03", None, "1999-12-31"]}
                columns[column.name] = written.get(column.kind, words)[:ROWS]
    return pl.DataFrame(columns, strict=False)


def fuzz(
    contents: list[bytes],
    rows: pl.DataFrame,
    seed: int,
    lot: int,
    keep: Path | None,
    n_mutants: int = LOT,
) -> dict[str, Any]:
    """Judge a lot of mutants; return what became of them, and what it took."""
    mutator, counts = Mutator(contents, seed, lot), Counter[str]()
    n_wrong, slowest, began = 0, 0.0, time.process_time()
    for number in range(n_mutants):
        kind, content = mutator.make()
        at = time.process_time()
        try:
            fate = judge(content, rows)
        except Exception as error:
            n_wrong += 1
            fate = f"{type(error).__name__}: {str(error)[:100]}"
            print(f"mutant {number} of lot {lot}, {kind}: {fate}", flush=True)
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{lot}-{number}.fathom").write_bytes(content)
        spent = time.process_time() - at
        slowest = max(slowest, spent)
        if spent > SLOW:
            print(f"mutant {number} of lot {lot}, {kind}, took {spent:.1f} s", flush=True)
        counts[f"{kind}: {fate}"] += 1
    return {
        "seed": seed, "lot": lot, "counts": counts, "wrong": n_wrong,
        "slowest": round(slowest, 3), "seconds": round(time.process_time() - began, 2),
    }  # fmt: skip


def recorded(path: Path | None) -> list[dict[str, Any]]:
    """Return what became of lots before."""
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--mutants", type=int, default=100_000, help="in all, those recorded too")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    paths = asked.files or sorted(MODELS.glob("*.fathom"))
    contents = [path.read_bytes() for path in paths]
    found, rows = recorded(asked.record), rows_of(contents)
    done = {lot["lot"] for lot in found if lot["seed"] == asked.seed}
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    number = 0
    while len(found) * LOT < asked.mutants and time.monotonic() - began < asked.seconds:
        while number in done:
            number += 1
        found.append(fuzz(contents, rows, asked.seed, number, asked.keep))
        number += 1
        if asked.record is not None:
            with asked.record.open("a") as file:
                file.write(json.dumps(found[-1]) + "\n")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    counts = sum((Counter(lot["counts"]) for lot in found), Counter[str]())
    for what, n in counts.most_common(40):
        print(f"{n:>10,}  {what}")
    n_wrong, spent = sum(lot["wrong"] for lot in found), sum(lot["seconds"] for lot in found)
    print(
        f"{counts.total():,} mutants of {len(contents)} files, {n_wrong:,} wrong; the slowest took "
        f"{max(lot['slowest'] for lot in found):.2f} s of a core, all {spent:,.0f} s; "
        f"{grown:,.0f} MiB more memory"
    )
    raise SystemExit(n_wrong > 0)


if __name__ == "__main__":
    main()
