"""Audit: what about a table would make an estimate of quality too good, or learning hopeless."""

import math

import numpy as np
import polars as pl

from fathom.data.cells import counted, listing, quoted
from fathom.data.columns import ID_NAME
from fathom.data.parsing import ParsedTable
from fathom.data.schema import Column, Target
from fathom.loading import load

LEAK = 0.99  # held-out AUC or R² of one column alone
FEWEST_ROWS = 40  # with fewer, one column may look perfect by chance
FEWEST_OF_A_CLASS = 20
MOST_OUTPUTS = 20  # classes, labels or numbers that are looked at
MOST_CANDIDATES = 40
N_BINS = 32
FEW_ROWS = 50


def find_leaks(
    parsed: ParsedTable, target: Target, y: np.ndarray, rows_at_most: int = 5000, seed: int = 0
) -> tuple[str, ...]:
    """Find columns that give the target away on their own.

    A shallow tree (the share of each class in each category, for categories) is fitted to one
    column on half of the rows and judged on the other half: by the area under the ROC curve, or
    by R² of the ranks of numbers.

    Parameters
    ----------
    parsed : ParsedTable
        The features.
    target : Target
        What is predicted.
    y : numpy.ndarray
        Its values, as `ParsedTarget` holds them.
    rows_at_most : int
        How many rows are looked at, chosen with the classes in equal parts.
    seed : int
        Seed of the choice.

    Returns
    -------
    tuple of str
        Names of the columns, the worst first.

    Examples
    --------
    >>> from fathom.data.columns import infer_columns
    >>> from fathom.data.parsing import parse_table
    >>> frame = pl.DataFrame({"a": np.arange(99) % 7, "b": [i > 50 for i in range(99)]})
    >>> table = parse_table(frame, infer_columns(frame)[0])
    >>> target = Target(task="classes", classes=("no", "yes"))
    >>> find_leaks(table, target, (np.arange(99) > 50).astype(int))
    ('b',)
    """
    rng = np.random.default_rng(seed)
    outputs = [_class_rows(y, rows_at_most, rng)] if target.task == "classes" else [
        _label_rows(column, rows_at_most, rng) if target.task == "labels"
        else _number_rows(column, rows_at_most, rng)
        for column in y.T[:MOST_OUTPUTS]
    ]  # fmt: skip
    worst: dict[str, float] = {}
    for chosen in outputs:
        if chosen is None:
            continue
        rows, goal = chosen
        is_classes = target.task != "numbers"
        for i in _candidates(parsed, rows, goal, is_classes):
            score = _score(parsed.columns[i], parsed.values[i][rows], goal, is_classes)
            name = parsed.columns[i].name
            worst[name] = max(score, worst.get(name, 0.0))
    found = {name: score for name, score in worst.items() if score > LEAK}
    return tuple(sorted(found, key=lambda name: -found[name]))


