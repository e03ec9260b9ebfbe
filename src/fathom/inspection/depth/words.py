"""Words: what a study found, in sentences worked out by rule."""

from collections.abc import Mapping, Sequence

from fathom.inspection.depth.material import ErrorName
from fathom.inspection.depth.rows import DepthRow, Need
from fathom.inspection.depth.shapes import TITLES, Shape, written
from fathom.inspection.depth.verdict import LEVEL, Comparison, Finding, p_value

FEW_STARTS = 4  # with fewer on both sides no difference can be told from chance


def show_error(value: float, name: ErrorName) -> str:
    """Write an error: a share in percent, anything else with four digits."""
    return f"{100 * value:.2f} %" if name == "error" else f"{value:.4g}"


def layers(depth: int) -> str:
    """Write how many hidden layers there are."""
    return "one hidden layer" if depth == 1 else f"{depth} hidden layers"


def _count(depth: int) -> str:
    return "one" if depth == 1 else str(depth)


def say_all(
    data: str,
    rows: Mapping[Shape, Sequence[DepthRow]],
    findings: Mapping[Shape, dict[int, Finding]],
    comparisons: Sequence[Comparison],
    name: ErrorName,
) -> tuple[str, ...]:
    """Return the sentences about depth: first whether it pays, then why, shape by shape.

    Parameters
    ----------
    data : str
        What the data are called.
    rows : dict of str to sequence of DepthRow
        The networks of each shape, the shallowest first.
    findings : dict of str to dict of int to str
        For each shape and depth, whether its errors differ from those of the shallowest.
    comparisons : sequence of Comparison
        Deep against shallow.
    name : str
        What the errors are.
    """
    if not comparisons:
        return ("One depth only: nothing to compare.",)
    few = len(next(iter(rows.values()))[0].errors) < FEW_STARTS
    said = [_say_whether(data, comparisons, is_short=few)]
    for comparison in comparisons:
        those = {row.depth: row for row in rows[comparison.shape]}
        said.append(_say_comparison(comparison, those, name))
        said.append(_say_course(those, findings[comparison.shape], name))
    return tuple(said)


def _say_whether(data: str, comparisons: Sequence[Comparison], *, is_short: bool) -> str:
    """Say in one sentence whether depth pays."""
    names = {f: [TITLES[c.shape] for c in comparisons if c.finding == f] for f in _ORDER}
    n_all, of_more = len(comparisons), f"more than {layers(comparisons[0].shallow)}"
    if is_short and len(names["no difference"]) == n_all:
        return (
            f"Whether depth pays on {data} cannot be told from so few starts: "
            "give more time or more seeds."
        )
    if len(names["better"]) == n_all:
        sure = all(c.is_general for c in comparisons)
        doubt = "" if sure else ", though not surely on other rows than these"
        return f"Depth pays on {data}{doubt}: networks of {of_more} err less."
    if not names["better"]:
        what = "err more" if len(names["worse"]) == n_all else "do not err less"
        return f"Depth does not pay on {data}: networks of {of_more} {what}."
    other = names["no difference"] + names["worse"]
    return f"Depth pays on {data} with {_join(names['better'])}, but not with {_join(other)}."


_ORDER: tuple[Finding, ...] = ("better", "no difference", "worse")


def _join(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _say_comparison(found: Comparison, rows: dict[int, DepthRow], name: ErrorName) -> str:
    """Say how the deep network does against the shallow one."""
    shallow, deep = rows[found.shallow], rows[found.deep]
    what = {
        "better": "err less than",
        "worse": "err more than",
        "no difference": "cannot be told from",
    }[found.finding]
    low, high = sorted((found.low, found.high))
    points = " points" if name == "error" else ""
    factor = 100 if name == "error" else 1
    digits = ".2f" if name == "error" else ".3g"
    interval = f"{factor * low:+{digits}} to {factor * high:+{digits}}{points}"
    doubt = tall = ""
    if found.finding != "no difference" and not found.is_general:
        doubt = " That is for these test rows; with others it may come out differently."
    if found.shape == "parameters" and found.finding != "no difference":
        winner, loser = ("tall", "fat") if found.finding == "better" else ("fat", "tall")
        tall = f" The {winner} one beats the {loser} one."
    return (
        f"{TITLES[found.shape].capitalize()}: {layers(deep.depth)} ({written(deep.widths)}) "
        f"{what} {_count(shallow.depth)} ({written(shallow.widths)}): median "
        f"{show_error(deep.median, name)} against {show_error(shallow.median, name)}, difference "
        f"{factor * found.difference:+{digits}}{points} (95 % interval {interval}; "
        f"Mann-Whitney p = {found.p_value:.2g}).{doubt}{tall}"
    )


def _say_course(rows: dict[int, DepthRow], findings: dict[int, Finding], name: ErrorName) -> str:
    """Say where the error is lowest, and from where on more layers do harm."""
    best = min(rows.values(), key=lambda row: row.median)
    alike = [d for d, row in rows.items() if p_value(best.errors, row.errors) >= LEVEL]
    said = f"Lowest with {layers(best.depth)} ({show_error(best.median, name)})"
    others = [depth for depth in sorted(alike) if depth != best.depth]
    if others and len(best.errors) >= FEW_STARTS:
        said += f", from which {spans(others)} cannot be told"
    worse = [depth for depth, finding in findings.items() if finding == "worse"]
    if worse:
        said += f"; {spans(worse)} err more than {_count(min(rows))}"
    return said + "."


def spans(numbers: Sequence[int]) -> str:
    """Write whole numbers, runs of three or more with a dash.

    Examples
    --------
    >>> spans([1, 3, 4, 5, 8])
    '1, 3-5 and 8'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = []
    for run in runs:
        parts += [f"{run[0]}-{run[-1]}"] if len(run) > 2 else [str(n) for n in run]
    return _join(parts)


def say_needs(needs: Sequence[Need], error: float, shape: Shape, name: ErrorName) -> str:
    """Say how many training rows each depth needs for an error that the shallowest reaches.

    Parameters
    ----------
    needs : sequence of Need
        What each depth needs, the shallowest first.
    error : float
        The error.
    shape : str
        What the networks have in common.
    name : str
        What the error is.
    """
    first, *others = needs
    assert first.n_rows is not None
    said = (
        f"Training rows for {'a' if name == 'relative RMSE' else 'an'} {name} of "
        f"{show_error(error, name)} with {TITLES[shape]}: {round(first.n_rows):,} for "
        f"{layers(first.depth)}"
    )
    there = [need for need in others if need.n_rows is not None]
    absent = [need.depth for need in others if need.n_rows is None]
    parts = [f"{_show_rows(need)} for {need.depth}" for need in there]
    said += f", {_join(parts)}" if parts else ""
    said += f"; {spans(absent)} do not get there with all of them" if absent else ""
    return said + "."


def _show_rows(need: Need) -> str:
    assert need.n_rows is not None
    return f"{'at most' if need.is_bound else 'about'} {round(need.n_rows):,}"