def _class_rows(
    y: np.ndarray, rows_at_most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Choose rows with the classes in equal parts, in random order; leave out classes of few."""
    counts = np.bincount(y)
    common = np.argsort(-counts, kind="stable")[:MOST_OUTPUTS]
    common = common[counts[common] >= FEWEST_OF_A_CLASS]
    if len(common) < 2:
        return None
    each = max(FEWEST_OF_A_CLASS, rows_at_most // len(common))
    parts = [rng.permutation(np.flatnonzero(y == one))[:each] for one in common]
    rows = rng.permutation(np.concatenate(parts))
    return rows, np.searchsorted(np.sort(common), y[rows])


def _label_rows(
    y: np.ndarray, rows_at_most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    return _class_rows(y.astype(np.int64), rows_at_most, rng)


def _number_rows(
    y: np.ndarray, rows_at_most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Choose rows, and bring the numbers to ranks, which no monotone transform changes."""
    if len(y) < FEWEST_ROWS:
        return None
    rows = rng.permutation(len(y))[:rows_at_most]
    return rows, _ranks(y[rows]) / len(rows)


def _ranks(y: np.ndarray) -> np.ndarray:
    """Return the ranks of numbers from 1, equal ones at their mean rank, none (NaN) last."""
    _, which, counts = np.unique(y, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[which])


def _candidates(
    parsed: ParsedTable, rows: np.ndarray, goal: np.ndarray, is_classes: bool
) -> list[int]:
    """Screen the columns by how much of the goal their bins explain; most fall out at once."""
    some = slice(0, 2000)
    goal = goal[some]
    found: list[tuple[float, int]] = []
    for i, (column, array) in enumerate(zip(parsed.columns, parsed.values, strict=True)):
        if not column.is_used or column.kind == "text":
            continue
        bins = _bins(column, array[rows[some]])
        explained = _explained_classes(bins, goal) if is_classes else _explained(bins, goal)
        if explained > 0.25:
            found.append((-explained, i))
    return [i for _, i in sorted(found)[:MOST_CANDIDATES]]


def _bins(column: Column, values: np.ndarray) -> np.ndarray:
    """Return bins: the categories, or equally many rows of numbers; bin 0 is for missing."""
    if column.kind in ("category", "yes_no"):
        return np.asarray(values + 1)
    order = np.argsort(values, kind="stable")
    bins = np.empty(len(values), np.int64)
    bins[order] = 1 + np.arange(len(values)) * N_BINS // len(values)
    return np.where(np.isnan(values), 0, bins)


def _explained_classes(bins: np.ndarray, goal: np.ndarray) -> float:
    n_classes = int(goal.max()) + 1
    table = np.bincount(bins * n_classes + goal, minlength=(int(bins.max()) + 1) * n_classes)
    table = table.reshape(-1, n_classes).astype(np.float64)
    sizes = table.sum(axis=1)
    purity = ((table**2).sum(axis=1)[sizes > 0] / sizes[sizes > 0]).sum() / len(goal)
    chance = ((table.sum(axis=0) / len(goal)) ** 2).sum()
    return float((purity - chance) / (1 - chance)) if chance < 1 else 0.0


def _explained(bins: np.ndarray, goal: np.ndarray) -> float:
    sizes = np.bincount(bins)
    sums = np.bincount(bins, weights=goal - goal.mean())
    variance = goal.var() * len(goal)
    between = (sums[sizes > 0] ** 2 / sizes[sizes > 0]).sum()
    return float(between / variance) if variance > 0 else 0.0


def _score(column: Column, values: np.ndarray, goal: np.ndarray, is_classes: bool) -> float:
    """Fit one column on half of the rows and judge it on the other."""
    half = len(goal) // 2
    if column.kind in ("category", "yes_no"):
        outputs = np.eye(int(goal.max()) + 1)[goal] if is_classes else goal[:, None]
        predicted = _category_means(values + 1, outputs, half)
    else:
        predicted = _tree(values[:, None], goal, half, is_classes)
    held_out = goal[half:]
    if is_classes:
        return _mean_auc(predicted, held_out)
    variance = held_out.var()
    return float(1 - np.mean((predicted[:, 0] - held_out) ** 2) / variance) if variance else 0.0


def _category_means(codes: np.ndarray, outputs: np.ndarray, half: int) -> np.ndarray:
    """Return the mean outputs of each held-out row's category; of all rows where it is new."""
    n_codes = int(codes.max()) + 1
    sizes = np.bincount(codes[:half], minlength=n_codes)[:, None]
    sums = np.zeros((n_codes, outputs.shape[1]))
    np.add.at(sums, codes[:half], outputs[:half])
    means = np.where(sizes > 0, sums / np.maximum(sizes, 1), outputs[:half].mean(axis=0))
    return np.asarray(means[codes[half:]])


def _tree(x: np.ndarray, goal: np.ndarray, half: int, is_classes: bool) -> np.ndarray:
    load("sklearn.tree")
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    # ranks, since the tree works in float32, where near or huge numbers become one
    ranks = np.where(np.isnan(x), np.nan, np.apply_along_axis(_ranks, 0, x))
    if not is_classes:
        tree = DecisionTreeRegressor(max_depth=12, min_samples_leaf=2, random_state=0)
        return tree.fit(ranks[:half], goal[:half]).predict(ranks[half:])[:, None]
    n_leaves = 8 + 4 * (int(goal.max()) + 1)  # a copy of k classes takes k leaves
    tree = DecisionTreeClassifier(max_leaf_nodes=n_leaves, min_samples_leaf=3, random_state=0)
    tree.fit(ranks[:half], goal[:half])
    predicted = np.zeros((len(goal) - half, int(goal.max()) + 1))
    predicted[:, tree.classes_] = tree.predict_proba(ranks[half:])
    return predicted


def _mean_auc(predicted: np.ndarray, goal: np.ndarray) -> float:
    """Return the mean over classes of the area under the ROC curve of one against the rest."""
    is_class = np.arange(predicted.shape[1]) == goal[:, None]
    n_in = is_class.sum(axis=0)
    has_both = (n_in > 0) & (n_in < len(goal))
    ranks = np.apply_along_axis(_ranks, 0, predicted)
    sums = np.where(is_class, ranks, 0).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        areas = (sums - n_in * (n_in + 1) / 2) / (n_in * (len(goal) - n_in))
    return float(areas[has_both].mean()) if has_both.any() else 0.0


def audit(
    parsed: ParsedTable,
    target: Target,
    y: np.ndarray,
    *,
    is_grouped: bool = False,
    is_ordered: bool = False,
) -> tuple[str, ...]:
    """Say what about a table a person should know before trusting an estimate made with it.

    Parameters
    ----------
    parsed : ParsedTable
        The features of the training rows, in the order of the file.
    target : Target
        What is predicted.
    y : numpy.ndarray
        Its values, as `ParsedTarget` holds them.
    is_grouped, is_ordered : bool
        Whether rows are divided by group or by time already, so that it need not be advised.

    Returns
    -------
    tuple of str
        Sentences: columns that give the target away, equal rows, rows that belong together or are
        in order of time, too few rows, columns that are left out.

    Examples
    --------
    >>> from fathom.data.columns import infer_columns
    >>> from fathom.data.parsing import parse_table
    >>> frame = pl.DataFrame({"a": [1.5, 2.0, 3.5], "b": [1, 1, 1]})
    >>> table = parse_table(frame, infer_columns(frame)[0])
    >>> for sentence in audit(table, Target(task="numbers"), np.array([[1.0], [2.0], [4.0]])):
    ...     print(sentence)
    3 rows are few: any figure is uncertain, and more rows help most
    1 of 2 columns left out: b
    """
    return (
        *_say_few(parsed.n_rows, target, y),
        *_say_leaks(parsed, target, y),
        *(() if is_grouped else (*_say_duplicates(parsed), *_say_groups(parsed))),
        *(() if is_ordered else _say_order(parsed, target, y)),
        *_say_left_out(parsed),
    )


def _say_few(n: int, target: Target, y: np.ndarray) -> list[str]:
    said = []
    if n < FEW_ROWS:
        said.append(f"{n:,} rows are few: any figure is uncertain, and more rows help most")
    if target.task == "classes":
        counts = np.bincount(y, minlength=len(target.classes))
        few = [target.classes[i] for i in np.flatnonzero((counts < 5) & (counts > 0))]
        if few:
            what = f"{len(few):,} class{'es have' if len(few) > 1 else ' has'}"
            said.append(f"{what} fewer than 5 rows, too few to be judged by: {listing(few)}")
    return said


def _say_leaks(parsed: ParsedTable, target: Target, y: np.ndarray) -> list[str]:
    leaks = find_leaks(parsed, target, y)
    if not leaks:
        return []
    n_used = sum(column.is_used for column in parsed.columns)
    if len(leaks) > 3 and len(leaks) > n_used / 5:
        return [f"{len(leaks):,} columns each predict the target almost perfectly on their own "
                f"({listing(leaks)}): either the task is easy, or they are known only with the "
                "target and belong left out"]  # fmt: skip
    return [f"column {quoted(name)} predicts the target almost perfectly on its own: it may be "
            "known only once the target is; if so, leave it out" for name in leaks]  # fmt: skip


def _say_duplicates(parsed: ParsedTable) -> list[str]:
    """Say how many rows are equal, unless so few values make that natural."""
    used = [(c, v) for c, v in zip(parsed.columns, parsed.values, strict=True) if c.is_used]
    possible = sum(math.log(max(column.n_distinct, 1) + 1) for column, _ in used)
    if not parsed.n_rows or possible < math.log(100 * parsed.n_rows):
        return []
    frame = pl.DataFrame([
        pl.Series(str(i), array, dtype=pl.String if column.kind == "text" else None)
        for i, (column, array) in enumerate(used)
    ])  # fmt: skip
    n_equal = int(frame.hash_rows().is_duplicated().sum())
    if n_equal < max(2, 0.01 * parsed.n_rows):
        return []
    share = 100 * n_equal / parsed.n_rows
    what = f"{counted(n_equal, 'row')} equal to another in all columns ({share:.3g} %)"
    return [f"{what}: if they are one case twice, an estimate is too good; --group COLUMN keeps "
            "the rows of one case together"]  # fmt: skip


def _say_groups(parsed: ParsedTable) -> list[str]:
    """Say which columns name things that come several times."""
    names = [
        column.name
        for column in parsed.columns
        if column.kind == "category" and ID_NAME.search(column.name.strip())
        and 2 < column.n_distinct < parsed.n_rows / 1.5
    ]  # fmt: skip
    return [
        f"column {quoted(name)} names things that come in several rows: if new rows will be of new "
        f"things, --group {quoted(name)} gives an honest estimate"
        for name in names
    ]


def _say_order(parsed: ParsedTable, target: Target, y: np.ndarray) -> list[str]:
    """Say if rows are in order of time, by a column of dates or by likeness of neighbours."""
    dates = [(c, v) for c, v in zip(parsed.columns, parsed.values, strict=True)
             if c.kind == "date" and c.n_distinct > 10]  # fmt: skip
    is_alike = _are_neighbours_alike(target, y)
    if dates:
        column, _ = max(dates, key=lambda one: one[0].n_distinct)
        name = quoted(column.name)
        why = ", and rows next to each other have alike targets" if is_alike else ""
        return [f"column {name} holds dates{why}: if new rows will be later than these, "
                f"--time {name} gives an honest estimate"]  # fmt: skip
    if is_alike:
        return ["rows next to each other have alike targets: if they are in order of time, --time "
                "gives an honest estimate; if they are only sorted, all is well"]  # fmt: skip
    return []


def _are_neighbours_alike(target: Target, y: np.ndarray) -> bool:
    """Whether targets of neighbouring rows agree far beyond chance, but are not simply sorted."""
    n = len(y)
    if n < FEW_ROWS or target.task == "labels":
        return False
    if target.task == "classes":
        is_same = y[1:] == y[:-1]
        chance = float((np.bincount(y) / n) @ (np.bincount(y) / n))
        if chance >= 1 or (~is_same).sum() < 2 * len(np.unique(y)):  # sorted by class
            return False
        likeness = (float(is_same.mean()) - chance) / (1 - chance)
    else:
        ranks = _ranks(y[:, 0])
        steps = np.diff(ranks)
        if (steps >= 0).all() or (steps <= 0).all():
            return False
        likeness = float(np.corrcoef(ranks[1:], ranks[:-1])[0, 1])
    return likeness > max(0.2, 6 / math.sqrt(n))


def _say_left_out(parsed: ParsedTable) -> list[str]:
    left_out = [column.name for column in parsed.columns if not column.is_used]
    if not left_out:
        return []
    return [f"{len(left_out):,} of {len(parsed.columns):,} columns left out: {listing(left_out)}"]
